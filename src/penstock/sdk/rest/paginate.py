"""Where the next page is: the ways in which APIs cut their answers into pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from penstock.errors import DataError, TransientError
from penstock.sdk.rest.body import Body, Path, path_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What to ask for one page, beside what all pages of the stream are asked with."""

    params: Mapping[str, Any] = field(default_factory=dict)
    path: str | None = None
    """A whole address to ask instead; nothing is added to it."""
    position: Any = None
    """What the paginator has to remember from one page to the next."""
    again: int = 0
    """How often the same was asked before, on purpose."""

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells this page from others: two turns with equal keys ask for the same."""
        params = tuple(sorted((name, str(value)) for name, value in self.params.items()))
        return self.path, params, self.again


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFacts:
    """What is known of a page that was read."""

    body: Body
    headers: Mapping[str, str]
    count: int
    """Records on the page, those already seen included."""
    field_of: Callable[[Path], list[Any]]
    """Returns one field of each record."""
    identity: tuple[Path, ...] = ()
    """Where records have what tells them apart."""

    def ids(self) -> list[tuple[str, ...]]:
        """Returns what tells each record from the others."""
        columns = [self.field_of(path) for path in self.identity]
        return [tuple(map(repr, parts)) for parts in zip(*columns, strict=True)]


class Paginator(Protocol):
    """A way of paging; a value without state, so that streams can be read side by side.

    One whose class says `repeats = True` may give records again, on any page: the stream remembers
    all it has had, and leaves those out. It is for lists that fit into memory.
    """

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
class Walk:
    """The pages asked for from one value on, while many records share it."""

    anchor: Any = None
    number: int = 0
    """The page, or how many records come before it."""
    pages: int = 0
    """Pages with records so far."""
    ids: frozenset[tuple[str, ...]] = frozenset()
    """The records so far that come no later than the anchor."""
    before: frozenset[tuple[str, ...]] | None = None
    """What the walk over the same pages before this one found."""
    again: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this is the first page from a value that was not asked from before."""
        return not self.pages and not self.again


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyset:
    """Pages by the last record's value: each asks for what comes from there on, in that order.

    Rows edited, added or deleted between two pages move none of the others to a page already
    read, so none is missed. Where many records share a value (`page_param`), they are paged by
    number until the value moves on; since rows can move between *those* pages, they are read
    until two readings in a row find the same records. Records at the boundary come twice; the
    stream, which knows its key, leaves out those it has had.
    """

    param: str
    by: str | Path
    """The property by which the API sorts, ascending."""
    size: int
    """Records of a full page; no more than the API gives."""
    size_param: str | None = None
    page_param: str | None = None
    page_start: int = 0
    counts_records: bool = False
    """Whether `page_param` is how many records come before, not a page's number."""
    overlap: Callable[[Any], Any] = lambda value: value
    """From the last value to the one asked from, where the API cuts what it shows."""
    order: Callable[[Any], Any] = lambda value: value
    """From a value to what it sorts by, where its text does not: `instant` for instants."""
    more: Callable[[Body, int], bool] = lambda body, number: False  # noqa: ARG005 (a default)
    """Whether an answer without records says that others follow the page it was asked for."""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The names of `by`, from the outermost in."""
        return (self.by,) if isinstance(self.by, str) else self.by

    def first(self) -> Turn:
        """Asks from where the stream's own parameters say."""
        return self._turn(Walk(number=self.page_start))

    def at(self, anchor: Any) -> Turn:
        """Asks from a value on."""
        return self._turn(Walk(anchor=anchor, number=self.page_start))

    def next(self, turn: Turn, page: PageFacts) -> Turn | None:
        """Asks from the last record's value on, or for more of those that share it."""
        walk: Walk = turn.position
        values = page.field_of(self.path)
        if values and values[-1] is None:
            raise DataError(
                f"The last record of a page has no {self.by}, by which the stream is paged.",
                remedy="Report it to the connector's author.",
            )
        last = values[-1] if values else None
        moves_on = last is not None and not self._is_within(last, walk)
        if moves_on and not walk.pages:
            return self.at(last)
        if self.page_param is None:
            return self._end(page)
        walk = self._longer(walk, page, values)
        is_hole = not page.count and self.more(page.body, walk.number)
        if is_hole or (page.count and not moves_on):
            step = (page.count or self.size) if self.counts_records else 1
            return self._turn(replace(walk, number=walk.number + step))
        # One page with room left has shown all there was; more can have shifted in between.
        is_sure = walk.pages < 2 and len(walk.ids) < self.size
        if not is_sure and walk.ids != walk.before:
            return self._once_more(walk)
        return self.at(last) if moves_on else None

    def _longer(self, walk: Walk, page: PageFacts, values: list[Any]) -> Walk:
        ids = zip(page.ids(), values, strict=True) if page.identity else ()
        found = {one for one, value in ids if value is None or self._is_within(value, walk)}
        return replace(walk, pages=walk.pages + bool(page.count), ids=walk.ids | found)

    def _is_within(self, value: Any, walk: Walk) -> bool:
        return walk.anchor is not None and bool(self.order(value) <= self.order(walk.anchor))

    def _once_more(self, walk: Walk) -> Turn:
        if walk.again >= _MOST_WALKS:
            raise TransientError(
                f"Records with one {self.by} change faster than they can be read.",
                remedy="Read again when fewer changes are under way.",
            )
        return self._turn(
            Walk(
                anchor=walk.anchor,
                number=self.page_start,
                before=walk.ids,
                again=walk.again + 1,
            )
        )

    def _end(self, page: PageFacts) -> Turn | None:
        if page.count < self.size:
            return None
        raise DataError(
            f"More records share one {self.by} than a page holds.",
            remedy="Report it to the connector's author: the stream needs a finer order.",
        )

    def _turn(self, walk: Walk) -> Turn:
        params = dict(self.extra)
        if self.size_param is not None:
            params[self.size_param] = self.size
        if walk.anchor is not None:
            params[self.param] = self.overlap(walk.anchor)
        if self.page_param is not None:
            params[self.page_param] = walk.number
        return Turn(params=params, position=walk, again=walk.again)


_MOST_WALKS: Final = 20


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
