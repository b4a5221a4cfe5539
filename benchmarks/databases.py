"""A table of PostgreSQL into DuckDB and into PostgreSQL: penstock, the bare drivers, the peers.

Client and server share the machine: wall time has the server's work in it, CPU time only the
client's. Every value is compared, by digests that the databases compute themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import duckdb

from benchmarks.contest import Attempt, Contender, Table, contest, say
from benchmarks.measure import Measurement
from benchmarks.ours import home_in, proved
from benchmarks.peers import Installed, Peer, install
from benchmarks.places import PROGRAMS
from benchmarks.verify import Verdict
from tests.servers.postgres import PostgresDatabase, PostgresServer, running_server

OURS, ADBC, PIPE = "penstock", "ADBC → Arrow → DuckDB", "psql COPY binary | psql COPY binary"
PEER_SECONDS = 600

_COLUMNS: Final = {
    "id": ("bigint PRIMARY KEY", "i", "text"),
    "small": ("smallint", "i % 30000", "text"),
    "code": ("integer", "i * 7", "text"),
    "token": ("uuid", "md5(i::text)::uuid", "text"),
    "name": ("text", "'name ' || md5((i * 3)::text)", "text"),
    "note": (
        "text",
        "CASE WHEN i % 3 > 0 THEN repeat('note ' || i || ' ', 1 + i % 8) END",
        "text",
    ),
    "price": ("numeric(18,4)", "i * 1.2345", "decimal"),
    "share": ("double precision", "i / 7.0", "number"),
    "is_new": ("boolean", "i % 2 = 0", "boolean"),
    "at": ("timestamptz", "timestamptz '2024-01-01 00:00Z' + i * interval '1 s'", "instant"),
    "local": ("timestamp", "timestamp '2024-01-01' + i * interval '1 ms'", "moment"),
    "day": ("date", "date '2000-01-01' + i % 9000", "date"),
    "extra": ("jsonb", "jsonb_build_object('id', i, 'tags', jsonb_build_array('a', i))", "json"),
    "status": ("varchar(20)", "(array['new', 'open', 'done'])[1 + i % 3]", "text"),
    "amount": ("numeric(12,2)", "i / 100.0", "decimal"),
}
"""Fifteen columns: type, value of row i, and how values are compared."""

_POSTGRES: Final = {
    "text": "{0}::text",
    "decimal": "round({0}::numeric, 4)::text",
    "number": "{0}::float8::text",
    "boolean": "{0}::boolean::text",
    "instant": "(extract(epoch FROM {0}::timestamptz) * 1000000)::bigint::text",
    "moment": "(extract(epoch FROM {0}::timestamp) * 1000000)::bigint::text",
    "date": "{0}::date::text",
    "json": "{0}::jsonb ->> 'id'",
}
_DUCKDB: Final = {
    "text": "{0}::varchar",
    "decimal": "try_cast({0} as decimal(18, 4))::varchar",
    "number": r"regexp_replace(try_cast({0} as double)::varchar, '\.0$', '')",
    "boolean": "try_cast({0} as boolean)::varchar",
    "instant": "epoch_us(try_cast({0} as timestamptz))::varchar",
    "moment": "epoch_us(try_cast({0} as timestamp))::varchar",
    "date": "try_cast({0} as date)::varchar",
    "json": "json_extract_string({0}::json, 'id')",
}

Digests = dict[str, tuple[int, int]]


def tables(*, quick: bool) -> Iterator[Table]:
    """Measures one table a destination, on a server of its own."""
    rows = 100_000 if quick else 1_000_000
    with running_server() as server:
        source = server.create_database("bench_source")
        _fill(source, rows)
        expected = _in_postgres(source)
        size = source.rows("SELECT pg_table_size('bench.visits')")[0][0] / 1e6
        yield _into_duckdb(source, expected, rows, size)
        yield _into_postgres(server, source, expected, rows, size)


def _fill(database: PostgresDatabase, rows: int) -> None:
    say(f"filling a table of PostgreSQL with {rows:,} rows")
    columns = ", ".join(f'"{name}" {kind}' for name, (kind, _, _) in _COLUMNS.items())
    values = ", ".join(value for _, value, _ in _COLUMNS.values())
    database.run(
        "CREATE SCHEMA bench",
        f"CREATE TABLE bench.visits ({columns})",
        f"INSERT INTO bench.visits SELECT {values} FROM generate_series(1, {rows}) AS i",
        "VACUUM ANALYZE bench.visits",
        "CHECKPOINT",
    )


def _into_duckdb(source: PostgresDatabase, expected: Digests, rows: int, size: float) -> Table:
    table = Table(
        path="databases", title=f"PostgreSQL → DuckDB, {rows:,} rows", rows=rows, megabytes=size
    )
    out = partial(_judge_duckdb, expected, rows)
    contenders = [
        Contender(
            label=OURS,
            installed=install("penstock-postgres"),
            prepare=partial(_penstock_into_duckdb, source, out),
        ),
        Contender(label=ADBC, installed=install("adbc"), prepare=partial(_adbc, source, out)),
        Contender(
            label="dlt",
            installed=install("dlt-sql"),
            prepare=partial(_dlt, source, out),
            rounds=1,
            timeout_seconds=PEER_SECONDS,
        ),
        Contender(
            label="sling",
            installed=install("sling"),
            prepare=partial(_sling_into_duckdb, source, out),
            rounds=1,
            timeout_seconds=PEER_SECONDS,
        ),
    ]
    return contest(table, contenders)


def _into_postgres(
    server: PostgresServer, source: PostgresDatabase, expected: Digests, rows: int, size: float
) -> Table:
    table = Table(
        path="databases",
        title=f"PostgreSQL → PostgreSQL, {rows:,} rows",
        rows=rows,
        megabytes=size,
    )
    prepare = {
        OURS: _penstock_into_postgres,
        PIPE: _pipe,
        "sling": _sling_into_postgres,
        "ingestr": _ingestr_into_postgres,
    }
    psql = Installed(
        peer=Peer(name="psql", package="postgresql", requirements=()),
        venv=server.programs,
        version=str(source.rows("SHOW server_version")[0][0]),
    )
    contenders = [
        Contender(
            label=label,
            installed=psql
            if label == PIPE
            else install("penstock-postgres" if label == OURS else label),
            prepare=partial(_fresh, server, source, partial(_judge_postgres, expected, rows), made),
            rounds=3 if label in (OURS, PIPE) else 1,
            timeout_seconds=PEER_SECONDS,
        )
        for label, made in prepare.items()
    ]
    return contest(table, contenders)


Judge = Callable[[Measurement], Verdict]
Prepare = Callable[[PostgresServer, PostgresDatabase, PostgresDatabase, Path], Attempt]


def _fresh(
    server: PostgresServer,
    source: PostgresDatabase,
    judged: Callable[[PostgresDatabase], Judge],
    prepare: Prepare,
    folder: Path,
) -> Attempt:
    """Gives each round an empty database, and looks at it afterwards."""
    target = server.database("bench_target")
    server.drop_database(target)
    server.create_database(target.name)
    attempt = prepare(server, source, target, folder)
    judge = judged(target)
    return Attempt(
        command=attempt.command,
        environment=attempt.environment,
        judge=proved(judge) if prepare is _penstock_into_postgres else judge,
    )


def _settings(side: str, database: PostgresDatabase) -> tuple[str, ...]:
    return (
        *(f"--{side}.host", database.host, f"--{side}.port", str(database.port)),
        *(f"--{side}.database", database.name, f"--{side}.username", database.user),
        *(f"--{side}.password", "${env:BENCH_PASSWORD}"),
    )


def _penstock(source: PostgresDatabase, destination: str, *settings: str) -> tuple[str, ...]:
    return (
        *(
            install("penstock-postgres").program("penstock"),
            "sync",
            "postgres",
            destination,
            "--json",
        ),
        *(*_settings("source", source), *settings, "--mode", "full_refresh_overwrite"),
    )


def _penstock_into_duckdb(
    source: PostgresDatabase, out: Callable[[Path], Judge], folder: Path
) -> Attempt:
    database = folder / "out.duckdb"
    return Attempt(
        command=_penstock(source, "duckdb", "--destination.path", str(database)),
        environment={**home_in(folder), "BENCH_PASSWORD": source.password},
        judge=proved(out(database)),
    )


def _penstock_into_postgres(
    _: PostgresServer, source: PostgresDatabase, target: PostgresDatabase, folder: Path
) -> Attempt:
    return Attempt(
        command=_penstock(source, "postgres", *_settings("destination", target)),
        environment={**home_in(folder), "BENCH_PASSWORD": source.password},
    )


def _adbc(source: PostgresDatabase, out: Callable[[Path], Judge], folder: Path) -> Attempt:
    database = folder / "out.duckdb"
    program = str(PROGRAMS / "adbc_duckdb.py")
    return Attempt(
        command=(install("adbc").python, program, source.url, "bench.visits", str(database)),
        judge=out(database),
    )


def _pipe(
    server: PostgresServer, source: PostgresDatabase, target: PostgresDatabase, _: Path
) -> Attempt:
    columns = ", ".join(f'"{name}" {kind}' for name, (kind, _, _) in _COLUMNS.items())
    target.run("CREATE SCHEMA bench", f"CREATE TABLE bench.visits ({columns})")
    psql = server.programs / "psql"
    script = (
        f'{psql} "$1" -qc "COPY bench.visits TO STDOUT (FORMAT binary)"'
        f' | {psql} "$2" -qc "COPY bench.visits FROM STDIN (FORMAT binary)"'
    )
    return Attempt(command=("sh", "-c", script, "pipe", source.url, target.url))


def _dlt(source: PostgresDatabase, out: Callable[[Path], Judge], folder: Path) -> Attempt:
    database = folder / "out.duckdb"
    program = str(PROGRAMS / "dlt_sql.py")
    arguments = (source.url, "bench", "visits", str(database), str(folder / "pipelines"))
    return Attempt(
        command=(install("dlt-sql").python, program, *arguments),
        environment={"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": str(folder / "dlt")},
        judge=out(database),
    )


def _sling(target: str) -> tuple[str, ...]:
    return (
        *(install("sling").program("sling"), "run", "--src-conn", "BENCH_SOURCE"),
        *("--src-stream", "bench.visits", "--tgt-conn", "BENCH_TARGET"),
        *("--tgt-object", target, "--mode", "full-refresh"),
    )


def _sling_into_duckdb(
    source: PostgresDatabase, out: Callable[[Path], Judge], folder: Path
) -> Attempt:
    database = folder / "out.duckdb"
    return Attempt(
        command=_sling("main.visits"),
        environment={
            "BENCH_SOURCE": f"{source.url}?sslmode=disable",
            "BENCH_TARGET": f"duckdb://{database}",
        },
        judge=out(database),
    )


def _sling_into_postgres(
    _: PostgresServer, source: PostgresDatabase, target: PostgresDatabase, folder: Path
) -> Attempt:
    del folder
    return Attempt(
        command=_sling("bench.visits"),
        environment={
            "BENCH_SOURCE": f"{source.url}?sslmode=disable",
            "BENCH_TARGET": f"{target.url}?sslmode=disable",
        },
    )


def _ingestr_into_postgres(
    _: PostgresServer, source: PostgresDatabase, target: PostgresDatabase, folder: Path
) -> Attempt:
    del folder
    return Attempt(
        command=(
            *(install("ingestr").program("ingestr"), "ingest", "--yes", "--progress", "log"),
            *("--source-uri", source.url, "--source-table", "bench.visits"),
            *("--dest-uri", target.url, "--dest-table", "bench.visits"),
        )
    )


def _judge_duckdb(expected: Digests, rows: int, database: Path) -> Judge:
    return lambda _: _verdict(expected, rows, _in_duckdb(database))


def _judge_postgres(expected: Digests, rows: int, target: PostgresDatabase) -> Judge:
    return lambda _: _verdict(expected, rows, _in_postgres(target))


def _verdict(expected: Digests, rows: int, found: Digests) -> Verdict:
    return Verdict(
        rows_expected=rows,
        rows=found.get("id", (0, 0))[0],
        table="visits",
        missing=tuple(name for name in expected if name not in found),
        changed=tuple(n for n in expected if n in found and expected[n] != found[n]),
    )


def _in_postgres(database: PostgresDatabase) -> Digests:
    """Returns of each column how many values there are, and the sum of their hashes."""
    found = database.rows(
        "SELECT table_schema, column_name FROM information_schema.columns"
        " WHERE table_name = 'visits' AND table_schema IN ('bench', 'public')"
    )
    schema = found[0][0] if found else "bench"
    names = [name for _, name in found if name in _COLUMNS]
    digest = "count({0}), sum(('x' || substr(md5({0}), 1, 8))::bit(32)::bigint)::text"
    texts = [_POSTGRES[_COLUMNS[name][2]].format(f'"{name}"') for name in names]
    with database.connect() as connection:
        connection.execute("SET timezone = 'UTC'")
        query: Any = f"SELECT {', '.join(map(digest.format, texts))} FROM {schema}.visits"
        return _paired(names, connection.execute(query).fetchone() or ())


def _in_duckdb(database: Path) -> Digests:
    with duckdb.connect(str(database), read_only=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        found = connection.execute(
            "SELECT schema_name, column_name FROM duckdb_columns() WHERE table_name = 'visits'"
        ).fetchall()
        schema = found[0][0]
        names = [name for _, name in found if name in _COLUMNS]
        digest = "count({0}), sum(('0x' || substr(md5({0}), 1, 8))::bigint)::varchar"
        texts = [_DUCKDB[_COLUMNS[name][2]].format(f'"{name}"') for name in names]
        query = f"SELECT {', '.join(map(digest.format, texts))} FROM {schema}.visits"
        return _paired(names, connection.execute(query).fetchone() or ())


def _paired(names: list[str], values: tuple[Any, ...]) -> Digests:
    return {
        name: (int(values[2 * place]), int(values[2 * place + 1] or 0))
        for place, name in enumerate(names)
    }
