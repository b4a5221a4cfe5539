"""Change data capture: a log of changes, and how long it takes until they have all arrived.

A table is read for the first time, then changed a million times; what is measured is the sync that
follows, from the command to its end: it reads the log, merges, commits and confirms.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import visits
from benchmarks.contest import Attempt, Contender, Table, contest, say
from benchmarks.ours import home_in, proved
from benchmarks.peers import install
from benchmarks.visits import NAME, SCHEMA, Digests
from tests.servers.mariadb import MariaServer, running_mariadb
from tests.servers.postgres import PostgresDatabase, PostgresServer, running_server

OURS: Final = "penstock"
AT_FIRST: Final = 100_000
"""Rows that the table has before it is changed."""
BATCH: Final = 1000
"""Changes of a large transaction: 600 updates, 300 inserts, 100 deletes."""
_INSTALLED: Final = "penstock-databases"
_PASSWORD: Final = "${env:BENCH_PASSWORD}"


def tables(*, quick: bool) -> Iterator[Table]:
    """Measures one table a pair of systems; nothing that pip installs does the same."""
    changes = 100_000 if quick else 1_000_000
    with running_server() as server:
        for large in (True, False):
            count = changes if large else changes // 5
            into = (("DuckDB", _into_duckdb), ("PostgreSQL", partial(_into_postgres, server)))
            for name, target in into:
                prepare = partial(_from_postgres, server, count, large, target)
                yield _measured(f"PostgreSQL's log → {name}", count, large, prepare)
    with running_mariadb(innodb_buffer_pool_size="256M") as maria:
        prepare = partial(_from_mariadb, maria, changes)
        yield _measured("MariaDB's log → DuckDB", changes, True, prepare)  # noqa: FBT003


Expected = Callable[[], Digests]
Target = Callable[[Path], tuple[tuple[str, ...], Callable[[Digests, int], visits.Judge]]]


def _measured(title: str, count: int, large: bool, prepare: Callable[[Path], Attempt]) -> Table:  # noqa: FBT001
    size = f"of {BATCH:,}" if large else "of one"
    table = Table(
        path="changes", title=f"{title}, {count:,} changes in transactions {size}", rows=count
    )
    ours = Contender(label=OURS, installed=install(_INSTALLED), prepare=prepare)
    return contest(table, [ours])


def _from_postgres(
    server: PostgresServer,
    count: int,
    large: bool,  # noqa: FBT001
    into: Target,
    folder: Path,
) -> Attempt:
    source = _fresh(server)
    visits.fill_postgres(source, AT_FIRST)
    words = (
        *("--source.host", source.host, "--source.port", str(source.port)),
        *("--source.username", source.user, "--source.password", _PASSWORD),
        *("--source.database", source.name, "--source.replication_method.method", "CDC"),
    )
    change = _BATCHES_POSTGRES if large else _SINGLES_POSTGRES
    transactions = count // BATCH if large else count

    def changed() -> Digests:
        values = visits.values_in_postgres()
        source.run(change.format(table=f"{SCHEMA}.{NAME}", values=values, first=AT_FIRST))
        source.run(f"CALL {SCHEMA}.change({transactions})")
        return visits.in_postgres(source)

    return _attempt(("postgres", words), source.password, into, changed, folder)


def _from_mariadb(server: MariaServer, count: int, folder: Path) -> Attempt:
    source = server.database(SCHEMA)
    server.drop_database(source)
    server.create_database(source.name)
    visits.fill_mariadb(source, AT_FIRST)
    words = (
        *("--source.host", source.host, "--source.port", str(source.port)),
        *("--source.username", source.user, "--source.password", _PASSWORD),
        *("--source.databases", json.dumps([source.name])),
        *("--source.replication_method.method", "CDC"),
    )

    def changed() -> Digests:
        values = visits.values_in_mariadb()
        source.run(_BATCHES_MARIADB.format(table=NAME, values=values, first=AT_FIRST))
        source.run(f"CALL change_rows({count // BATCH})")
        return visits.in_mariadb(source)

    return _attempt(("mysql", words), source.password, _into_duckdb, changed, folder)


def _attempt(
    source: tuple[str, tuple[str, ...]],
    password: str,
    into: Target,
    changed: Expected,
    folder: Path,
) -> Attempt:
    """Reads the table for the first time, changes it, and returns the sync that follows."""
    name, settings = source
    words, judged = into(folder)
    command = (
        *(install(_INSTALLED).program("penstock"), "sync", name, words[0], *settings, *words[1:]),
        *("--json", "--mode", "incremental_append_dedup"),
    )
    environment = {**home_in(folder), "BENCH_PASSWORD": password}
    first = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if first.returncode:
        raise RuntimeError(f"the first reading failed: {first.stderr[-500:]}")
    say("  changing the table")
    expected = changed()
    judge = judged(expected, expected["id"][0])
    return Attempt(command=command, environment=environment, judge=proved(judge))


def _into_duckdb(
    folder: Path,
) -> tuple[tuple[str, ...], Callable[[Digests, int], visits.Judge]]:
    database = folder / "out.duckdb"
    words = ("duckdb", "--destination.path", str(database))
    return words, lambda expected, rows: visits.judge_duckdb(expected, rows, database)


def _into_postgres(
    server: PostgresServer, folder: Path
) -> tuple[tuple[str, ...], Callable[[Digests, int], visits.Judge]]:
    del folder
    target = server.database("bench_target")
    server.drop_database(target)
    server.create_database(target.name)
    words = (
        *("postgres", "--destination.host", target.host, "--destination.port", str(target.port)),
        *("--destination.username", target.user, "--destination.password", _PASSWORD),
        *("--destination.database", target.name),
    )
    return words, lambda expected, rows: visits.judge_postgres(expected, rows, target)


def _fresh(server: PostgresServer) -> PostgresDatabase:
    """Returns an empty database; the slot of the one before must go first."""
    database = server.database("bench_changes")
    postgres = server.database("postgres")
    postgres.run(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
        f" WHERE database = '{database.name}'"
    )
    server.drop_database(database)
    return server.create_database(database.name)


_BATCHES_POSTGRES: Final = """
CREATE PROCEDURE bench.change(transactions int) LANGUAGE plpgsql AS $$
BEGIN
    FOR t IN 0 .. transactions - 1 LOOP
        INSERT INTO {table} SELECT {values}
        FROM generate_series({first} + t * 300 + 1, {first} + t * 300 + 300) AS i;
        UPDATE {table} SET code = code + 1, note = 'changed ' || t, share = share / 2
        WHERE id BETWEEN 20001 + t * 97 % 70000 AND 20600 + t * 97 % 70000;
        DELETE FROM {table} WHERE id BETWEEN {first} + t * 300 + 1 AND {first} + t * 300 + 100;
        COMMIT;
    END LOOP;
END $$"""

_SINGLES_POSTGRES: Final = """
CREATE PROCEDURE bench.change(transactions int) LANGUAGE plpgsql AS $$
BEGIN
    FOR t IN 0 .. transactions - 1 LOOP
        UPDATE {table} SET code = code + 1, note = 'changed ' || t WHERE id = 1 + t * 97 % {first};
        COMMIT;
    END LOOP;
END $$"""

_BATCHES_MARIADB: Final = """
CREATE PROCEDURE change_rows(transactions int)
BEGIN
    DECLARE t int DEFAULT 0;
    WHILE t < transactions DO
        START TRANSACTION;
        INSERT INTO {table}
        SELECT {values} FROM (SELECT {first} + t * 300 + seq AS seq FROM seq_1_to_300) AS numbers;
        UPDATE {table} SET code = code + 1, note = concat('changed ', t), share = share / 2
        WHERE id BETWEEN 20001 + t * 97 % 70000 AND 20600 + t * 97 % 70000;
        DELETE FROM {table} WHERE id BETWEEN {first} + t * 300 + 1 AND {first} + t * 300 + 100;
        COMMIT;
        SET t = t + 1;
    END WHILE;
END"""
