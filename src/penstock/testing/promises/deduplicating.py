"""One row a key stays: the one with the largest cursor, of equal ones the last to arrive."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import pytest

from penstock.data.types import Kind
from penstock.sdk.destination import Empties, StreamPlan, WriteMode
from penstock.testing import expect
from penstock.testing.cases.dedup import DedupCase
from penstock.testing.cells import Row
from penstock.testing.faults import Injected
from penstock.testing.feed import EXTRACTED_AT, batch_of, by_key, state_at
from penstock.testing.lab import Lab, plan_for


class Deduplicating:
    """Runs only for destinations with a dedup mode."""

    def test_of_equal_keys_one_row_stays(self, lab: Lab, dedup: DedupCase) -> None:
        if WriteMode.APPEND_DEDUP in lab.capabilities.modes:
            plan = self._plan(lab, dedup, WriteMode.APPEND_DEDUP)
            self._sync_all(lab, plan, dedup)
            lab.holds(plan, dedup.stays, f"{dedup} ({plan.mode})")
        if WriteMode.OVERWRITE_DEDUP in lab.capabilities.modes and len(dedup.syncs) == 1:
            plan = self._plan(lab, dedup, WriteMode.OVERWRITE_DEDUP)
            self._sync_all(lab, plan, dedup)
            lab.holds(plan, dedup.stays, f"{dedup} ({plan.mode})")

    def test_overwrite_dedup_forgets_the_keys_of_the_last_sync(self, lab: Lab) -> None:
        if WriteMode.OVERWRITE_DEDUP not in lab.capabilities.modes:
            return
        kinds = {"id": Kind.INTEGER, "at": Kind.INTEGER}
        plan = plan_for(
            lab.table("keys"), kinds, WriteMode.OVERWRITE_DEDUP, key=["id"], cursor="at"
        )
        lab.load(replace(plan, generation_id=1), [{"id": 1, "at": 50}, {"id": 2, "at": 50}])
        lab.load(replace(plan, generation_id=2), [{"id": 1, "at": 1}])
        lab.holds(plan, [{"id": 1, "at": 1}], "an older cursor, but of the newer generation")

    def test_emptying_takes_effect_with_its_commit_and_not_before(self, lab: Lab) -> None:
        if WriteMode.APPEND_DEDUP not in lab.capabilities.modes:
            pytest.skip("this destination does not deduplicate")
        kinds = {"id": Kind.INTEGER, "at": Kind.INTEGER}
        plan = plan_for(lab.table("emptied"), kinds, WriteMode.APPEND_DEDUP, key=["id"])
        before: list[Row] = [{"id": 1, "at": 5}, {"id": 2, "at": 5}]
        lab.load(plan, before)
        with suppress(Injected), lab.connect().open(plan) as writer:
            if not isinstance(writer, Empties):
                pytest.skip("this destination does not empty tables")
            writer.write(batch_of(plan, [{"id": 3, "at": 5}]))
            writer.empty()
            raise Injected
        lab.holds(plan, before, "emptied, and never committed")
        with lab.connect().open(plan) as writer:
            if not isinstance(writer, Empties):
                raise expect.broken("only the first of two writers empties tables")
            writer.write(batch_of(plan, [{"id": 3, "at": 5}]))
            writer.empty()
            writer.write(batch_of(plan, [{"id": 1, "at": 1}]))
            expect.equal(2, writer.finish(state_at(plan, 1)), "rows counted by finish")
        lab.holds(plan, [{"id": 1, "at": 1}], "what came after the table was emptied")

    def test_many_random_rows_are_deduplicated_by_the_rule(
        self, lab: Lab, dedup_mode: WriteMode
    ) -> None:
        kinds = {"a": Kind.INTEGER, "b": Kind.STRING, "at": Kind.INTEGER, "value": Kind.STRING}
        plan = plan_for(lab.table("many"), kinds, dedup_mode, key=["a", "b"], cursor="at")
        chance = random.Random(lab.seed)  # noqa: S311 - a repeatable test, no secret
        rows = [self._random_row(chance, number) for number in range(3000)]
        cuts = sorted(chance.sample(range(1, len(rows)), 12))
        batches = [rows[a:b] for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
        with lab.connect().open(plan) as writer:
            for number, batch in enumerate(batches):
                start = rows.index(batch[0])
                writer.write(batch_of(plan, batch, extracted_at=EXTRACTED_AT + start))
                if number % 3 == 2:
                    writer.commit(state_at(plan, number))
            writer.finish(state_at(plan, len(batches)))
        lab.holds(plan, by_key(rows, plan), f"3,000 random rows, seed {lab.seed}")

    def test_the_row_that_stays_keeps_its_own_columns_of_penstock(
        self, lab: Lab, dedup_mode: WriteMode
    ) -> None:
        kinds = {"id": Kind.INTEGER, "at": Kind.INTEGER}
        plan = plan_for(lab.table("own"), kinds, dedup_mode, key=["id"], cursor="at", sync_id=1)
        with lab.connect().open(plan) as writer:
            writer.write(batch_of(plan, [{"id": 1, "at": 2}], extracted_at=EXTRACTED_AT))
            writer.commit(None)
            writer.write(batch_of(plan, [{"id": 1, "at": 1}], extracted_at=EXTRACTED_AT + 500))
            writer.finish(None)
        found = lab.rows(plan.table)
        stamps = [row["_airbyte_extracted_at"].cell for row in found]
        expect.equal([EXTRACTED_AT], stamps, "_airbyte_extracted_at of the row that stays")

    def _plan(self, lab: Lab, case: DedupCase, mode: WriteMode) -> StreamPlan:
        table = lab.table(f"dedup_{mode}")
        return plan_for(table, case.kinds, mode, key=case.key, cursor=case.cursor)

    def _sync_all(self, lab: Lab, plan: StreamPlan, case: DedupCase) -> None:
        arrived = 0
        for number, sync in enumerate(case.syncs, start=1):
            with lab.connect().open(replace(plan, sync_id=number)) as writer:
                for commit in sync:
                    for batch in commit:
                        writer.write(batch_of(plan, batch, extracted_at=EXTRACTED_AT + arrived))
                        arrived += len(batch)
                    expect.equal(
                        sum(map(len, commit)), writer.commit(None), "rows counted by commit"
                    )
                writer.finish(None)

    def _random_row(self, chance: random.Random, number: int) -> Row:
        texts: Sequence[str | None] = ["x", "X", "", None]
        return {
            "a": chance.choice([*range(40), None]),
            "b": chance.choice(texts),
            "at": chance.choice([*range(20), None]),
            "value": f"row {number}",
        }
