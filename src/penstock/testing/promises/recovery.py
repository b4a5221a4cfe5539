"""Interrupted anywhere and continued from what is stored equals one undisturbed run."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from penstock.data.types import Kind
from penstock.sdk.destination import StoredState, WriteMode
from penstock.testing import expect
from penstock.testing.cells import Found, Row
from penstock.testing.faults import Faults, Injected, Moment, every_call
from penstock.testing.feed import Feed, Page, page_of, send
from penstock.testing.lab import Lab, kinds_of, plan_for
from penstock.testing.processes import Ending, Job, Kill, look_in_process, send_in_process

_KILLS_PER_ROUND = 5
_KINDS = {"id": Kind.INTEGER, "at": Kind.INTEGER, "name": Kind.STRING}


class Recovery:
    """Exactly once where the destination says so, and never less than once."""

    def test_one_undisturbed_run_gives_what_was_sent(self, lab: Lab, mode: WriteMode) -> None:
        before, feed = _feeds(lab, mode, "clean", seed=lab.seed)
        lab.send(before)
        lab.send(feed)
        expected = feed.expected_rows(before.expected_rows())
        lab.holds(feed.plan, expected, "a clean run")

    def test_failing_between_any_two_calls_and_continuing_equals_one_clean_run(
        self, lab: Lab, mode: WriteMode
    ) -> None:
        names = (f"run_{number}" for number in range(1000))

        def attempt(faults: Faults) -> tuple[Feed, Feed]:
            name = next(names)
            before, feed = _feeds(lab, mode, name, seed=lab.seed)
            lab.send(before)
            destination = lab.connect()
            with contextlib.suppress(Injected):
                send(faults.destination(destination), feed, notebook=lab.notebook(destination))
            return before, feed

        for faults in every_call(attempt, _moments(lab)):
            before, feed = attempt(faults)
            notebook = lab.notebook(lab.connect())
            what = f"failed {faults}"
            self._is_in_order(
                lab, before, feed, lab.found(feed.plan.table), notebook.load(feed.plan), what
            )
            send(lab.connect(), feed, notebook=notebook, fence=1)
            self._is_whole(lab, before, feed, lab.rows(feed.plan.table), what)

    def test_killed_at_random_moments_and_repeated_equals_one_clean_run(
        self, lab: Lab, mode: WriteMode
    ) -> None:
        before, feed = _feeds(lab, mode, "killed", seed=lab.seed)
        clean = self._clean_run(lab, before, feed)
        step_seconds = clean.seconds / len(clean.steps)
        for number in range(lab.rounds):
            chance = random.Random(f"{lab.seed} {mode} {number}")  # noqa: S311 - repeatable
            place = lab.beside(f"round_{number}")
            send_in_process(Job.of(lab.suite_class, place, before))
            job = Job.of(lab.suite_class, place, feed)
            for attempt in range(_KILLS_PER_ROUND):
                kill = Kill(
                    after_steps=chance.randrange(len(clean.steps)),
                    after_seconds=chance.uniform(0, 2 * step_seconds),
                )
                ending = send_in_process(job, fence=attempt, kill=kill)
                steps = " ".join(ending.steps)
                what = f"seed {lab.seed}, round {number}, attempt {attempt}, killed after [{steps}]"
                sight = look_in_process(job)
                self._is_in_order(lab, before, feed, sight.rows, sight.stored, what)
                if not ending.was_killed:
                    break
            send_in_process(job, fence=_KILLS_PER_ROUND)
            what = f"seed {lab.seed}, round {number}, at the end"
            self._is_whole(lab, before, feed, look_in_process(job).rows or [], what)

    def _clean_run(self, lab: Lab, before: Feed, feed: Feed) -> Ending:
        place = lab.beside("clean")
        send_in_process(Job.of(lab.suite_class, place, before))
        job = Job.of(lab.suite_class, place, feed)
        ending = send_in_process(job)
        self._is_whole(lab, before, feed, look_in_process(job).rows or [], "a clean run")
        return ending

    def _is_in_order(  # noqa: PLR0917 - each call has all six
        self,
        lab: Lab,
        before: Feed,
        feed: Feed,
        found: Sequence[Mapping[str, Found]] | None,
        stored: StoredState | None,
        what: str,
    ) -> None:
        """What is visible is what the stored checkpoint says, to the row."""
        if not lab.capabilities.exactly_once:
            return
        older = before.expected_rows()
        is_this = stored is not None and stored.generation_id == feed.plan.generation_id
        is_finished = stored is not None and stored.is_complete and is_this
        page = page_of(stored.state) if stored else 0
        kinds = kinds_of(feed.plan)
        if feed.plan.mode.is_overwrite:
            is_new = is_finished and page == feed.end
            if is_this and page == feed.end and lab.capabilities.publishes_in_steps:
                is_new = is_new or not any(
                    expect.difference(feed.expected_rows(), found or [], kinds)
                )
            expected = feed.expected_rows() if is_new else older
        else:
            expected = feed.expected_rows(older, up_to=page)
        expect.rows_equal(expected, found or [], kinds, what=f"{what}; page {page}")

    def _is_whole(
        self,
        lab: Lab,
        before: Feed,
        feed: Feed,
        found: Sequence[Mapping[str, Found]],
        what: str,
    ) -> None:
        expected: list[Row] = feed.expected_rows(before.expected_rows())
        if lab.capabilities.exactly_once:
            expect.rows_equal(expected, found, kinds_of(feed.plan), what=f"{what}, then continued")
        else:
            expect.rows_covered(
                expected, found, kinds_of(feed.plan), what=f"{what}, then continued"
            )


def _moments(lab: Lab) -> tuple[Moment, ...]:
    """To a destination that stores states, after a call is the same as before the next one."""
    return (Moment.BEFORE,) if lab.capabilities.exactly_once else tuple(Moment)


def _feeds(lab: Lab, mode: WriteMode, name: str, *, seed: int) -> tuple[Feed, Feed]:
    """Returns a feed of an earlier, finished sync and the one to be disturbed."""
    chance = random.Random(seed)  # noqa: S311 - repeatable
    plan = plan_for(lab.table(name), _KINDS, mode, key=["id"], cursor="at", generation_id=1)
    numbers = iter(range(100_000))

    def batch(size: int) -> tuple[Row, ...]:
        return tuple(
            {"id": chance.randrange(60), "at": chance.randrange(9), "name": f"row {next(numbers)}"}
            for _ in range(size)
        )

    before = Feed(plan=plan, pages=(Page(batches=(batch(30),)),))
    pages = tuple(Page(batches=(batch(10), batch(25))) for _ in range(3))
    generation = 2 if mode.is_overwrite else 1
    return before, Feed(plan=replace(plan, generation_id=generation), pages=pages, first_page=1)
