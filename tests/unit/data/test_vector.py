"""DuckDB reads and proves records however they are written; it proves nothing it misread."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.data.lines import RecordTexts
from penstock.data.types import Kind
from penstock.data.vector import VectorParser, VectorSession
from tests.unit.data.records import columns

WRITERS: dict[str, Callable[[object], str]] = {
    "compact": lambda row: json.dumps(row, separators=(",", ":"), ensure_ascii=False),
    "spaces": lambda row: json.dumps(row, ensure_ascii=False),
    "escapes": lambda row: json.dumps(row, separators=(",", ":")),
    "python": json.dumps,
    "php": lambda row: json.dumps(row, separators=(",", ":")).replace("/", "\\/"),
    "lines": lambda row: json.dumps(row, indent="\t"),
}


def record_texts(texts: list[str]) -> RecordTexts:
    return RecordTexts.of([text.encode() for text in texts])


def proved(
    texts: RecordTexts, order: tuple[str, ...], mixed: set[str], **kinds: Kind
) -> list[bool]:
    session = VectorSession(threads=1, memory_limit="128MB")
    try:
        parser = VectorParser(session, columns(**kinds), order, mixed=mixed)
        parser.learn(texts)
        return [flag for part in parser.parse(texts) for flag in part.is_proved.tolist()]
    finally:
        session.close()


_TRAPS = st.text(st.sampled_from('\\",}:u05ck\n/a'), max_size=9)


@pytest.mark.parametrize("order", [("k", "y", "z"), ("z", ",", "}")])
@settings(max_examples=300)
@given(st.lists(st.tuples(_TRAPS, _TRAPS, _TRAPS), min_size=1, max_size=20), st.booleans())
def test_no_escape_is_taken_for_text_before_the_parser_knows_of_any(
    order: tuple[str, ...], values: list[tuple[str, ...]], is_odd: bool
) -> None:
    rows = [dict(zip(order, value, strict=True)) for value in values]
    backslash = "\\u005c" if is_odd else "\\\\"
    spelled = [json.dumps(row, separators=(",", ":")).replace("\\\\", backslash) for row in rows]
    session = VectorSession(threads=1, memory_limit="128MB")
    try:
        kinds = dict.fromkeys(order, Kind.STRING)
        parser = VectorParser(session, columns(**kinds), order)
        (part,) = parser.parse(record_texts(spelled))
    finally:
        session.close()
    columns_read = [column.to_pylist() for column in part.columns]
    for place, (row, is_proved) in enumerate(zip(rows, part.is_proved.to_pylist(), strict=True)):
        has_escapes = "\\" in spelled[place]
        assert is_proved or has_escapes
        if is_proved:
            assert [column[place] for column in columns_read] == list(row.values())


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
def test_plainly_spelled_rows_of_any_writer_are_proved(write: Callable[[object], str]) -> None:
    kinds = {"id": Kind.INTEGER, "é": Kind.STRING, "doc": Kind.JSON, "n": Kind.NUMBER}
    rows = [
        {"id": n, "é": f'a/b "日", : 😀\n{n}', "doc": {"x, y": [n, {"ü": None}]}, "n": n / 8}
        for n in range(10)
    ]
    texts = record_texts([write(row) for row in rows]).plain()
    assert proved(texts, tuple(kinds), set(), **kinds) == [True] * 10


def test_strings_numbers_and_documents_in_one_column_are_proved() -> None:
    texts = ['{"s":"x"}', '{"s":1.5}', '{"s":true}', '{"s":{"a":["NaN"]}}', '{"s":null}']
    assert proved(record_texts(texts), ("s",), {"s"}, s=Kind.STRING) == [
        True,
        True,
        True,
        False,
        True,
    ]


@pytest.mark.parametrize("kind", [k for k in Kind if k is not Kind.TIME])
def test_columns_that_differ_in_case_alone_are_proved(kind: Kind) -> None:
    value = {Kind.BOOLEAN: "true", Kind.STRING: '"x"', Kind.DATE: '"2024-02-29"'}.get(kind, "17")
    if kind in (Kind.TIMESTAMP, Kind.TIMESTAMP_TZ):
        value = '"2024-02-29T01:02:03Z"'
    text = f'{{"Id":{value},"id":null,"":{value},"a/~b":1}}'
    kinds = {"Id": kind, "id": kind, "": kind, "a/~b": Kind.INTEGER, "A/~B": kind}
    assert proved(record_texts([text]), ("Id", "id", "", "a/~b"), set(), **kinds) == [True]


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}', '{"a":1,"b":2}', '{"A":1}', '{"a":1e2}', '{"a":"1"}', '{"a":1.0}',
        '{"a":1} ', '{"a":12345678901234567890}', '{"a": 1}', '{"a":NaN}', '{"\\u0061":1}',
    ],
)  # fmt: skip
def test_a_row_that_holds_more_than_was_read_is_not_proved(text: str) -> None:
    assert proved(record_texts([text, '{"a":1}']), ("a",), set(), a=Kind.INTEGER) == [False, True]
