"""The records of a page as texts: the same ones, however the list around them is spelled."""

from __future__ import annotations

import json

import pytest

from penstock.data.batch import texts_of_rows
from penstock.data.lines import RecordTexts
from penstock.sdk.rest.body import Body, Records

ROWS = [
    b'{"id":9007199254740993,"note":"a, b ] \\" } \\n"}',
    b'{"id":1.50,"deep":{"list":[1,[2,{}],null]}}',
    b'{"note":"\\u00e9 \xe0\xa4\xa8","id":null}',
    b"{}",
]
LISTS = {
    "compact": b"[" + b",".join(ROWS) + b"]",
    "blanks": b"[ " + b" , ".join(ROWS) + b" ]",
    "lines": b"[\n  " + b",\n  ".join(ROWS) + b"\n]",
    "one blank": b"[" + ROWS[0] + b", " + b",".join(ROWS[1:]) + b"]",
}


def records(text: bytes) -> Records:
    return Body(b'{"items":' + text + b"}").records(("items",))


@pytest.mark.parametrize("text", LISTS.values(), ids=LISTS)
def test_texts_are_the_records_to_the_letter(text: bytes) -> None:
    assert list(records(text).texts) == ROWS


@pytest.mark.parametrize("text", LISTS.values(), ids=LISTS)
def test_plain_texts_say_the_same_on_one_line_each(text: bytes) -> None:
    plain = list(records(text).spelled_plainly())
    assert [json.loads(row) for row in plain] == [json.loads(row) for row in ROWS]
    assert not any(b"\n" in row for row in plain)


def test_record_spread_over_lines_is_put_on_one() -> None:
    text = b'[{"id":1},{"id":2},{"id":3},{"id":4},{"id":5,\n"note":"x"},{"id":6}]'
    assert list(records(text).spelled_plainly())[4] == b'{"id":5,"note":"x"}'


def test_what_is_no_object_is_counted() -> None:
    assert records(b'[{"id":1},7,"{",null,[{}]]').not_objects() == 4


def test_empty_list_has_no_texts() -> None:
    assert list(records(b"[]").texts) == []
    assert list(records(b"null").spelled_plainly()) == []


def test_taken_records_are_those_asked_for() -> None:
    assert list(records(LISTS["blanks"]).take([2, 0]).texts) == [ROWS[2], ROWS[0]]


@pytest.mark.parametrize(
    ("rows", "texts"),
    [
        ([{"a": None}, {"a": float("nan")}], [b'{"a":null}', b'{"a": NaN}']),
        ([{"a": [None]}, {"a": "null"}], [b'{"a":[null]}', b'{"a":"null"}']),
        ([{"a": None, "b": [float("inf")]}], [b'{"a": null, "b": [Infinity]}']),
        ([{"a": 1 << 70}, {"a": 0}], [b'{"a":1180591620717411303424}', b'{"a":0}']),
        ([], []),
    ],
    ids=["nan beside null", "nulls inside", "infinity inside", "big", "none"],
)
def test_rows_keep_what_json_writers_lose(
    rows: list[dict[str, object]], texts: list[bytes]
) -> None:
    found = [text.replace(b" ", b"") for text in texts_of_rows(rows)]
    assert found == [text.replace(b" ", b"") for text in texts]


def test_parts_are_joined_in_order() -> None:
    parts = [RecordTexts.of([b'{"a":1}']), RecordTexts.of([]), RecordTexts.of([b"{}", b'{"b":2}'])]
    joined = RecordTexts.joined(parts)
    assert list(joined) == [b'{"a":1}', b"{}", b'{"b":2}']
    assert (joined.byte_count, len(RecordTexts.joined([]))) == (16, 0)
