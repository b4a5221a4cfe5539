"""Arrow reads dates and instants, which the fast path trusts, as the reference reads them."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.data import temporal

DIGITS = st.integers(0, 99).map(lambda n: f"{n:02d}")
TEXTS = st.builds(
    "{}-{}-{}{}{}{}".format,
    st.one_of(st.integers(0, 9999).map(lambda n: f"{n:04d}"), st.sampled_from(["12024", "-0001"])),
    st.integers(0, 13).map(lambda n: f"{n:02d}"),
    st.integers(0, 32).map(lambda n: f"{n:02d}"),
    st.sampled_from(["", "T", " ", "t", "  "]),
    st.one_of(
        st.just(""),
        DIGITS,
        st.tuples(DIGITS, DIGITS).map(":".join),
        st.tuples(DIGITS, DIGITS, DIGITS).map(":".join),
        st.builds("{}:{}:{}.{}".format, DIGITS, DIGITS, DIGITS, st.integers(0, 10**9).map(str)),
        st.sampled_from(["10:11:12.", "101112", "1011", "24:00:00", "23:59:60", "1:2:3"]),
    ),
    st.sampled_from(["", "Z", "z", "+05:30", "-0800", "+05", "+24:00", " Z", "+5:30", "-00:00"]),
)


@settings(max_examples=1500)
@given(TEXTS)
@pytest.mark.parametrize(
    "spelling", [pa.timestamp("us", tz="UTC"), pa.timestamp("us"), pa.date32()]
)
def test_whatever_arrow_reads_the_reference_reads_alike(spelling: pa.DataType, text: str) -> None:
    try:
        read = pc.cast(pa.array([text]), spelling)
    except pa.ArrowInvalid:
        return
    if spelling == pa.date32():
        assert read.view(pa.int32())[0].as_py() == temporal.date(text)
    else:
        assert (read.view(pa.int64())[0].as_py(), False) == temporal.instant(text)
