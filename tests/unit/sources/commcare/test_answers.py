"""Answers become typed values or stay what they are; nothing is lost between the two."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.data.types import Kind
from penstock.sources.commcare.answers import MISFIT, entries, split_answers, typed, utc

TYPED = [
    ("5", Kind.INTEGER, 5),
    ("-3", Kind.INTEGER, -3),
    ("007", Kind.INTEGER, 7),
    ("9007199254740993", Kind.INTEGER, 9007199254740993),
    ("9223372036854775808", Kind.INTEGER, MISFIT),
    ("9223372036854775808", Kind.BIG_INTEGER, 9223372036854775808),
    ("5.0", Kind.INTEGER, MISFIT),
    ("٣", Kind.INTEGER, MISFIT),
    ("1_000", Kind.INTEGER, MISFIT),
    ("about five", Kind.INTEGER, MISFIT),
    ("", Kind.INTEGER, None),
    ("  ", Kind.NUMBER, None),
    ("12.50", Kind.NUMBER, 12.5),
    ("1e3", Kind.NUMBER, 1000.0),
    ("NaN", Kind.NUMBER, MISFIT),
    ("1e999", Kind.NUMBER, MISFIT),
    ("inf", Kind.NUMBER, MISFIT),
    ("2024-02-29", Kind.DATE, "2024-02-29"),
    ("2023-02-29", Kind.DATE, MISFIT),
    ("20240229", Kind.DATE, MISFIT),
    ("29/02/2024", Kind.DATE, MISFIT),
    ("2024-02-29T10:00:00.000+05:30", Kind.TIMESTAMP_TZ, "2024-02-29T10:00:00.000+05:30"),
    ("2024-02-29T10:00:00Z", Kind.TIMESTAMP_TZ, "2024-02-29T10:00:00Z"),
    ("2024-02-29T10:00:00", Kind.TIMESTAMP_TZ, MISFIT),
    ("007", Kind.STRING, "007"),
    ("", Kind.STRING, ""),
    (" a b ", Kind.STRING, " a b "),
    (None, Kind.STRING, None),
    (None, Kind.DATE, None),
    (["a", "b"], Kind.STRING, MISFIT),
    ({"#text": "5", "@id": "x"}, Kind.INTEGER, 5),
    ({"nested": "5"}, Kind.INTEGER, MISFIT),
]


@pytest.mark.parametrize(("text", "kind", "value"), TYPED)
def test_answer_is_read_as_xml_schema_writes_its_type(text: Any, kind: Kind, value: Any) -> None:
    found = typed(text, kind)
    assert found is MISFIT if value is MISFIT else found == value
    assert type(found) is type(value)


def test_what_no_column_takes_is_left() -> None:
    form = {
        "name": "Ann",
        "age": "thirty",
        "group": {"phone": {"#text": "123", "@src": "dial"}, "other": "x"},
        "children": [{"name": "a"}],
        "empty": "",
    }
    columns = {
        ("name",): Kind.STRING,
        ("age",): Kind.INTEGER,
        ("group", "phone"): Kind.STRING,
        ("group", "absent"): Kind.DATE,
        ("empty",): Kind.INTEGER,
    }
    row, rest = split_answers(form, columns, [("children",)])
    assert row == {
        "form.name": "Ann",
        "form.age": None,
        "form.group.phone": "123",
        "form.group.absent": None,
        "form.empty": None,
    }
    assert rest == {"age": "thirty", "group": {"phone": {"@src": "dial"}, "other": "x"}}
    assert form["name"] == "Ann"


VALUES = st.recursive(
    st.none() | st.text(max_size=5) | st.sampled_from(["5", "1.5", "2024-01-01"]),
    lambda inner: (
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3) | st.lists(inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    form=st.dictionaries(st.sampled_from("abc"), VALUES),
    columns=st.dictionaries(
        st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(tuple),
        st.sampled_from([Kind.STRING, Kind.INTEGER, Kind.DATE]),
    ),
)
def test_every_text_is_in_a_column_or_left(
    form: dict[str, Any], columns: dict[tuple[str, ...], Kind]
) -> None:
    row, rest = split_answers(form, columns, [])
    kept = sorted([*texts(list(row.values())), *texts(rest)])
    assert sorted(text for text in texts(form) if text.strip()) == [t for t in kept if t.strip()]


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for one in value for text in texts(one)]
    return [] if value is None else [str(value)]


REPEATS = frozenset({("children",), ("children", "doses"), ("visits", "item")})


@pytest.mark.parametrize(
    ("form", "repeat", "found"),
    [
        ({}, ("children",), []),
        ({"children": ""}, ("children",), []),
        ({"children": {"n": "1"}}, ("children",), [("0", {"n": "1"})]),
        (
            {"children": [{"n": "1"}, {"n": "2"}]},
            ("children",),
            [("0", {"n": "1"}), ("1", {"n": "2"})],
        ),
        (
            {"children": [{"doses": {"v": "a"}}, {}, {"doses": [{"v": "b"}, {"v": "c"}]}]},
            ("children", "doses"),
            [("0.0", {"v": "a"}), ("2.0", {"v": "b"}), ("2.1", {"v": "c"})],
        ),
        ({"children": {"doses": {"v": "a"}}}, ("children", "doses"), [("0.0", {"v": "a"})]),
        (
            {"visits": {"@count": "1", "item": {"v": "a"}}},
            ("visits", "item"),
            [("0", {"v": "a"})],
        ),
    ],
)
def test_group_that_repeats_is_none_one_or_many(form: Any, repeat: Any, found: Any) -> None:
    assert found == list(entries(form, repeat, REPEATS))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2024-01-01T00:00:00.123456", "2024-01-01T00:00:00.123456Z"),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        ("2024-01-01T00:00:00+05:30", "2024-01-01T00:00:00+05:30"),
        (None, None),
        ("", None),
        ("yesterday", "yesterday"),
    ],
)
def test_instant_without_a_zone_gets_utc(text: Any, value: Any) -> None:
    assert value == utc(text)
