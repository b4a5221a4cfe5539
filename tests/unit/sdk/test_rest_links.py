"""Link headers and answers as they come, without an API."""

from __future__ import annotations

import pytest

from penstock.errors import TransientError
from penstock.sdk.rest.body import Body
from penstock.sdk.rest.paginate import links_in


@pytest.mark.parametrize(
    ("header", "links"),
    [
        ("", []),
        ('<https://a/?x=1,2;3>; rel="next"', [("https://a/?x=1,2;3", ("next",))]),
        ("</b>; title=x; REL=Next", [("/b", ("next",))]),
        ('<a>; rel="last next", <b>; rel=prev', [("a", ("last", "next")), ("b", ("prev",))]),
        ('<a>; title="; rel=next"; rel="prev"', [("a", ("prev",))]),
    ],
)
def test_links_are_read_as_rfc_8288_writes_them(
    header: str, links: list[tuple[str, tuple[str, ...]]]
) -> None:
    assert list(links_in(header)) == links


def test_fields_are_read_without_the_rest_of_the_record() -> None:
    body = Body(b'{"d":[{"id":9007199254740993,"audit":{"at":"x"}},{"audit":null},{}]}')
    records = body.records(("d",))
    assert records.fields(("id",)) == [9007199254740993, None, None]
    assert records.fields(("audit", "at")) == ["x", None, None]


@pytest.mark.parametrize("text", [b"", b'{"a":', b"<html>", b'{"a":"\xff"}'])
def test_what_is_not_whole_json_may_be_asked_for_again(text: bytes) -> None:
    with pytest.raises(TransientError, match="where JSON was due"):
        Body(text)
