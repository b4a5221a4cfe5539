"""A stream of a REST API as a value: what is special about it, and nothing else."""

from __future__ import annotations

import hashlib
import logging
import string
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from penstock.data.types import Column, Kind, stream_schema
from penstock.errors import BugError, DataError, PenstockError, TransientError
from penstock.protocol.catalog import PropertyPath, SyncMode
from penstock.sdk.rest.body import Body, Path, Records, path_of
from penstock.sdk.rest.client import Ask, Reply, RestClient
from penstock.sdk.rest.cursor import Incremental, Window
from penstock.sdk.rest.ordered import in_order
from penstock.sdk.rest.paginate import Keyset, PageFacts, Paginator, SinglePage, Turn, Walk
from penstock.sdk.stream import ReadRequest, State

if TYPE_CHECKING:
    import pyarrow as pa

_log = logging.getLogger(__name__)

Row = dict[str, Any]
DELETED_AT: Final = "_ab_cdc_deleted_at"
"""Where Airbyte's sources say when a record was deleted; deduplicating destinations heed it."""
_TOLD: Final = 3
"""Records that are told of one by one when they do not fit; the others are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestStream:
    """One endpoint whose answers are pages of records."""

    client: RestClient
    name: str
    path: str
    """Below the API's address. `{field}` stands for a field of the parent's record."""
    columns: Mapping[str, Kind]
    records: str | Path = ()
    """Where the answer has its list of records: "data.items"; () where it is the answer."""
    key: tuple[str, ...] = ()
    """The properties that tell records apart."""
    identity: tuple[Path, ...] = ()
    """Where the API's record has them, when `transform` or `expand` makes the key."""
    paginate: Paginator = field(default_factory=SinglePage)
    incremental: Incremental | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    """Makes the requests POSTs; paging and window parameters stand in it, too."""
    parent: RestStream | None = None
    """Each of its records is one more endpoint, by `path`."""
    carry: Mapping[str, str] = field(default_factory=dict)
    """Properties taken over from the parent's record: here → there."""
    missing_ok: bool = False
    """Whether 404 means no records: a parent deleted since it was listed."""
    threads: int = 1
    """Parents read at a time; their records keep the parents' order."""
    transform: Callable[[Row], Row] | None = None
    """From the API's record to the stream's. A DataError leaves the record as the API gave it."""
    expand: Callable[[Row], Iterable[Row]] | None = None
    """From the API's record to any number of the stream's: the lines of an order. None may fail."""
    cursor_name: str | None = None
    """Where `transform` or `expand` puts the cursor's value, when the API's record nests it."""
    deleted: str | None = None
    """A property that is true (or an instant) in deleted records; adds `_ab_cdc_deleted_at`."""
    namespace: str | None = None
    is_resumable: bool = False

    @property
    def json_schema(self) -> Mapping[str, Any]:
        """The columns, typed."""
        columns = [Column(name=name, kind=kind) for name, kind in self.columns.items()]
        if self.deleted is not None:
            columns.append(Column(name=DELETED_AT, kind=Kind.TIMESTAMP_TZ))
        return stream_schema(tuple(columns))

    @property
    def primary_key(self) -> tuple[PropertyPath, ...]:
        """The key's properties."""
        return tuple((name,) for name in self.key)

    @property
    def identities(self) -> tuple[Path, ...]:
        """Where the API's record has what tells it from others; empty where nothing does."""
        return self.identity or tuple((name,) for name in self.key)

    @property
    def cursor(self) -> PropertyPath | None:
        """The property the stream is read by."""
        if self.incremental is None:
            return None
        return self.incremental.path if self.cursor_name is None else (self.cursor_name,)

    @property
    def modes(self) -> tuple[SyncMode, ...]:
        """Full refresh, and incremental where the stream has a cursor."""
        if self.incremental is None:
            return (SyncMode.FULL_REFRESH,)
        return (SyncMode.FULL_REFRESH, SyncMode.INCREMENTAL)

    def read(self, request: ReadRequest) -> Iterator[pa.RecordBatch | list[Row] | State]:
        """Yields pages, and the state after each window (after each page where they are sorted)."""
        with self.client:
            if self.incremental is None:
                with closing(self._pages(None)) as pages:
                    for page in pages:
                        yield page.rows
                return
            is_incremental = request.mode is SyncMode.INCREMENTAL
            state = request.state if is_incremental else None
            yield from self._changed(self.incremental, state, is_incremental=is_incremental)

    def first_record(self) -> Row | None:
        """Returns a record, for `check`: the cheapest proof that the stream can be read."""
        with self.client, closing(self._pages(self._last_window())) as pages:
            return next((page.rows[0] for page in pages if page.rows), None)

    def _last_window(self) -> Window | None:
        if self.incremental is None:
            return None
        return next(self.incremental.windows(None, self.client.now()), None)

    def _changed(
        self, cursor: Incremental, state: Mapping[str, Any] | None, *, is_incremental: bool
    ) -> Iterator[list[Row] | State]:
        begun = newest = cursor.position(state)
        yields_states = is_incremental
        pages_are_states = yields_states and cursor.is_sorted and self.parent is None
        last: Mapping[str, Any] | None = state
        for window in cursor.windows(state, self.client.now()):
            with closing(self._pages(window)) as pages:
                for page in pages:
                    newest = cursor.newest(page.instants, newest)
                    yield page.rows
                    reached = cursor.after(window, newest, begun, is_whole=False)
                    if pages_are_states and reached is not None:
                        last = reached
                        yield State(last)
            last = cursor.after(window, newest, begun, is_whole=True) or last
            if yields_states and last is not None:
                yield State(last)
        if yields_states and last is not None and last is state:
            yield State(last)

    def _pages(self, window: Window | None) -> Generator[_Page, None, None]:
        if self.parent is None:
            yield from self._pages_of(window, {})
            return
        above = self.parent
        with above.client, closing(above._pages(above._last_window())) as parents:  # noqa: SLF001
            rows = (row for page in parents for row in page.rows)
            found = in_order(rows, lambda row: self._pages_of(window, row), threads=self.threads)
            with closing(found):
                yield from found

    def _pages_of(self, window: Window | None, parent: Row) -> Generator[_Page, None, None]:
        """Yields the pages of one endpoint, in order, each record once."""
        turn: Turn | None = self.paginate.first()
        asked: set[tuple[Any, ...]] = set()
        seen = _Seen(self)
        digest = b""
        while turn is not None:
            if turn.key in asked:
                raise DataError(
                    f"The API sends the stream {self.name} round in a circle: it names a next page "
                    "that was already read.",
                    remedy="Read again; if it stays so, report it to the connector's author.",
                    stream=self.name,
                )
            asked.add(turn.key)
            body, headers, digest = self._ask(self._request(turn, window, parent), digest)
            if body is None:
                return
            records = body.records(path_of(self.records))
            facts = PageFacts(
                body=body,
                headers=headers,
                count=len(records),
                field_of=records.fields,
                identity=self.identities,
            )
            rows = self._rows(seen.new(records, turn), parent)
            cursor = self.incremental
            yield _Page(rows=rows, instants=records.fields(cursor.path) if cursor else [])
            turn = self.paginate.next(turn, facts)

    def _request(self, turn: Turn, window: Window | None, parent: Row) -> Ask:
        if turn.path is not None:
            return Ask(path=turn.path, method="GET" if self.body is None else "POST")
        asked = {**(window.params if window else {}), **turn.params}
        path = self._filled(parent)
        if self.body is not None:
            return Ask(path=path, params=self.params, method="POST", body={**self.body, **asked})
        return Ask(path=path, params={**self.params, **asked})

    def _filled(self, parent: Row) -> str:
        names = [name for _, name, _, _ in string.Formatter().parse(self.path) if name]
        missing = [name for name in names if parent.get(name) is None]
        if missing:
            raise BugError(
                f"The path of {self.name} needs {missing[0]}, which its parent's record lacks.",
                remedy="Report it to the connector's author.",
                stream=self.name,
            )
        values = {name: quote(str(parent[name]), safe="") for name in names}
        return self.path.format_map(values)

    def _ask(self, ask: Ask, before: bytes) -> tuple[Body | None, Mapping[str, str], bytes]:
        """Returns a page, and its digest; the page before, given again, is asked for again."""

        def read(reply: Reply) -> tuple[Body | None, Mapping[str, str], bytes]:
            if reply.status == _NOT_FOUND:
                return None, reply.headers, b""
            body = Body(reply.content)
            records = body.records(path_of(self.records))
            # Records with a key differ: two equal pages are one page given twice.
            is_telling = self.key and len(records) and not isinstance(self.paginate, Keyset)
            digest = hashlib.blake2b(records.text()).digest() if is_telling else b""
            if digest and digest == before:
                raise TransientError(
                    f"The API gave the stream {self.name} the same page twice.",
                    remedy="Read again; if it stays so, see whether the API knows the parameters.",
                )
            return body, reply.headers, digest

        accept = frozenset({_NOT_FOUND}) if self.missing_ok else frozenset()
        try:
            return self.client.ask(ask, read, accept=accept)
        except PenstockError as error:
            error.context.setdefault("stream", self.name)
            raise

    def _rows(self, records: Records, parent: Row) -> list[Row]:
        odd = records.not_objects()
        if odd:
            raise DataError(
                f"The stream {self.name} has {len(odd)} records that are not JSON objects.",
                remedy="Report it to the connector's author.",
                stream=self.name,
            )
        rows = records.values(is_exact=Kind.DECIMAL in self.columns.values())
        if self.carry:
            rows = [
                {**row, **{here: parent.get(there) for here, there in self.carry.items()}}
                for row in rows
            ]
        if self.deleted is not None:
            rows = [self._marked(row) for row in rows]
        if self.transform is not None:
            rows = self._transformed(rows, self.transform)
        if self.expand is not None:
            rows = [made for row in rows for made in self.expand(row)]
        return rows

    def _marked(self, row: Row) -> Row:
        mark = row.get(self.deleted or "")
        if not mark:
            return {**row, DELETED_AT: None}
        if mark is True:
            found: Any = row
            for name in self.incremental.path if self.incremental else ():
                found = found.get(name) if isinstance(found, dict) else None
            mark = found or self.client.now().isoformat()
        return {**row, DELETED_AT: mark}

    def _transformed(self, rows: list[Row], transform: Callable[[Row], Row]) -> list[Row]:
        done: list[Row] = []
        failed: list[DataError] = []
        for row in rows:
            try:
                done.append(transform(dict(row)))
            except DataError as error:
                failed.append(error)
                done.append(row)
        for failure in failed[:_TOLD]:
            _log.warning("a record is kept as the API gave it: %s", failure.message)
        if len(failed) > _TOLD:
            _log.warning("%d further records of the page, too", len(failed) - _TOLD)
        return done


_NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class _Page:
    rows: list[Row]
    instants: list[Any]
    """The cursor's value of each record, where the stream has one."""


class _Seen:
    """Leaves out, where pages overlap, the records that came before."""

    def __init__(self, stream: RestStream) -> None:
        self._by: Path | None = None
        if isinstance(stream.paginate, Keyset):
            by = stream.paginate.by
            self._by = (by,) if isinstance(by, str) else by
        self._identities = stream.identities
        self._had: dict[tuple[Any, ...], Any] = {}

    def new(self, records: Records, turn: Turn) -> Records:
        """Returns the records not yet had. The same record with another value is another."""
        if self._by is None or not self._identities or not len(records):
            return records
        columns = [records.fields(path) for path in self._identities]
        values = records.fields(self._by)
        ids = [tuple(map(repr, parts)) for parts in zip(*columns, values, strict=True)]
        fresh = [row for row, found in enumerate(ids) if found not in self._had]
        # Walks ascend: what lies before the first value of a new one does not come again.
        first = min((value for value in values if value is not None), default=None)
        is_new = isinstance(turn.position, Walk) and turn.position.is_first
        if is_new and first is not None:
            self._had = {
                one: value
                for one, value in self._had.items()
                if value is not None and value >= first
            }
        self._had.update(zip(ids, values, strict=True))
        return records if len(fresh) == len(ids) else records.take(fresh)
