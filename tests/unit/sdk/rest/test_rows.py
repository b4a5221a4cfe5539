"""Pages as text and pages as Python values: the same rows land, whatever the API's spelling."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.data.batch import BatchBuilder
from penstock.data.json_rows import JsonRows
from penstock.data.lines import RecordTexts
from penstock.data.types import Kind
from penstock.errors import DataError
from penstock.protocol.catalog import StreamDescriptor
from penstock.sdk.record_lines import lines_of_rows, lines_of_texts
from penstock.sdk.rest.body import Body
from penstock.sdk.rest.rows import DELETED_AT, Shaping
from tests.unit.data.records import columns, decoded, plain, rows_of

KINDS = {
    "id": Kind.INTEGER,
    "big": Kind.BIG_INTEGER,
    "name": Kind.STRING,
    "amount": Kind.DECIMAL,
    "score": Kind.NUMBER,
    "at": Kind.TIMESTAMP_TZ,
    "on": Kind.DATE,
    "is": Kind.BOOLEAN,
    "what": Kind.JSON,
    "of": Kind.INTEGER,
    DELETED_AT: Kind.TIMESTAMP_TZ,
}
SHAPE = columns(**KINDS)

texts = st.text(st.characters(codec="utf-8"), max_size=8).map(
    lambda text: json.dumps(text, ensure_ascii=len(text) % 2 == 0)
)
literals = st.one_of(
    texts,
    st.integers(-(1 << 70), 1 << 70).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(lambda d: f"{d:f}"),
    st.sampled_from(["null", "true", "false", "9007199254740993", "1.10", '"007"', "-0.0"]),
    st.sampled_from(['"2024-02-29T10:00:00Z"', '"2024-02-30"', '"2024-01-31"', '"\\u00e9\\/"']),
)
values = st.recursive(
    literals,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]"),
        st.dictionaries(texts, inner, max_size=3).map(
            lambda pairs: "{" + ",".join(f"{key}:{value}" for key, value in pairs.items()) + "}"
        ),
    ),
    max_leaves=5,
)
records = st.dictionaries(st.sampled_from([*KINDS, "extra", "é"]), values, max_size=8)
spaces = st.sampled_from(["", " ", "\n  ", "\t"])


@st.composite
def pages(draw: Callable[..., Any]) -> bytes:
    space = draw(spaces)
    found = draw(st.lists(records, min_size=1, max_size=6))
    objects = [
        "{"
        + f",{space}".join(f"{space}{json.dumps(key)}:{space}{text}" for key, text in row.items())
        + space
        + "}"
        for row in found
    ]
    return f'{{{space}"items":{space}[{f",{space}".join(objects)}{space}]}}'.encode()


def shaping(*, as_text: bool, **settings: Any) -> Shaping:
    defaults: dict[str, Any] = {
        "stream": "people",
        "is_exact": True,
        "carry": {},
        "deleted": None,
        "changed_at": (),
        "transform": None,
        "expand": None,
        "now": lambda: "2024-05-01T00:00:00Z",
    }
    return Shaping(as_text=as_text, **(defaults | settings))


def both(page: bytes, **settings: Any) -> tuple[JsonRows, list[dict[str, Any]]]:
    found = Body(page).records(("items",))
    parent = {"id": 9007199254740993, "name": 'Zoë "A"'}
    as_text = shaping(as_text=True, **settings).rows(found, parent)
    as_values = shaping(as_text=False, **settings).rows(found, parent)
    assert isinstance(as_text, JsonRows)
    assert isinstance(as_values, list)
    return as_text, as_values


SETTINGS = [{}, {"carry": {"of": "id", "name": "name"}}, {"deleted": "is", "changed_at": ("at",)}]


@settings(max_examples=80)
@given(page=pages(), how=st.sampled_from(SETTINGS), is_raw=st.booleans())
def test_text_lands_as_its_values_do(page: bytes, how: dict[str, Any], is_raw: bool) -> None:
    as_text, as_values = both(page, **how)
    with BatchBuilder(SHAPE, is_raw=is_raw, threads=1) as builder:
        first = builder.from_texts(RecordTexts.of(as_text.texts), extracted_at_ms=5)
        second = builder.from_rows(as_values, extracted_at_ms=5)
    if is_raw:
        one, other = ([_value(row) for row in plain(each.rows)] for each in (first, second))
        assert one == other
    else:
        assert plain(first.rows) == plain(second.rows)


def _value(row: dict[str, Any]) -> Any:
    return json.loads(row["_airbyte_data"], parse_float=str)


@settings(max_examples=40)
@given(page=pages(), how=st.sampled_from(SETTINGS))
def test_text_written_as_record_lines_is_read_as_the_values_are(
    page: bytes, how: dict[str, Any]
) -> None:
    as_text, as_values = both(page, **how)
    stream = StreamDescriptor("users")
    one = lines_of_texts(stream, as_text.texts, emitted_at=5)
    other = lines_of_rows(stream, as_values, emitted_at=5)
    assert one.count(b"\n") == len(as_values)
    assert rows_of(decoded([one], SHAPE)) == rows_of(decoded([other], SHAPE))


@given(page=pages())
def test_iterating_gives_the_values(page: bytes) -> None:
    as_text, as_values = both(page)
    assert list(as_text) == as_values
    assert list(as_text[1:]) == as_values[1:]


def test_property_carried_over_wins_over_the_records_own() -> None:
    as_text, as_values = both(b'{"items":[{"of":7,"id":1}]}', carry={"of": "id"})
    assert list(as_text) == as_values == [{"of": 9007199254740993, "id": 1}]
    with BatchBuilder(columns(of=Kind.INTEGER, id=Kind.INTEGER), is_raw=False) as builder:
        built = builder.from_texts(RecordTexts.of(as_text.texts), extracted_at_ms=5)
    assert built.rows.column("of").to_pylist() == [9007199254740993]


def test_no_rows_are_no_lines() -> None:
    assert lines_of_texts(StreamDescriptor("users"), [], emitted_at=5) == b""


@pytest.mark.parametrize("as_text", [True, False])
def test_record_that_is_no_object_is_an_error(as_text: bool) -> None:
    found = Body(b'{"items":[{"id":1},null,[2]]}').records(("items",))
    with pytest.raises(DataError, match="2 records that are not JSON objects"):
        shaping(as_text=as_text).rows(found, {})
