"""Change data capture: the first reading of each table, then the log, up to the present.

Tables are first read in the snapshot of a temporary slot, which is made after the lasting one: the
snapshot holds exactly what was committed before its place in the log. Changes of a table before
that place are passed over. So a table that is added later, or whose first reading was interrupted,
takes the same way; deletions before that place are told all the same, for the interrupted reading
may have sent the rows. What takes rows away without naming them (TRUNCATE, a table made anew, a
stream that was left out of syncs) empties the table, is refused, or told, as `truncates` says.

The lasting slot is confirmed up to the position that a sync starts from, and no further: that one
came back from the destination, so that its rows are durable.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from penstock.data.items import Emptied
from penstock.errors import ConfigError
from penstock.protocol.catalog import StreamDescriptor
from penstock.sdk.lost_rows import rows_lost
from penstock.sdk.postgres.address import Address
from penstock.sdk.postgres.connection import (
    Connection,
    bound,
    connected,
    rows_of,
)
from penstock.sdk.together import Rows, Said, SharedState
from penstock.sources.postgres.catalogue import Relation
from penstock.sources.postgres.changes import TableChanges, snapshot_batch
from penstock.sources.postgres.moment import BEGIN, RANGES_SINCE, Moment, file_and_pages
from penstock.sources.postgres.pgoutput import (
    Begin,
    Change,
    Commit,
    Described,
    Truncation,
    decoded,
)
from penstock.sources.postgres.replication import (
    Reached,
    lsn_of,
    messages,
    replicating,
    snapshot,
    system_of,
    text_of_lsn,
)
from penstock.sources.postgres.slot import (
    READ_ANEW,
    Slot,
    check_server,
    find_slot,
    make_slot,
    missing_slot,
    publish,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.sources.postgres.source import Cdc

_BATCH_ROWS: Final = 20_000
_BATCH_BYTES: Final = 16 << 20
_STATE_SECONDS: Final = 5.0
_AT_ONCE: Final = f"{READ_ANEW[0].upper()}{READ_ANEW[1:]}."

Item = Rows | SharedState | Said | Emptied


def check_log(address: Address, method: Cdc) -> None:
    """Refuses a server, user or slot that changes cannot be read with."""
    with connected(address) as connection:
        check_server(connection, address)
        slot = find_slot(connection, method.replication_slot, address)
        if slot is None and method.setup == "check":
            raise missing_slot(address, method.replication_slot)


class LogReading:
    """One sync's reading of the streams that share the log."""

    def __init__(
        self,
        address: Address,
        method: Cdc,
        relations: Mapping[StreamDescriptor, Relation],
        *,
        connections: int,
        page_blocks: int,
    ) -> None:
        """`connections` read a table at first, each so many pages at a time."""
        self._connections = connections
        self._page_blocks = page_blocks
        self._address = address
        self._method = method
        self._relations = relations
        self._places: dict[StreamDescriptor, int] = {}
        """Where each stream's first reading stands in the log."""
        self._begun: dict[StreamDescriptor, int] = {}
        """Where a first reading that was interrupted stood: its rows may be in the destination."""
        self._left: dict[StreamDescriptor, Mapping[str, Any]] = {}
        """What states say of streams that this sync does not read."""
        self._anew: set[StreamDescriptor] = set()
        """Streams whose table is emptied before it is read: rows went that no log tells of."""
        self._warnings: list[str] = []
        self._system = ""

    def items(self, state: SharedState | None) -> Iterator[Item]:
        """Yields rows and states, from a state to what is committed by now."""
        with connected(self._address) as connection:
            check_server(connection, self._address)
            with replicating(self._address) as replication:
                self._system = system_of(replication)
            start, slot = self._begin(connection, state)
            level = "WARN" if slot.is_in_danger else "INFO"
            yield Said(level=level, message=str(slot))
            for warning in self._warnings:
                yield Said(level="WARN", message=warning)
            yield from self._first(start)
            until = self._until(connection)
            with replicating(self._address) as replication:
                log = _Log(self._method, self._relations, self._places, self._begun)
                for item in log.items(connection, replication, start=start, until=until):
                    yield self._state(item) if isinstance(item, int) else item

    def _state(self, lsn: int) -> SharedState:
        value = {
            "lsn": text_of_lsn(lsn),
            "slot": self._method.replication_slot,
            "system": self._system,
        }
        streams = {name: self._stream_state(name, lsn) for name in self._relations}
        return SharedState(
            value=value, streams={**self._left, **{n: s for n, s in streams.items() if s}}
        )

    def _stream_state(self, stream: StreamDescriptor, lsn: int) -> Mapping[str, Any]:
        place, begun = self._places.get(stream), self._begun.get(stream)
        if place is None and begun is None:
            return {}
        state: dict[str, Any] = {"oid": self._relations[stream].oid}
        if place is not None:
            state["lsn"] = text_of_lsn(place)
        elif stream in self._anew:
            state["anew"] = True
        if begun is not None and (place is None or max(begun, lsn) < place):
            state["begun"] = text_of_lsn(begun)
        return state

    def _begin(self, connection: Connection, state: SharedState | None) -> tuple[int, Slot]:
        """Returns where the log is read from, with the slot; both fit what was read before."""
        method = self._method
        slot = find_slot(connection, method.replication_slot, self._address)
        start = None if state is None else self._start(state, slot)
        if state is not None and start is not None:
            self._take(state, start)
        publish(
            connection,
            method.publication,
            list(self._relations.values()),
            makes=method.setup == "make",
            is_new=state is None,
            adding=self._refuse_unpublished,
        )
        if slot is None:
            if method.setup == "check":
                raise missing_slot(self._address, method.replication_slot)
            slot = make_slot(connection, method.replication_slot, self._address)
        return slot.confirmed if start is None else start, slot

    def _take(self, state: SharedState, start: int) -> None:
        """Takes what a state says of the streams."""
        for stream, value in state.streams.items():
            relation = self._relations.get(stream)
            if relation is None:
                self._left[stream] = {"left": text_of_lsn(start), **value}
                continue
            since = str(next((value[n] for n in ("left", "begun", "lsn") if n in value), ""))
            if "left" in value:
                self._begin_anew(stream, since, f"{relation} was left out of syncs since {since}")
            elif value.get("oid", relation.oid) != relation.oid:
                what = f"{relation} was dropped and made anew since {since}"
                self._begin_anew(stream, since, what)
            elif "anew" in value:
                self._begin_anew(stream, since, f"{relation} was to be read anew")
            else:
                if "lsn" in value:
                    self._places[stream] = _place(value)
                if "begun" in value:
                    self._begun[stream] = _place({"lsn": value["begun"]})

    def _refuse_unpublished(self, table: tuple[str, str]) -> None:
        """Is told of each table that the publication lacks, before it is added.

        Once it is there, nothing tells that it was not: so its table is not emptied, but refused.
        """
        for stream in {*self._places, *self._begun} - self._anew:
            relation = self._relations[stream]
            if (relation.schema, relation.name) == table:
                what = f"{relation} was taken out of the publication {self._method.publication}"
                self._warnings.append(rows_lost(self._method.truncates, relation, what).message)
                self._places.pop(stream, None)

    def _begin_anew(self, stream: StreamDescriptor, since: str, what: str) -> None:
        """Has a table read anew, whose deletions meanwhile are in no log."""
        if self._method.truncates == "mirror":
            self._warnings.append(f"{what}; it is emptied and read anew.")
        else:
            said = rows_lost(self._method.truncates, self._relations[stream], what)
            self._warnings.append(said.message)
            self._begun[stream] = _place({"lsn": since})
        self._anew.add(stream)

    def _start(self, state: SharedState, slot: Slot | None) -> int:
        start, system = _place(state.value), state.value.get("system")
        if slot is None:
            raise self._refused(
                f"the replication slot {self._method.replication_slot} is gone, and with it the"
                f" changes since {text_of_lsn(start)}"
            )
        if system != self._system:
            raise self._refused(f"the state is of another server ({system}, not {self._system})")
        if slot.confirmed > start:
            raise self._refused(
                f"the slot {slot.name} was moved to {text_of_lsn(slot.confirmed)}, past"
                f" {text_of_lsn(start)}, where the last sync ended: another reader has used it,"
                " or it was made anew"
            )
        return start

    def _refused(self, why: str) -> ConfigError:
        return ConfigError(
            f"{self._address}: {why}.",
            remedy=f"{_AT_ONCE} Give every connection a slot of its own.",
            field="replication_method.replication_slot",
        )

    def _first(self, start: int) -> Iterator[Item]:
        """Yields the tables that were never read to their end, all as of one moment."""
        new = [stream for stream in self._relations if stream not in self._places]
        if not new:
            return
        with connected(self._address) as connection:
            with replicating(self._address) as replication:
                lsn, name = snapshot(replication, f"penstock_{uuid.uuid4().hex[:16]}")
                connection.execute(BEGIN)
                connection.execute(bound(connection, "SET TRANSACTION SNAPSHOT %s", (name,)))
            for stream in new:
                self._begun.setdefault(stream, lsn)
            # Before any row: what happens to rows of a reading that is interrupted is to be told.
            yield self._state(start)
            micros = int(time.time() * 1_000_000)
            with closing(
                Moment(connection, self._address, connections=self._connections)
            ) as moment:
                for stream in new:
                    if stream in self._anew and self._method.truncates == "mirror":
                        yield Emptied(stream=stream)
                    for batch in self._whole(moment, connection, self._relations[stream]):
                        rows = snapshot_batch(batch, lsn=lsn, micros=micros)
                        yield Rows(stream=stream, rows=rows)
                    self._places[stream] = lsn
                    yield self._state(start)
            connection.execute("COMMIT")

    def _whole(
        self, moment: Moment, connection: Connection, relation: Relation
    ) -> Iterator[pa.RecordBatch]:
        asked = ", ".join(column.asked for column in relation.columns)
        query = f"SELECT {asked} FROM {relation.sql}"  # noqa: S608 (identifiers are quoted)
        has_ranges = relation.has_pages and connection.info.server_version >= RANGES_SINCE
        blocks = file_and_pages(connection, relation.oid)[1] if has_ranges else 0
        yield from moment.read_table(
            query,
            [column.wire for column in relation.columns],
            blocks=blocks,
            step=self._page_blocks,
        )

    def _until(self, connection: Connection) -> int:
        query = self._method.heartbeat_action_query
        if query:
            connection.execute(query)
        return lsn_of(rows_of(connection, "SELECT pg_current_wal_flush_lsn()::text")[0][0])


def _place(value: Mapping[str, Any]) -> int:
    try:
        return lsn_of(value["lsn"])
    except (KeyError, ValueError, AttributeError) as error:
        raise ConfigError(
            "The global state is not one that this source wrote.",
            remedy=_AT_ONCE,
        ) from error


@dataclass(slots=True)
class _Log:
    """The log as rows of the tables that are wanted, and places up to which they are whole."""

    method: Cdc
    relations: Mapping[StreamDescriptor, Relation]
    places: Mapping[StreamDescriptor, int]
    begun: Mapping[StreamDescriptor, int]
    _streams: dict[int, StreamDescriptor] = field(default_factory=dict)
    """By the number that the log gives a table."""
    _tables: dict[StreamDescriptor, TableChanges] = field(default_factory=dict)
    _rows: int = 0
    _bytes: int = 0

    def items(
        self, connection: Connection, replication: Connection, *, start: int, until: int
    ) -> Iterator[Rows | Said | Emptied | int]:
        """Yields rows, and a place in the log wherever everything before it was yielded."""
        transaction: Begin | None = None
        end, told_at = start, time.monotonic()
        for item in messages(
            replication, self.method.replication_slot, self.method.publication, start=start
        ):
            if isinstance(item, Reached):
                if transaction is None and item.lsn >= until:
                    yield from self._flushed(connection)
                    yield max(end, item.lsn)
                    return
                continue
            self._bytes += len(item.payload)
            match decoded(item.payload):
                case Change() as change if transaction is not None:
                    self._take(change, transaction)
                    if self._rows >= _BATCH_ROWS or self._bytes >= _BATCH_BYTES:
                        yield from self._flushed(connection)
                case Begin() as begin:
                    transaction = begin
                case Commit() as commit:
                    transaction, end = None, commit.end
                    now = time.monotonic()
                    is_last = end >= until
                    if is_last or self._rows >= _BATCH_ROWS or now - told_at > _STATE_SECONDS:
                        yield from self._flushed(connection)
                        yield end
                        told_at = now
                    if is_last:
                        return
                case Described() as described:
                    yield from self._describe(described)
                case Truncation() as truncation if transaction is not None:
                    yield from self._flushed(connection)
                    yield from self._truncated(truncation, transaction)
                case _:
                    pass

    def _take(self, change: Change, transaction: Begin) -> None:
        stream = self._streams.get(change.oid)
        if stream is None:
            return
        is_known = transaction.lsn < self.places[stream]
        self._tables[stream].add(
            change, lsn=transaction.lsn, micros=transaction.micros, is_known=is_known
        )
        self._rows += 1

    def _describe(self, described: Described) -> Iterator[Said]:
        self._streams.pop(described.oid, None)
        stream = StreamDescriptor(described.name, described.schema)
        relation = self.relations.get(stream)
        if relation is None:
            return
        self._streams[described.oid] = stream
        table = self._tables.get(stream)
        if table is None:
            self._tables[stream] = TableChanges(relation, described)
        else:
            table.describe(described)
        had = set(described.columns)
        has = {column.name for column in relation.columns}
        if had - has:
            gone = ", ".join(sorted(had - has))
            yield Said(
                level="WARN",
                message=f"{relation}: the log has columns that the table or this user no longer"
                f" has: {gone}. They are left out.",
            )

    def _truncated(self, truncation: Truncation, transaction: Begin) -> Iterator[Said | Emptied]:
        for oid in truncation.oids:
            stream = self._streams.get(oid)
            if stream is None or self._is_before_any_row(stream, transaction):
                continue
            is_known = transaction.lsn < self.places[stream]
            if self.method.truncates == "mirror" and not is_known:
                yield Emptied(stream=stream)
                continue
            relation = self.relations[stream]
            what = f"{relation} was truncated at {text_of_lsn(transaction.lsn)}"
            yield rows_lost(self.method.truncates, relation, what)

    def _is_before_any_row(self, stream: StreamDescriptor, transaction: Begin) -> bool:
        """Tells whether no row of the stream, not even of an interrupted reading, is older."""
        place = self.places[stream]
        return transaction.lsn < min(place, self.begun.get(stream, place))

    def _flushed(self, connection: Connection) -> Iterator[Rows]:
        for stream, table in self._tables.items():
            if table.rows:
                yield Rows(stream=stream, rows=table.batch(connection))
        self._rows = self._bytes = 0
