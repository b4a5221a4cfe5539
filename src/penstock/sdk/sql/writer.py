"""The one writer of all SQL destinations: rows, checkpoint and publication in transactions.

append         rows go into the table itself
overwrite      rows go into a staging table beside it; `finish` swaps the two
append_dedup   rows of one transaction gather in a temporary table and are merged at its commit
overwrite_dedup   the same, merged into staging

Where the database commits before DDL, what is published with its checkpoint is staging's rows,
not its table; see `CommitsBeforeDdl`. Only a table whose columns have changed is swapped there,
between two transactions: the first makes all rows durable in staging, so that an attempt that
ends before the second publishes them again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from penstock.data.names import (
    DATA,
    EXTRACTED_AT,
    GENERATION_ID,
    META,
    RAW_ID,
    staging_name,
)
from penstock.data.schema_change import (
    AddColumn,
    PlannedColumn,
    StoredColumn,
    WidenColumn,
    schema_changes,
)
from penstock.data.types import Kind
from penstock.errors import BugError, ConfigError, ProofFailed
from penstock.protocol.state import State
from penstock.sdk.destination import ColumnPlan, Normalisation, StreamPlan, TableName
from penstock.sdk.sql.batches import FULL_BYTES, BatchQueue
from penstock.sdk.sql.dialect import (
    CDC_DELETED_AT,
    IndexesKeys,
    Load,
    LoadColumn,
    Merge,
    PublishesInSteps,
    SqlDialect,
    SqlSession,
    TableColumn,
)
from penstock.sdk.sql.state import StateRow, StateTable, refuse_unpublished

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

_META_COLUMNS: Final = (
    PlannedColumn(name=RAW_ID, kind=Kind.STRING),
    PlannedColumn(name=EXTRACTED_AT, kind=Kind.TIMESTAMP_TZ),
    PlannedColumn(name=META, kind=Kind.JSON),
    PlannedColumn(name=GENERATION_ID, kind=Kind.INTEGER),
)
_RAW_COLUMNS: Final = (ColumnPlan(source=DATA, name=DATA, kind=Kind.JSON),)
_GATHERED: Final = TableName(schema=None, name="_penstock_batch")
_SEQUENCE: Final = "_penstock_sequence"


@contextmanager
def sql_writer(
    session: SqlSession, dialect: SqlDialect, plan: StreamPlan, *, load_bytes: int = FULL_BYTES
) -> Iterator[SqlWriter]:
    """Opens a writer on a connection of its own, which is closed at the end.

    The table (or its staging) exists and fits the plan when this returns, and older attempts
    cannot commit any more. Raises ConfigError for a plan or table that cannot be written, and
    ResourceBusy when a newer attempt has taken over.
    """
    try:
        writer = SqlWriter(session, dialect, plan, load_bytes=load_bytes)
        yield writer
    finally:
        session.rollback()
        session.close()


class SqlWriter:
    """Writes one stream; see `penstock.sdk.destination.Writer` for the contract."""

    def __init__(
        self,
        session: SqlSession,
        dialect: SqlDialect,
        plan: StreamPlan,
        *,
        load_bytes: int = FULL_BYTES,
    ) -> None:
        self._session = session
        self._dialect = dialect
        self._steps = session if isinstance(session, PublishesInSteps) else None
        self._plan = plan
        self._state = StateTable(session, dialect)
        self._table = _in_schema(plan.table, dialect)
        self._staging: TableName | None = None
        if plan.mode.is_overwrite:
            name = staging_name(plan.table.name, plan.generation_id, dialect.max_identifier_bytes)
            self._staging = TableName(schema=self._table.schema, name=name)
        self._columns = _RAW_COLUMNS if plan.normalisation is Normalisation.RAW else plan.columns
        self._queue = BatchQueue(
            self._columns, counts_arrival=plan.mode.is_dedup, full_bytes=load_bytes
        )
        self._rows_loaded = 0
        self._in_transaction = False
        self._is_gathering = False
        self._is_over = False
        self._row_is_ours = False
        """True while the state row may be rewritten: it holds no state of other rows."""
        self._covers_target = False
        """True when the state stored covers rows of the table that `finish` publishes."""
        self._check_plan()
        self._prepare()

    def write(self, batch: pa.RecordBatch) -> None:
        """Takes rows; they reach the database in larger pieces, all of them before `commit`."""
        self._refuse_if_over()
        self._queue.add(batch)
        if self._queue.is_full:
            self._load()

    def empty(self) -> None:
        """Removes every row there is, and those taken so far, in the open transaction."""
        self._refuse_if_over()
        self._load_all()
        self._session.execute(f"DELETE FROM {self._dialect.table(self._target)} WHERE TRUE")  # noqa: S608

    def commit(self, state: State | None) -> int:
        """Makes rows and state durable in one transaction; returns the rows it inserted.

        With `state` None the checkpoint stored before stays as it is.
        """
        self._refuse_if_over()
        with self._ending():
            self._load_all()
            if state is not None or self._row_is_ours:
                self._save(state, is_complete=False)
            else:
                self._state.confirm(self._plan)
            self._session.commit()
        self._covers_target = self._covers_target or state is not None
        return self._take_count()

    def finish(self, state: State | None) -> int:
        """Commits what is left, publishes staging and marks the generation complete.

        One transaction, unless the session `PublishesInSteps`.
        """
        self._refuse_if_over()
        with self._ending():
            self._load_all()
            if self._staging is not None:
                self._publish(self._staging, state)
            else:
                self._save(state, is_complete=True)
                self._session.commit()
        self._is_over = True
        return self._take_count()

    def _publish(self, staging: TableName, state: State | None) -> None:
        if state is None and not self._covers_target:
            # The state stored is of rows that are now replaced.
            self._state.clear(self._plan)
        if self._steps is None:
            for statement in self._dialect.swap(staging, self._table):
                self._session.execute(statement)
            self._save(state, is_complete=True)
            self._session.commit()
            return
        self._save(state, is_complete=False)
        self._session.commit()
        self._steps.publish(staging, self._table)
        self._session.begin()
        self._save(None, is_complete=True)
        self._session.commit()
        self._steps.settle(staging, self._table)

    @property
    def _target(self) -> TableName:
        return self._staging or self._table

    def _check_plan(self) -> None:
        plan = self._plan
        known = {column.name for column in self._columns}
        if plan.mode.is_dedup and plan.normalisation is Normalisation.RAW:
            raise ConfigError(
                f"Stream {plan.stream} cannot be deduplicated in raw form:"
                " its key is inside the JSON column.",
                remedy="Use typed normalisation, or a mode without dedup.",
                stream=plan.stream,
            )
        if plan.mode.is_dedup and not plan.primary_key:
            raise ConfigError(
                f"Stream {plan.stream} is to be deduplicated, but has no primary key.",
                remedy="Choose a primary key, or a mode without dedup.",
                stream=plan.stream,
            )
        named = (*plan.primary_key, *filter(None, [plan.cursor])) if plan.mode.is_dedup else ()
        for name in named:
            if name not in known:
                raise ConfigError(
                    f"Stream {plan.stream} has no column {name!r} to deduplicate by.",
                    remedy="Choose a primary key and cursor among: " + ", ".join(sorted(known)),
                    stream=plan.stream,
                )

    def _prepare(self) -> None:
        with self._transaction():
            self._state.create()
            row = self._state.claim(self._plan.connection, self._plan.stream, self._plan.fence)
            if self._table.schema is not None:
                self._session.execute(self._dialect.create_schema(self._table.schema))
            if self._staging is None:
                refuse_unpublished(self._plan, row)
                self._row_is_ours = not row.is_saved
                self._covers_target = True
            else:
                self._begin_staging(self._staging, row)
            self._fit(self._target)
            if self._plan.mode.is_dedup and isinstance(self._session, IndexesKeys):
                self._session.index_key(self._target, self._stored_key())
            self._load_plan = self._planned_load(_GATHERED if self._plan.mode.is_dedup else None)
            self._session.commit()

    def _begin_staging(self, staging: TableName, row: StateRow) -> None:
        """Continues the rows of an earlier attempt, or removes them together with their state."""
        if self._plan.resumes:
            self._continue_staging(staging)
            self._row_is_ours = not row.is_saved or row.staging_name == staging.name
            self._covers_target = row.has_state and row.staging_name == staging.name
            return
        self._drop_leftovers(keep=None)
        if row.staging_name is not None:
            self._state.clear(self._plan)
        self._create_staging(staging)
        self._row_is_ours = not row.is_saved or row.staging_name is not None
        self._covers_target = False

    def _drop_leftovers(self, *, keep: TableName | None) -> None:
        for leftover in self._session.staging_tables(self._table):
            if leftover != keep:
                self._session.execute(f"DROP TABLE {self._dialect.table(leftover)}")

    def _create_staging(self, staging: TableName) -> None:
        if self._session.columns(staging) is not None:
            raise ConfigError(
                f"Table {staging} is in the way: penstock needs this name to collect the new rows"
                f" of {self._plan.table}, and did not make the table that has it.",
                remedy=f"Rename or drop table {staging}, or choose another table prefix.",
                table=staging,
            )
        columns = [self._new(column) for column in self._planned()]
        if self._steps is not None:
            self._steps.create_staging(staging, self._table, columns)
            return
        self._session.execute(self._dialect.create_table(staging, columns))
        self._mark(staging)

    def _mark(self, staging: TableName) -> None:
        for statement in self._dialect.mark_staging(staging, self._table):
            self._session.execute(statement)

    def _continue_staging(self, staging: TableName) -> None:
        if staging not in self._session.staging_tables(self._table):
            raise ProofFailed(
                f"Table {staging} with the rows committed by an earlier attempt is gone.",
                remedy="Reset the stream's state (`penstock state reset`) and sync again.",
                stream=self._plan.stream,
                table=staging,
            )
        self._drop_leftovers(keep=staging)

    def _fit(self, table: TableName) -> None:
        """Creates the table, or brings the one that is there to the plan; all in place."""
        found = self._session.columns(table)
        if found is None:
            columns = [self._new(column) for column in self._planned()]
            self._session.execute(self._dialect.create_table(table, columns))
            return
        stored = [StoredColumn(name=column.name, kind=column.kind) for column in found]
        for change in schema_changes(stored, self._planned()):
            match change:
                case AddColumn(name=name, kind=kind):
                    self._session.execute(self._dialect.add_column(table, name, kind))
                case WidenColumn():
                    self._widen(table, change)
                case _:
                    continue
            logger.info("schema changed", extra={"table": str(table), "change": str(change)})

    def _widen(self, table: TableName, change: WidenColumn) -> None:
        new = change.new
        if change.needs_proof:
            survives = self._dialect.survives(change.name, change.old, new)
            lost = self._session.rows(
                f"SELECT count(*) FROM {self._dialect.table(table)} WHERE NOT ({survives})"  # noqa: S608
            )
            if lost[0][0] > 0:
                new = Kind.STRING
        for statement in self._dialect.widen_column(table, change.name, change.old, new):
            self._session.execute(statement)
        if self._steps is not None and table == self._staging:
            self._mark(table)  # what widens by making the table anew loses its mark

    def _planned(self) -> tuple[PlannedColumn, ...]:
        planned = [PlannedColumn(name=column.name, kind=column.kind) for column in self._columns]
        return (*planned, *_META_COLUMNS)

    def _new(self, column: PlannedColumn) -> TableColumn:
        type_name = self._dialect.type_name(column.kind)
        return TableColumn(name=column.name, type_name=type_name, kind=column.kind)

    def _planned_load(self, gathered: TableName | None) -> Load:
        found = self._session.columns(self._target) or ()
        stored = {column.name.lower(): column for column in found}
        return Load(
            table=gathered or self._target,
            columns=tuple(
                LoadColumn(source=c.source, kind=c.kind, target=stored[c.name.lower()])
                for c in self._columns
            ),
            extracted_at=stored[EXTRACTED_AT],
            sync_id=self._plan.sync_id,
            generation_id=self._plan.generation_id,
            sequence=_SEQUENCE if gathered else None,
            is_temporary=gathered is not None,
        )

    def _load(self) -> None:
        batches = self._queue.take()
        if not batches:
            return
        if not self._in_transaction:
            self._session.begin()
            self._in_transaction = True
        if self._plan.mode.is_dedup and not self._is_gathering:
            self._session.execute(
                self._dialect.create_table(_GATHERED, self._gathered(), is_temporary=True)
            )
            self._is_gathering = True
        sent = sum(batch.num_rows for batch in batches)
        loaded = self._session.load(self._load_plan, batches)
        if loaded != sent:
            raise ProofFailed(
                f"{sent} rows of {self._plan.stream} were sent to {self._target} and the database"
                f" took {loaded}; none of them is committed.",
                remedy="Run the sync again; if it repeats, report the database's version.",
                stream=self._plan.stream,
            )
        self._rows_loaded += loaded

    def _load_all(self) -> None:
        """Brings every row taken so far into the open transaction, merged where keys count."""
        self._load()
        if not self._in_transaction:
            self._session.begin()
            self._in_transaction = True
        if not self._is_gathering:
            return
        for statement in self._dialect.merge(self._merge()):
            self._session.execute(statement)
        for statement in self._dialect.drop_temporary(_GATHERED):
            self._session.execute(statement)
        self._is_gathering = False

    def _stored_key(self) -> list[str]:
        found = self._session.columns(self._target) or ()
        stored = {column.name.lower(): column.name for column in found}
        return [stored[name.lower()] for name in self._plan.primary_key]

    def _gathered(self) -> list[TableColumn]:
        """The table's own columns, in its types, and the order of arrival."""
        names = {column.target.name for column in self._load_plan.columns}
        names |= {column.name for column in _META_COLUMNS}
        found = self._session.columns(self._target) or ()
        columns = [column for column in found if column.name.lower() in _lowered(names)]
        return [*columns, self._new(PlannedColumn(name=_SEQUENCE, kind=Kind.INTEGER))]

    def _merge(self) -> Merge:
        pairs = zip(self._columns, self._load_plan.columns, strict=True)
        stored = {column.name: loaded.target for column, loaded in pairs}
        cursor = stored[self._plan.cursor] if self._plan.cursor else None
        deleted = next((c.name for c in self._columns if c.source == CDC_DELETED_AT), None)
        columns = [c.name for c in self._gathered() if c.name != _SEQUENCE]
        return Merge(
            table=self._target,
            batch=_GATHERED,
            columns=tuple(columns),
            key=tuple(stored[name].name for name in self._plan.primary_key),
            cursor=cursor.name if cursor else None,
            cursor_kind=cursor.kind if cursor else None,
            sequence=_SEQUENCE,
            deleted_at=stored[deleted].name if deleted else None,
        )

    def _save(self, state: State | None, *, is_complete: bool) -> None:
        staging = self._staging.name if self._staging and not is_complete else None
        self._state.save(self._plan, state, is_complete=is_complete, staging=staging)
        self._row_is_ours = self._row_is_ours or state is not None

    def _take_count(self) -> int:
        count, self._rows_loaded = self._rows_loaded, 0
        return count

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._session.begin()
        with self._ending():
            yield

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """Ends the open transaction: by the commit inside, or without any effect."""
        try:
            yield
        except BaseException:
            self._is_over = True
            self._session.rollback()
            raise
        finally:
            self._in_transaction = False
            self._is_gathering = False

    def _refuse_if_over(self) -> None:
        if self._is_over:
            raise BugError(
                f"The writer of {self._plan.stream} was used after it had finished or failed.",
                remedy="Report it with the log of this sync.",
                stream=self._plan.stream,
            )


def _lowered(names: set[str]) -> set[str]:
    return {name.lower() for name in names}


def _in_schema(table: TableName, dialect: SqlDialect) -> TableName:
    return table if table.schema else TableName(schema=dialect.default_schema, name=table.name)
