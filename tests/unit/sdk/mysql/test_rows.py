"""Rows of the text protocol become columns, and columns the text that statements read."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest

from penstock.data.types import Kind, kind_of_decimal
from penstock.errors import ProtocolError
from penstock.sdk.mysql.rows_in import FILE, VALUES, file_of, joined, spelled
from penstock.sdk.mysql.rows_out import Form, OutColumn, rows_to_batch, typed


def _field(value: bytes | None) -> bytes:
    if value is None:
        return b"\xfb"
    if len(value) < 251:
        return bytes([len(value)]) + value
    if len(value) < 1 << 16:
        return b"\xfc" + len(value).to_bytes(2, "little") + value
    return b"\xfd" + len(value).to_bytes(3, "little") + value


def test_fields_of_every_length_are_found() -> None:
    values = [b"", b"a", None, b"b" * 250, b"c" * 251, b"d" * 70_000, b"e"]
    rows = [_field(value) + _field(str(n).encode()) for n, value in enumerate(values)]
    columns = [OutColumn(name="t", kind=Kind.STRING), OutColumn(name="n", kind=Kind.INTEGER)]
    batch = rows_to_batch(rows, columns)
    assert batch.column(0).to_pylist() == [v if v is None else v.decode() for v in values]
    assert batch.column(1).to_pylist() == list(range(len(values)))


def test_a_row_that_is_longer_than_its_fields_is_refused() -> None:
    with pytest.raises(ProtocolError, match="does not end"):
        rows_to_batch([_field(b"1") + b"x"], [OutColumn(name="n", kind=Kind.INTEGER)])


def test_bytes_become_base64_and_flags_booleans() -> None:
    columns = [
        OutColumn(name="raw", kind=Kind.STRING, form=Form.BYTES),
        OutColumn(name="flag", kind=Kind.BOOLEAN, form=Form.FLAG),
    ]
    batch = rows_to_batch([_field(b"\xff\x00") + _field(b"1"), _field(None) * 2], columns)
    assert batch.to_pylist() == [{"raw": "/wA=", "flag": True}, {"raw": None, "flag": None}]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Kind.DATE, "0000-00-00"),
        (Kind.TIME, "-01:00:00"),
        (Kind.TIME, "25:00:00"),
        (Kind.TIMESTAMP, "2024-00-10 00:00:00"),
        (Kind.TIMESTAMP_TZ, "0000-00-00 00:00:00"),
    ],
)
def test_a_column_with_a_value_beyond_its_kind_stays_text(kind: Kind, text: str) -> None:
    texts = pa.array([text, None], pa.string())
    assert typed(texts, kind) is texts


@pytest.mark.parametrize(
    ("digits", "places", "kind"),
    [
        (38, 0, Kind.BIG_INTEGER),
        (39, 0, Kind.STRING),
        (38, 9, Kind.DECIMAL),
        (39, 9, Kind.STRING),
        (20, 10, Kind.STRING),
    ],
)
def test_a_decimal_is_exact_or_text(digits: int, places: int, kind: Kind) -> None:
    assert kind_of_decimal(digits, places) is kind


def test_a_file_escapes_what_ends_fields_and_rows() -> None:
    texts = pa.array(["a\tb", "c\nd", "\\N", None, "nul\0"], pa.string())
    expected = b"a\\tb\nc\\nd\n\\\\N\n\\N\nnul\\0\n"
    assert file_of([spelled(texts, Kind.STRING, FILE)]) == expected


def test_values_are_quoted_and_numbers_are_not() -> None:
    columns = [
        spelled(pa.array(["it's \\", None], pa.string()), Kind.STRING, VALUES),
        spelled(pa.array([-0.0, 1e300], pa.float64()), Kind.NUMBER, VALUES),
        spelled(pa.array([Decimal("1E-9"), None], pa.decimal128(38, 9)), Kind.DECIMAL, VALUES),
        spelled(pa.array([True, False]), Kind.BOOLEAN, VALUES),
    ]
    expected = ["('it\\'s \\\\',-0e0,0.000000001,1)", "(NULL,1e+300,NULL,0)"]
    assert joined(columns, VALUES) == expected
