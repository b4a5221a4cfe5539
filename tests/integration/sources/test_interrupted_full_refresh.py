"""A full refresh that was interrupted: in the end the table equals the source as it is then."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from penstock.engine.events import CheckpointCommitted, LogEmitted, Receipt, SyncFinished
from penstock.engine.run import run
from penstock.engine.settings import ConnectorRef, RunSpec, SyncSettings
from penstock.protocol.catalog import (
    ConfiguredCatalog,
    ConfiguredStream,
    DestinationSyncMode,
    SyncMode,
)
from penstock.sdk.stream import catalog_stream
from penstock.sources.duckdb import DuckDBSource, DuckDBSourceConfig
from penstock.sources.postgres import PostgresSource
from penstock.sources.sqlite import SQLiteSource, SQLiteSourceConfig
from tests.integration.sources.test_mysql_source import source_of
from tests.integration.sources.test_postgres_source import config_of
from tests.servers.mariadb import MariaDatabase
from tests.servers.postgres import PostgresDatabase

ROWS = 25_000


class Place:
    """A database with one table, `t`, and a DuckDB file that it is to equal."""

    name: str
    config: dict[str, Any]
    changes: Sequence[str] = (
        "DELETE FROM t WHERE id = 1",
        "UPDATE t SET name = 'new' WHERE id = 2",
    )
    """What happens between two attempts, all of which the second has to notice."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def execute(self, statements: Sequence[str]) -> None:
        raise NotImplementedError

    def rows(self) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    def stream(self) -> Any:
        raise NotImplementedError

    def sync(self, *, interrupted: bool) -> tuple[Receipt, list[str]]:
        """Runs a sync, which ends at its first commit when it is interrupted; and its warnings."""
        configured = ConfiguredStream(
            stream=catalog_stream(self.stream()),
            sync_mode=SyncMode.FULL_REFRESH,
            destination_sync_mode=DestinationSyncMode.OVERWRITE,
        )
        spec = RunSpec(
            connection="c",
            source=ConnectorRef(name=self.name, config=self.config),
            destination=ConnectorRef(name="duckdb", config={"path": str(self.folder / "out")}),
            catalog=ConfiguredCatalog(streams=(configured,)),
            settings=SyncSettings(commit_bytes=1, buffer_bytes=1, namespace="main"),
        )
        stop = threading.Event()
        warnings = []
        for event in run(spec, data_dir=self.folder, stop=stop):
            if isinstance(event, CheckpointCommitted) and interrupted:
                stop.set()
            if isinstance(event, LogEmitted) and event.level == "WARN":
                warnings.append(event.message)
            if isinstance(event, SyncFinished):
                return event.receipt, warnings
        raise AssertionError

    def landed(self) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.folder / "out"), read_only=True) as connection:
            return connection.execute("SELECT id, name FROM main.t ORDER BY id").fetchall()


class InPostgres(Place):
    name = "postgres"

    def __init__(self, folder: Path, database: PostgresDatabase) -> None:
        super().__init__(folder)
        self.database = database
        self.settings = config_of(database, page_blocks=40)
        self.config = {
            "host": database.host,
            "port": database.port,
            "database": database.name,
            "username": database.user,
            "password": database.password,
            "page_blocks": 40,
        }
        self.execute(["CREATE TABLE t (id int PRIMARY KEY, name text)"])
        self.execute([f"INSERT INTO t SELECT i, 'n' || i FROM generate_series(1, {ROWS}) AS i"])

    def execute(self, statements: Sequence[str]) -> None:
        self.database.run(*statements)

    def rows(self) -> list[tuple[Any, ...]]:
        return self.database.rows("SELECT id, name FROM t ORDER BY id")

    def stream(self) -> Any:
        return PostgresSource(self.settings).streams()[0]


class InSQLite(Place):
    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = folder / "shop.db"
        self.config = {"path": str(self.path), "state_rows": 4000}
        self.execute(["CREATE TABLE t (id int, name text)"])
        values = ", ".join(f"({n}, 'n{n}')" for n in range(1, ROWS + 1))
        self.execute([f"INSERT INTO t VALUES {values}"])

    def execute(self, statements: Sequence[str]) -> None:
        connection = sqlite3.connect(self.path)
        with connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    def rows(self) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.path)
        found = connection.execute("SELECT id, name FROM t ORDER BY id").fetchall()
        connection.close()
        return found

    def stream(self) -> Any:
        return SQLiteSource(SQLiteSourceConfig(path=str(self.path))).streams()[0]


class InDuckDB(Place):
    name = "duckdb"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = folder / "shop.duckdb"
        self.config = {"path": str(self.path), "state_rows": 4000}
        numbers = f"range(1, {ROWS + 1}) AS r(i)"
        self.execute([f"CREATE TABLE t AS SELECT i::int AS id, 'n' || i AS name FROM {numbers}"])

    def execute(self, statements: Sequence[str]) -> None:
        with duckdb.connect(str(self.path)) as connection:
            for statement in statements:
                connection.execute(statement)

    def rows(self) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path), read_only=True) as connection:
            return connection.execute("SELECT id, name FROM t ORDER BY id").fetchall()

    def stream(self) -> Any:
        return DuckDBSource(DuckDBSourceConfig(path=str(self.path))).streams()[0]


class InMariaDB(Place):
    name = "mysql"
    changes = ("DELETE FROM t WHERE id = 1",)
    """It notices how many rows there are, not what is in them: docs/connectors/source-mysql.md."""

    def __init__(self, folder: Path, database: MariaDatabase) -> None:
        super().__init__(folder)
        self.database = database
        self.config = {
            "host": database.host,
            "port": database.port,
            "databases": [database.name],
            "username": database.user,
            "password": database.password,
        }
        self.execute(["CREATE TABLE t (id int PRIMARY KEY, name varchar(200))"])
        self.execute([f"INSERT INTO t SELECT seq, RPAD('n', 200, seq) FROM seq_1_to_{ROWS}"])

    def execute(self, statements: Sequence[str]) -> None:
        self.database.run(*statements)

    def rows(self) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.database.rows("SELECT id, name FROM t ORDER BY id")]

    def stream(self) -> Any:
        return source_of(self.database).streams()[0]


@pytest.fixture(params=["postgres", "sqlite", "duckdb", "mysql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    made: dict[str, Callable[[], Place]] = {
        "postgres": lambda: InPostgres(tmp_path, request.getfixturevalue("postgres")),
        "sqlite": lambda: InSQLite(tmp_path),
        "duckdb": lambda: InDuckDB(tmp_path),
        "mysql": lambda: InMariaDB(tmp_path, request.getfixturevalue("mariadb")),
    }
    return made[request.param]()


@pytest.mark.parametrize("is_changed", [True, False], ids=["changed", "unchanged"])
def test_the_table_equals_the_source_after_an_interruption(
    place: Place, *, is_changed: bool
) -> None:
    first, _ = place.sync(interrupted=True)
    assert first.outcome == "cancelled"
    done = first.streams[0].rows_committed
    assert 0 < done < ROWS
    if is_changed:
        place.execute(place.changes)
    again, warnings = place.sync(interrupted=False)
    assert again.outcome == "succeeded", again.error
    assert place.landed() == place.rows()
    if is_changed:
        assert [each.endswith("It is read anew.") for each in warnings] == [True]
    else:
        assert again.streams[0].rows_read == ROWS - done
