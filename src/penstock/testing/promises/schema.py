"""Tables outlive their schema: columns come, go and widen, and no value is lost on the way."""

from __future__ import annotations

import json
from collections.abc import Mapping

from penstock.data.types import Kind
from penstock.sdk.destination import StreamPlan, WriteMode
from penstock.testing import expect
from penstock.testing.cases.schema_changes import SchemaCase
from penstock.testing.cells import Cell, Found, Row, is_same
from penstock.testing.feed import state_at
from penstock.testing.lab import Lab, plan_for


class SchemaChanges:
    """A value may change only where `_airbyte_meta.changes` says so."""

    def test_a_changed_schema_loses_nothing(
        self, lab: Lab, change: SchemaCase, append_mode: WriteMode
    ) -> None:
        first, second = self._plans(lab, change, append_mode)
        lab.load(first, change.first, state=state_at(first, 1))
        with lab.connect().open(second):
            pass
        self._older_rows_are_unchanged(lab, first, change, "after an open without rows")
        lab.load(second, change.second, state=state_at(second, 2))
        found = {row["id"].cell: row for row in lab.rows(first.table)}
        total = len(change.first) + len(change.second)
        expect.equal(total, len(found), f"{change}: rows")
        self._older_rows_are_unchanged(lab, first, change, "after new rows")
        for row in change.second:
            self._is_kept_or_recorded(row, found[row["id"]], change.after, f"{change}, new row")
        self._columns_of_one_sync_are_null_in_the_other(change, found)

    def test_an_overwrite_takes_the_new_schema(
        self, lab: Lab, replacing: SchemaCase, overwrite_mode: WriteMode
    ) -> None:
        first, second = self._plans(lab, replacing, overwrite_mode)
        lab.load(first, replacing.first)
        lab.load(second, replacing.second)
        lab.holds(second, replacing.second, f"{replacing}, overwritten")

    def _plans(
        self, lab: Lab, change: SchemaCase, mode: WriteMode
    ) -> tuple[StreamPlan, StreamPlan]:
        table = lab.table("changing")
        return (
            plan_for(table, change.before, mode, key=["id"], generation_id=1),
            plan_for(table, change.after, mode, key=["id"], generation_id=2),
        )

    def _older_rows_are_unchanged(
        self, lab: Lab, plan: StreamPlan, change: SchemaCase, when: str
    ) -> None:
        found = {row["id"].cell: row for row in lab.rows(plan.table)}
        for row in change.first:
            what = f"{change}, older row {when}"
            expect.true(row["id"] in found, f"{what}: {row} is gone")
            expect.columns_present([found[row["id"]]], change.before, what=what)
            for name, kind in change.before.items():
                value = found[row["id"]][name]
                expect.value_equal(kind, row.get(name), value, f"{what}, column {name}")

    def _is_kept_or_recorded(
        self, row: Row, found: Mapping[str, Found], kinds: Mapping[str, Kind], what: str
    ) -> None:
        expect.columns_present([found], kinds, what=what)
        meta = json.loads(str(found["_airbyte_meta"].cell))
        recorded = {entry["field"] for entry in meta["changes"]}
        for name, kind in kinds.items():
            is_kept = is_same(kind, row.get(name), found[name])
            if is_kept is (name in recorded):
                fate = "recorded as changed" if is_kept else "changed without a record"
                raise expect.broken(
                    f"{what}, column {name}: {row.get(name)!r} came back as"
                    f" {found[name].cell!r} and was {fate}"
                )

    def _columns_of_one_sync_are_null_in_the_other(
        self, change: SchemaCase, found: Mapping[Cell, Mapping[str, Found]]
    ) -> None:
        for rows, others in ((change.first, change.after), (change.second, change.before)):
            own = change.before if rows is change.first else change.after
            for name in others.keys() - own.keys():
                for row in rows:
                    cell = found[row["id"]][name].cell
                    expect.equal(None, cell, f"{change}: column {name} of the other sync")
