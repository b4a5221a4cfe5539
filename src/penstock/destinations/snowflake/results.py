"""Rows of a query as Arrow, in the types that Snowflake names for its columns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa


def arrow_type(column: Any) -> pa.DataType:  # noqa: PLR0911 (a table)
    """Type codes: docs.snowflake.com, Python connector API, `Cursor.description`."""
    match column.type_code:
        case 0 if column.scale:
            return pa.decimal128(column.precision, column.scale)
        case 0:
            return pa.decimal128(38, 0) if (column.precision or 38) > 19 else pa.int64()
        case 1:
            return pa.float64()
        case 3:
            return pa.date32()
        case 4 | 8:
            return pa.timestamp("us")
        case 6 | 7:
            return pa.timestamp("us", tz="UTC")
        case 11:
            return pa.binary()
        case 12:
            return pa.time64("us")
        case 13:
            return pa.bool_()
        case _:
            return pa.string()


def batch_of(rows: Sequence[Any], schema: pa.Schema) -> pa.RecordBatch:
    """Returns rows as the driver fetched them as one batch."""
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    arrays = [_array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(values: Sequence[Any], target: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(target) and target.tz is not None:
        values = [_utc(value) for value in values]
    return pa.array(values, target)


def _utc(value: datetime | None) -> datetime | None:
    return None if value is None else value.astimezone(UTC)
