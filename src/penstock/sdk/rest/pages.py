"""Asks for the pages of one endpoint, one after the other, and leaves out what came before."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from penstock.errors import DataError, PenstockError, TransientError
from penstock.sdk.rest.body import Body, Path, Records, path_of
from penstock.sdk.rest.client import Ask, Reply, RestClient
from penstock.sdk.rest.paginate import Keyset, PageFacts, Paginator, Turn, Walk

_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404

Mark = Mapping[str, Any]
"""A place between two pages, as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPage:
    """The records of one page that did not come before."""

    records: Records
    values: list[Any]
    """The cursor's value of each record of the page, also of those that came before."""
    next: Mark | None
    """Where the next page is, if that was asked for and can be said; None also after the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where the pages of one stream, window and parent are."""

    client: RestClient
    stream: str
    records: str | Path
    identities: tuple[Path, ...]
    """Where a record has what tells it from others; empty where nothing does."""
    cursor: Path | None
    paginate: Paginator
    request: Callable[[Turn], Ask]
    missing_ok: bool
    permission: str | None

    def pages(
        self, mark: Mark | None = None, *, is_marked: bool = False
    ) -> Generator[RecordPage, None, None]:
        """Yields the pages in order, from the first or from a mark; each record once.

        `is_marked` asks for the mark of each next page.
        """
        seen = _Seen(self.paginate, self.identities)
        turn: Turn | None = self.paginate.first()
        if mark is not None:
            turn = turn_at(self.paginate, mark)
            seen.put_back(mark.get("seen", ()))
        asked: set[tuple[Any, ...]] = set()
        before = b""
        while turn is not None:
            if turn.key in asked:
                raise DataError(
                    f"The API sends the stream {self.stream} round in a circle: it names a next "
                    "page that was already read.",
                    remedy="Read again; if it stays so, report it to the connector's author.",
                    stream=self.stream,
                )
            asked.add(turn.key)
            body, headers, records = self._ask(self.request(turn), before)
            if body is None:
                return
            before = records.text() if self._is_given_once(records) else b""
            facts = PageFacts(
                body=body,
                headers=headers,
                count=len(records),
                field_of=records.fields,
                identity=self.identities,
            )
            fresh = seen.new(records, turn)
            turn = self.paginate.next(turn, facts)
            yield RecordPage(
                records=fresh,
                values=records.fields(self.cursor) if self.cursor else [],
                next=seen.marked(turn) if turn is not None and is_marked else None,
            )

    def _is_given_once(self, records: Records) -> bool:
        """Whether a page just like this one can only be this one given again.

        So where records have a key; but not where pages overlap by all records of one value.
        """
        if not self.identities or not len(records):
            return False
        if not isinstance(self.paginate, Keyset):
            return True
        first, last = records.take([0, len(records) - 1]).fields(self.paginate.path)
        return self.paginate.page_param is None and first != last

    def _ask(self, ask: Ask, before: bytes) -> tuple[Body | None, Mapping[str, str], Records]:
        """Returns a page; the page before, given again, is asked for again."""

        def read(reply: Reply) -> tuple[Body | None, Mapping[str, str], Records]:
            if reply.status == _NOT_FOUND:
                return None, reply.headers, Records.of([])
            body = Body(reply.content)
            records = body.records(path_of(self.records))
            if before and records.text() == before:
                raise TransientError(
                    f"The API gave the stream {self.stream} the same page twice.",
                    remedy="Read again; if it stays so, see whether the API knows the parameters.",
                )
            return body, reply.headers, records

        accept = frozenset({_NOT_FOUND}) if self.missing_ok else frozenset()
        try:
            return self.client.ask(ask, read, accept=accept)
        except PenstockError as error:
            error.context.setdefault("stream", self.stream)
            if self.permission is not None and error.context.get("status") == _FORBIDDEN:
                error.remedy = f"Let the user {self.permission}."
            raise


def turn_at(paginate: Paginator, mark: Mark) -> Turn:
    """Returns the turn that a mark stands for."""
    if "anchor" in mark and isinstance(paginate, Keyset):
        return paginate.at(mark["anchor"])
    return Turn(params=mark.get("params", {}), path=mark.get("path"), position=mark.get("position"))


class _Seen:
    """Leaves out, where pages overlap, the records that came before."""

    def __init__(self, paginate: Paginator, identities: tuple[Path, ...]) -> None:
        self._keyset = paginate if isinstance(paginate, Keyset) else None
        self._repeats = getattr(paginate, "repeats", False)
        self._identities = identities
        self._had: dict[tuple[str, ...], Any] = {}
        """The value by which each record had is sorted."""

    def new(self, records: Records, turn: Turn) -> Records:
        """Returns the records not yet had. The same record with another value is another."""
        is_plain = self._keyset is None and not self._repeats
        if is_plain or not self._identities or not len(records):
            return records
        columns = [records.fields(path) for path in self._identities]
        values = records.fields(self._keyset.path) if self._keyset else [None] * len(records)
        ids = [tuple(map(repr, parts)) for parts in zip(*columns, values, strict=True)]
        fresh = [row for row, found in enumerate(ids) if found not in self._had]
        # Walks ascend: what lies before the first value of a new one does not come again.
        is_new = isinstance(turn.position, Walk) and turn.position.is_first
        if is_new and self._keyset is not None:
            order = self._keyset.order
            first = min((order(value) for value in values if value is not None), default=None)
            self._keep(first)
        self._had.update(zip(ids, values, strict=True))
        return records if len(fresh) == len(ids) else records.take(fresh)

    def marked(self, turn: Turn) -> Mark | None:
        """Returns the mark of a turn, with the records that it will give again."""
        if self._keyset is None:
            plain = turn.position is None or isinstance(turn.position, int | str)
            mark = {"params": dict(turn.params), "path": turn.path, "position": turn.position}
            return mark if plain else None
        walk = turn.position
        if not isinstance(walk, Walk) or not walk.is_first or walk.anchor is None:
            return None
        first = self._keyset.order(self._keyset.overlap(walk.anchor))
        again = [
            [value, *found]
            for found, value in self._had.items()
            if value is not None and self._keyset.order(value) >= first
        ]
        return {"anchor": walk.anchor, "seen": again}

    def put_back(self, seen: Sequence[Sequence[Any]]) -> None:
        """Takes in what a mark says was had."""
        self._had = {tuple(found): value for value, *found in seen}

    def _keep(self, first: Any) -> None:
        if first is None or self._keyset is None:
            return
        order = self._keyset.order
        self._had = {
            one: value
            for one, value in self._had.items()
            if value is not None and order(value) >= first
        }
