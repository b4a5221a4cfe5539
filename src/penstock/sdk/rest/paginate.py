"""Where the next page is: the ways in which APIs cut their answers into pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from penstock.errors import DataError
from penstock.sdk.rest.body import Body, Path, path_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What to ask for one page, beside what all pages of the stream are asked with."""

    params: Mapping[str, Any] = field(default_factory=dict)
    path: str | None = None
    """A whole address to ask instead; nothing is added to it."""
    position: Any = None
    """What the paginator has to remember from one page to the next."""

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells this page from others: two turns with equal keys ask for the same."""
        return self.path, tuple(sorted((name, str(value)) for name, value in self.params.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFacts:
    """What is known of a page that was read."""

    body: Body
    headers: Mapping[str, str]
    count: int
    """Records on the page, those already seen included."""
    field_of: Callable[[Path], list[Any]]
    """Returns one field of each record."""


class Paginator(Protocol):
    """A way of paging; a value without state, so that streams can be read side by side."""

    def first(self) -> Turn:
        """Returns what to ask for the first page."""
        ...

    def next(self, turn: Turn, page: PageFacts) -> Turn | None:
        """Returns what to ask for the page after one, or None after the last."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SinglePage:
    """One answer holds everything."""

    def first(self) -> Turn:
        """Asks for nothing in particular."""
        return Turn()

    def next(self, turn: Turn, page: PageFacts) -> Turn | None:
        """There is no other page."""
        del turn, page
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageNumber:
    """Pages by number. Ends after `total` pages; without it, at the first page without records.

    A short page is no end: servers cap page sizes without telling. Rows that move between pages
    while they are read can be missed; where an API can sort by a cursor, `Keyset` misses none.
    """

    param: str = "page"
    start: int = 1
    size_param: str | None = None
    size: int | None = None
    total: str | Path | None = None
    """Where the answer says how many pages there are."""

    def first(self) -> Turn:
        """Asks for the first number."""
        return self._turn(self.start)

    def next(self, turn: Turn, page: PageFacts) -> Turn | None:
        """Asks for the next number."""
        number = turn.position + 1
        if self.total is not None:
            pages = _whole(page.body, path_of(self.total))
            return self._turn(number) if number - self.start < pages else None
        return self._turn(number) if page.count else None

    def _turn(self, number: int) -> Turn:
        size = {self.size_param: self.size} if self.size_param else {}
        return Turn(params={self.param: number, **size}, position=number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offset:
    """Pages by how many records come before. Ends at `total` records, or at an empty page.

    The offset grows by what was given, not by what was asked for: servers cap page sizes.
    """

    param: str = "offset"
    limit_param: str | None = "limit"
    limit: int = 1000
    total: str | Path | None = None
    """Where the answer says how many records there are."""

    def first(self) -> Turn:
        """Asks for the records from the first."""
        return self._turn(0)

    def next(self, turn: Turn, page: PageFacts) -> Turn | None:
        """Asks for the records after those had."""
        offset = turn.position + page.count
        if self.total is not None and offset >= _whole(page.body, path_of(self.total)):
            return None
        if page.count:
            return self._turn(offset)
        if self.total is not None:
            raise DataError(
                f"The API gives no record from {offset} on, and says that there are more.",
                remedy="Read again; if it stays so, page by another way.",
            )
        return None

    def _turn(self, offset: int) -> Turn:
        limit = {self.limit_param: self.limit} if self.limit_param else {}
        return Turn(params={self.param: offset, **limit}, position=offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class NextToken:
    """Pages by a token that each answer gives for the next; ends where it gives none.

    An empty page with a token is not the end.
    """

    param: str
    token: str | Path
    """Where the answer has the token."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further parameters of every page, as its size."""

    def first(self) -> Turn:
        """Asks without a token."""
        return Turn(params=dict(self.extra))

    def next(self, turn: Turn, page: PageFacts) -> Turn | None:
        """Asks with the answer's token."""
        del turn
        token = page.body.at(path_of(self.token))
        return Turn(params={**self.extra, self.param: token}) if token not in (None, "") else None


@dataclass(frozen=True, slots=True, kw_only=True)
class NextUrl:
    """Pages by an address that each answer gives for the next; ends where it gives none."""

    url: str | Path = "next"
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further parameters of the first page, as its size; the addresses repeat them."""

    def first(self) -> Turn:
        """Asks the stream's own address."""
        return Turn(params=dict(self.extra))

    def next(self, turn: Turn, page: PageFacts) -> Turn | None:
        """Asks the answer's address."""
        del turn
        url = page.body.at(path_of(self.url))
        return Turn(path=str(url)) if url else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkHeader:
    """Pages by the header `Link: <…>; rel="next"` (RFC 8288 §3)."""

    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further parameters of the first page, as its size; the links repeat them."""

    def first(self) -> Turn:
        """Asks the stream's own address."""
        return Turn(params=dict(self.extra))

    def next(self, turn: Turn, page: PageFacts) -> Turn | None:
        """Asks the link's address."""
        del turn
        for url, relations in links_in(page.headers.get("link", "")):
            if "next" in relations:
                return Turn(path=url)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyset:
    """Pages by the last record's value: each asks for what comes from there on, in that order.

    Rows edited, added or deleted between two pages move none of the others to a page already
    read, so none is missed. Where many records share a value (`page_param`), they are paged by
    number until the value moves on. Records at the boundary come twice; the stream, which knows
    its key, leaves out those it has had.
    """

    param: str
    by: str | Path
    """The property by which the API sorts, ascending."""
    size: int
    """Records of a full page; no more than the API gives."""
    size_param: str | None = None
    page_param: str | None = None
    page_start: int = 0
    overlap: Callable[[Any], Any] = lambda value: value
    """From the last value to the one asked from, where the API cuts what it shows."""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def first(self) -> Turn:
        """Asks from where the stream's own parameters say."""
        return self._turn(None, self.page_start)

    def next(self, turn: Turn, page: PageFacts) -> Turn | None:
        """Asks from the last record's value on."""
        if not page.count:
            return None
        anchor, number = turn.position
        last = page.field_of((self.by,) if isinstance(self.by, str) else self.by)[-1]
        if last is None:
            raise DataError(
                f"The last record of a page has no {self.by}, by which the stream is paged.",
                remedy="Report it to the connector's author.",
            )
        if last != anchor:
            return self._turn(last, self.page_start)
        if self.page_param is not None:
            return self._turn(anchor, number + 1)
        if page.count < self.size:
            return None
        raise DataError(
            f"More records share one {self.by} than a page holds.",
            remedy="Report it to the connector's author: the stream needs a finer order.",
        )

    def _turn(self, anchor: Any, number: int) -> Turn:
        params = dict(self.extra)
        if self.size_param is not None:
            params[self.size_param] = self.size
        if anchor is not None:
            params[self.param] = self.overlap(anchor)
        if self.page_param is not None:
            params[self.page_param] = number
        return Turn(params=params, position=(anchor, number))


_LINK = re.compile(r"<([^>]*)>((?:\s*;\s*[\w!#$&+.^`|~*-]+\s*(?:=\s*(?:\"[^\"]*\"|[^\",;\s]*))?)*)")
_PARAMETER = re.compile(r";\s*([\w!#$&+.^`|~*-]+)\s*(?:=\s*(?:\"([^\"]*)\"|([^\",;\s]*)))?")


def links_in(header: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yields the targets of a Link header with their relations, in lower case."""
    for link in _LINK.finditer(header):
        relations = ""
        for name, quoted, plain in _PARAMETER.findall(link.group(2)):
            if name.lower() == "rel":
                relations = quoted or plain
                break  # RFC 8288 §3.3: the first one counts
        yield link.group(1), tuple(relations.lower().split())


def _whole(body: Body, path: Path) -> int:
    value = body.at(path)
    if isinstance(value, bool) or not isinstance(value, int):
        raise DataError(
            f"The answer does not say at {'.'.join(path)} how many there are.",
            remedy="See whether the API has changed, and report it to the connector's author.",
        )
    return value
