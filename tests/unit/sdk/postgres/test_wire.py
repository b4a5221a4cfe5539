"""Values survive the way into PostgreSQL's binary COPY and back, whatever they are."""

from __future__ import annotations

import struct
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.data.types import Kind, arrow_type
from penstock.errors import DataError, ProtocolError
from penstock.sdk.postgres.copy_in import encoded_rows
from penstock.sdk.postgres.copy_out import Form, WireColumn, rows_to_batch, without_frame
from penstock.sdk.postgres.irregular import text_of_numeric
from penstock.sdk.postgres.wire import SIGNATURE, TRAILER
from penstock.testing.cells import array_of, cells_of

FORMS = {
    Kind.STRING: Form.TEXT,
    Kind.BOOLEAN: Form.BOOLEAN,
    Kind.INTEGER: Form.INT8,
    Kind.BIG_INTEGER: Form.NUMERIC,
    Kind.NUMBER: Form.FLOAT8,
    Kind.DECIMAL: Form.NUMERIC,
    Kind.DATE: Form.DATE,
    Kind.TIMESTAMP_TZ: Form.TIMESTAMP,
    Kind.TIMESTAMP: Form.TIMESTAMP,
    Kind.TIME: Form.TIME,
    Kind.JSON: Form.JSONB,
}
CELLS: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.STRING: st.text(),
    Kind.BOOLEAN: st.booleans(),
    Kind.INTEGER: st.integers(-(2**63), 2**63 - 1),
    Kind.BIG_INTEGER: st.integers(-(10**38) + 1, 10**38 - 1),
    Kind.NUMBER: st.floats(allow_nan=False),
    Kind.DECIMAL: st.integers(-(10**38) + 1, 10**38 - 1).map(lambda n: Decimal(f"{n}e-9")),
    Kind.DATE: st.integers(-2_440_588, 2_000_000_000),
    Kind.TIMESTAMP_TZ: st.integers(-(2**57), 2**62),
    Kind.TIMESTAMP: st.integers(-(2**57), 2**62),
    Kind.TIME: st.integers(0, 86_399_999_999),
    Kind.JSON: st.text(),
}
KINDS = list(Kind)
ROWS = st.lists(st.tuples(*(st.none() | CELLS[kind] for kind in KINDS)), min_size=1, max_size=20)


def split(content: bytes, fields: int) -> list[bytes]:
    """Returns the rows one by one, walking every field as the documentation says."""
    rows, start = [], 0
    while start < len(content):
        place = start + 2
        assert int.from_bytes(content[start:place], "big") == fields
        for _ in range(fields):
            (length,) = struct.unpack_from(">i", content, place)
            place += 4 + max(length, 0)
        rows.append(content[start:place])
        start = place
    return rows


def batch_of(rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    arrays = [array_of(kind, list(cells)) for kind, cells in zip(KINDS, columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=[str(kind) for kind in KINDS])


@given(ROWS)
def test_every_value_comes_back_as_it_was_sent(rows: list[tuple[Any, ...]]) -> None:
    batch = batch_of(rows)
    sent = b"".join(bytes(block) for block in encoded_rows(batch, KINDS))
    wires = [WireColumn(name=str(kind), kind=kind, form=FORMS[kind]) for kind in KINDS]
    back = rows_to_batch(split(sent, len(KINDS)), wires)
    for kind, column in zip(KINDS, back.columns, strict=True):
        assert column.type == arrow_type(kind), kind
        assert cells_of(column) == cells_of(batch.column(str(kind))), kind


@given(ROWS, st.data())
def test_a_slice_is_sent_as_its_own_rows(rows: list[tuple[Any, ...]], data: Any) -> None:
    start = data.draw(st.integers(0, len(rows) - 1))
    count = data.draw(st.integers(0, len(rows) - start))
    whole, part = batch_of(rows), batch_of(rows[start : start + count] or rows[:1])
    sent = b"".join(bytes(block) for block in encoded_rows(whole.slice(start, count), KINDS))
    alone = b"".join(bytes(block) for block in encoded_rows(part, KINDS)) if count else b""
    assert sent == alone


@pytest.mark.parametrize(
    ("groups", "weight", "sign", "scale", "text"),
    [
        ((), 0, 0x0000, 0, "0"),
        ((), 0, 0x0000, 3, "0.000"),
        ((1, 5000), 0, 0x0000, 1, "1.5"),
        ((1, 5000), 0, 0x4000, 4, "-1.5000"),
        ((12,), 3, 0x0000, 0, "12000000000000"),
        ((1,), -3, 0x0000, 12, "0.000000000001"),
        ((), 0, 0xC000, 0, "NaN"),
        ((), 0, 0xD000, 0, "Infinity"),
        ((), 0, 0xF000, 0, "-Infinity"),
    ],
)
def test_a_numeric_is_spelled_as_the_server_does(
    groups: tuple[int, ...], weight: int, sign: int, scale: int, text: str
) -> None:
    raw = struct.pack(f">hhHh{len(groups)}h", len(groups), weight, sign, scale, *groups)
    assert text_of_numeric(raw) == text


def test_header_and_trailer_are_no_rows() -> None:
    row = b"\x00\x00"
    assert without_frame(SIGNATURE + row, is_first=True) == row
    assert without_frame(SIGNATURE + TRAILER, is_first=True) == b""
    assert without_frame(TRAILER, is_first=False) == b""
    with pytest.raises(ProtocolError, match="header"):
        without_frame(b"PGCOPZ", is_first=True)


def test_a_row_that_does_not_add_up_is_refused() -> None:
    wire = WireColumn(name="a", kind=Kind.INTEGER, form=Form.INT8)
    field = struct.pack(">hiq", 1, 8, 7)
    with pytest.raises(ProtocolError, match="2 fields"):
        rows_to_batch([field, b"\x00\x02" + field[2:]], [wire])
    with pytest.raises(ProtocolError, match="does not end"):
        rows_to_batch([field + b"\x00"], [wire])


def test_text_that_is_not_utf8_is_refused_with_the_reason() -> None:
    wire = WireColumn(name="a", kind=Kind.STRING, form=Form.TEXT)
    with pytest.raises(DataError, match="SQL_ASCII"):
        rows_to_batch([b"\x00\x01\x00\x00\x00\x01\xff"], [wire])
