"""Batches written as RECORD lines decode to the same batches."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.data.careful import batch_schema, storage_type
from penstock.data.encode import encode_batch
from penstock.data.types import JSON_TYPE, Kind
from penstock.protocol.catalog import StreamDescriptor
from tests.unit.data.records import USERS, columns, decoded, plain, rows_of

SHAPE = columns(**{kind.value: kind for kind in Kind})

VALUES: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.STRING: st.text(max_size=8),
    Kind.BOOLEAN: st.booleans(),
    Kind.INTEGER: st.integers(-(1 << 63), (1 << 63) - 1),
    Kind.BIG_INTEGER: st.integers(-(10**38) + 1, 10**38 - 1).map(Decimal),
    Kind.NUMBER: st.floats(allow_nan=False, allow_infinity=False),
    Kind.DECIMAL: st.integers(-(10**38) + 1, 10**38 - 1).map(lambda n: Decimal(f"{n}e-9")),
    Kind.DATE: st.integers(-3_000_000, 3_000_000),
    Kind.TIMESTAMP_TZ: st.integers(-(1 << 62), 1 << 62),
    Kind.TIMESTAMP: st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999),
    Kind.TIME: st.integers(0, 86_399_999_999),
    Kind.JSON: st.sampled_from(['{"a":[1.10,1e400]}', "1E5", '"\\u001f é"', "[]", '"a b"']),
}


def batch_of(rows: list[dict[str, Any]], changes: list[str | None]) -> pa.RecordBatch:
    arrays = []
    for column in SHAPE:
        values = [row[column.name] for row in rows]
        if column.kind in (Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ):
            whole = pa.int32() if column.kind is Kind.DATE else pa.int64()
            arrays.append(pa.array(values, whole).view(storage_type(column.kind)))
        elif column.kind is Kind.JSON:
            arrays.append(pa.ExtensionArray.from_storage(JSON_TYPE, pa.array(values, pa.string())))
        else:
            arrays.append(pa.array(values, column.arrow_type))
    stamps = pa.array([1_700_000_000_123_000] * len(rows), pa.int64())
    arrays.append(stamps.view(pa.timestamp("us", tz="UTC")))
    arrays.append(pa.array(changes, pa.string()))
    return pa.RecordBatch.from_arrays(arrays, schema=batch_schema(SHAPE, is_raw=False))


ROW = st.fixed_dictionaries({kind.value: st.none() | values for kind, values in VALUES.items()})
CHANGE = '[{"field":"x","change":"NULLED","reason":"SOURCE_RETRIEVAL_ERROR"}]'


@settings(max_examples=30)
@given(st.lists(ROW, min_size=1, max_size=5), st.booleans())
def test_lines_decode_to_the_batch_they_were_written_from(
    rows: list[dict[str, Any]], has_changes: bool
) -> None:
    changes = [CHANGE if has_changes and n % 2 == 0 else None for n in range(len(rows))]
    batch = batch_of(rows, changes)
    lines = b"".join(encode_batch(USERS, batch))
    assert repr(rows_of(decoded([lines], SHAPE))) == repr(plain(batch))


def test_lines_are_protocol_records_of_their_stream() -> None:
    row = dict.fromkeys((kind.value for kind in Kind), None) | {"timestamp_tz": 0, "string": "\x01"}
    stream = StreamDescriptor('o"ne', "public")
    lines = b"".join(encode_batch(stream, batch_of([row], [None]))).splitlines()
    record = json.loads(lines[0])["record"]
    assert (record["stream"], record["namespace"]) == ('o"ne', "public")
    assert record["emitted_at"] == 1_700_000_000_123
    assert record["data"]["timestamp_tz"] == "1970-01-01T00:00:00.000000Z"
    assert "meta" not in record
    assert len(lines) == 1


def test_nan_and_infinity_are_written_as_null() -> None:
    schema = batch_schema(columns(n=Kind.NUMBER), is_raw=False)
    stamps = pa.array([0, 0]).view(pa.timestamp("us", tz="UTC"))
    arrays = [pa.array([float("nan"), float("-inf")]), stamps, pa.nulls(2, pa.string())]
    lines = b"".join(encode_batch(USERS, pa.RecordBatch.from_arrays(arrays, schema=schema)))
    assert [json.loads(line)["record"]["data"] for line in lines.splitlines()] == [{"n": None}] * 2


def test_raw_batches_are_written_as_the_record_itself() -> None:
    wire = b'{"type":"RECORD","record":{"stream":"users","data":{"a": 1.10},"emitted_at":7}}\n'
    items = decoded([wire], (), is_raw=True)
    assert b"".join(encode_batch(USERS, items[0].rows)) == wire  # type: ignore[union-attr]


def test_an_empty_batch_writes_nothing() -> None:
    assert list(encode_batch(USERS, batch_of([], []))) == []


def test_a_slice_writes_only_its_rows() -> None:
    rows = [dict.fromkeys((kind.value for kind in Kind), None) | {"integer": n} for n in range(5)]
    lines = b"".join(encode_batch(USERS, batch_of(rows, [None] * 5).slice(2, 2)))
    assert [row["integer"] for row in rows_of(decoded([lines], SHAPE))] == [2, 3]
