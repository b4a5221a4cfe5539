"""Tables of PostgreSQL and MariaDB elsewhere: penstock, the bare drivers, the peers.

Client and server share the machine: wall time has the servers' work in it, CPU time only the
client's. Every value is compared, by digests that the databases compute themselves.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import quote

from benchmarks import visits
from benchmarks.adbc import duckdb_driver
from benchmarks.connector import write_connector
from benchmarks.contest import Attempt, Contender, Table, contest
from benchmarks.datasets import messages_data
from benchmarks.measure import Measurement
from benchmarks.ours import home_in, proved
from benchmarks.peers import Installed, Peer, install
from benchmarks.places import PROGRAMS
from benchmarks.verify import Verdict
from benchmarks.visits import NAME, SCHEMA, Digests
from tests.servers.mariadb import MariaDatabase, running_mariadb
from tests.servers.postgres import PostgresDatabase, PostgresServer, running_server

OURS, PYAIRBYTE = "penstock", "PyAirbyte"
ADBC, ADBC_PARQUET = "ADBC → Arrow → DuckDB", "ADBC → Arrow → Parquet"
PIPE = "psql to psql by binary COPY"
CACHE: Final = "records into a cache in PostgreSQL"
PEER_SECONDS = 600
_OURS_IN: Final = "penstock-databases"


def tables(*, quick: bool) -> Iterator[Table]:
    """Measures one table a pair of systems, on servers of their own."""
    rows = 100_000 if quick else 1_000_000
    with running_server() as server:
        source = server.create_database("bench_source")
        bench = _Bench(server, source, visits.fill_postgres(source, rows), rows)
        yield bench.into_duckdb(has_peers=True)
        yield bench.into_parquet()
        yield bench.into_postgres(has_peers=True)
        yield _into_cache(server, rows)
        server.drop_database(source)
        many = server.create_database("bench_many")
        large = _Bench(server, many, visits.fill_postgres(many, 5 * rows), 5 * rows)
        yield large.into_duckdb(has_peers=False)
        yield large.into_postgres(has_peers=False)
        server.drop_database(many)
        with running_mariadb(innodb_buffer_pool_size="256M") as maria:
            mysql = maria.create_database(SCHEMA)
            expected = visits.fill_mariadb(mysql, rows)
            yield _from_mariadb(server, mysql, expected, rows)


class _Bench:
    """One table of PostgreSQL, and what becomes of it elsewhere."""

    def __init__(
        self, server: PostgresServer, source: PostgresDatabase, expected: Digests, rows: int
    ) -> None:
        self._server = server
        self._source = source
        self._expected = expected
        self._rows = rows
        self._megabytes = source.rows(f"SELECT pg_table_size('{SCHEMA}.{NAME}')")[0][0] / 1e6

    def into_duckdb(self, *, has_peers: bool) -> Table:
        """Compares ways into a DuckDB file."""
        made: dict[str, tuple[Installed, Callable[[Path], Attempt]]] = {
            OURS: (install(_OURS_IN), self._ours_into_duckdb),
            ADBC: (install("adbc"), self._adbc_into_duckdb),
        }
        if has_peers:
            made |= {
                "dlt": (install("dlt-sql"), self._dlt_into_duckdb),
                "ingestr": (install("ingestr"), self._ingestr_into_duckdb),
                "sling": (install("sling"), self._sling_into_duckdb),
            }
        return contest(self._table("DuckDB"), _contenders(made))

    def into_parquet(self) -> Table:
        """Compares ways into Parquet files."""
        return contest(
            self._table("Parquet"),
            _contenders(
                {
                    OURS: (install(_OURS_IN), self._ours_into_parquet),
                    ADBC_PARQUET: (install("adbc"), self._adbc_into_parquet),
                    "dlt": (install("dlt-sql"), self._dlt_into_parquet),
                    "sling": (install("sling"), self._sling_into_parquet),
                }
            ),
        )

    def into_postgres(self, *, has_peers: bool) -> Table:
        """Compares ways into another database of the same server."""
        peer = Peer(name="psql", package="postgresql", requirements=())
        version = str(self._source.rows("SHOW server_version")[0][0])
        psql = Installed(peer=peer, venv=self._server.programs, version=version)
        source, url = _postgres_settings("source", self._source), self._source.url
        judged = partial(visits.judge_postgres, self._expected, self._rows)
        fresh = partial(_fresh, self._server, judged)
        made: dict[str, tuple[Installed, Callable[[Path], Attempt]]] = {
            OURS: (install(_OURS_IN), partial(fresh, partial(_ours, "postgres", source))),
            PIPE: (psql, partial(fresh, self._pipe)),
        }
        if has_peers:
            made |= _peers_into_postgres(fresh, url, f"{url}?sslmode=disable", SCHEMA)
        return contest(self._table("PostgreSQL"), _contenders(made))

    def _table(self, destination: str) -> Table:
        title = f"PostgreSQL → {destination}, {self._rows:,} rows"
        return Table(path="databases", title=title, rows=self._rows, megabytes=self._megabytes)

    def _ours_into_duckdb(self, folder: Path) -> Attempt:
        database = folder / "out.duckdb"
        source = _postgres_settings("source", self._source)
        return _penstock(
            ("postgres", "duckdb", *source, "--destination.path", str(database)),
            folder,
            self._source.password,
            visits.judge_duckdb(self._expected, self._rows, database),
        )

    def _ours_into_parquet(self, folder: Path) -> Attempt:
        source = _postgres_settings("source", self._source)
        return _penstock(
            ("postgres", "files", *source, "--destination.path", str(folder / "lake")),
            folder,
            self._source.password,
            visits.judge_parquet(self._expected, self._rows, folder / "lake"),
        )

    def _adbc_into_duckdb(self, folder: Path) -> Attempt:
        database = folder / "out.duckdb"
        program = str(PROGRAMS / "adbc_duckdb.py")
        arguments = (self._source.url, f"{SCHEMA}.{NAME}", str(database))
        return Attempt(
            command=(install("adbc").python, program, *arguments),
            judge=visits.judge_duckdb(self._expected, self._rows, database),
        )

    def _adbc_into_parquet(self, folder: Path) -> Attempt:
        program = str(PROGRAMS / "adbc_parquet.py")
        arguments = (self._source.url, f"{SCHEMA}.{NAME}", str(folder / f"{NAME}.parquet"))
        return Attempt(
            command=(install("adbc").python, program, *arguments),
            judge=visits.judge_parquet(self._expected, self._rows, folder),
        )

    def _dlt_into_duckdb(self, folder: Path) -> Attempt:
        database = folder / "out.duckdb"
        judge = visits.judge_duckdb(self._expected, self._rows, database)
        return _dlt(self._source.url, SCHEMA, ("duckdb", str(database)), folder, judge)

    def _dlt_into_parquet(self, folder: Path) -> Attempt:
        lake = folder / "lake"
        judge = visits.judge_parquet(self._expected, self._rows, lake)
        return _dlt(self._source.url, SCHEMA, ("parquet", lake.as_uri()), folder, judge)

    def _ingestr_into_duckdb(self, folder: Path) -> Attempt:
        database = folder / "out.duckdb"
        judge = visits.judge_duckdb(self._expected, self._rows, database)
        return _ingestr(self._source.url, f"duckdb:///{database}", SCHEMA, judge)

    def _sling_into_duckdb(self, folder: Path) -> Attempt:
        database = folder / "out.duckdb"
        judge = visits.judge_duckdb(self._expected, self._rows, database)
        return _sling(f"{self._source.url}?sslmode=disable", f"duckdb://{database}", SCHEMA, judge)

    def _sling_into_parquet(self, folder: Path) -> Attempt:
        target = folder / f"{NAME}.parquet"
        return Attempt(
            command=(
                *(install("sling").program("sling"), "run", "--src-conn", "BENCH_SOURCE"),
                *("--src-stream", f"{SCHEMA}.{NAME}", "--tgt-object", target.as_uri()),
            ),
            environment={"BENCH_SOURCE": f"{self._source.url}?sslmode=disable"},
            judge=visits.judge_parquet(self._expected, self._rows, folder),
        )

    def _pipe(self, target: PostgresDatabase, folder: Path, judge: visits.Judge) -> Attempt:
        del folder
        target.run(f"CREATE SCHEMA {SCHEMA}", visits.definition())
        psql = self._server.programs / "psql"
        script = (
            f'{psql} "$1" -qc "COPY {SCHEMA}.{NAME} TO STDOUT (FORMAT binary)"'
            f' | {psql} "$2" -qc "COPY {SCHEMA}.{NAME} FROM STDIN (FORMAT binary)"'
        )
        command = ("sh", "-c", script, "pipe", self._source.url, target.url)
        return Attempt(command=command, judge=judge)


IntoPostgres = Callable[[PostgresDatabase, Path, visits.Judge], Attempt]
Fresh = Callable[[IntoPostgres, Path], Attempt]


def _from_mariadb(
    server: PostgresServer, source: MariaDatabase, expected: Digests, rows: int
) -> Table:
    """Compares ways from MariaDB into PostgreSQL."""
    table = Table(path="databases", title=f"MariaDB → PostgreSQL, {rows:,} rows", rows=rows)
    fresh = partial(_fresh, server, partial(visits.judge_postgres, expected, rows))
    url = f"//{source.user}:{quote(source.password, safe='')}@{source.host}:{source.port}"
    ours = partial(_ours, "mysql", _mysql_settings("source", source))
    made: dict[str, tuple[Installed, Callable[[Path], Attempt]]] = {
        OURS: (install(_OURS_IN), partial(fresh, ours))
    }
    made |= _peers_into_postgres(
        fresh,
        f"mysql+pymysql:{url}/{source.name}",
        f"mysql:{url}/{source.name}",
        source.name,
        ingestr_url=f"mysql:{url}/{source.name}",
    )
    return contest(table, _contenders(made))


def _into_cache(server: PostgresServer, rows: int) -> Table:
    """Compares the library with PyAirbyte: the same connector into a cache in PostgreSQL."""
    data = messages_data(rows)
    table = Table(
        path="databases",
        title=f"{rows:,} {CACHE}",
        rows=rows,
        megabytes=data.stat().st_size / 1e6,
    )

    def attempt(peer: str, program: str, folder: Path) -> Attempt:
        target = _emptied(server)
        executable = write_connector(folder / "connector", data)
        settings = {
            "host": target.host,
            "port": target.port,
            "username": target.user,
            "database": target.name,
        }
        return Attempt(
            command=(
                *(install(peer).python, str(PROGRAMS / program)),
                *(json.dumps(settings), str(executable)),
            ),
            environment={
                "AIRBYTE_OFFLINE_MODE": "1",
                "BENCH_PASSWORD": target.password,
                **home_in(folder),
            },
            judge=lambda _: _counted(target, rows),
        )

    made = {
        OURS: (install(_OURS_IN), partial(attempt, _OURS_IN, "penstock_postgres_cache.py")),
        PYAIRBYTE: (
            install("pyairbyte"),
            partial(attempt, "pyairbyte", "pyairbyte_postgres_cache.py"),
        ),
    }
    return contest(table, _contenders(made))


def _counted(target: PostgresDatabase, rows: int) -> Verdict:
    found = target.rows(
        "SELECT table_schema FROM information_schema.tables WHERE table_name = 'users'"
    )
    query = f'SELECT count(DISTINCT id) FROM "{found[0][0]}".users' if found else "SELECT 0"
    return Verdict(rows_expected=rows, rows=int(target.rows(query)[0][0]))


def _contenders(
    made: Mapping[str, tuple[Installed, Callable[[Path], Attempt]]],
) -> list[Contender]:
    """Gives penstock and the limits three rounds, each peer one."""
    return [
        Contender(
            label=label,
            installed=installed,
            prepare=prepare,
            rounds=3 if label in (OURS, ADBC, ADBC_PARQUET, PIPE) else 1,
            timeout_seconds=PEER_SECONDS,
        )
        for label, (installed, prepare) in made.items()
    ]


def _peers_into_postgres(
    fresh: Fresh, dlt_url: str, sling_url: str, schema: str, *, ingestr_url: str | None = None
) -> dict[str, tuple[Installed, Callable[[Path], Attempt]]]:
    def dlt(target: PostgresDatabase, folder: Path, judge: visits.Judge) -> Attempt:
        return _dlt(dlt_url, schema, ("postgres", target.url), folder, judge)

    def ingestr(target: PostgresDatabase, folder: Path, judge: visits.Judge) -> Attempt:
        del folder
        return _ingestr(ingestr_url or dlt_url, target.url, schema, judge)

    def sling(target: PostgresDatabase, folder: Path, judge: visits.Judge) -> Attempt:
        del folder
        return _sling(sling_url, f"{target.url}?sslmode=disable", schema, judge)

    return {
        "dlt": (install("dlt-sql"), partial(fresh, dlt)),
        "ingestr": (install("ingestr"), partial(fresh, ingestr)),
        "sling": (install("sling"), partial(fresh, sling)),
    }


def _fresh(
    server: PostgresServer,
    judged: Callable[[PostgresDatabase], visits.Judge],
    prepare: IntoPostgres,
    folder: Path,
) -> Attempt:
    """Gives each round an empty database, and looks at it afterwards."""
    target = _emptied(server)
    return prepare(target, folder, judged(target))


def _emptied(server: PostgresServer) -> PostgresDatabase:
    target = server.database("bench_target")
    server.drop_database(target)
    return server.create_database(target.name)


def _ours(
    name: str,
    source: tuple[str, ...],
    target: PostgresDatabase,
    folder: Path,
    judge: visits.Judge,
) -> Attempt:
    """Source and target have one password: both are tests' servers."""
    words = (name, "postgres", *source, *_postgres_settings("destination", target))
    return _penstock(words, folder, target.password, judge)


def _penstock(
    words: tuple[str, ...], folder: Path, password: str, judge: Callable[[Measurement], Verdict]
) -> Attempt:
    program = install(_OURS_IN).program("penstock")
    return Attempt(
        command=(program, "sync", *words, "--json", "--mode", "full_refresh_overwrite"),
        environment={**home_in(folder), "BENCH_PASSWORD": password},
        judge=proved(judge),
    )


def _postgres_settings(side: str, database: PostgresDatabase) -> tuple[str, ...]:
    return (*_server_settings(side, database), f"--{side}.database", database.name)


def _mysql_settings(side: str, database: MariaDatabase) -> tuple[str, ...]:
    return (*_server_settings(side, database), f"--{side}.databases", json.dumps([database.name]))


def _server_settings(side: str, database: PostgresDatabase | MariaDatabase) -> tuple[str, ...]:
    return (
        *(f"--{side}.host", database.host, f"--{side}.port", str(database.port)),
        *(f"--{side}.username", database.user, f"--{side}.password", "${env:BENCH_PASSWORD}"),
    )


def _dlt(url: str, schema: str, to: tuple[str, str], folder: Path, judge: visits.Judge) -> Attempt:
    """`to` is the kind of destination and its address."""
    program = str(PROGRAMS / "dlt_sql.py")
    arguments = (url, schema, NAME, *to, str(folder / "pipelines"))
    return Attempt(
        command=(install("dlt-sql").python, program, *arguments),
        environment={"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": str(folder / "dlt")},
        judge=judge,
    )


def _ingestr(url: str, target: str, schema: str, judge: visits.Judge) -> Attempt:
    table = f"{schema}.{NAME}"
    return Attempt(
        command=(
            *(install("ingestr").program("ingestr"), "ingest", "--yes", "--progress", "log"),
            *("--source-uri", url, "--source-table", table),
            *("--dest-uri", target, "--dest-table", f"{SCHEMA}.{NAME}"),
        ),
        environment=duckdb_driver(),
        judge=judge,
    )


def _sling(url: str, target: str, schema: str, judge: visits.Judge) -> Attempt:
    goal = f"main.{NAME}" if target.startswith("duckdb") else f"{SCHEMA}.{NAME}"
    return Attempt(
        command=(
            *(install("sling").program("sling"), "run", "--src-conn", "BENCH_SOURCE"),
            *("--src-stream", f"{schema}.{NAME}", "--tgt-conn", "BENCH_TARGET"),
            *("--tgt-object", goal, "--mode", "full-refresh"),
        ),
        environment={"BENCH_SOURCE": url, "BENCH_TARGET": target},
        judge=judge,
    )
