"""One table or view as a stream: by pages, by transaction, or by a cursor of the user's choice.

Every reading is one transaction that sees one moment of the database (REPEATABLE READ).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.types import Column, Kind, stream_schema
from penstock.errors import BugError, ConfigError, StateOutdated
from penstock.protocol.catalog import PropertyPath, SyncMode
from penstock.sdk.postgres.address import Address
from penstock.sdk.postgres.connection import (
    Connection,
    bound,
    connected,
    copy_out,
    identifier,
    rows_of,
)
from penstock.sdk.postgres.copy_out import Form, WireColumn
from penstock.sdk.stream import ReadRequest, State
from penstock.sources.postgres.catalogue import Relation, RelationColumn
from penstock.sources.postgres.changes import CDC_COLUMNS, LSN
from penstock.sources.postgres.moment import (
    BEGIN,
    RANGES_SINCE,
    Moment,
    file_and_pages,
    in_pages,
)
from penstock.sources.postgres.position import (
    CursorPosition,
    PagePosition,
    Position,
    position_of,
)

_VALUE: Final = "_penstock_cursor"
"""Column behind all others: the cursor's value as text, taken off before rows are handed on."""

_CANONICAL: Final = frozenset(
    {
        "smallint",
        "integer",
        "bigint",
        "oid",
        "date",
        "text",
        "character varying",
        "uuid",
        "timestamp without time zone",
        "timestamp with time zone",
    }
)
"""Types whose equal values have equal texts, so that a change of text is a change of value."""

_HALF_OF_ALL: Final = 1 << 31
"""Transactions after which numbers of 32 bits cannot be told old from new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresStream:
    """A relation, and the address it is read from."""

    address: Address
    relation: Relation
    page_blocks: int
    connections: int = 1
    """How many read one table at once."""
    is_logged: bool = False
    """True when incremental reads are the log's: then all streams are read together."""

    @property
    def name(self) -> str:
        return self.relation.name

    @property
    def namespace(self) -> str | None:
        return self.relation.schema

    @property
    def json_schema(self) -> Mapping[str, Any]:
        columns = self.relation.columns
        kinds = tuple(Column(name=c.name, kind=c.wire.kind) for c in columns)
        schema = stream_schema((*kinds, *(CDC_COLUMNS if self.is_logged else ())))
        for column in columns:
            if column.wire.form is Form.BYTES:
                schema["properties"][column.name]["contentEncoding"] = "base64"
        return schema

    @property
    def primary_key(self) -> tuple[PropertyPath, ...]:
        return tuple((name,) for name in self.relation.primary_key)

    @property
    def cursor(self) -> PropertyPath | None:
        return (LSN,) if self.is_logged and self.relation.is_logged else None

    @property
    def modes(self) -> tuple[SyncMode, ...]:
        if self.is_logged and not self.relation.is_logged:
            return (SyncMode.FULL_REFRESH,)
        return (SyncMode.FULL_REFRESH, SyncMode.INCREMENTAL)

    @property
    def tracks_changes(self) -> bool:
        """True where the log or the rows tell what changed, so that no cursor is needed."""
        return self.relation.is_logged if self.is_logged else self.relation.has_transactions

    @property
    def is_resumable(self) -> bool:
        return self.relation.has_pages

    def read(self, request: ReadRequest) -> Iterator[pa.RecordBatch | State]:
        """Yields rows and positions.

        Incremental without a cursor reads what other transactions wrote since the last sync;
        with one, what lies above the last value. Neither sees rows that were deleted.
        """
        if self.is_logged and request.mode is SyncMode.INCREMENTAL:
            raise BugError(
                f"Changes of {self.relation} are read with those of all tables.",
                remedy="Report it with the command that was run.",
            )
        cursor = self._cursor_column(request)
        position = position_of(request.state, str(self.relation))
        with connected(self.address) as connection:
            connection.execute(BEGIN)
            with closing(Moment(connection, self.address, connections=self.connections)) as moment:
                columns = _columns(self.relation, request.fields, cursor)
                reading = _Reading(connection, moment, self, columns)
                if request.mode is SyncMode.FULL_REFRESH:
                    yield from reading.full(position)
                elif cursor is None:
                    yield from reading.by_transaction(position)
                else:
                    yield from reading.by_cursor(position, cursor)
            connection.execute("COMMIT")

    def _cursor_column(self, request: ReadRequest) -> RelationColumn | None:
        if request.mode is SyncMode.FULL_REFRESH:
            return None
        if request.cursor is None:
            if self.relation.has_transactions:
                return None
            raise ConfigError(
                f"The rows of {self.relation} do not tell when they changed: it is no table.",
                remedy="Choose a cursor for the stream, or read it in full.",
                stream=str(self.relation),
            )
        name = request.cursor[0]
        column = self.relation.column(name) if len(request.cursor) == 1 else None
        if column is None:
            raise ConfigError(
                f"{self.relation} has no column {'.'.join(request.cursor)!r} for a cursor.",
                remedy="Choose one of: " + ", ".join(c.name for c in self.relation.columns),
                stream=str(self.relation),
            )
        return column


def _columns(
    relation: Relation, fields: Sequence[str] | None, cursor: RelationColumn | None
) -> tuple[RelationColumn, ...]:
    if fields is None:
        return relation.columns
    wanted = {*fields, *([cursor.name] if cursor else [])}
    chosen = tuple(column for column in relation.columns if column.name in wanted)
    return chosen or relation.columns[:1]


class _Reading:
    """One reading inside its transaction."""

    def __init__(
        self,
        connection: Connection,
        moment: Moment,
        stream: PostgresStream,
        columns: Sequence[RelationColumn],
    ) -> None:
        self._connection = connection
        self._moment = moment
        self._relation = stream.relation
        self._page_blocks = stream.page_blocks
        self._columns = columns
        row = rows_of(
            connection,
            "SELECT txid_snapshot_xmin(txid_current_snapshot()),"
            " current_setting('server_version_num')::int",
        )[0]
        self._now, self._version = row
        """Every transaction below `_now` had ended when this one began to look."""

    def full(self, position: Position) -> Iterator[pa.RecordBatch | State]:
        """Yields the whole relation, or what is left of it.

        Raises StateOutdated when rows of the part that was read are not what they were.
        """
        if not isinstance(position, PagePosition):
            position = PagePosition()
        if not self._relation.has_pages:
            yield from self._select([])
            return
        if position.block:
            self._refuse_changed(position)
        rows = position.rows or 0
        for item in self._pages(replace(position, base=None), rereads=False):
            if isinstance(item, PagePosition):
                yield replace(item, rows=rows).state()
            else:
                rows += item.num_rows
                yield item

    def _refuse_changed(self, position: PagePosition) -> None:
        """Raises StateOutdated unless the pages below a position hold the rows they held.

        None was added (`xmin`), and there are as many: so none was changed or deleted either.
        """
        self._refuse_rewritten(position)
        changed = " AND ".join(self._since(position.seen)) or "TRUE"
        query = (
            f"SELECT count(*), count(*) FILTER (WHERE {changed}) FROM {self._relation.sql}"  # noqa: S608 (identifiers are quoted)
            f" WHERE ctid < '({position.block},0)'::tid"
        )
        count, new = rows_of(self._connection, query)[0]
        if new or count != position.rows:
            raise _outdated(
                self._relation,
                f"Rows of {self._relation} changed or went after a reading had sent them and was"
                " interrupted.",
            )

    def _refuse_rewritten(self, position: PagePosition) -> None:
        file, _ = file_and_pages(self._connection, self._relation.oid)
        if position.file != file:
            raise _outdated(
                self._relation,
                f"{self._relation} was rewritten (VACUUM FULL, TRUNCATE, ALTER TABLE) after a"
                " reading of it was interrupted: its rows are no longer where they were.",
            )

    def by_transaction(self, position: Position) -> Iterator[pa.RecordBatch | State]:
        """Yields what changed since the position, and ends where the next reading begins."""
        if not isinstance(position, PagePosition):
            position = PagePosition()
        yield from self._changes(position)
        yield PagePosition(base=self._now).state()

    def by_cursor(
        self, position: Position, cursor: RelationColumn
    ) -> Iterator[pa.RecordBatch | State]:
        """Yields everything once, then what lies above the last value."""
        if isinstance(position, CursorPosition) and position.cursor == cursor.name:
            yield from self._above(position, cursor)
            return
        if not isinstance(position, PagePosition) or position.base is not None:
            position = PagePosition()
        yield from self._changes(position)
        name = _input(cursor)
        rows = rows_of(
            self._connection,
            f"SELECT {name}::text FROM {self._relation.sql} AS t WHERE {name} IS NOT NULL"  # noqa: S608 (identifiers are quoted)
            f" ORDER BY {name} DESC LIMIT 1",
        )
        yield self._at(cursor, rows[0][0] if rows else None).state()

    def _at(self, cursor: RelationColumn, value: str | None) -> CursorPosition:
        seen = self._now if self._relation.has_transactions else None
        return CursorPosition(cursor=cursor.name, value=value, seen=seen)

    def _changes(self, position: PagePosition) -> Iterator[pa.RecordBatch | State]:
        """Yields what a position has not seen; states only where there are pages."""
        if self._relation.has_pages:
            for item in self._pages(position):
                yield item.state() if isinstance(item, PagePosition) else item
        else:
            yield from self._select(self._since(position.base))

    def _pages(
        self, position: PagePosition, *, rereads: bool = True
    ) -> Iterator[pa.RecordBatch | PagePosition]:
        """Yields rows and positions; `rereads`: what changed in the pages that are done, too."""
        file, blocks = file_and_pages(self._connection, self._relation.oid)
        done = position.block
        if done and rereads:
            self._refuse_rewritten(position)
            changed = self._since(position.seen)
            if changed:
                yield from self._select([f"ctid < '({done},0)'::tid", *changed])
        here = replace(position, seen=self._now, file=file)
        step = self._page_blocks if self._version >= RANGES_SINCE else max(1, blocks)
        since = self._since(position.base)
        while done < blocks or done == 0:
            ranges: list[list[str]] = []
            while len(ranges) < self._moment.connections and (done < blocks or done == 0):
                end = done + step
                ranges.append([*in_pages(done, end, blocks), *since])
                done = min(end, max(blocks, 1))
            # A state covers all that came before it: so behind the last of them, not the first.
            yield from self._select(*ranges)
            yield replace(here, block=done)

    def _since(self, transaction: int | None) -> list[str]:
        """Returns the condition that a row was written by this transaction or a later one."""
        if transaction is None or not self._relation.has_transactions:
            return []
        if not 0 <= self._now - transaction < _HALF_OF_ALL:
            raise _outdated(
                self._relation,
                f"The state of {self._relation} is of another server, or two thousand million"
                " transactions old: what changed since cannot be told.",
            )
        number = transaction & 0xFFFFFFFF
        return [f"age(xmin) BETWEEN 0 AND age('{number}'::xid)"]

    def _select(self, *parts: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yields the rows that fulfil all conditions of any part; the parts are read at once."""
        asked = ", ".join(column.asked for column in self._columns)
        query = f"SELECT {asked} FROM {self._relation.sql}"  # noqa: S608 (identifiers are quoted)
        queries = [
            f"{query} WHERE {' AND '.join(conditions)}" if conditions else query
            for conditions in parts
        ]
        for batch in self._moment.read(queries, [column.wire for column in self._columns]):
            if batch.num_rows:
                yield batch

    def _above(
        self, position: CursorPosition, cursor: RelationColumn
    ) -> Iterator[pa.RecordBatch | State]:
        """Yields rows in the cursor's order, a state wherever a value is complete.

        Of rows with the last value, and of rows without any, those come that were written since.
        """
        last = position.value
        has_order = cursor.type_name.partition("(")[0] in _CANONICAL
        for batch in self._ordered(self._beyond(position, cursor), cursor):
            width = batch.num_columns - 1
            values, rows = batch.column(width), batch.select(range(width))
            if has_order and last is not None and values[0].as_py() != last:
                yield self._at(cursor, last).state()
            newest = values[-1].as_py()
            last = last if newest is None else newest
            begins = pc.index(values, values[-1]).as_py() if has_order else 0
            complete = values[begins - 1].as_py() if begins else None
            if complete is not None:
                yield rows.slice(0, begins)
                yield self._at(cursor, complete).state()
                rows = rows.slice(begins)
            yield rows
        yield self._at(cursor, last).state()

    def _beyond(self, position: CursorPosition, cursor: RelationColumn) -> str:
        name = _input(cursor)
        changed = self._since(position.seen)
        if position.value is None:
            return changed[0] if changed else "TRUE"
        value = bound(self._connection, f"%s::{cursor.type_name}", (position.value,))
        if not changed:
            return f"{name} >= {value}"
        return f"({name} > {value} OR (({name} = {value} OR {name} IS NULL) AND {changed[0]}))"

    def _ordered(self, condition: str, cursor: RelationColumn) -> Iterator[pa.RecordBatch]:
        name = _input(cursor)
        asked = ", ".join(column.asked for column in self._columns)
        query = (
            f"SELECT {asked}, {name}::text FROM {self._relation.sql} AS t"  # noqa: S608 (identifiers are quoted)
            f" WHERE {condition} ORDER BY {name} NULLS FIRST"
        )
        extra = WireColumn(name=_VALUE, kind=Kind.STRING, form=Form.TEXT)
        wires = [*(column.wire for column in self._columns), extra]
        for batch in copy_out(self._connection, query, wires):
            if batch.num_rows:
                yield batch


def _outdated(relation: Relation, message: str) -> StateOutdated:
    return StateOutdated(
        message,
        remedy="Reset the stream's state (`penstock state reset`), and it is read anew.",
        stream=str(relation),
    )


def _input(cursor: RelationColumn) -> str:
    """Returns the column itself: its bare name would mean the output of ORDER BY, its text."""
    return f"t.{identifier(cursor.name)}"
