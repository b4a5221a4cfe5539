"""Syncs into PostgreSQL through what happens to servers: each ends in what a clean run leaves."""

from __future__ import annotations

import random
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from tests.chaos.syncs import PostgresTarget, Sync, Tables, ended, faker
from tests.servers.postgres import PostgresDatabase, PostgresServer
from tests.servers.proxy import breaking_proxy

ROWS = 20_000
APPEND = ("--mode=incremental_append", "--commit-bytes=200000")
_SOON_SECONDS = 60.0


def sync_into(
    tmp_path: Path, database: PostgresDatabase, schema: str, *, port: int = 0, rows: int = ROWS
) -> Sync:
    target = PostgresTarget(database, schema, port)
    return Sync(home=tmp_path / schema, source=faker(rows), target=target, options=APPEND)


def clean_tables(tmp_path: Path, database: PostgresDatabase, *, rows: int = ROWS) -> Tables:
    sync = sync_into(tmp_path, database, "clean", rows=rows)
    sync.run()
    return sync.target.tables()


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _SOON_SECONDS
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def has_rows(database: PostgresDatabase, table: str) -> bool:
    if database.rows("SELECT to_regclass(%s)", (table,)) == [(None,)]:
        return False
    return bool(database.rows(f"SELECT 1 FROM {table} LIMIT 1"))


def test_a_server_that_crashes_in_mid_load_is_written_to_again(
    tmp_path: Path, postgres: PostgresDatabase, postgres_server: PostgresServer
) -> None:
    rows = 3 * ROWS
    expected = clean_tables(tmp_path, postgres, rows=rows)
    sync = sync_into(tmp_path, postgres, "crashed", rows=rows)
    child = sync.start()
    wait_until(lambda: has_rows(postgres, "crashed.users"))
    postgres_server.restart("immediate")
    status, output = ended(child)
    assert status != 0, output
    assert "Traceback" not in output
    sync.run()
    assert sync.target.tables() == expected


def test_connections_that_are_reset_cost_nothing_but_time(
    tmp_path: Path, postgres: PostgresDatabase, request: pytest.FixtureRequest
) -> None:
    seed: int = request.config.getoption("--penstock-seed")
    chance = random.Random(f"{seed} resets")
    expected = clean_tables(tmp_path, postgres)
    cuts = [chance.randrange(1_000, 300_000) for _ in range(4)]
    with breaking_proxy(postgres.port, cuts) as proxy:
        sync = sync_into(tmp_path, postgres, "reset", port=proxy.port)
        for _ in range(len(cuts) + 1):
            status, output = ended(sync.start())
            assert "Traceback" not in output
            if status == 0:
                break
        assert status == 0, output
        assert proxy.resets == len(cuts), f"seed {seed}: {cuts}"
    assert sync.target.tables() == expected


@contextmanager
def largest_file(server: PostgresServer, size: int) -> Iterator[None]:
    """Lets no new connection's process write files beyond a size: to it, the disk is full."""
    pid = int((server.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of another process is Linux's own")
def test_a_full_disk_ends_the_sync_and_room_lets_it_finish(
    tmp_path: Path, postgres: PostgresDatabase, postgres_server: PostgresServer
) -> None:
    path = tmp_path / "wide.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE wide AS SELECT i AS id,"
            " string_agg(md5(concat(i, j)), '') AS body"
            " FROM range(20000) AS r(i), range(45) AS s(j) GROUP BY i"
        )
    target = PostgresTarget(postgres, "full")
    source = ["duckdb", "--source.path", str(path), "--source.state-rows", "2000"]
    options = ("--mode=full_refresh_append", "--commit-bytes=2000000")
    sync = Sync(home=tmp_path / "home", source=source, target=target, options=options)
    with largest_file(postgres_server, 24 << 20):
        status, output = ended(sync.start())
    assert status != 0, output
    assert "Traceback" not in output
    assert "File too large" in output or "could not extend" in output
    sync.run()
    query = "SELECT count(*), count(DISTINCT id), sum(length(body)) FROM full.wide"
    assert postgres.rows(query.replace("full.", '"full".')) == [(ROWS, ROWS, ROWS * 45 * 32)]


def test_two_syncs_into_one_table_both_arrive_whole(
    tmp_path: Path, postgres: PostgresDatabase
) -> None:
    both = [
        Sync(
            home=tmp_path / name,
            source=faker(ROWS),
            target=PostgresTarget(postgres, "shared"),
            options=APPEND,
            name=name,
        )
        for name in ("one", "two")
    ]
    children = [sync.start() for sync in both]
    for child in children:
        status, output = ended(child)
        assert status == 0, output
    query = "SELECT count(*), count(DISTINCT id) FROM shared.users"
    assert postgres.rows(query) == [(2 * ROWS, ROWS)]


def test_a_reader_during_an_overwrite_sees_the_old_rows_or_the_new(
    tmp_path: Path, postgres: PostgresDatabase
) -> None:
    target = PostgresTarget(postgres, "replaced")
    options = ("--mode=full_refresh_overwrite", "--commit-bytes=100000")

    def sync(rows: int) -> Sync:
        home = tmp_path / "home"
        return Sync(home=home, source=faker(rows), target=target, options=options)

    sync(3_000).run()
    seen: set[int] = set()
    is_over = threading.Event()

    def look() -> None:
        with postgres.connect() as connection:
            while not is_over.is_set():
                rows = connection.execute("SELECT count(*) FROM replaced.users").fetchall()
                seen.add(int(rows[0][0]))

    reader = threading.Thread(target=look)
    reader.start()
    try:
        sync(5_000).run()
        wait_until(lambda: 5_000 in seen)
    finally:
        is_over.set()
        reader.join()
    assert seen == {3_000, 5_000}
