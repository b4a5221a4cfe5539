"""What a destination is to the engine: facts, a check, and one transaction a stream."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from penstock.data.items import LogLine
from penstock.data.types import Column, Kind
from penstock.protocol.catalog import ConfiguredCatalog, StreamDescriptor
from penstock.protocol.state import State

if TYPE_CHECKING:
    import pyarrow as pa


class WriteMode(StrEnum):
    """What becomes of the rows already there and of rows with an equal key."""

    APPEND = "append"
    OVERWRITE = "overwrite"
    APPEND_DEDUP = "append_dedup"
    OVERWRITE_DEDUP = "overwrite_dedup"

    @property
    def is_overwrite(self) -> bool:
        return self in (WriteMode.OVERWRITE, WriteMode.OVERWRITE_DEDUP)

    @property
    def is_dedup(self) -> bool:
        return self in (WriteMode.APPEND_DEDUP, WriteMode.OVERWRITE_DEDUP)


class Normalisation(StrEnum):
    """`typed` gives a column a property; `raw` one JSON column, `_airbyte_data`."""

    TYPED = "typed"
    RAW = "raw"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """Facts about a destination; engine, UI and test suites read the same value."""

    modes: frozenset[WriteMode]
    exactly_once: bool
    """Rows and checkpoint become durable in one transaction."""
    kinds: frozenset[Kind] = frozenset(Kind)
    """Kinds stored as such; a value of any other kind is stored as its text."""
    max_identifier_bytes: int = 63
    reads_back: bool = False
    resumes_overwrite: bool = True
    """What a broken overwrite committed is kept apart and can be continued; else it starts over."""
    publishes_in_steps: bool = False
    """A crash may come between an overwrite's rows and the note that they are complete.

    Readers see the whole new table then, and the next attempt publishes it again.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class TableName:
    """Where a stream lands, as the destination writes it (already normalised)."""

    schema: str | None
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnPlan:
    """One column: the property it comes from, its name in the table, its kind."""

    source: str
    name: str
    kind: Kind

    @property
    def column(self) -> Column:
        return Column(name=self.source, kind=self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPlan:
    """All a destination needs to know to write one stream in one sync."""

    connection: str
    """Identity of the sync: with the stream, the key of its row in `_penstock_state`."""
    stream: StreamDescriptor
    table: TableName
    columns: tuple[ColumnPlan, ...]
    mode: WriteMode
    primary_key: tuple[str, ...] = ()
    """Column names in the table; empty unless `mode.is_dedup`."""
    cursor: str | None = None
    """Column name; of rows with an equal key the largest cursor stays, then the last to arrive."""
    normalisation: Normalisation = Normalisation.TYPED
    generation_id: int = 0
    sync_id: int = 0
    fence: int = 0
    """Attempt number: a commit with a smaller one than the last stored must fail."""
    resumes: bool = False
    """True when an earlier attempt of this generation committed a state to continue from."""


class Writer(Protocol):
    """Writes one stream. Used by one thread at a time; leaving by an error rolls back.

    Batches hold the plan's columns in order under their *source* names, then
    `_airbyte_extracted_at` (timestamp[us, UTC]) and `_airbyte_changes` (JSON list of protocol
    changes as string, null for none); under `raw`, instead of the columns, one JSON column
    `_airbyte_data`. The writer adds `_airbyte_raw_id` (UUID version 7), `_airbyte_generation_id`
    and composes `_airbyte_meta` = {"sync_id": n, "changes": [...]}.
    """

    def write(self, batch: pa.RecordBatch) -> None:
        """Takes the rows into the open transaction (or staging); not durable yet."""
        ...

    def commit(self, state: State | None) -> int:
        """Makes all rows written so far durable, together with `state`; then returns.

        Returns the rows made durable by this call, as the destination itself counted them: 0
        where it has the power CommitsLater.
        Raises without effect on the older checkpoint. The next write begins a new transaction.
        """
        ...

    def finish(self, state: State | None) -> int:
        """Commits what is left together with `state` and publishes the stream, one transaction.

        Swaps staging in, drops older generations and marks the generation complete. Called once,
        last, and only when the stream completed. Returns rows like `commit`.
        """
        ...


@runtime_checkable
class Empties(Protocol):
    """Optional power of a writer: a table emptied at the source is emptied here."""

    def empty(self) -> None:
        """Removes all rows of the table, those written before too, in the open transaction."""
        ...


class Destination(Protocol):
    """A destination connector. Made by `DestinationClass(config)`; nothing has to be inherited."""

    Config: ClassVar[type[Any]]
    title: ClassVar[str]
    documentation_url: ClassVar[str]
    capabilities: ClassVar[Capabilities]

    def __init__(self, config: Any) -> None: ...

    def check(self) -> None:
        """Proves that a table can be made, written and dropped; leaves nothing behind."""
        ...

    def open(self, plan: StreamPlan) -> AbstractContextManager[Writer]:
        """Opens one writer and one transaction for one stream; creates or alters its table.

        Leaving the context by an error rolls back what was not committed; leaving it normally
        without `finish` keeps what was committed and publishes nothing.
        """
        ...


class Writable(Protocol):
    """What a sync asks of a destination that is configured, whether native or a program."""

    @property
    def capabilities(self) -> Capabilities: ...

    def check(self) -> None: ...

    def open(self, plan: StreamPlan) -> AbstractContextManager[Writer]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredState:
    """One row of `_penstock_state`: the newest checkpoint committed with its rows."""

    stream: StreamDescriptor | None
    """None for a global or legacy state."""
    state: State | None
    generation_id: int
    is_complete: bool
    """True once `finish` ran for this generation."""
    fence: int


@runtime_checkable
class StoresState(Protocol):
    """Optional power: the destination keeps checkpoints in the transaction of the rows."""

    def stored_states(self, connection: str) -> Sequence[StoredState]:
        """Returns the checkpoints of one connection; empty when nothing was ever committed."""
        ...

    def store_global_state(self, connection: str, state: State, fence: int) -> None:
        """Makes a global state durable, after every writer it covers has committed."""
        ...

    def forget_states(self, connection: str, streams: Sequence[StreamDescriptor] | None) -> None:
        """Removes the checkpoints of these streams, or of all and the global one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LateCommit:
    """One `Writer.commit` or `finish`, or one shared state, that has become durable."""

    stream: StreamDescriptor | None
    """None for a state that all streams share."""
    rows: int | None
    """As the destination counted them; None when it does not say."""


@runtime_checkable
class CommitsLater(Protocol):
    """Optional power: the destination decides when rows become durable, and tells it then.

    `Writer.commit` and `finish` only hand their state over and return 0. Each is answered by one
    LateCommit, in the order of the calls of its stream.
    """

    def begin(
        self,
        catalog: ConfiguredCatalog,
        names: Mapping[StreamDescriptor, StreamDescriptor],
        stop: threading.Event,
    ) -> AbstractContextManager[None]:
        """Starts one sync of these streams, before any is opened; leaving it ends all.

        The catalogue has the streams' names in the destination; `names` maps the plans' to them.
        A call that waits for the destination raises Cancelled once `stop` is set. Leaving by an
        error must not look to the destination like the end of the data.
        """
        ...

    def hand_over_shared(self, state: State) -> None:
        """Hands over a state that covers the rows of all streams so far."""
        ...

    def heard(self) -> Sequence[LateCommit | LogLine]:
        """Returns at once what the destination told since the last call, in order.

        Raises what it ended with, if it ended.
        """
        ...

    def end(
        self, incomplete: Sequence[StreamDescriptor] = ()
    ) -> Iterator[Sequence[LateCommit | LogLine]]:
        """Says that no more rows come, and yields what is heard until all is durable.

        `incomplete` names the streams that did not complete. Raises what the destination failed
        with.
        """
        ...


@runtime_checkable
class ReadsBack(Protocol):
    """Optional power: what was written can be read again."""

    def scan(self, table: TableName, *, limit: int | None = None) -> pa.RecordBatchReader:
        """Returns the rows of a table, columns as stored; order is not promised."""
        ...

    def count(self, table: TableName) -> int:
        """Returns the number of rows of a table; 0 when there is no such table."""
        ...


@runtime_checkable
class RunsSql(Protocol):
    """Optional power: the database behind the destination takes SQL of the user's own."""

    placeholder: ClassVar[str]
    """Stands for one parameter in SQL; a statement without parameters may hold it as text."""

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.RecordBatchReader:
        """Returns the rows of one SELECT as they come; ConfigError when the SQL is wrong."""
        ...

    def execute(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Runs statements, each with its parameters, in one transaction; durable on return."""
        ...

    def table_sql(self, table: TableName) -> str:
        """Returns a table's name as SQL: quoted, in its schema."""
        ...

    def column_sql(self, name: str) -> str:
        """Returns a column's name as SQL: quoted."""
        ...

    def has_table(self, table: TableName) -> bool:
        """Tells whether there is such a table; makes nothing."""
        ...


@runtime_checkable
class ConfinesSql(Protocol):
    """Optional power: SQL of somebody who may look at the rows and do nothing else."""

    def query_confined(self, sql: str, *, seconds: float, rows: int) -> pa.Table:
        """Returns at most `rows` rows of one SELECT, which can change nothing.

        It reaches no file and no network, and is stopped after `seconds`. Raises ConfigError for
        wrong SQL, AccessDenied for what it may not do, ResourceExhausted when it takes too long.
        """
        ...


@runtime_checkable
class IsTriedApart(Protocol):
    """Optional power: it can be tried in storage of its own, beside the user's data."""

    @classmethod
    def apart(cls, config: Any, name: str) -> Any:
        """Returns the configuration with storage of this name, in which nothing is yet.

        `name` is a word of ASCII letters, digits and underscores.
        """
        ...

    def discard(self) -> None:
        """Removes the storage of this configuration with all that is in it, if it is there."""
        ...


@runtime_checkable
class LoadsFiles(Protocol):
    """Optional power: whole files are loaded without passing through Python."""

    def load(self, plan: StreamPlan, paths: Sequence[str]) -> int:
        """Loads files into the stream's table and returns the rows loaded."""
        ...


def batches_of(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Yields the batches of a reader, closing it at the end."""
    with reader:
        yield from reader
