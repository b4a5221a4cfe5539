"""What readers see, and when: append, overwrite, generations, transactions side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from penstock.sdk.destination import StreamPlan, WriteMode
from penstock.testing import expect
from penstock.testing.cells import Found, Row
from penstock.testing.faults import Injected
from penstock.testing.feed import batch_of, state_at
from penstock.testing.lab import Lab, in_form, kinds_of, simple_plan, simple_rows
from penstock.testing.promises.landing import Shape


class Publishing:
    """Nobody ever sees half a table."""

    def test_append_adds_to_what_is_there(self, lab: Lab, append_shape: Shape) -> None:
        plan = simple_plan(lab.table("visits"), append_shape.mode)
        plan, first = in_form(plan, simple_rows(1, 2), append_shape.form)
        _, second = in_form(plan, simple_rows(3), append_shape.form)
        lab.load(plan, first)
        lab.load(replace(plan, sync_id=2), second)
        lab.holds(plan, [*first, *second], "rows of two syncs")

    def test_append_without_dedup_keeps_equal_rows(self, lab: Lab) -> None:
        plan = simple_plan(lab.table("visits"), self._needs(lab, WriteMode.APPEND))
        lab.load(plan, simple_rows(1, 1), simple_rows(1))
        lab.holds(plan, simple_rows(1, 1, 1), "three equal rows")

    def test_overwrite_replaces_what_is_there(self, lab: Lab, overwrite_shape: Shape) -> None:
        plan = simple_plan(lab.table("visits"), overwrite_shape.mode, generation_id=1)
        plan, first = in_form(plan, simple_rows(1, 2), overwrite_shape.form)
        _, second = in_form(plan, simple_rows(2, 3, name="new"), overwrite_shape.form)
        lab.load(plan, first)
        lab.load(replace(plan, generation_id=2), second[:1], second[1:])
        lab.holds(plan, second, "rows of the second sync only")

    def test_overwrite_with_no_rows_gives_an_empty_table(
        self, lab: Lab, overwrite_shape: Shape
    ) -> None:
        plan = simple_plan(lab.table("visits"), overwrite_shape.mode, generation_id=1)
        plan, first = in_form(plan, simple_rows(1, 2), overwrite_shape.form)
        lab.load(plan, first)
        with lab.connect().open(replace(plan, generation_id=2)) as writer:
            writer.finish(None)
        expect.equal(0, len(lab.rows(plan.table)), "rows after an overwrite with none")

    def test_old_table_stays_visible_until_finish(
        self, lab: Lab, overwrite_mode: WriteMode
    ) -> None:
        plan = self._overwritten_once(lab, overwrite_mode)
        new = simple_rows(8, 9, name="new")
        with lab.connect().open(plan) as writer:
            lab.holds(plan, simple_rows(1, 2), "after open")
            writer.write(batch_of(plan, new[:1]))
            lab.holds(plan, simple_rows(1, 2), "after write")
            writer.commit(state_at(plan, 1))
            lab.holds(plan, simple_rows(1, 2), "after commit")
            writer.write(batch_of(plan, new[1:]))
            expect.equal(1, writer.finish(state_at(plan, 2)), "rows counted by finish")
            lab.holds(plan, new, "after finish")
        lab.holds(plan, new, "after close")

    def test_leaving_without_finish_publishes_nothing(
        self, lab: Lab, overwrite_mode: WriteMode
    ) -> None:
        plan = self._overwritten_once(lab, overwrite_mode)
        lab.load(plan, simple_rows(8, 9, name="new"), finish=False, state=state_at(plan, 1))
        lab.holds(plan, simple_rows(1, 2), "a stream that did not complete")

    def test_first_overwrite_shows_no_row_before_finish(
        self, lab: Lab, overwrite_mode: WriteMode
    ) -> None:
        plan = simple_plan(lab.table("visits"), overwrite_mode, generation_id=1)
        lab.load(plan, simple_rows(1), finish=False, state=state_at(plan, 1))
        lab.holds_nothing(plan, "rows before the first finish")

    def test_error_rolls_back_what_was_not_committed(self, lab: Lab, mode: WriteMode) -> None:
        plan = simple_plan(lab.table("visits"), mode, generation_id=1)
        self._failing_after(
            lab, plan, committed=simple_rows(1, 2), uncommitted=simple_rows(3), page=1
        )
        continued = replace(plan, resumes=True)
        lab.load(continued, simple_rows(4), state=state_at(plan, 2))
        lab.holds(plan, simple_rows(1, 2, 4), "committed rows and those of the second attempt")

    def test_leaving_without_commit_keeps_only_what_was_committed(
        self, lab: Lab, append_mode: WriteMode
    ) -> None:
        plan = simple_plan(lab.table("visits"), append_mode)
        with lab.connect().open(plan) as writer:
            writer.write(batch_of(plan, simple_rows(1)))
            writer.commit(state_at(plan, 1))
            writer.write(batch_of(plan, simple_rows(2)))
        lab.holds(plan, simple_rows(1), "rows after leaving without a commit")

    def test_appended_rows_are_visible_with_their_commit_and_not_before(
        self, lab: Lab, append_mode: WriteMode
    ) -> None:
        plan = simple_plan(lab.table("visits"), append_mode)
        with lab.connect().open(plan) as writer:
            writer.write(batch_of(plan, simple_rows(1)))
            lab.holds_nothing(plan, "rows before the commit")
            writer.commit(state_at(plan, 1))
            lab.holds(plan, simple_rows(1), "rows after the commit")
            writer.write(batch_of(plan, simple_rows(2)))
            lab.holds(plan, simple_rows(1), "rows before the second commit")
            writer.commit(state_at(plan, 2))
            lab.holds(plan, simple_rows(1, 2), "rows after the second commit")

    def test_commit_and_finish_count_the_rows_they_made_durable(
        self, lab: Lab, mode: WriteMode
    ) -> None:
        plan = simple_plan(lab.table("counts"), mode)
        with lab.connect().open(plan) as writer:
            writer.write(batch_of(plan, simple_rows(1, 2, 3)))
            writer.write(batch_of(plan, simple_rows(3, 4)))
            expect.equal(5, writer.commit(state_at(plan, 1)), "rows counted by the first commit")
            writer.write(batch_of(plan, simple_rows(4)))
            expect.equal(1, writer.commit(None), "rows counted by the second commit")
            writer.write(batch_of(plan, simple_rows(5, 6)))
            expect.equal(2, writer.finish(state_at(plan, 2)), "rows counted by finish")

    def test_a_fresh_attempt_drops_the_rows_of_a_failed_one(
        self, lab: Lab, overwrite_mode: WriteMode
    ) -> None:
        plan = self._overwritten_once(lab, overwrite_mode)
        lab.load(plan, simple_rows(7, 8), finish=False, state=state_at(plan, 1))
        lab.load(plan, simple_rows(9))
        lab.holds(plan, simple_rows(9), "the same generation, begun anew")

    def test_a_newer_generation_drops_the_rows_of_a_failed_older_one(
        self, lab: Lab, overwrite_mode: WriteMode
    ) -> None:
        plan = self._overwritten_once(lab, overwrite_mode)
        lab.load(plan, simple_rows(7, 8), finish=False, state=state_at(plan, 1))
        lab.load(replace(plan, generation_id=5), simple_rows(9))
        lab.holds(plan, simple_rows(9), "a newer generation")

    def test_a_resumed_generation_keeps_its_committed_rows(
        self, lab: Lab, overwrite_mode: WriteMode
    ) -> None:
        plan = self._overwritten_once(lab, overwrite_mode)
        resumed = replace(plan, resumes=True)
        lab.load(plan, simple_rows(7), finish=False, state=state_at(plan, 1))
        lab.load(resumed, simple_rows(8), finish=False, state=state_at(plan, 2))
        lab.load(resumed, simple_rows(9), state=state_at(plan, 3))
        lab.holds(plan, simple_rows(7, 8, 9), "three attempts of one generation")

    def test_reader_during_overwrite_sees_the_old_or_the_new_table(
        self, lab: Lab, overwrite_mode: WriteMode
    ) -> None:
        plan = simple_plan(lab.table("visits"), overwrite_mode)
        versions = [simple_rows(*range(300), name=f"v{number}") for number in range(6)]
        lab.load(replace(plan, generation_id=1), versions[0])

        def overwrite() -> None:
            for number, rows in enumerate(versions[1:], start=2):
                lab.load(replace(plan, generation_id=number), rows[:150], rows[150:])

        for seen in self._seen_during(overwrite, lambda: lab.rows(plan.table)):
            version = str(seen[0]["name"].cell).split(" ")[0] if seen else "v0"
            expected = versions[int(version.removeprefix("v"))]
            expect.rows_equal(expected, seen, kinds_of(plan), what="a reader during overwrite")

    def test_two_streams_are_written_side_by_side(self, lab: Lab, mode: WriteMode) -> None:
        plans = [simple_plan(lab.table(name), mode, generation_id=1) for name in ("left", "right")]
        destination = lab.connect()
        with destination.open(plans[0]) as left, destination.open(plans[1]) as right:
            for number in range(3):
                left.write(batch_of(plans[0], simple_rows(number)))
                right.write(batch_of(plans[1], simple_rows(number + 10)))
                left.commit(state_at(plans[0], number))
                right.commit(state_at(plans[1], number))
            left.finish(state_at(plans[0], 3))
            right.finish(state_at(plans[1], 3))
        lab.holds(plans[0], simple_rows(0, 1, 2), "left")
        lab.holds(plans[1], simple_rows(10, 11, 12), "right")

    def test_two_streams_are_written_by_two_threads(self, lab: Lab, mode: WriteMode) -> None:
        plans = [simple_plan(lab.table(name), mode, generation_id=1) for name in ("left", "right")]
        destination = lab.connect()

        def write(plan: StreamPlan) -> None:
            with destination.open(plan) as writer:
                for number in range(20):
                    writer.write(batch_of(plan, simple_rows(number * 2, number * 2 + 1)))
                    writer.commit(state_at(plan, number))
                writer.finish(state_at(plan, 20))

        in_threads(*(partial(write, plan) for plan in plans))
        for plan in plans:
            lab.holds(plan, simple_rows(*range(40)), str(plan.table))

    def test_one_streams_commit_leaves_the_others_rows_uncommitted(
        self, lab: Lab, append_mode: WriteMode
    ) -> None:
        plans = [simple_plan(lab.table(name), append_mode) for name in ("left", "right")]
        destination = lab.connect()
        with destination.open(plans[0]) as left:
            left.write(batch_of(plans[0], simple_rows(1)))
            self._failing_after(lab, plans[1], committed=[], uncommitted=simple_rows(1), page=0)
            lab.holds_nothing(plans[0], "left, before its own commit")
            left.finish(state_at(plans[0], 1))
        lab.holds(plans[0], simple_rows(1), "left")
        lab.holds_nothing(plans[1], "right, which failed")

    def _needs(self, lab: Lab, mode: WriteMode) -> WriteMode:
        """Every destination appends: without it there is nothing to build on."""
        expect.true(mode in lab.capabilities.modes, f"the destination has no mode {mode}")
        return mode

    def _overwritten_once(self, lab: Lab, mode: WriteMode) -> StreamPlan:
        """Writes rows 1 and 2 as generation 1 and returns the plan of generation 2."""
        plan = simple_plan(lab.table("visits"), mode, generation_id=1)
        lab.load(plan, simple_rows(1, 2))
        return replace(plan, generation_id=2)

    def _failing_after(
        self, lab: Lab, plan: StreamPlan, *, committed: list[Row], uncommitted: list[Row], page: int
    ) -> None:
        try:
            with lab.connect().open(plan) as writer:
                if committed:
                    writer.write(batch_of(plan, committed))
                    writer.commit(state_at(plan, page))
                writer.write(batch_of(plan, uncommitted))
                raise Injected
        except Injected:
            return

    def _seen_during(
        self, work: Callable[[], None], look: Callable[[], list[dict[str, Found]]]
    ) -> list[list[dict[str, Found]]]:
        seen: list[list[dict[str, Found]]] = []
        is_done = threading.Event()

        def watch() -> None:
            while not is_done.is_set():
                seen.append(look())
            seen.append(look())

        def run() -> None:
            try:
                work()
            finally:
                is_done.set()

        in_threads(watch, run)
        return seen


def in_threads(*works: Callable[[], None]) -> None:
    """Runs each in a thread of its own and raises the first error of any."""
    errors: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
