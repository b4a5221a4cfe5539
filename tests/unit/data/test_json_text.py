"""JSON keeps its meaning, and every literal its letters, whatever spelling it came in."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.data.json_text import compact, is_json, plain

SPELLINGS = [
    (b'{ "a" : [ 1.10 , 1E400,\t-0 ],\r\n "b":"x , : \\" y" }',
     '{"a":[1.10,1E400,-0],"b":"x , : \\" y"}'),
    (rb'"\u00e9\u65e5\ud83d\ude00"', '"é日😀"'),
    (rb'"\u0026\u003C\/"', '"&</"'),
    (rb'"\\u0041\\\u0041\\/\\\/"', r'"\\u0041\\A\\/\\/"'),
    (rb'"\u0022\u005c\u0000\u001F\u007f\n"', '"\\u0022\\u005c\\u0000\\u001F\x7f\\n"'),
    (rb'{"k\u00e9y":1,"k\u00e9y":2}', '{"kéy":1,"kéy":2}'),
    ('"é \\u00e9"'.encode(), '"é é"'),
    (rb'"\U0041"', r'"\U0041"'),
]  # fmt: skip


@pytest.mark.parametrize(("given_text", "kept"), SPELLINGS)
def test_plain_text_is_spelled_in_one_way(given_text: bytes, kept: str) -> None:
    assert plain(given_text).decode() == kept


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":\\u0031}', b'{"a": tru}', b'[1, ]', b'"\\ud800 "', b'"\\udc00\\ud800"',
        b'{"a": NaN}', b'{"a" : 1} x', b"", b'"\\u12G4"', b'{"a": 01}',
    ],
)  # fmt: skip
def test_what_is_not_json_stays_as_it_is(text: bytes) -> None:
    assert not is_json(text)
    assert plain(text) == text


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.text(),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=6,
)


@given(VALUES, st.booleans(), st.sampled_from([None, 0, 2]))
def test_plain_text_means_the_same_and_is_final(
    value: object, ensure_ascii: bool, indent: int | None
) -> None:
    text = json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, allow_nan=False)
    try:
        written = text.encode()
    except UnicodeEncodeError:
        return
    spelled = plain(written)
    assert repr(json.loads(spelled)) == repr(value)
    assert plain(spelled) == spelled == compact(spelled)
