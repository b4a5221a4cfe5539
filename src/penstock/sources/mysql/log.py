"""Change data capture: the first reading of each table, then the binary log, up to the present.

New tables are read in a snapshot whose place in the log is known. From then on a place is pending
for them, until the reading of the log has passed it: their changes before it are passed over. So a
table that is added later, or whose first reading was interrupted, takes the same way. What takes
rows away without naming them (TRUNCATE, DROP, a stream that was left out of syncs) empties the
table, is refused, or told, as `truncates` says.

A state is told wherever a transaction ended. The server keeps its log for a time of its own
(binlog_expire_logs_seconds), not for its readers: a state that is older than the log is refused.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from penstock.data.items import Emptied
from penstock.errors import ConfigError
from penstock.protocol.catalog import StreamDescriptor
from penstock.sdk.lost_rows import rows_lost
from penstock.sdk.mysql.address import Address
from penstock.sdk.mysql.connection import Connection, connected, is_mariadb, rows_of
from penstock.sdk.mysql.rows_out import select
from penstock.sdk.together import Rows, Said, SharedState
from penstock.sources.mysql.binlog import (
    Begin,
    Change,
    Commit,
    Described,
    Rotated,
    Statement,
    events,
)
from penstock.sources.mysql.catalogue import Table
from penstock.sources.mysql.changes import Place, TableChanges, snapshot_batch
from penstock.sources.mysql.place import (
    LogPlace,
    begin_dump,
    check_server,
    has_checksums,
    here,
    snapshot_here,
)

if TYPE_CHECKING:
    from penstock.sources.mysql.source import Cdc

_BATCH_ROWS: Final = 20_000
_FIRST_POSITION: Final = 4
"""Of every file: what stands before it says that the file is a log."""
_STATE_SECONDS: Final = 5.0
_TRANSACTIONS: Final = 10**12
"""More than any log holds: how far the cursors of two first readings are apart."""
_LOST_ROWS: Final = re.compile(
    r"^\s*(?:/\*.*?\*/\s*)*(?P<what>TRUNCATE(?:\s+TABLE)?|DROP\s+TABLE(?:\s+IF\s+EXISTS)?)\s+"
    r"(?P<tables>.*)",
    re.IGNORECASE | re.DOTALL,
)
_UNTOLD_ROWS: Final = re.compile(
    r"^\s*(?:/\*.*?\*/\s*)*(?:INSERT|UPDATE|DELETE|REPLACE|LOAD)\b", re.IGNORECASE | re.DOTALL
)
_NAME: Final = r"(?:`(?:[^`]|``)+`|[\w$]+)"
_TABLE_NAME: Final = re.compile(rf"(?:(?P<schema>{_NAME})\s*\.\s*)?(?P<table>{_NAME})")

Item = Rows | SharedState | Said | Emptied


def check_log(address: Address) -> None:
    """Refuses a server or user that changes cannot be read with."""
    with connected(address) as connection:
        check_server(connection, address)


class LogReading:
    """One sync's reading of the streams that share the log."""

    def __init__(
        self, address: Address, method: Cdc, tables: Mapping[StreamDescriptor, Table]
    ) -> None:
        self._address = address
        self._method = method
        self._tables = tables
        self._pending: dict[StreamDescriptor, LogPlace | None] = {}
        """The place each stream's first reading has in the log; None once the log is past it."""
        self._begun: dict[StreamDescriptor, LogPlace] = {}
        """Where the earliest of a stream's first readings stood: its rows may have arrived."""
        self._left: dict[StreamDescriptor, Mapping[str, Any]] = {}
        """What states say of streams that this sync does not read."""
        self._anew: set[StreamDescriptor] = set()
        """Streams whose table is emptied before it is read: rows went that no log tells of."""

    def items(self, state: SharedState | None) -> Iterator[Item]:
        """Yields rows and states, from a state to what is committed by now."""
        with connected(self._address) as connection:
            check_server(connection, self._address)
            by_file = self._method.position == "file"
            now = here(connection, by_file=by_file, cursor=int(time.time() * 1_000_000))
            start = now if state is None else LogPlace.parsed(state.value)
            if state is not None:
                now.refuse_unless_follows(start, self._address)
                if start.server != now.server:
                    start = replace(start, file="", position=0, server=now.server)
                yield from self._take(state, start)
            start = yield from self._first(start)
            until = here(connection, by_file=by_file, cursor=start.cursor)
            yield Said(level="INFO", message=f"The log is read from {start} to {until}.")
            with connected(self._address) as reader:
                server_id = self._method.server_id or random.randrange(1 << 30, 1 << 31)  # noqa: S311
                begin_dump(reader, start, server_id)
                log = _Log(self._method, self._tables, self._pending, self._begun, replace(start))
                for item in log.items(connection, reader, until):
                    yield self._state(item) if isinstance(item, LogPlace) else item

    def _state(self, place: LogPlace) -> SharedState:
        streams = {stream: self._stream_state(stream) for stream in self._tables}
        known = {stream: value for stream, value in streams.items() if value}
        return SharedState(value=place.value(), streams={**self._left, **known})

    def _stream_state(self, stream: StreamDescriptor) -> Mapping[str, Any]:
        state: dict[str, Any] = {}
        if stream in self._pending:
            pending = self._pending[stream]
            state["pending"] = None if pending is None else pending.value()
            if pending is None:
                return state
        elif stream in self._anew:
            state["anew"] = True
        if stream in self._begun:
            state["begun"] = self._begun[stream].value()
        return state

    def _take(self, state: SharedState, start: LogPlace) -> Iterator[Said]:
        """Takes what a state says of the streams."""
        for stream, value in state.streams.items():
            table = self._tables.get(stream)
            if table is None:
                self._left[stream] = {"left": str(start), **value}
                continue
            if "left" in value:
                what = f"{table} was left out of syncs since {value['left']}"
                yield self._begin_anew(stream, what, start)
            elif "anew" in value:
                yield self._begin_anew(stream, f"{table} was to be read anew", start)
            else:
                self._take_places(stream, value, start)

    def _take_places(
        self, stream: StreamDescriptor, value: Mapping[str, Any], start: LogPlace
    ) -> None:
        if "begun" in value:
            begun = LogPlace.parsed(value["begun"])
            is_here = begun.server == start.server
            # Of another server's log nothing tells what came first: then all of this one's did.
            self._begun[stream] = begun if is_here else replace(begun, file="", position=0)
        if "pending" not in value:
            return
        place = None if value["pending"] is None else LogPlace.parsed(value["pending"])
        if place is None or place.server == start.server:
            self._pending[stream] = place

    def _begin_anew(self, stream: StreamDescriptor, what: str, start: LogPlace) -> Said:
        """Has a table read anew, whose deletions meanwhile are in no log."""
        self._anew.add(stream)
        if self._method.truncates == "mirror":
            return Said(level="WARN", message=f"{what}; it is emptied and read anew.")
        self._begun[stream] = start
        return rows_lost(self._method.truncates, self._tables[stream], what)

    def _first(self, start: LogPlace) -> Generator[Item, None, LogPlace]:
        """Yields the tables that were never read to their end, all as of one moment.

        Returns where the log is read from. The cursor of these rows is beyond that of all that is
        in the log before their moment, and of the rows of earlier, interrupted readings.
        """
        new = [stream for stream in self._tables if stream not in self._pending]
        if not new:
            return start
        start = replace(start, cursor=start.cursor + _TRANSACTIONS)
        with connected(self._address) as connection:
            place = snapshot_here(connection, self._address, cursor=start.cursor)
            for stream in new:
                self._begun.setdefault(stream, place)
            # Before any row: what is deleted between two attempts is then in the log to come.
            yield self._state(start)
            micros = int(time.time() * 1_000_000)
            at = Place(cursor=start.cursor, file=place.file, position=place.position, micros=micros)
            for stream in new:
                table = self._tables[stream]
                if stream in self._anew and self._method.truncates == "mirror":
                    yield Emptied(stream=stream)
                asked = ", ".join(column.asked for column in table.columns)
                query = f"SELECT {asked} FROM {table.sql}"  # noqa: S608 (identifiers are quoted)
                for batch in select(connection, query, [column.out for column in table.columns]):
                    yield Rows(stream=stream, rows=snapshot_batch(batch, at))
                self._pending[stream] = place
                yield self._state(start)
        return start


@dataclass(slots=True)
class _Log:
    """The log as rows of the tables that are wanted, and places up to which they are whole."""

    method: Cdc
    tables: Mapping[StreamDescriptor, Table]
    pending: dict[StreamDescriptor, LogPlace | None]
    begun: Mapping[StreamDescriptor, LogPlace]
    place: LogPlace
    """Behind the last transaction that was read."""
    file: str = ""
    _streams: dict[int, StreamDescriptor] = field(default_factory=dict)
    _changes: dict[StreamDescriptor, TableChanges] = field(default_factory=dict)
    _rows: int = 0

    def items(
        self, connection: Connection, reader: Connection, until: LogPlace
    ) -> Iterator[Rows | Said | Emptied | LogPlace]:
        """Yields rows, and a place in the log wherever everything before it was yielded."""
        collations = dict(
            rows_of(connection, "SELECT id, character_set_name FROM information_schema.collations")
        )
        wanted = {(table.schema, table.name): table.primary_key for table in self.tables.values()}
        begun: Begin | None = None
        self.file, told_at = self.place.file, time.monotonic()
        names = {int(number or 0): str(name) for number, name in collations.items()}
        checks = has_checksums(connection)
        is_maria = is_mariadb(connection)
        for event in events(reader, names, wanted, has_checksums=checks, is_maria=is_maria):
            ended_at: int | None = None
            match event:
                case Change():
                    self._take(event)
                case Described():
                    yield from self._describe(event)
                case Begin():
                    begun = event
                case Commit():
                    ended_at = event.position
                case Statement():
                    if _is_begin(event.text):
                        continue
                    yield from self._stated(event, connection)
                    ended_at = event.position
                case Rotated():
                    self.file = event.file
                    self._streams.clear()
            if ended_at is None:
                continue
            self._end(begun, ended_at)
            begun = None
            now = time.monotonic()
            is_last = self.place.file == until.file and self.place.position >= until.position
            if is_last or self._rows >= _BATCH_ROWS or now - told_at > _STATE_SECONDS:
                yield from self._flushed(connection)
                yield replace(self.place)
                told_at = now
            if is_last:
                return
        yield from self._flushed(connection)
        yield replace(self.place)

    def _take(self, change: Change) -> None:
        stream = self._streams.get(change.table)
        if stream is None:
            return
        pending = self.pending.get(stream)
        is_known = pending is not None and not self._is_past(pending)
        # What is known lies between the rows of an interrupted first reading and those of this one.
        cursor = pending.cursor - 1 if pending and is_known else self.place.cursor + 1
        place = Place(
            cursor=cursor,
            file=self.file,
            position=self._begins_at(),
            micros=change.seconds * 1_000_000,
        )
        changes = self._changes[stream]
        for old, new in change.rows:
            # A first reading that was interrupted may have sent a row that is gone by the second.
            changes.add(old, None if is_known else new, place)
        self._rows += len(change.rows)

    def _is_past(self, pending: LogPlace) -> bool:
        """Tells whether the transaction being read is behind a first reading's moment."""
        reached = (_number_of(self.file), self._begins_at())
        return reached >= (_number_of(pending.file), pending.position)

    def _begins_at(self) -> int:
        """Returns where the transaction being read begins in its file."""
        return self.place.position if self.file == self.place.file else _FIRST_POSITION

    def _end(self, begun: Begin | None, position: int) -> None:
        if begun is not None:
            self.place.add(begun.group, begun.gtid)
        self.place.cursor += 1
        self.place.file, self.place.position = self.file, position
        for stream, pending in self.pending.items():
            if pending is not None and self._is_past(pending):
                self.place.cursor = max(self.place.cursor, pending.cursor)
                self.pending[stream] = None

    def _describe(self, described: Described) -> Iterator[Said]:
        self._streams.pop(described.number, None)
        stream = StreamDescriptor(described.name, described.schema)
        table = self.tables.get(stream)
        if table is None:
            return
        self._streams[described.number] = stream
        changes = self._changes.get(stream)
        if changes is None:
            self._changes[stream] = TableChanges(table, described.columns)
        elif changes.names == described.columns:
            return
        else:
            changes.describe(described.columns)
        gone = [name for name in described.columns if table.column(name) is None]
        if gone:
            yield Said(
                level="WARN",
                message=f"{table}: the log has columns that the table or this user no longer"
                f" has: {', '.join(gone)}. They are left out.",
            )

    def _stated(
        self, statement: Statement, connection: Connection
    ) -> Iterator[Rows | Said | Emptied]:
        if _UNTOLD_ROWS.match(statement.text):
            raise ConfigError(
                f"The log at {self.file}:{statement.position} holds a change of rows as a"
                " statement, which does not tell the rows.",
                remedy="SET GLOBAL binlog_format = 'ROW' (and in every session), and run the sync"
                " once with --full-refresh.",
                field="replication_method",
            )
        found = _LOST_ROWS.match(statement.text)
        if found is None:
            return
        is_truncated = found["what"].upper().startswith("TRUNCATE")
        word = "truncated" if is_truncated else "dropped"
        for stream in self._named(found["tables"], statement.schema):
            pending = self.pending.get(stream)
            is_known = pending is not None and not self._is_past(pending)
            if is_known and self._is_before_any_row(stream):
                continue
            if is_truncated and not is_known and self.method.truncates == "mirror":
                yield from self._flushed(connection)
                yield Emptied(stream=stream)
                continue
            table = self.tables[stream]
            what = f"{table} was {word} at {self.file}:{statement.position}"
            yield rows_lost(self.method.truncates, table, what)

    def _is_before_any_row(self, stream: StreamDescriptor) -> bool:
        """Tells whether no row of the stream, not even of an interrupted reading, is older."""
        begun = self.begun.get(stream)
        return begun is None or not self._is_past(begun)

    def _named(self, text: str, schema: str) -> Iterator[StreamDescriptor]:
        for part in text.split(","):
            found = _TABLE_NAME.match(part.strip())
            if found is None:
                continue
            stream = StreamDescriptor(
                _unquoted(found["table"]), _unquoted(found["schema"] or schema)
            )
            if stream in self.tables:
                yield stream

    def _flushed(self, connection: Connection) -> Iterator[Rows]:
        for stream, changes in self._changes.items():
            if changes.rows:
                yield Rows(stream=stream, rows=changes.batch(connection))
        self._rows = 0


def _is_begin(text: str) -> bool:
    words: Any = text.split(None, 1)[:1]
    return bool(words) and words[0].upper() in ("BEGIN", "START", "SAVEPOINT", "XA")


def _number_of(file: str) -> int:
    number = file.rpartition(".")[2]
    return int(number) if number.isdigit() else 0


def _unquoted(name: str) -> str:
    return name[1:-1].replace("``", "`") if name.startswith("`") else name
