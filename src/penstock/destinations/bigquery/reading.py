"""Rows read back by BigQuery's REST API, page by page, as Arrow batches of penstock's types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.types import JSON_TYPE
from penstock.destinations.bigquery.connection import Address
from penstock.destinations.bigquery.failures import translated

if TYPE_CHECKING:
    from google.cloud.bigquery import SchemaField
    from google.cloud.bigquery.table import RowIterator

    from penstock.destinations.bigquery.session import BigQuerySession

_PLAIN: Final[dict[str, pa.DataType]] = {
    "INTEGER": pa.int64(),
    "INT64": pa.int64(),
    "FLOAT": pa.float64(),
    "FLOAT64": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "BOOL": pa.bool_(),
    "STRING": pa.string(),
    "BYTES": pa.binary(),
    "NUMERIC": pa.decimal128(38, 9),
    "BIGNUMERIC": pa.decimal256(76, 38),
    "DATE": pa.date32(),
    "DATETIME": pa.timestamp("us"),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
    "TIME": pa.time64("us"),
    "JSON": JSON_TYPE,
}
_MOST_DIGITS: Final = 38


def reader_of(
    session: BigQuerySession, address: Address, rows: RowIterator
) -> pa.RecordBatchReader:
    """Returns the rows as they come; the session is closed with the last of them."""
    schema = pa.schema([pa.field(field.name, _type_of(field)) for field in rows.schema])

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            with translated(address):
                for batch in rows.to_arrow_iterable():
                    yield _in_types(batch, schema)
        finally:
            session.close()

    return pa.RecordBatchReader.from_batches(schema, batches())


def _type_of(field: SchemaField) -> pa.DataType:
    if field.mode == "REPEATED" or field.field_type in ("RECORD", "STRUCT"):
        return JSON_TYPE
    if field.precision is not None and int(field.precision) <= _MOST_DIGITS:
        return pa.decimal128(int(field.precision), int(field.scale or 0))
    return _PLAIN.get(field.field_type, pa.string())


def _in_types(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [_typed(c, f.type) for c, f in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _typed(column: pa.Array, wanted: pa.DataType) -> Any:
    if column.type == wanted:
        return column
    if wanted == JSON_TYPE:
        return pa.ExtensionArray.from_storage(JSON_TYPE, _texts(column))
    return pc.cast(column, wanted)


def _texts(column: pa.Array) -> pa.Array:
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_nested(column.type):
        values = [None if v is None else json.dumps(v, default=str) for v in column.to_pylist()]
        return pa.array(values, pa.string())
    return column.cast(pa.string())
