"""The DuckDB source reads every type exactly, and knows when a file is no longer the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from penstock.data.batch import BatchBuilder
from penstock.data.types import Kind, columns_of
from penstock.errors import ConfigError, ResourceBusy
from penstock.protocol.catalog import SyncMode
from penstock.sdk.stream import ReadRequest, State, Stream
from penstock.sources.duckdb import DuckDBSource, DuckDBSourceConfig

FULL = SyncMode.FULL_REFRESH
INCREMENTAL = SyncMode.INCREMENTAL

TYPES: dict[str, tuple[str, Kind, Any]] = {
    "boolean": ("true", Kind.BOOLEAN, True),
    "utinyint": ("255", Kind.INTEGER, 255),
    "bigint": ("-9223372036854775808", Kind.INTEGER, -(2**63)),
    "ubigint": ("18446744073709551615", Kind.BIG_INTEGER, "18446744073709551615"),
    "hugeint": ("99999999999999999999999999999999999999", Kind.BIG_INTEGER, "9" * 38),
    "bignum": ("'" + "9" * 60 + "'", Kind.STRING, "9" * 60),
    "float": ("0.5", Kind.NUMBER, 0.5),
    "double": ("0.1", Kind.NUMBER, 0.1),
    "decimal(5,2)": ("1.10", Kind.DECIMAL, "1.100000000"),
    "decimal(20,0)": ("12345678901234567890", Kind.BIG_INTEGER, "12345678901234567890"),
    "decimal(38,20)": ("0.00000000000000000001", Kind.STRING, "0.00000000000000000001"),
    "varchar": ("'007'", Kind.STRING, "007"),
    "enum('a', 'b')": ("'b'", Kind.STRING, "b"),
    "uuid": (
        "'c0ffee00-0000-4000-8000-000000000001'",
        Kind.STRING,
        "c0ffee00-0000-4000-8000-000000000001",
    ),
    "blob": ("'\\x00\\xFF'::BLOB", Kind.STRING, "AP8="),
    "bit": ("'0101'", Kind.STRING, "0101"),
    "interval": ("INTERVAL 1 MONTH", Kind.STRING, "1 month"),
    "timetz": ("'10:00:00+02'", Kind.STRING, "10:00:00+02"),
    "date": ("'2024-02-29'", Kind.DATE, "2024-02-29"),
    "time": ("'23:59:59.999999'", Kind.TIME, "23:59:59.999999"),
    "timestamp": ("'2024-02-29 12:00:00.000001'", Kind.TIMESTAMP, "2024-02-29 12:00:00.000001"),
    "timestamp_s": ("'2024-02-29 12:00:00'", Kind.TIMESTAMP, "2024-02-29 12:00:00.000000"),
    "timestamptz": (
        "'2024-02-29 12:00:00+05:30'",
        Kind.TIMESTAMP_TZ,
        "2024-02-29 06:30:00.000000Z",
    ),
    "json": ("'{\"a\": 1.10}'", Kind.JSON, '{"a": 1.10}'),
    "integer[]": ("[1, NULL]", Kind.JSON, "[1,null]"),
    "decimal(38,9)[]": (
        "[12345678901234567890.123456789]",
        Kind.JSON,
        "[12345678901234567890.123456789]",
    ),
    "struct(a integer, b date)": (
        "{'a': 1, 'b': DATE '2024-02-29'}",
        Kind.JSON,
        '{"a":1,"b":"2024-02-29"}',
    ),
    "map(integer, varchar)": ("MAP([1], ['x'])", Kind.JSON, '{"1":"x"}'),
}
"""For each type a value as SQL, the kind it is read as, and the value's own text or number."""


def _file(tmp_path: Path, *statements: str) -> Path:
    path = tmp_path / "app.duckdb"
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


def _streams(path: Path, **settings: Any) -> dict[str, Stream]:
    source = DuckDBSource(DuckDBSourceConfig(path=str(path), **settings))
    return {stream.name: stream for stream in source.streams()}


def _read(stream: Stream, **request: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Returns rows and states; decimals and times as text."""
    rows: list[dict[str, Any]] = []
    states: list[dict[str, Any]] = []
    for item in stream.read(ReadRequest(**request)):
        if isinstance(item, State):
            states.append(dict(item.value))
        else:
            assert isinstance(item, pa.RecordBatch)
            rows.extend(_plain(item))
    return rows, states


def _plain(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    is_number = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
    arrays = []
    for array in batch.columns:
        found = array.storage if isinstance(array, pa.ExtensionArray) else array
        is_plain = any(test(found.type) for test in is_number)
        arrays.append(found if is_plain else found.cast(pa.string()))
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names).to_pylist()


@pytest.mark.parametrize("type_name", TYPES)
def test_every_type_is_read_exactly(tmp_path: Path, type_name: str) -> None:
    value, kind, expected = TYPES[type_name]
    path = _file(
        tmp_path,
        "SET TimeZone = 'UTC'",
        f"CREATE TABLE t (a {type_name})",
        f"INSERT INTO t VALUES ({value}), (NULL)",
    )
    stream = _streams(path)["t"]
    assert [column.kind for column in columns_of(stream.json_schema)] == [kind]
    rows, _ = _read(stream, mode=FULL)
    assert [row["a"] for row in rows] == [expected, None]


@pytest.mark.parametrize(
    ("type_name", "value", "stored", "change"),
    [
        ("date", "'infinity'", None, "NULLED"),
        ("timestamptz", "'-infinity'", None, "NULLED"),
        ("time", "'24:00:00'", None, "NULLED"),
        ("timestamp_ns", "'2024-02-29 12:00:00.123456789'", "12:00:00.123456", "TRUNCATED"),
        ("hugeint", "170141183460469231731687303715884105727", None, "NULLED"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_value_without_a_place_is_recorded_and_its_neighbours_stay(
    tmp_path: Path, type_name: str, value: str, stored: str | None, change: str
) -> None:
    usual = {"hugeint": "1", "time": "'01:00:00'"}.get(type_name, "'2024-02-29'")
    path = _file(
        tmp_path, f"CREATE TABLE t (a {type_name})", f"INSERT INTO t VALUES ({value}), ({usual})"
    )
    stream = _streams(path)["t"]
    (batch,) = [b for b in stream.read(ReadRequest(mode=FULL)) if isinstance(b, pa.RecordBatch)]
    with BatchBuilder(columns_of(stream.json_schema), is_raw=False) as builder:
        rows = builder.from_arrow(batch, extracted_at_ms=0).rows
    found, neighbour = (row["a"] for row in _plain(rows))
    changes = rows.column(rows.num_columns - 1).to_pylist()
    assert stored in found if stored else found is None
    assert neighbour is not None
    assert change in changes[0]
    assert changes[1] is None


def test_json_that_is_none_is_recorded_and_its_neighbours_stay(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        "CREATE TABLE t (id INTEGER, fee DECIMAL(5,2), a DOUBLE[], b JSON)",
        "INSERT INTO t VALUES (1, 1.10, [1.5, 'nan'::DOUBLE], NULL),"
        " (2, NULL, [0.5], '\"NaN of text\"')",
    )
    stream = _streams(path)["t"]
    (page,) = [item for item in stream.read(ReadRequest(mode=FULL)) if not isinstance(item, State)]
    assert isinstance(page, list)
    with BatchBuilder(columns_of(stream.json_schema), is_raw=False) as builder:
        rows = _plain(builder.from_rows(page, extracted_at_ms=0).rows)
    assert [row["fee"] for row in rows] == ["1.100000000", None]
    assert (rows[0]["a"], "TRUNCATED" in rows[0]["_airbyte_changes"]) == ("[1.5,null]", True)
    assert (rows[1]["a"], rows[1]["b"]) == ("[0.5]", '"NaN of text"')
    assert rows[1]["_airbyte_changes"] is None


def test_tables_and_views_are_streams_and_penstocks_own_tables_are_none(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        "CREATE TABLE t (a INTEGER)",
        "CREATE VIEW v AS SELECT a + 1 AS b FROM t",
        "CREATE SCHEMA sales",
        'CREATE TABLE sales."Ünïcode 😀" ("{0}" INTEGER)',
        'INSERT INTO sales."Ünïcode 😀" VALUES (7)',
        "CREATE TABLE _penstock_state (a INTEGER)",
        "CREATE TABLE t__gen2 (a INTEGER)",
        "COMMENT ON TABLE t__gen2 IS 'penstock: rows of t that are not published yet'",
    )
    streams = _streams(path)
    assert [(s.namespace, name) for name, s in streams.items()] == [
        (None, "t"),
        (None, "v"),
        ("sales", "Ünïcode 😀"),
    ]
    assert _read(streams["Ünïcode 😀"], mode=FULL)[0] == [{"{0}": 7}]
    assert list(_streams(path, schemas=("sales",))) == ["Ünïcode 😀"]
    with pytest.raises(ConfigError, match="no schema nowhere"):
        _streams(path, schemas=("nowhere",))


def test_a_full_read_continues_where_it_was_interrupted(tmp_path: Path) -> None:
    path = _file(tmp_path, "CREATE TABLE t AS SELECT i FROM range(1000) AS r(i)")
    stream = _streams(path, state_rows=300)["t"]
    rows, states = _read(stream, mode=FULL)
    assert sorted(row["i"] for row in rows) == list(range(1000))
    assert [state["row"] for state in states] == [300, 600, 900, 1000]
    rest, _ = _read(stream, mode=FULL, state=states[1])
    assert sorted(row["i"] for row in rest) == list(range(600, 1000))


def test_a_file_that_was_written_to_meanwhile_is_not_continued(tmp_path: Path) -> None:
    path = _file(tmp_path, "CREATE TABLE t AS SELECT i FROM range(1000) AS r(i)")
    stream = _streams(path, state_rows=300)["t"]
    _, states = _read(stream, mode=FULL)
    with duckdb.connect(str(path)) as connection:
        connection.execute("DELETE FROM t WHERE i < 500")
    with pytest.raises(ConfigError, match="written to after a reading"):
        _read(stream, mode=FULL, state=states[1])


def test_rows_with_the_last_cursor_value_are_never_lost_and_not_repeated_for_nothing(
    tmp_path: Path,
) -> None:
    path = _file(
        tmp_path,
        "CREATE TABLE t (id INTEGER, day DATE)",
        "INSERT INTO t VALUES (1, '2024-01-01'), (2, '2024-01-02'), (3, NULL)",
    )
    stream = _streams(path)["t"]
    rows, states = _read(stream, mode=INCREMENTAL, cursor=("day",))
    assert [row["id"] for row in rows] == [3, 1, 2]

    again, states = _read(stream, mode=INCREMENTAL, cursor=("day",), state=states[-1])
    assert again == []

    with duckdb.connect(str(path)) as connection:
        connection.execute("INSERT INTO t VALUES (4, '2024-01-02'), (5, NULL), (6, '2024-01-03')")
    rows, _ = _read(stream, mode=INCREMENTAL, cursor=("day",), state=states[-1])
    assert {row["id"] for row in rows} == {2, 3, 4, 5, 6}


def test_a_stream_without_a_key_says_that_it_needs_a_cursor(tmp_path: Path) -> None:
    path = _file(tmp_path, "CREATE TABLE t (a INTEGER, tags VARCHAR[])")
    stream = _streams(path)["t"]
    with pytest.raises(ConfigError, match="no primary key") as caught:
        _read(stream, mode=INCREMENTAL)
    assert "cursor" in caught.value.remedy
    with pytest.raises(ConfigError, match=re.escape("no cursor 'tags'")) as caught:
        _read(stream, mode=INCREMENTAL, cursor=("tags",))
    assert caught.value.remedy == "Choose one of: a"


def test_a_file_open_elsewhere_is_busy(tmp_path: Path) -> None:
    import subprocess  # noqa: PLC0415 (needs another process)
    import sys  # noqa: PLC0415 (the same)

    path = _file(tmp_path, "CREATE TABLE t (a INTEGER)")
    script = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "1\n"
        with pytest.raises(ResourceBusy, match=str(other.pid)):
            _streams(path)
        other.communicate("\n")


def test_nothing_is_made_where_there_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no"):
        DuckDBSource(DuckDBSourceConfig(path=str(tmp_path / "none.duckdb"))).check()
    assert list(tmp_path.iterdir()) == []
