"""The reference destination: the contract of `penstock.sdk.destination` at its shortest.

All it has ever stored is one immutable `Storage`. A transaction is a function from the present
storage to the next one, and becomes durable by one exchange of that value. With a path the value
lies in a file, which the death of the process does not touch.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Final, cast

import orjson
import pyarrow as pa

from penstock.data.types import Kind, arrow_type, widened
from penstock.errors import ConfigError, ProtocolError, ResourceBusy
from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.codec import decode_states, encode_states
from penstock.protocol.state import State
from penstock.sdk.config import setting
from penstock.sdk.destination import (
    Capabilities,
    Normalisation,
    StoredState,
    StreamPlan,
    TableName,
    WriteMode,
    Writer,
)
from penstock.testing.cells import (
    Cell,
    Row,
    array_of,
    cell_of_text,
    cells_of,
    json_text_of,
    text_of,
)

META_KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "_airbyte_raw_id": Kind.STRING,
        "_airbyte_extracted_at": Kind.TIMESTAMP_TZ,
        "_airbyte_meta": Kind.JSON,
        "_airbyte_generation_id": Kind.INTEGER,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows and the kinds of their columns; a column a row lacks is null."""

    kinds: Mapping[str, Kind]
    rows: tuple[Row, ...] = ()


StateKey = tuple[str, StreamDescriptor | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Everything stored, at one moment."""

    tables: Mapping[TableName, Table] = field(default_factory=dict)
    staging: Mapping[tuple[TableName, int], Table] = field(default_factory=dict)
    """Rows of an overwrite that is not finished, by table and generation."""
    states: Mapping[StateKey, StoredState] = field(default_factory=dict)


class MemoryStore:
    """Holds the storage; `apply` is the only way to change it, and is one transaction."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._storage = Storage()
        self._lock = threading.RLock()

    @property
    def storage(self) -> Storage:
        """The newest storage that is durable."""
        if self._path is None:
            return self._storage
        if not self._path.exists():
            return Storage()
        try:
            storage, states = pickle.loads(self._path.read_bytes())  # noqa: S301 - our own file
        except pickle.UnpicklingError as error:
            raise ConfigError(
                f"{self._path} was not written by the memory destination.",
                remedy="Name a file of its own in `path`.",
            ) from error
        decoded = {
            key: replace(kept, state=_state_of(text)) for key, (kept, text) in states.items()
        }
        return cast("Storage", replace(storage, states=decoded))

    def apply(self, change: Callable[[Storage], Storage]) -> None:
        """Exchanges the storage for what `change` makes of it; an error changes nothing."""
        with self._lock, self._file_lock():
            after = change(self.storage)
            if self._path is None:
                self._storage = after
                return
            beside = self._path.with_name(f"{self._path.name}.{os.getpid()}")
            states = {
                key: (replace(kept, state=None), encode_states([kept.state] if kept.state else []))
                for key, kept in after.states.items()
            }
            beside.write_bytes(pickle.dumps((replace(after, states={}), states)))
            beside.replace(self._path)

    @contextmanager
    def _file_lock(self) -> Iterator[None]:
        if self._path is None:
            yield
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_name(f"{self._path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _state_of(text: bytes) -> State | None:
    return next(iter(decode_states(text)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryConfig:
    """Where the storage lies."""

    path: str | None = setting(
        default=None,
        title="File",
        description="Where the storage is kept between processes; without it, in memory only.",
    )


class MemoryDestination:
    """Keeps tables in memory, or in one small file; for tests and as the executable contract."""

    Config = MemoryConfig
    title: ClassVar[str] = "Memory"
    documentation_url: ClassVar[str] = (
        "https://github.com/penstock-data/penstock/tree/main/docs/how-to/test-a-connector.md"
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset(WriteMode), exactly_once=True, max_identifier_bytes=255, reads_back=True
    )

    def __init__(self, config: MemoryConfig, *, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore(Path(config.path) if config.path else None)

    def check(self) -> None:
        """Reads the storage: nothing else can fail."""
        _ = self.store.storage

    @contextmanager
    def open(self, plan: StreamPlan) -> Iterator[Writer]:
        self.store.apply(lambda storage: prepared(storage, plan))
        yield self.writer(plan)

    def writer(self, plan: StreamPlan) -> MemoryWriter:
        """Returns the writer of a stream whose table is prepared."""
        return MemoryWriter(self.store, plan)

    def scan(self, table: TableName, *, limit: int | None = None) -> pa.RecordBatchReader:
        stored = self.store.storage.tables.get(table)
        if stored is None:
            raise ProtocolError(f"There is no table {table}.", remedy="Sync the stream first.")
        rows = stored.rows[:limit]
        arrays = [array_of(kind, [r.get(n) for r in rows]) for n, kind in stored.kinds.items()]
        schema = pa.schema([(name, arrow_type(kind)) for name, kind in stored.kinds.items()])
        batches = [pa.RecordBatch.from_arrays(arrays, schema=schema)] if arrays else []
        return pa.RecordBatchReader.from_batches(schema, batches)

    def count(self, table: TableName) -> int:
        stored = self.store.storage.tables.get(table)
        return len(stored.rows) if stored else 0

    def stored_states(self, connection: str) -> Sequence[StoredState]:
        states = self.store.storage.states
        return [state for (owner, _), state in states.items() if owner == connection]

    def store_global_state(self, connection: str, state: State, fence: int) -> None:
        stored = StoredState(
            stream=None, state=state, generation_id=0, is_complete=False, fence=fence
        )

        def change(storage: Storage) -> Storage:
            refuse_stale(storage.states.get((connection, None)), fence)
            return replace(storage, states={**storage.states, (connection, None): stored})

        self.store.apply(change)

    def forget_states(self, connection: str, streams: Sequence[StreamDescriptor] | None) -> None:
        def is_kept(key: StateKey) -> bool:
            return key[0] != connection or (streams is not None and key[1] not in streams)

        def change(storage: Storage) -> Storage:
            kept = {key: state for key, state in storage.states.items() if is_kept(key)}
            return replace(storage, states=kept)

        self.store.apply(change)


class MemoryWriter:
    """Holds the rows of the open transaction; the store sees them with `commit` or `finish`."""

    def __init__(self, store: MemoryStore, plan: StreamPlan) -> None:
        self.store = store
        self.plan = plan
        self.pending: list[Row] = []

    def write(self, batch: pa.RecordBatch) -> None:
        self.pending.extend(landed_rows(batch, self.plan))

    def commit(self, state: State | None) -> int:
        self.store.apply(lambda storage: committed(storage, self.plan, self.pending, state))
        return self._taken()

    def finish(self, state: State | None) -> int:
        self.store.apply(
            lambda storage: published(committed(storage, self.plan, self.pending, state), self.plan)
        )
        return self._taken()

    def _taken(self) -> int:
        rows = len(self.pending)
        self.pending = []
        return rows


def prepared(storage: Storage, plan: StreamPlan) -> Storage:
    """Returns the storage with the table that rows of this plan go to.

    An overwrite that does not resume drops every leftover of this table, and with them the state
    that covered them: a state without its rows would lose them for good.
    """
    known = storage.states.get(_key(plan))
    refuse_stale(known, plan.fence)
    if plan.mode.is_overwrite:
        if not plan.resumes:
            storage = _without_leftovers(storage, plan, known)
        elif _staging(plan) not in storage.staging:
            raise ProtocolError(
                f"Generation {plan.generation_id} of {plan.table} has no rows to continue from.",
                remedy="Start the stream anew: penstock state reset.",
            )
    return _with_target(storage, plan, fitted(_target(storage, plan), plan))


def committed(
    storage: Storage, plan: StreamPlan, rows: Iterable[Row], state: State | None
) -> Storage:
    """Returns the storage with these rows and the state that covers them."""
    known = storage.states.get(_key(plan))
    refuse_stale(known, plan.fence)
    target = _made_to_hold(_target(storage, plan), _planned_kinds(plan), tuple(rows))
    arriving = [_converted(row, _planned_kinds(plan), target.kinds) for row in rows]
    after = (*target.rows, *arriving)
    if plan.mode.is_dedup:
        after = deduplicated(after, plan.primary_key, plan.cursor)
    storage = _with_target(storage, plan, replace(target, rows=after))
    return replace(storage, states={**storage.states, _key(plan): remembered(known, plan, state)})


def published(storage: Storage, plan: StreamPlan) -> Storage:
    """Returns the storage with the stream complete: staging swapped in, older ones dropped."""
    known = storage.states[_key(plan)]
    if plan.mode.is_overwrite:
        tables = {**storage.tables, plan.table: _target(storage, plan)}
        staging = {key: table for key, table in storage.staging.items() if key[0] != plan.table}
        storage = replace(storage, tables=tables, staging=staging)
    is_same_generation = known.generation_id == plan.generation_id
    complete = replace(
        known,
        state=known.state if is_same_generation else None,
        generation_id=plan.generation_id,
        is_complete=True,
    )
    return replace(storage, states={**storage.states, _key(plan): complete})


def remembered(known: StoredState | None, plan: StreamPlan, state: State | None) -> StoredState:
    """Returns the checkpoint after a commit; a commit without state keeps the older one."""
    if state is None and known is not None:
        return replace(known, fence=plan.fence)
    return StoredState(
        stream=plan.stream,
        state=state,
        generation_id=plan.generation_id,
        is_complete=False,
        fence=plan.fence,
    )


def refuse_stale(known: StoredState | None, fence: int) -> None:
    """Raises when a newer attempt than this one has already committed."""
    if known is not None and known.fence > fence:
        raise ResourceBusy(
            f"Attempt {known.fence} of this sync has taken over from attempt {fence}.",
            remedy="Leave the sync to the newer attempt; this one changes nothing any more.",
        )


def deduplicated(rows: Iterable[Row], key: Sequence[str], cursor: str | None) -> tuple[Row, ...]:
    """Keeps of each key the row with the largest cursor, of equal ones the last to arrive.

    Null is a key like any other, and as a cursor smaller than every value.
    """
    newest: dict[tuple[Cell, ...], Row] = {}
    for row in rows:
        identity = tuple(row.get(column) for column in key)
        held = newest.get(identity)
        if held is None or cursor is None or not _is_older(row.get(cursor), held.get(cursor)):
            newest[identity] = row
    return tuple(newest.values())


def _is_older(cursor: Cell, held: Cell) -> bool:
    if cursor is None or held is None:
        return cursor is None and held is not None
    return cursor < held  # type: ignore[operator]  # both are cells of one column


def landed_rows(batch: pa.RecordBatch, plan: StreamPlan) -> list[Row]:
    """Returns the rows of a batch as they land, with the columns the writer adds."""
    if plan.normalisation is Normalisation.RAW:
        names = {"_airbyte_data": "_airbyte_data"}
    else:
        names = {column.source: column.name for column in plan.columns}
    expected = [*names, "_airbyte_extracted_at", "_airbyte_changes"]
    if batch.schema.names != expected:
        raise ProtocolError(
            f"A batch of {plan.stream} has the columns {batch.schema.names}, not {expected}.",
            remedy="Report it: the engine and the plan disagree.",
        )
    columns = dict(zip(batch.schema.names, map(cells_of, batch.columns), strict=True))
    return [
        {
            **{name: columns[source][i] for source, name in names.items()},
            "_airbyte_raw_id": uuid7(),
            "_airbyte_extracted_at": columns["_airbyte_extracted_at"][i],
            "_airbyte_meta": _meta(plan, columns["_airbyte_changes"][i]),
            "_airbyte_generation_id": plan.generation_id,
        }
        for i in range(batch.num_rows)
    ]


def uuid7() -> str:
    """Returns a UUID of version 7: 48 bits of milliseconds, then chance (RFC 9562 §5.7)."""
    milliseconds = time.time_ns() // 1_000_000
    bits = (milliseconds << 80) | (7 << 76) | (secrets.randbits(12) << 64)
    text = f"{bits | (0b10 << 62) | secrets.randbits(62):032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def fitted(table: Table, plan: StreamPlan) -> Table:
    """Returns the table with every column of the plan, widened until it holds both."""
    kinds = dict(table.kinds)
    for name, kind in _planned_kinds(plan).items():
        kinds[name] = _common(table, name, kind) if name in kinds else kind
    rows = tuple(_converted(row, table.kinds, kinds) for row in table.rows)
    return Table(kinds=kinds, rows=rows)


def _common(table: Table, name: str, planned: Kind) -> Kind:
    """A widening that would change a value already there gives way to text."""
    old = table.kinds[name]
    if old is Kind.STRING:
        return old
    new = widened(old, planned)
    cells = [row.get(name) for row in table.rows]
    return new if all(_cast(cell, old, new) == cell for cell in cells) else Kind.STRING


def _made_to_hold(table: Table, planned: Mapping[str, Kind], rows: tuple[Row, ...]) -> Table:
    """A column that would change an arriving value becomes text, too."""

    def holds(name: str, kind: Kind, stored: Kind) -> bool:
        is_text = stored in (kind, Kind.STRING, Kind.JSON)
        return is_text or all(_cast(row.get(name), kind, stored) == row.get(name) for row in rows)

    kinds = dict(table.kinds)
    for name, kind in planned.items():
        if not holds(name, kind, kinds[name]):
            kinds[name] = Kind.STRING
    changed = tuple(_converted(row, table.kinds, kinds) for row in table.rows)
    return Table(kinds=kinds, rows=changed)


def _converted(row: Row, old: Mapping[str, Kind], new: Mapping[str, Kind]) -> Row:
    return {name: _cast(cell, old[name], new[name]) for name, cell in row.items()}


def _cast(cell: Cell, old: Kind, new: Kind) -> Cell:
    if cell is None or old is new:
        return cell
    if new is Kind.JSON:
        return json_text_of(old, cell)
    text = text_of(old, cell)
    return cell_of_text(new, text) if text is not None else None


def _meta(plan: StreamPlan, changes: Cell) -> str:
    listed = orjson.loads(changes) if isinstance(changes, str) else []
    return orjson.dumps({"sync_id": plan.sync_id, "changes": listed}).decode()


def _planned_kinds(plan: StreamPlan) -> dict[str, Kind]:
    if plan.normalisation is Normalisation.RAW:
        return {"_airbyte_data": Kind.JSON, **META_KINDS}
    return {**{column.name: column.kind for column in plan.columns}, **META_KINDS}


def _key(plan: StreamPlan) -> StateKey:
    return (plan.connection, plan.stream)


def _staging(plan: StreamPlan) -> tuple[TableName, int]:
    return (plan.table, plan.generation_id)


def _target(storage: Storage, plan: StreamPlan) -> Table:
    if plan.mode.is_overwrite:
        return storage.staging.get(_staging(plan), Table(kinds={}))
    return storage.tables.get(plan.table, Table(kinds={}))


def _with_target(storage: Storage, plan: StreamPlan, table: Table) -> Storage:
    if plan.mode.is_overwrite:
        return replace(storage, staging={**storage.staging, _staging(plan): table})
    return replace(storage, tables={**storage.tables, plan.table: table})


def _without_leftovers(storage: Storage, plan: StreamPlan, known: StoredState | None) -> Storage:
    staging = {key: table for key, table in storage.staging.items() if key[0] != plan.table}
    states = dict(storage.states)
    if known is not None and not known.is_complete:
        states[_key(plan)] = replace(known, state=None)
    return replace(storage, staging=staging, states=states)
