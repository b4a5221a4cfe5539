"""SQLite files are read as they are: any value in any column, by row number or by a cursor."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from penstock.data.batch import BatchBuilder
from penstock.data.types import Kind, columns_of
from penstock.errors import ConfigError
from penstock.protocol.catalog import SyncMode
from penstock.sdk.stream import ReadRequest, State, Stream
from penstock.sources.sqlite import SQLiteSource, SQLiteSourceConfig


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(tmp_path / "app.sqlite", isolation_level=None)
    yield made
    made.close()


def stream_of(folder: Path, name: str, **settings: Any) -> Stream:
    config = SQLiteSourceConfig(path=str(folder / "app.sqlite"), **settings)
    return next(each for each in SQLiteSource(config).streams() if each.name == name)


def read(stream: Stream, **asked: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Returns the rows as the engine makes them, and the states."""
    rows: list[dict[str, Any]] = []
    states = []
    mode = SyncMode.INCREMENTAL if asked else SyncMode.FULL_REFRESH
    with BatchBuilder(columns_of(stream.json_schema), is_raw=False) as builder:
        for item in stream.read(ReadRequest(mode=asked.pop("mode", mode), **asked)):
            if isinstance(item, State):
                states.append(dict(item.value))
                continue
            assert isinstance(item, pa.RecordBatch)
            rows += builder.from_arrow(item, extracted_at_ms=0).rows.to_pylist()
    return rows, states


@pytest.mark.parametrize(
    ("declared", "values", "kind", "expected"),
    [
        ("INTEGER", [1, -(2**63), None], Kind.INTEGER, [1, -(2**63), None]),
        ("INTEGER", [1, "1a"], Kind.STRING, ["1", "1a"]),
        ("", [0, 1.5], Kind.NUMBER, [0.0, 1.5]),
        ("", ["007", 7], Kind.STRING, ["007", "7"]),
        ("NUMERIC(9,2)", [2**53 + 1], Kind.INTEGER, [2**53 + 1]),
        ("BOOLEAN", [0, 1], Kind.BOOLEAN, [False, True]),
        ("BOOLEAN", [0, 2], Kind.INTEGER, [0, 2]),
        ("DECIMAL_TEXT(38,9)", ["1.500000000"], Kind.DECIMAL, None),
        ("DATETIME", ["2024-02-29 12:00:00"], Kind.TIMESTAMP, None),
        ("DATETIME", ["2024-02-29T12:00:00+05:30"], Kind.TIMESTAMP_TZ, None),
        ("DATETIME", [1709208000], Kind.INTEGER, [1709208000]),
        ("DATE", ["tomorrow"], Kind.STRING, ["tomorrow"]),
        ("JSON_TEXT", ['{"a":1.10}'], Kind.JSON, ['{"a":1.10}']),
        ("BLOB", [b"\x00\xff"], Kind.STRING, ["AP8="]),
    ],
)
def test_a_column_has_the_kind_that_holds_its_values(
    *,
    tmp_path: Path,
    connection: sqlite3.Connection,
    declared: str,
    values: list[Any],
    kind: Kind,
    expected: list[Any] | None,
) -> None:
    connection.execute(f"CREATE TABLE t (c {declared})")
    connection.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])
    stream = stream_of(tmp_path, "t")
    rows, _ = read(stream)
    assert [column.kind for column in columns_of(stream.json_schema)] == [kind]
    assert expected is None or [row["c"] for row in rows] == expected
    assert [row["_airbyte_changes"] for row in rows] == [None] * len(rows)


def test_an_interrupted_full_read_continues_at_its_last_state(
    tmp_path: Path, connection: sqlite3.Connection
) -> None:
    connection.execute("CREATE TABLE t (c)")
    values = ", ".join(f"({n})" for n in range(25_000))
    connection.execute(f"INSERT INTO t VALUES {values}")
    stream = stream_of(tmp_path, "t", state_rows=10_000)
    _, states = read(stream)
    rest, _ = read(stream, mode=SyncMode.FULL_REFRESH, state=states[1])
    assert [state["row"] for state in states] == [10_000, 20_000, 25_000]
    assert [row["c"] for row in rest] == list(range(20_000, 25_000))


def test_a_cursor_finds_late_rows_of_its_last_value_and_nothing_twice(
    tmp_path: Path, connection: sqlite3.Connection
) -> None:
    connection.execute("CREATE TABLE t (at TEXT, c INTEGER)")
    connection.execute("INSERT INTO t VALUES ('b', 1), ('a', 2), (NULL, 3)")
    stream = stream_of(tmp_path, "t")
    first, states = read(stream, cursor=("at",))
    connection.execute("INSERT INTO t VALUES ('b', 4), ('c', 5), ('a', 6)")
    second, states = read(stream, cursor=("at",), state=states[-1])
    third, _ = read(stream, cursor=("at",), state=states[-1])
    assert [[row["c"] for row in rows] for rows in (first, second, third)] == [
        [3, 2, 1],
        [4, 5],
        [],
    ]


def test_a_view_without_a_cursor_says_that_it_needs_one(
    tmp_path: Path, connection: sqlite3.Connection
) -> None:
    connection.execute("CREATE TABLE t (c INTEGER)")
    connection.execute("CREATE VIEW v AS SELECT c FROM t")
    with pytest.raises(ConfigError, match="no row numbers"):
        read(stream_of(tmp_path, "v"), mode=SyncMode.INCREMENTAL)


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    source = SQLiteSource(SQLiteSourceConfig(path=str(tmp_path / "none.sqlite")))
    with pytest.raises(ConfigError, match="There is no file"):
        source.check()
    assert list(tmp_path.iterdir()) == []
