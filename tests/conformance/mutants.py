"""Destinations that break one promise each; the suite must find every one of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from penstock.data.types import Kind
from penstock.protocol.state import State, stream_state
from penstock.sdk.destination import StoredState, StreamPlan, Writer
from penstock.testing.cells import Cell, Row
from penstock.testing.destination_suite import DestinationSuite
from penstock.testing.memory import (
    META_KINDS,
    MemoryConfig,
    MemoryDestination,
    MemoryWriter,
    Storage,
    Table,
    committed,
    prepared,
    published,
)


def _key(plan: StreamPlan) -> tuple[str, object]:
    return (plan.connection, plan.stream)


# What becomes of the cells


class ChangesCells(MemoryDestination):
    """Changes cells of one kind on their way in."""

    kind: ClassVar[Kind]

    @staticmethod
    def change(cell: Cell) -> Cell:
        raise NotImplementedError

    def writer(self, plan: StreamPlan) -> MemoryWriter:
        names = [column.name for column in plan.columns if column.kind is self.kind]
        change = self.change

        class Changing(MemoryWriter):
            def write(self, batch: pa.RecordBatch) -> None:
                super().write(batch)
                self.pending = [
                    {n: change(c) if n in names and c is not None else c for n, c in row.items()}
                    for row in self.pending
                ]

        return Changing(self.store, plan)


class LowersStrings(ChangesCells):
    kind = Kind.STRING
    change = staticmethod(lambda cell: cell.lower())


class StripsStrings(ChangesCells):
    kind = Kind.STRING
    change = staticmethod(lambda cell: cell.strip())


class TakesEmptyForNull(ChangesCells):
    kind = Kind.STRING
    change = staticmethod(lambda cell: cell or None)


class CutsStringsAtNul(ChangesCells):
    kind = Kind.STRING
    change = staticmethod(lambda cell: cell.split("\x00")[0])


class CutsLongStrings(ChangesCells):
    kind = Kind.STRING
    change = staticmethod(lambda cell: cell[:65535])


class ReadsTextAsNumbers(ChangesCells):
    kind = Kind.STRING
    change = staticmethod(lambda cell: str(int(cell)) if cell.isdecimal() else cell)


class PutsIntegersThroughDoubles(ChangesCells):
    kind = Kind.INTEGER
    change = staticmethod(lambda cell: max(min(int(float(cell)), 2**63 - 1), -(2**63)))


class PutsNumbersThroughSingles(ChangesCells):
    kind = Kind.NUMBER
    change = staticmethod(lambda cell: pa.scalar(cell, pa.float64()).cast(pa.float32()).as_py())


class DropsMicroseconds(ChangesCells):
    kind = Kind.TIMESTAMP_TZ
    change = staticmethod(lambda cell: cell // 1000 * 1000)


class ShiftsTimeZone(ChangesCells):
    kind = Kind.TIMESTAMP_TZ
    change = staticmethod(lambda cell: cell + 3_600_000_000)


class RoundsDecimals(ChangesCells):
    kind = Kind.DECIMAL
    change = staticmethod(lambda cell: round(cell, 2))


class ParsesJson(ChangesCells):
    kind = Kind.JSON
    change = staticmethod(lambda cell: json.dumps(json.loads(cell)))


# What becomes of rows, transactions and tables


class LosesTheLastBatch(MemoryDestination):
    def writer(self, plan: StreamPlan) -> MemoryWriter:
        class Losing(MemoryWriter):
            def finish(self, state: State | None) -> int:
                rows = len(self.pending)
                self.pending = []
                super().finish(state)
                return rows

        return Losing(self.store, plan)


class DoublesARowOfEachBatch(MemoryDestination):
    def writer(self, plan: StreamPlan) -> MemoryWriter:
        class Doubling(MemoryWriter):
            def write(self, batch: pa.RecordBatch) -> None:
                super().write(batch)
                self.pending.extend(self.pending[-1:])

            def commit(self, state: State | None) -> int:
                return max(0, super().commit(state) - 1)

        return Doubling(self.store, plan)


class CommitsEachBatch(MemoryDestination):
    """Rows are durable before a state covers them: a retry doubles them."""

    def writer(self, plan: StreamPlan) -> MemoryWriter:
        class Hasty(MemoryWriter):
            taken = 0

            def write(self, batch: pa.RecordBatch) -> None:
                super().write(batch)
                self.store.apply(lambda s: committed(s, self.plan, self.pending, None))
                self.taken += len(self.pending)
                self.pending = []

            def commit(self, state: State | None) -> int:
                super().commit(state)
                rows, self.taken = self.taken, 0
                return rows

            def finish(self, state: State | None) -> int:
                super().finish(state)
                rows, self.taken = self.taken, 0
                return rows

        return Hasty(self.store, plan)


class CommitsOnError(MemoryDestination):
    @contextmanager
    def open(self, plan: StreamPlan) -> Iterator[Writer]:
        with super().open(plan) as writer:
            try:
                yield writer
            except Exception:
                writer.commit(None)
                raise


class _TwoSteps(MemoryDestination):
    """Rows and state in two transactions, with time between for something to happen."""

    steps: ClassVar[tuple[str, str]]

    def writer(self, plan: StreamPlan) -> MemoryWriter:
        steps = self.steps

        class TwoSteps(MemoryWriter):
            def commit(self, state: State | None) -> int:
                for step in steps:
                    rows = self.pending if step == "rows" else []
                    covering = state if step == "state" else None
                    self.store.apply(
                        lambda s, rows=rows, covering=covering: committed(
                            s, self.plan, rows, covering
                        )
                    )
                    time.sleep(0.005)
                return self._taken()

        return TwoSteps(self.store, plan)


class StoresStateBeforeRows(_TwoSteps):
    steps = ("state", "rows")


class StoresRowsBeforeState(_TwoSteps):
    steps = ("rows", "state")


class CountsWhatItWasSent(MemoryDestination):
    """Does not ask the storage: what deduplication folded is subtracted."""

    def writer(self, plan: StreamPlan) -> MemoryWriter:
        class Counting(MemoryWriter):
            def commit(self, state: State | None) -> int:
                distinct = {json.dumps(dict(row), default=str) for row in self.pending}
                ids = {row.get("id") for row in self.pending}
                super().commit(state)
                return len(ids) if plan.mode.is_dedup else len(distinct)

        return Counting(self.store, plan)


class PublishesWithEachCommit(MemoryDestination):
    def writer(self, plan: StreamPlan) -> MemoryWriter:
        class Early(MemoryWriter):
            def commit(self, state: State | None) -> int:
                rows = super().commit(state)
                if self.plan.mode.is_overwrite:
                    self.store.apply(
                        lambda s: replace(
                            s,
                            tables={
                                **s.tables,
                                self.plan.table: s.staging[
                                    self.plan.table, self.plan.generation_id
                                ],
                            },
                        )
                    )
                return rows

        return Early(self.store, plan)


class DropsTheOldTableFirst(MemoryDestination):
    """Swaps in two steps: a reader in between finds an empty table."""

    def writer(self, plan: StreamPlan) -> MemoryWriter:
        class TwoStepSwap(MemoryWriter):
            def finish(self, state: State | None) -> int:
                if self.plan.mode.is_overwrite:
                    self.store.apply(
                        lambda s: replace(
                            s,
                            tables={
                                name: replace(table, rows=()) if name == self.plan.table else table
                                for name, table in s.tables.items()
                            },
                        )
                    )
                    time.sleep(0.01)
                return super().finish(state)

        return TwoStepSwap(self.store, plan)


class PublishesNothingForNoRows(MemoryDestination):
    def writer(self, plan: StreamPlan) -> MemoryWriter:
        class Lazy(MemoryWriter):
            wrote = False

            def write(self, batch: pa.RecordBatch) -> None:
                self.wrote = True
                super().write(batch)

            def finish(self, state: State | None) -> int:
                has_older = self.plan.table in self.store.storage.tables
                if not self.wrote and has_older and self.plan.mode.is_overwrite:
                    return 0
                return super().finish(state)

        return Lazy(self.store, plan)


class _Prepares(MemoryDestination):
    @staticmethod
    def prepare(storage: Storage, plan: StreamPlan) -> Storage:
        raise NotImplementedError

    @contextmanager
    def open(self, plan: StreamPlan) -> Iterator[Writer]:
        self.store.apply(lambda storage: self.prepare(storage, plan))
        yield self.writer(plan)


class KeepsLeftovers(_Prepares):
    @staticmethod
    def prepare(storage: Storage, plan: StreamPlan) -> Storage:
        after = prepared(storage, plan)
        left = storage.staging.get((plan.table, plan.generation_id))
        if left is None:
            return after
        return replace(after, staging={**after.staging, (plan.table, plan.generation_id): left})


class ForgetsWhatItResumes(_Prepares):
    @staticmethod
    def prepare(storage: Storage, plan: StreamPlan) -> Storage:
        return prepared(storage, replace(plan, resumes=False))


class KeepsTheStateOfDroppedRows(_Prepares):
    @staticmethod
    def prepare(storage: Storage, plan: StreamPlan) -> Storage:
        has_rows = (plan.table, plan.generation_id) in storage.staging
        anew = replace(plan, resumes=plan.resumes and has_rows)
        return replace(prepared(storage, anew), states=storage.states)


class DropsColumnsThatWentAway(_Prepares):
    @staticmethod
    def prepare(storage: Storage, plan: StreamPlan) -> Storage:
        after = prepared(storage, plan)
        table = after.tables.get(plan.table)
        if table is None or plan.mode.is_overwrite or not plan.columns:
            return after
        kept = {column.name for column in plan.columns} | META_KINDS.keys()
        rows = tuple({n: c for n, c in row.items() if n in kept} for row in table.rows)
        kinds = {n: k for n, k in table.kinds.items() if n in kept}
        return replace(after, tables={**after.tables, plan.table: Table(kinds=kinds, rows=rows)})


class NullsOlderValuesOfAWidenedColumn(_Prepares):
    @staticmethod
    def prepare(storage: Storage, plan: StreamPlan) -> Storage:
        before, after = storage.tables.get(plan.table), prepared(storage, plan)
        if before is None or plan.mode.is_overwrite:
            return after
        table = after.tables[plan.table]
        changed = {n for n, k in table.kinds.items() if before.kinds.get(n, k) is not k}
        rows = tuple({n: None if n in changed else c for n, c in r.items()} for r in table.rows)
        return replace(after, tables={**after.tables, plan.table: replace(table, rows=rows)})


class SharesStagingOfLongNames(MemoryDestination):
    """Cuts the name of the staging table: two long names become one."""

    @contextmanager
    def open(self, plan: StreamPlan) -> Iterator[Writer]:
        if not plan.mode.is_overwrite:
            with super().open(plan) as writer:
                yield writer
            return
        cut = replace(plan, table=replace(plan.table, name=plan.table.name[:100]))

        class Renaming(MemoryWriter):
            def finish(self, state: State | None) -> int:
                rows = self.commit(state)
                staged = (cut.table, cut.generation_id)
                self.store.apply(
                    lambda s: replace(s, tables={**s.tables, plan.table: s.staging[staged]})
                )
                return rows

        self.store.apply(lambda s: prepared(s, replace(cut, resumes=bool(s.staging))))
        yield Renaming(self.store, cut)


# Deduplication


def _dedup(rows_of: Callable[[list[Row], list[Row], StreamPlan], list[Row]]) -> type:
    class Dedup(MemoryDestination):
        def writer(self, plan: StreamPlan) -> MemoryWriter:
            if not plan.mode.is_dedup:
                return super().writer(plan)
            append = replace(plan, mode=type(plan.mode)(plan.mode.value.removesuffix("_dedup")))
            key = (plan.table, plan.generation_id)

            class Own(MemoryWriter):
                def commit(self, state: State | None) -> int:
                    def change(s: Storage) -> Storage:
                        where = s.staging if plan.mode.is_overwrite else s.tables
                        name = key if plan.mode.is_overwrite else plan.table
                        older = list(where[name].rows)
                        s = committed(s, append, [], state)
                        rows = tuple(rows_of(older, self.pending, plan))
                        where = s.staging if plan.mode.is_overwrite else s.tables
                        made = {**where, name: replace(where[name], rows=rows)}
                        field = "staging" if plan.mode.is_overwrite else "tables"
                        return replace(s, **{field: made})

                    self.store.apply(change)
                    return self._taken()

                def finish(self, state: State | None) -> int:
                    rows = self.commit(state)
                    self.store.apply(lambda s: published(s, append))
                    return rows

            return Own(self.store, append)

    return Dedup


def _identity(row: Row, plan: StreamPlan) -> tuple[Cell, ...]:
    return tuple(row.get(column) for column in plan.primary_key)


def _last(older: list[Row], newer: list[Row], plan: StreamPlan) -> list[Row]:
    return list({_identity(row, plan): row for row in [*older, *newer]}.values())


def _newest(rows: list[Row], plan: StreamPlan, *, equal_wins: bool = True) -> list[Row]:
    kept: dict[tuple[Cell, ...], Row] = {}
    for row in rows:
        held = kept.get(_identity(row, plan))
        if held is None or plan.cursor is None:
            kept[_identity(row, plan)] = row
            continue
        new, old = (each.get(plan.cursor) for each in (row, held))
        rank = ((new is not None, new or 0), (old is not None, old or 0))
        if rank[0] > rank[1] or (equal_wins and rank[0] == rank[1]):
            kept[_identity(row, plan)] = row
    return list(kept.values())


def _within_commits(older: list[Row], newer: list[Row], plan: StreamPlan) -> list[Row]:
    return [*older, *_newest(newer, plan)]


def _newer_commit_wins(older: list[Row], newer: list[Row], plan: StreamPlan) -> list[Row]:
    return _last(older, _newest(newer, plan), plan)


def _first_of_equals(older: list[Row], newer: list[Row], plan: StreamPlan) -> list[Row]:
    return _newest([*older, *newer], plan, equal_wins=False)


def _null_is_no_key(older: list[Row], newer: list[Row], plan: StreamPlan) -> list[Row]:
    rows = [*older, *newer]
    odd = [row for row in rows if None in _identity(row, plan)]
    return odd + _newest([row for row in rows if None not in _identity(row, plan)], plan)


def _first_key_only(older: list[Row], newer: list[Row], plan: StreamPlan) -> list[Row]:
    return _newest([*older, *newer], replace(plan, primary_key=plan.primary_key[:1]))


def _keeps_older_values(older: list[Row], newer: list[Row], plan: StreamPlan) -> list[Row]:
    kept = {_identity(row, plan): row for row in older}
    merged = []
    for row in newer:
        held = kept.get(_identity(row, plan), {})
        merged.append({n: held.get(n) if c is None else c for n, c in row.items()})
    return _newest([*older, *merged], plan)


DedupIgnoresCursor = _dedup(_last)
DedupOnlyWithinCommits = _dedup(_within_commits)
DedupLetsNewerCommitWin = _dedup(_newer_commit_wins)
DedupKeepsTheFirstOfEquals = _dedup(_first_of_equals)
DedupTakesNullForNoKey = _dedup(_null_is_no_key)
DedupLooksAtTheFirstKeyOnly = _dedup(_first_key_only)
DedupCoalesces = _dedup(_keeps_older_values)


# States


class IgnoresFence(MemoryDestination):
    def writer(self, plan: StreamPlan) -> MemoryWriter:
        return MemoryWriter(self.store, replace(plan, fence=1_000))

    @contextmanager
    def open(self, plan: StreamPlan) -> Iterator[Writer]:
        self.store.apply(lambda s: prepared(s, replace(plan, fence=1_000)))
        yield self.writer(plan)


class ChecksFenceAtOpenOnly(MemoryDestination):
    def writer(self, plan: StreamPlan) -> MemoryWriter:
        class Once(MemoryWriter):
            def commit(self, state: State | None) -> int:
                known = self.store.storage.states.get(_key(plan))  # type: ignore[call-overload]
                self.plan = replace(plan, fence=max(plan.fence, known.fence if known else 0))
                return super().commit(state)

        return Once(self.store, plan)


class WritesRowsBeforeItLooksAtTheFence(MemoryDestination):
    @contextmanager
    def open(self, plan: StreamPlan) -> Iterator[Writer]:
        yield self.writer(plan)

    def writer(self, plan: StreamPlan) -> MemoryWriter:
        class Late(MemoryWriter):
            def __init__(self, store: object, plan: StreamPlan) -> None:
                super().__init__(store, plan)  # type: ignore[arg-type]
                fearless = replace(plan, fence=1_000)
                states = self.store.storage.states
                self.store.apply(lambda s: replace(prepared(s, fearless), states=states))

            def commit(self, state: State | None) -> int:
                states = self.store.storage.states
                fearless = replace(self.plan, fence=1_000)
                self.store.apply(
                    lambda s: replace(committed(s, fearless, self.pending, state), states=states)
                )
                self.store.apply(lambda s: committed(s, self.plan, [], state))
                return self._taken()

        return Late(self.store, plan)


class CommitWithoutStateForgets(MemoryDestination):
    def writer(self, plan: StreamPlan) -> MemoryWriter:
        class Forgetful(MemoryWriter):
            def commit(self, state: State | None) -> int:
                rows = super().commit(state)
                if state is None:
                    self._forget()
                return rows

            def _forget(self) -> None:
                def change(s: Storage) -> Storage:
                    known = s.states[_key(plan)]  # type: ignore[index]
                    return replace(
                        s,
                        states={**s.states, _key(plan): replace(known, state=None)},  # type: ignore[dict-item]
                    )

                self.store.apply(change)

        return Forgetful(self.store, plan)


class _ShowsStates(MemoryDestination):
    @staticmethod
    def shown(stored: StoredState) -> StoredState:
        raise NotImplementedError

    def stored_states(self, connection: str) -> list[StoredState]:
        return [self.shown(stored) for stored in super().stored_states(connection)]


class CallsEveryCommitComplete(_ShowsStates):
    @staticmethod
    def shown(stored: StoredState) -> StoredState:
        return replace(stored, is_complete=True)


class RewritesTheState(_ShowsStates):
    @staticmethod
    def shown(stored: StoredState) -> StoredState:
        if stored.state is None or stored.state.stream is None:
            return stored
        blob = json.dumps(json.loads(bytes(stored.state.stream.stream_state))).encode()
        return replace(stored, state=stream_state(stored.state.stream.stream_descriptor, blob))


class MixesConnections(MemoryDestination):
    def stored_states(self, connection: str) -> list[StoredState]:
        return [state for _, state in self.store.storage.states.items()]


class ForgetsEverything(MemoryDestination):
    def forget_states(self, connection: str, streams: object) -> None:
        super().forget_states(connection, None)


class OneRawIdABatch(MemoryDestination):
    def writer(self, plan: StreamPlan) -> MemoryWriter:
        class Same(MemoryWriter):
            def write(self, batch: pa.RecordBatch) -> None:
                super().write(batch)
                first = self.pending[0]["_airbyte_raw_id"] if self.pending else None
                self.pending = [{**row, "_airbyte_raw_id": first} for row in self.pending]

        return Same(self.store, plan)


class LosesRecordedChanges(MemoryDestination):
    def writer(self, plan: StreamPlan) -> MemoryWriter:
        class Silent(MemoryWriter):
            def write(self, batch: pa.RecordBatch) -> None:
                nothing = pa.nulls(batch.num_rows, pa.string())
                at = batch.schema.get_field_index("_airbyte_changes")
                super().write(batch.set_column(at, "_airbyte_changes", nothing))

        return Silent(self.store, plan)


@dataclass(frozen=True)
class Mutant:
    """A broken destination and the case that must find it."""

    destination: type[MemoryDestination]
    test: str
    case: str | None

    def __str__(self) -> str:
        return self.destination.__name__


def _named(name: str, made: type) -> type:
    made.__name__ = made.__qualname__ = name
    made.__module__ = __name__
    return made


for _name in [n for n in list(globals()) if n.startswith("Dedup")]:
    _named(_name, globals()[_name])

_VALUE = "test_value_comes_back_exactly"
_DEDUP = "test_of_equal_keys_one_row_stays"
_SCHEMA = "test_a_changed_schema_loses_nothing"
_KILLED = "test_killed_at_random_moments_and_repeated_equals_one_clean_run"

MUTANTS = (
    Mutant(LowersStrings, _VALUE, "string: upper and lower"),
    Mutant(StripsStrings, _VALUE, "string: spaces around"),
    Mutant(TakesEmptyForNull, _VALUE, "string: empty"),
    Mutant(CutsStringsAtNul, _VALUE, "string: NUL"),
    Mutant(CutsLongStrings, _VALUE, "string: a million characters"),
    Mutant(ReadsTextAsNumbers, _VALUE, "string: leading zeros"),
    Mutant(PutsIntegersThroughDoubles, _VALUE, "integer: 2^53+1"),
    Mutant(PutsNumbersThroughSingles, _VALUE, "number: 0.1"),
    Mutant(DropsMicroseconds, _VALUE, "timestamp_tz: one microsecond"),
    Mutant(ShiftsTimeZone, _VALUE, "timestamp_tz: epoch"),
    Mutant(RoundsDecimals, _VALUE, "decimal: least"),
    Mutant(ParsesJson, _VALUE, "json: more digits than a double"),
    Mutant(LosesTheLastBatch, "test_rows_land_whatever_way_they_are_cut", "append typed"),
    Mutant(DoublesARowOfEachBatch, "test_append_without_dedup_keeps_equal_rows", None),
    Mutant(CommitsEachBatch, "test_error_rolls_back_what_was_not_committed", "append"),
    Mutant(CommitsOnError, "test_error_rolls_back_what_was_not_committed", "append"),
    Mutant(StoresStateBeforeRows, "test_no_state_is_ever_seen_without_its_rows", None),
    Mutant(StoresStateBeforeRows, _KILLED, "append"),
    Mutant(StoresRowsBeforeState, _KILLED, "append"),
    Mutant(
        CountsWhatItWasSent,
        "test_commit_and_finish_count_the_rows_they_made_durable",
        "append_dedup",
    ),
    Mutant(PublishesWithEachCommit, "test_old_table_stays_visible_until_finish", "overwrite"),
    Mutant(
        DropsTheOldTableFirst,
        "test_reader_during_overwrite_sees_the_old_or_the_new_table",
        "overwrite",
    ),
    Mutant(DropsTheOldTableFirst, _KILLED, "overwrite"),
    Mutant(
        PublishesNothingForNoRows,
        "test_overwrite_with_no_rows_gives_an_empty_table",
        "overwrite typed",
    ),
    Mutant(KeepsLeftovers, "test_a_fresh_attempt_drops_the_rows_of_a_failed_one", "overwrite"),
    Mutant(ForgetsWhatItResumes, "test_a_resumed_generation_keeps_its_committed_rows", "overwrite"),
    Mutant(
        KeepsTheStateOfDroppedRows, "test_a_state_never_outlives_the_rows_it_covers", "overwrite"
    ),
    Mutant(DropsColumnsThatWentAway, _SCHEMA, "a column that went away-append"),
    Mutant(NullsOlderValuesOfAWidenedColumn, _SCHEMA, "integer to string-append"),
    Mutant(
        SharesStagingOfLongNames,
        "test_longest_names_of_tables_and_columns_do_not_collide",
        "overwrite",
    ),
    Mutant(DedupIgnoresCursor, _DEDUP, "older after newer in one batch"),
    Mutant(DedupOnlyWithinCommits, _DEDUP, "newer after older in two commits"),
    Mutant(DedupLetsNewerCommitWin, _DEDUP, "older after newer in two syncs"),
    Mutant(DedupKeepsTheFirstOfEquals, _DEDUP, "equal cursors, one batch: the last to arrive"),
    Mutant(DedupTakesNullForNoKey, _DEDUP, "null is a key like any other"),
    Mutant(
        DedupLooksAtTheFirstKeyOnly, _DEDUP, "composite keys: only all columns together are the key"
    ),
    Mutant(DedupCoalesces, _DEDUP, "a newer row replaces the whole of the older one, nulls too"),
    Mutant(IgnoresFence, "test_stale_commit_is_refused_without_effect", "append"),
    Mutant(ChecksFenceAtOpenOnly, "test_an_attempt_overtaken_while_open_is_refused", "append"),
    Mutant(
        WritesRowsBeforeItLooksAtTheFence, "test_stale_commit_is_refused_without_effect", "append"
    ),
    Mutant(CommitWithoutStateForgets, "test_commit_without_state_keeps_the_stored_one", "append"),
    Mutant(CallsEveryCommitComplete, "test_state_is_stored_by_commit_and_not_before", "append"),
    Mutant(RewritesTheState, "test_state_is_kept_to_the_byte", None),
    Mutant(MixesConnections, "test_states_of_streams_and_connections_are_kept_apart", None),
    Mutant(ForgetsEverything, "test_forgetting_removes_what_is_named_and_nothing_else", None),
    Mutant(OneRawIdABatch, "test_penstocks_own_columns_tell_where_a_row_came_from", "append typed"),
    Mutant(
        LosesRecordedChanges,
        "test_penstocks_own_columns_tell_where_a_row_came_from",
        "append typed",
    ),
)


def suite_of(made: type[MemoryDestination]) -> type[DestinationSuite]:
    """Returns the suite of one mutant, under a name that other processes can import."""
    return globals()[f"{made.__name__}Suite"]


def _suite(made: type[MemoryDestination]) -> type[DestinationSuite]:
    def config(self: DestinationSuite, place: Path) -> MemoryConfig:
        return MemoryConfig(path=str(place / "memory.bin"))

    return type(
        f"{made.__name__}Suite", (DestinationSuite,), {"destination": made, "config": config}
    )


for _mutant in MUTANTS:
    _made = _suite(_mutant.destination)
    _made.__module__ = __name__
    globals()[_made.__name__] = _made
