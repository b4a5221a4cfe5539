"""Plans, batches and a child process for the tests of the DuckDB destination."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from penstock.data.types import JSON_TYPE, Kind, arrow_type
from penstock.destinations.duckdb import DuckDBConfig, DuckDBDestination
from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.state import State, stream_state
from penstock.sdk.destination import (
    ColumnPlan,
    Normalisation,
    StreamPlan,
    TableName,
    WriteMode,
)

STREAM = StreamDescriptor("users")
TABLE = TableName(schema=None, name="users")
AT = datetime(2024, 1, 1, tzinfo=UTC)
RAW = [("_airbyte_data", Kind.JSON)]
ID_NAME = [("id", Kind.INTEGER), ("name", Kind.STRING)]
KEYED = [("id", Kind.INTEGER), ("cursor", Kind.INTEGER), ("name", Kind.STRING)]

EVERY_KIND: dict[Kind, list[Any]] = {
    Kind.STRING: ["", "007", "a'\"\\\x00é😀\n", "x" * 100_000],
    Kind.BOOLEAN: [True, False, True, False],
    Kind.INTEGER: [-(2**63), 2**63 - 1, 2**53 + 1, 0],
    Kind.BIG_INTEGER: [10**38 - 1, -(10**38 - 1), 2**64, 0],
    Kind.NUMBER: [0.1, -1e300, 5e-324, -0.0],
    Kind.DECIMAL: [
        Decimal("99999999999999999999999999999.999999999"),
        Decimal("-0.000000001"),
        Decimal("1.500000000"),
        Decimal("0E-9"),
    ],
    Kind.DATE: [date(1, 1, 1), date(9999, 12, 31), date(2024, 2, 29), date(1970, 1, 1)],
    Kind.TIMESTAMP_TZ: [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2024, 3, 10, 2, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        datetime(1970, 1, 1, tzinfo=UTC),
    ],
    Kind.TIMESTAMP: [
        datetime(1, 1, 1),  # noqa: DTZ001 (local times are what the kind is)
        datetime(9999, 12, 31, 23, 59, 59, 999999),  # noqa: DTZ001
        datetime(2024, 3, 10, 2, 30),  # noqa: DTZ001
        datetime(1970, 1, 1),  # noqa: DTZ001
    ],
    Kind.TIME: [time(0), time(23, 59, 59, 999999), time(12), time(0, 0, 0, 1)],
    Kind.JSON: ['{"a": 1.0}', "[1,2]", '"text"', "12345678901234567890123.50"],
}


def destination(path: Path, **settings: Any) -> DuckDBDestination:
    return DuckDBDestination(DuckDBConfig(path=str(path), **settings))


def plan(
    columns: Sequence[tuple[str, Kind]] = ID_NAME,
    *,
    mode: WriteMode = WriteMode.APPEND,
    key: Sequence[str] = (),
    cursor: str | None = None,
    **more: Any,
) -> StreamPlan:
    is_raw = more.get("normalisation") is Normalisation.RAW
    values: dict[str, Any] = {"connection": "c1", "stream": STREAM, "table": TABLE, **more}
    return StreamPlan(
        columns=()
        if is_raw
        else tuple(ColumnPlan(source=name, name=name, kind=kind) for name, kind in columns),
        mode=mode,
        primary_key=tuple(key),
        cursor=cursor,
        **values,
    )


def batch(
    columns: Sequence[tuple[str, Kind]],
    rows: Sequence[Sequence[Any]],
    *,
    at: datetime = AT,
    changes: str | None = None,
) -> pa.RecordBatch:
    arrays = [_array([row[place] for row in rows], kind) for place, (_, kind) in enumerate(columns)]
    arrays.append(pa.array([at] * len(rows), pa.timestamp("us", tz="UTC")))
    arrays.append(pa.array([changes] * len(rows), pa.string()))
    names = [name for name, _ in columns]
    return pa.RecordBatch.from_arrays(
        arrays, names=[*names, "_airbyte_extracted_at", "_airbyte_changes"]
    )


def _array(values: list[Any], kind: Kind) -> pa.Array:
    if kind is Kind.JSON:
        return pa.ExtensionArray.from_storage(JSON_TYPE, pa.array(values, pa.string()))
    return pa.array(values, arrow_type(kind))


def state(position: int) -> State:
    return stream_state(STREAM, b'{"position":%d}' % position)


def position(target: DuckDBDestination, connection: str = "c1") -> int | None:
    """Returns the position in the stored state; None when there is none."""
    for row in target.stored_states(connection):
        if row.stream == STREAM and row.state is not None and row.state.stream is not None:
            return int(bytes(row.state.stream.stream_state)[len(b'{"position":') : -1])
    return None


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(path) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return list(connection.execute(sql).fetchall())


def names(path: Path, table: str = "users") -> list[Any]:
    return query(path, f"SELECT id, name FROM {table} ORDER BY ALL")


def tables(path: Path) -> list[str]:
    return [row[0] for row in query(path, "SELECT table_name FROM duckdb_tables() ORDER BY 1")]


def sync(
    target: DuckDBDestination,
    stream_plan: StreamPlan,
    columns: Sequence[tuple[str, Kind]],
    *transactions: Sequence[Sequence[Any]],
) -> int:
    """Writes each argument as one transaction and publishes; returns the rows counted."""
    count = 0
    with target.open(stream_plan) as writer:
        for number, rows in enumerate(transactions, start=1):
            if rows:
                writer.write(batch(columns, rows))
            count += writer.commit(state(number))
        count += writer.finish(None)
    return count
