"""What the one `SqlWriter` asks of a database: facts, SQL text, and one connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, runtime_checkable

from penstock.data.types import Kind
from penstock.sdk.destination import TableName

if TYPE_CHECKING:
    import pyarrow as pa

CDC_DELETED_AT: Final = "_ab_cdc_deleted_at"
"""Property that Airbyte's CDC sources fill when the row was deleted at the source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumn:
    """One column as the database has it; `kind` None is a type penstock does not make."""

    name: str
    type_name: str
    kind: Kind | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadColumn:
    """One column of a load: which property it is, what arrives, where it goes."""

    source: str
    kind: Kind
    target: TableColumn


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Everything that turns batches into rows of one table, for as long as a writer is open.

    Batches hold `columns` in this order, then when the record was extracted, then its changes,
    then, when `sequence` names a column, the order of arrival.
    """

    table: TableName
    columns: tuple[LoadColumn, ...]
    extracted_at: TableColumn
    sync_id: int
    generation_id: int
    sequence: str | None = None
    is_temporary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """Rows of `batch` that go into `table`, at most one a key; all names as they are, unquoted."""

    table: TableName
    batch: TableName
    columns: tuple[str, ...]
    key: tuple[str, ...]
    cursor: str | None
    cursor_kind: Kind | None
    sequence: str
    deleted_at: str | None
    """A row of `batch` with a value here removes the row of its key."""


class SqlDialect(Protocol):
    """Facts and SQL text of one database; does no I/O and keeps nothing."""

    name: ClassVar[str]
    """The product, for messages: "DuckDB"."""
    max_identifier_bytes: ClassVar[int]
    placeholder: ClassVar[str]
    """Stands for a parameter in SQL: `?` or `%s`."""

    @property
    def default_schema(self) -> str:
        """Where tables without a namespace land."""
        ...

    def quote(self, name: str) -> str: ...

    def table(self, table: TableName, *, is_temporary: bool = False) -> str:
        """Returns the quoted, qualified name; temporary tables have a place of their own."""
        ...

    def type_name(self, kind: Kind) -> str: ...

    def kind_of(self, type_name: str) -> Kind | None:
        """Returns the kind a stored type holds; None for one that `type_name` never gives."""
        ...

    def create_schema(self, schema: str) -> str: ...

    def create_table(
        self, table: TableName, columns: Sequence[TableColumn], *, is_temporary: bool = False
    ) -> str: ...

    def add_column(self, table: TableName, name: str, kind: Kind) -> str: ...

    def widen_column(self, table: TableName, name: str, old: Kind, new: Kind) -> Sequence[str]:
        """Changes the type of a column, its values converted as `survives` says."""
        ...

    def survives(self, name: str, old: Kind, new: Kind) -> str:
        """Returns a condition: the stored value comes back the same after the conversion."""
        ...

    def merge(self, merge: Merge) -> Sequence[str]:
        """Returns the statements that bring a batch into its table; see `merge.py`."""
        ...

    def drop_temporary(self, table: TableName) -> Sequence[str]:
        """Drops a temporary table within the transaction; nothing, if making one replaces it."""
        ...

    def mark_staging(self, staging: TableName, table: TableName) -> Sequence[str]:
        """Marks a table as staging of another, so that leftovers are known for what they are."""
        ...

    def swap(self, staging: TableName, table: TableName) -> Sequence[str]:
        """Puts staging in the place of a table (which may not exist) and takes the mark off."""
        ...


class SqlSession(Protocol):
    """One connection. Every error of the driver leaves it as one of `penstock.errors`."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None: ...

    def change(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Runs INSERT, UPDATE or DELETE and returns the rows it touched."""
        ...

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...

    def begin(self) -> None: ...

    def commit(self) -> None:
        """Returns when the transaction is durable."""
        ...

    def rollback(self) -> None:
        """Ends the transaction without effect; harmless when there is none."""
        ...

    def columns(self, table: TableName) -> tuple[TableColumn, ...] | None:
        """Returns the columns of a table in their order; None when there is no such table."""
        ...

    def staging_tables(self, table: TableName) -> tuple[TableName, ...]:
        """Returns the tables marked as staging of this one."""
        ...

    def load(self, load: Load, batches: Sequence[pa.RecordBatch]) -> int:
        """Inserts batches into the open transaction; returns the rows the database counted.

        Composes `_airbyte_raw_id`, `_airbyte_meta` and `_airbyte_generation_id`. A value that
        its column cannot hold becomes NULL (or is rounded) and is recorded in the meta column.
        """
        ...

    def close(self) -> None: ...


@runtime_checkable
class PublishesInSteps(Protocol):
    """Optional power of a session whose database has no DDL inside transactions.

    The writer commits the last rows and their state as those of staging, publishes, stores
    completion in a transaction of its own, and settles. Whatever breaks in between is done again
    by the next attempt: until then the state names the staging table, and that is still known.
    """

    def create_staging(
        self, staging: TableName, table: TableName, columns: Sequence[TableColumn]
    ) -> None:
        """Makes a table that is marked as staging of another from its first moment on."""
        ...

    def publish(self, staging: TableName, table: TableName) -> None:
        """Puts the rows of staging in a table's place (which may not exist) in one atomic step.

        Readers see the old rows or the new ones. Doing it again does no harm.
        """
        ...

    def settle(self, staging: TableName, table: TableName) -> None:
        """Removes what `publish` left, after completion is stored."""
        ...


@runtime_checkable
class IndexesKeys(Protocol):
    """Optional power of a session: merging is slow in its database without an index of the key."""

    def index_key(self, table: TableName, key: Sequence[str]) -> None:
        """Makes the key quick to look up before a transaction merges by it."""
        ...
