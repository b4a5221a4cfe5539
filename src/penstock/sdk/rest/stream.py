"""A stream of a REST API as a value: what is special about it, and nothing else."""

from __future__ import annotations

import string
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final
from urllib.parse import quote

from penstock.data.json_rows import JsonRows
from penstock.data.types import Column, Kind, stream_schema
from penstock.errors import BugError
from penstock.protocol.catalog import PropertyPath, SyncMode
from penstock.sdk.rest.body import Path
from penstock.sdk.rest.client import Ask, RestClient
from penstock.sdk.rest.cursor import Cursor, Window
from penstock.sdk.rest.ordered import in_order
from penstock.sdk.rest.pages import Endpoint, Mark
from penstock.sdk.rest.paginate import Paginator, SinglePage, Turn
from penstock.sdk.rest.rows import DELETED_AT, Row, Shaping
from penstock.sdk.stream import ReadRequest, State

__all__ = ["DELETED_AT", "RestStream"]

_PAGE: Final = "page"
_WINDOW: Final = "window"


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
    incremental: Cursor | None = None
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
    """Parents, or else windows, read at a time; records and states keep their order."""
    transform: Callable[[Row], Row] | None = None
    """From the API's record to the stream's. A DataError leaves the record as the API gave it."""
    expand: Callable[[Row], Iterable[Row]] | None = None
    """From the API's record to any number of the stream's: the lines of an order. None may fail."""
    cursor_name: str | None = None
    """Where `transform` or `expand` puts the cursor's value, when the API's record nests it."""
    deleted: str | None = None
    """A property that is true (or an instant) in deleted records; adds `_ab_cdc_deleted_at`."""
    permission: str | None = None
    """What the user must be allowed to do, as the vendor calls it; told where a read is refused."""
    cost: int = 1
    """What one request takes of the account's pace, where some cost more than others."""
    namespace: str | None = None
    is_resumable: bool = False
    """Whether a full refresh, too, can go on from a page it has reached: pages keep their place,
    and marks for the next one stay good. Not for streams with a parent."""

    def __post_init__(self) -> None:
        if self.is_resumable and self.parent is not None:
            raise ValueError("a stream with a parent is not resumable")

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

    def read(self, request: ReadRequest) -> Iterator[list[Row] | JsonRows | State]:
        """Yields pages, and states: after each window, and after each page where that is safe."""
        with self.client:
            if self.incremental is not None and request.mode is SyncMode.INCREMENTAL:
                yield from self._changed(self.incremental, request)
            else:
                yield from self._whole(request)

    def first_record(self) -> Row | None:
        """Returns a record, for `check`: the cheapest proof that the stream can be read."""
        with self.client, closing(self._steps(self._windows())) as steps:
            return next((row for step in steps if step.rows for row in step.rows), None)

    def each_record(self) -> Iterator[Row]:
        """Yields every record, for a source that makes its streams of them."""
        for item in self.read(ReadRequest(mode=SyncMode.FULL_REFRESH)):
            if not isinstance(item, State):
                yield from item

    def _changed(
        self, cursor: Cursor, request: ReadRequest
    ) -> Iterator[list[Row] | JsonRows | State]:
        state = request.state
        begun = newest = cursor.position(state)
        pages_are_states = cursor.is_sorted and self.parent is None
        last: Mapping[str, Any] | None = state
        windows = cursor.windows(state, self.client.now())
        with closing(self._steps(windows, as_text=request.takes_json)) as steps:
            for step in steps:
                newest = cursor.newest(step.values, newest)
                if len(step.rows):
                    yield step.rows
                if not (step.is_end or pages_are_states):
                    continue
                reached = cursor.after(step.window, newest, begun, is_whole=step.is_end)
                last = reached if reached is not None else last
                if last is not None and (step.is_end or reached is not None):
                    yield State(last)
        if last is not None and last is state:
            yield State(last)

    def _whole(self, request: ReadRequest) -> Iterator[list[Row] | JsonRows | State]:
        """Yields everything; where the stream is resumable, states that say where the read is."""
        now, cursor = self.client.now(), self.incremental
        windows, mark = self._windows(), None
        state = request.state if self.is_resumable else None
        if state is not None:
            mark = state.get(_PAGE)
            if cursor is not None and _WINDOW in state:
                windows = cursor.windows_from(state[_WINDOW], now)
        with closing(self._steps(windows, mark, as_text=request.takes_json)) as steps:
            for step in steps:
                if len(step.rows):
                    yield step.rows
                if step.next is None:
                    continue
                reached: dict[str, Any] = {_PAGE: step.next}
                if cursor is not None:
                    reached[_WINDOW] = cursor.mark(step.window)
                if not self.client.shows_secrets(str(reached)):
                    yield State(reached)

    def _windows(self) -> Iterator[Window]:
        if self.incremental is None:
            return iter((Window(params={}),))
        return self.incremental.windows(None, self.client.now())

    def _steps(
        self, windows: Iterator[Window], mark: Mark | None = None, *, as_text: bool = False
    ) -> Generator[_Step, None, None]:
        """Yields what is read of the windows, in order; `mark` is where the first one begins."""
        if self.parent is not None:
            for window in windows:
                yield from self._steps_below(self.parent, window, as_text=as_text)
                yield _Step(window=window, is_end=True)
            return
        work = ((window, mark if number == 0 else None) for number, window in enumerate(windows))

        def read(piece: tuple[Window, Mark | None]) -> Iterator[_Step]:
            yield from self._pages_of(*piece, {}, as_text=as_text)
            yield _Step(window=piece[0], is_end=True)

        with closing(in_order(work, read, threads=self.threads)) as steps:
            yield from steps

    def _steps_below(self, parent: RestStream, window: Window, *, as_text: bool) -> Iterator[_Step]:
        with parent.client, closing(parent._steps(parent._windows())) as above:
            rows = chain.from_iterable(step.rows for step in above)
            found = in_order(
                rows,
                lambda row: self._pages_of(window, None, row, as_text=as_text),
                threads=self.threads,
            )
            with closing(found):
                yield from found

    def _pages_of(
        self, window: Window, mark: Mark | None, parent: Row, *, as_text: bool
    ) -> Generator[_Step, None, None]:
        """Yields the pages of one endpoint, in order, each record once."""
        shaping = self._shaping(as_text=as_text)
        endpoint = Endpoint(
            client=self.client,
            stream=self.name,
            records=self.records,
            identities=self.identities,
            cursor=self.incremental.path if self.incremental else None,
            paginate=self.paginate,
            request=lambda turn: self._request(turn, window, parent),
            missing_ok=self.missing_ok,
            permission=self.permission,
        )
        with closing(endpoint.pages(mark, is_marked=self.is_resumable)) as pages:
            for page in pages:
                rows = shaping.rows(page.records, parent)
                yield _Step(window=window, rows=rows, values=page.values, next=page.next)

    def _shaping(self, *, as_text: bool) -> Shaping:
        return Shaping(
            stream=self.name,
            is_exact=Kind.DECIMAL in self.columns.values(),
            carry=self.carry,
            deleted=self.deleted,
            changed_at=self.incremental.path if self.incremental else (),
            transform=self.transform,
            expand=self.expand,
            now=lambda: self.client.now().isoformat(),
            as_text=as_text,
        )

    def _request(self, turn: Turn, window: Window, parent: Row) -> Ask:
        if turn.path is not None:
            method = "GET" if self.body is None else "POST"
            return Ask(path=turn.path, method=method, cost=self.cost)
        asked = {**window.params, **turn.params}
        path = self._filled(parent)
        if self.body is None:
            return Ask(path=path, params={**self.params, **asked}, cost=self.cost)
        body = {**self.body, **asked}
        return Ask(path=path, params=self.params, method="POST", body=body, cost=self.cost)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """A page of a window, or its end."""

    window: Window
    rows: list[Row] | JsonRows = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    """The cursor's value of each record, where the stream has one."""
    next: Mark | None = None
    is_end: bool = False
