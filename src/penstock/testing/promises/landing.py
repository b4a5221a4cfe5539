"""Values, names and penstock's own columns come to lie in the table as the contract says."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from uuid import UUID

from penstock.data.types import Kind
from penstock.sdk.destination import ColumnPlan, Normalisation, WriteMode
from penstock.testing import expect
from penstock.testing.cases.identifiers import long_name
from penstock.testing.cases.values import SAMPLES, ValueCase
from penstock.testing.cells import Cell, Found, Row, exact_json
from penstock.testing.feed import EXTRACTED_AT, batch_of
from penstock.testing.lab import Lab, in_form, kinds_of, plan_for, simple_plan, simple_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A write mode in typed or raw form."""

    mode: WriteMode
    form: Normalisation

    def __str__(self) -> str:
        return f"{self.mode} {self.form}"


class Landing:
    """Every value arrives exactly, or the suite is red."""

    def test_value_comes_back_exactly(self, lab: Lab, value: ValueCase) -> None:
        kinds = {"id": Kind.INTEGER, "value": value.kind}
        plan = plan_for(lab.table("values"), kinds, self._first_mode(lab), key=["id"])
        rows: list[Row] = [{"id": 1, "value": value.cell}, {"id": 2, "value": None}]
        lab.load(plan, rows)
        lab.holds(plan, rows, str(value))

    def test_all_kinds_come_back_at_once(self, lab: Lab, mode: WriteMode) -> None:
        kinds = {"id": Kind.INTEGER, **{f"c_{kind}": kind for kind in Kind}}
        plan = plan_for(lab.table("everything"), kinds, mode, key=["id"])
        rows = [self._sample_row(number) for number in range(5)]
        rows.append({"id": 5})
        lab.load(plan, rows)
        lab.holds(plan, rows, "all kinds, the last row all null")

    def test_record_comes_back_whole_in_raw_form(self, lab: Lab, raw_mode: WriteMode) -> None:
        plan = replace(
            simple_plan(lab.table("raw"), raw_mode), columns=(), normalisation=Normalisation.RAW
        )
        texts = [
            '{"id": 9007199254740993, "amount": 0.12345678901234567890}',
            json.dumps({"text": 'पुणे "quoted"\n', "a.b": None, "nested": [1, {"x": []}]}),
            "{}",
        ]
        rows: list[Row] = [{"_airbyte_data": text} for text in texts]
        lab.load(plan, rows)
        lab.holds(plan, rows, "raw records")

    def test_no_rows_make_an_empty_table(self, lab: Lab, shape: Shape) -> None:
        plan, _ = in_form(simple_plan(lab.table("nothing"), shape.mode), [], shape.form)
        with lab.connect().open(plan) as writer:
            expect.equal(0, writer.finish(None), "rows counted by finish")
        expect.equal(0, len(lab.rows(plan.table)), "rows of a stream that had none")

    def test_an_empty_batch_adds_nothing(self, lab: Lab, shape: Shape) -> None:
        plan, rows = in_form(
            simple_plan(lab.table("little"), shape.mode), simple_rows(1, 2), shape.form
        )
        with lab.connect().open(plan) as writer:
            writer.write(batch_of(plan, []))
            writer.write(batch_of(plan, rows))
            writer.write(batch_of(plan, []))
            expect.equal(2, writer.commit(None), "rows counted by commit")
            expect.equal(0, writer.commit(None), "rows counted by a commit of nothing")
            writer.write(batch_of(plan, []))
            expect.equal(0, writer.finish(None), "rows counted by finish")
        lab.holds(plan, rows, "two rows between empty batches")

    def test_penstocks_own_columns_tell_where_a_row_came_from(self, lab: Lab, shape: Shape) -> None:
        plan, rows = in_form(
            simple_plan(lab.table("meta"), shape.mode, generation_id=3, sync_id=42),
            simple_rows(1, 2, 3),
            shape.form,
        )
        change = {"field": "name", "change": "NULLED", "reason": "DESTINATION_TYPECAST_ERROR"}
        odd = {**change, "field": 'od"d \\ नाम'}
        changes = [None, json.dumps([change]), json.dumps([change, odd])]
        with lab.connect().open(plan) as writer:
            writer.write(batch_of(plan, rows, changes=changes))
            writer.finish(None)
        found = sorted(lab.rows(plan.table), key=lambda row: str(row["_airbyte_extracted_at"].cell))
        expected_changes: list[list[dict[str, str]]] = [[], [change], [change, odd]]
        expect.equal(3, len(found), "rows")
        for number, row in enumerate(found):
            own = (Kind.TIMESTAMP_TZ, EXTRACTED_AT + number)
            at = row["_airbyte_extracted_at"]
            expect.equal(own, (at.kind, at.cell), "_airbyte_extracted_at")
            expect.equal(3, row["_airbyte_generation_id"].cell, "_airbyte_generation_id")
            meta = exact_json(str(row["_airbyte_meta"].cell))
            wanted = exact_json(json.dumps({"sync_id": 42, "changes": expected_changes[number]}))
            expect.equal(wanted, meta, "_airbyte_meta")
        self._raw_ids_are_uuids_of_version_7(found)

    def test_rows_land_whatever_way_they_are_cut(self, lab: Lab, shape: Shape) -> None:
        plan, rows = in_form(
            simple_plan(lab.table("cuts"), shape.mode), simple_rows(*range(5000)), shape.form
        )
        whole = batch_of(plan, rows)
        with lab.connect().open(plan) as writer:
            for start, length in ((0, 1), (1, 7), (8, 2000), (2008, 2992)):
                writer.write(whole.slice(start, length))
            expect.equal(5000, writer.finish(None), "rows counted by finish")
        lab.holds(plan, rows, "slices of one batch")
        self._raw_ids_are_uuids_of_version_7(lab.rows(plan.table))

    def test_columns_are_found_by_the_names_of_their_properties(
        self, lab: Lab, mode: WriteMode
    ) -> None:
        plan = simple_plan(lab.table("properties"), mode)
        odd = ('a "b".c', "A", "पुणे", "_airbyte_data")
        columns = [ColumnPlan(source=s, name=f"c{i}", kind=Kind.STRING) for i, s in enumerate(odd)]
        plan = replace(plan, columns=(*columns, *plan.columns))
        named = {column.name: f"of {column.source}" for column in columns}
        rows: list[Row] = [{"id": 1, "name": "one", **named}]
        lab.load(plan, rows)
        lab.holds(plan, rows, "properties and columns of different names")

    def test_odd_name_of_a_column_is_kept(
        self, lab: Lab, name: str, merging_mode: WriteMode
    ) -> None:
        kinds = {name: Kind.INTEGER, "name": Kind.STRING, f"{name} 2": Kind.JSON}
        plan = plan_for(lab.table("columns"), kinds, merging_mode, key=[name], cursor=name)
        rows: list[Row] = [{name: 1, "name": "one", f"{name} 2": "{}"}, {name: 2, "name": "two"}]
        lab.load(plan, rows[:1], rows[1:])
        lab.holds(plan, rows, f"column {name!r}")

    def test_odd_name_of_a_table_is_kept(self, lab: Lab, name: str) -> None:
        plan = simple_plan(lab.table(name), self._first_mode(lab))
        lab.load(plan, simple_rows(1))
        lab.holds(plan, simple_rows(1), f"table {name!r}")

    def test_longest_names_of_tables_and_columns_do_not_collide(
        self, lab: Lab, mode: WriteMode
    ) -> None:
        limit = lab.capabilities.max_identifier_bytes
        longest = long_name("long_table_", limit)
        plans = []
        for last in "ab":
            column = long_name("long_column_", limit)[:-1]
            kinds = {"id": Kind.INTEGER, f"{column}a": Kind.STRING, f"{column}b": Kind.STRING}
            plans.append(plan_for(lab.table(longest[:-1] + last), kinds, mode, key=["id"]))
        rows: list[list[Row]] = [
            [dict(zip(kinds_of(plan), (number, "a", "b"), strict=True))]
            for number, plan in enumerate(plans)
        ]
        first, second = lab.connect(), lab.connect()
        with first.open(plans[0]) as one, second.open(plans[1]) as other:
            one.write(batch_of(plans[0], rows[0]))
            other.write(batch_of(plans[1], rows[1]))
            one.commit(None)
            other.commit(None)
            one.finish(None)
            other.finish(None)
        for plan, expected in zip(plans, rows, strict=True):
            lab.holds(plan, expected, f"table {plan.table}")

    def test_a_thousand_columns_land(self, lab: Lab, mode: WriteMode) -> None:
        kinds: dict[str, Kind] = {f"column_{i}": list(Kind)[i % len(Kind)] for i in range(1000)}
        plan = plan_for(lab.table("wide"), {"id": Kind.INTEGER, **kinds}, mode, key=["id"])
        rows: list[Row] = [{"id": 1, **{n: SAMPLES[k][0] for n, k in kinds.items()}}]
        lab.load(plan, rows)
        lab.holds(plan, rows, "1,000 columns")

    def test_a_batch_of_another_shape_is_refused_and_leaves_nothing(self, lab: Lab) -> None:
        plan = simple_plan(lab.table("misfit"), self._first_mode(lab))
        wrong = batch_of(plan, simple_rows(1)).drop_columns(["name"])

        def load() -> None:
            with lab.connect().open(plan) as writer:
                writer.write(batch_of(plan, simple_rows(1)))
                writer.write(wrong)
                writer.finish(None)

        expect.raises(load, "a batch without one of the plan's columns")
        lab.holds_nothing(plan, "rows of a transaction that failed")

    def _first_mode(self, lab: Lab) -> WriteMode:
        modes = lab.capabilities.modes
        return next(mode for mode in WriteMode if mode in modes)

    def _sample_row(self, number: int) -> Row:
        samples: dict[str, Cell] = {
            f"c_{kind}": cells[number % len(cells)] for kind, cells in SAMPLES.items()
        }
        return {"id": number, **samples}

    def _raw_ids_are_uuids_of_version_7(self, rows: list[dict[str, Found]]) -> None:
        ids = [str(row["_airbyte_raw_id"].cell) for row in rows]
        expect.distinct(ids, "_airbyte_raw_id")
        for text in ids:
            expect.equal((7, text), (UUID(text).version, str(UUID(text))), "_airbyte_raw_id")
