"""Checkpoints lie with their rows; a newer attempt is never undone by an older one."""

from __future__ import annotations

import threading
from dataclasses import replace

import msgspec

from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.state import GlobalState, State, StateType, StreamState, stream_state
from penstock.sdk.destination import StoredState, StreamPlan, WriteMode
from penstock.testing import expect
from penstock.testing.feed import Feed, Page, batch_of, page_of, state_at
from penstock.testing.lab import CONNECTION, Lab, simple_plan, simple_rows
from penstock.testing.promises.publishing import in_threads

_ODD_BLOB = (
    b'{"cursor":  "2024-02-29T00:00:00Z", "id":9007199254740993,"n":1.10,'
    b'"text":"\xe0\xa4\xaa\\u00e9\\u0000 \\"q\\"", "b":{"a":null,"A":[]}, "1":1e5}'
)


class States:
    """Runs only for destinations that store states."""

    def test_nothing_is_stored_of_a_connection_never_seen(self, lab: Lab) -> None:
        expect.equal([], list(lab.states().stored_states("never seen")), "stored states")

    def test_state_is_stored_by_commit_and_not_before(self, lab: Lab, mode: WriteMode) -> None:
        plan = simple_plan(lab.table("visits"), mode, generation_id=4, fence=7)
        with lab.connect().open(plan) as writer:
            writer.write(batch_of(plan, simple_rows(1)))
            self._page_is(lab, plan, 0, "before the commit")
            writer.commit(state_at(plan, 1))
            self._page_is(lab, plan, 1, "after the first commit")
            writer.write(batch_of(plan, simple_rows(2)))
            self._page_is(lab, plan, 1, "before the second commit")
            writer.commit(state_at(plan, 2))
        stored = lab.stored(plan)
        expected = StoredState(
            stream=plan.stream,
            state=state_at(plan, 2),
            generation_id=4,
            is_complete=False,
            fence=7,
        )
        self._is_stored(expected, stored, "after two commits")

    def test_finish_stores_its_state_and_marks_the_generation_complete(
        self, lab: Lab, mode: WriteMode
    ) -> None:
        plan = simple_plan(lab.table("visits"), mode, generation_id=4, fence=7)
        with lab.connect().open(plan) as writer:
            writer.write(batch_of(plan, simple_rows(1)))
            writer.finish(state_at(plan, 9))
        expected = StoredState(
            stream=plan.stream, state=state_at(plan, 9), generation_id=4, is_complete=True, fence=7
        )
        self._is_stored(expected, lab.stored(plan), "after finish")
        following = replace(plan, generation_id=5, fence=8)
        lab.load(following, simple_rows(2), finish=False, state=state_at(plan, 10))
        expected = StoredState(
            stream=plan.stream,
            state=state_at(plan, 10),
            generation_id=5,
            is_complete=False,
            fence=8,
        )
        self._is_stored(expected, lab.stored(plan), "after the first commit of the next generation")

    def test_commit_without_state_keeps_the_stored_one(self, lab: Lab, mode: WriteMode) -> None:
        plan = simple_plan(lab.table("visits"), mode, generation_id=1)
        with lab.connect().open(plan) as writer:
            writer.write(batch_of(plan, simple_rows(1)))
            writer.commit(state_at(plan, 1))
            writer.write(batch_of(plan, simple_rows(2)))
            writer.commit(None)
        self._page_is(lab, plan, 1, "after a commit without state")

    def test_finish_without_state_keeps_the_one_of_its_generation(
        self, lab: Lab, mode: WriteMode
    ) -> None:
        plan = simple_plan(lab.table("visits"), mode, generation_id=1)
        lab.load(plan, simple_rows(1), finish=False, state=state_at(plan, 1))
        with lab.connect().open(replace(plan, resumes=True)) as writer:
            writer.finish(None)
        self._page_is(lab, plan, 1, "after a finish without state")
        lab.holds(plan, simple_rows(1), "rows of the generation")

    def test_state_that_comes_after_finish_is_stored(
        self, lab: Lab, append_mode: WriteMode
    ) -> None:
        plan = simple_plan(lab.table("visits"), append_mode)
        lab.load(plan, simple_rows(1), state=state_at(plan, 1))
        with lab.connect().open(plan) as writer:
            expect.equal(0, writer.finish(state_at(plan, 2)), "rows counted by a late finish")
        self._page_is(lab, plan, 2, "after a late state")
        lab.holds(plan, simple_rows(1), "rows")

    def test_error_keeps_the_older_state(self, lab: Lab, mode: WriteMode) -> None:
        plan = simple_plan(lab.table("visits"), mode, generation_id=1)
        lab.load(plan, simple_rows(1), finish=False, state=state_at(plan, 1))
        wrong = batch_of(plan, simple_rows(2)).drop_columns(["name"])

        def fail() -> None:
            with lab.connect().open(replace(plan, resumes=True)) as writer:
                writer.write(wrong)
                writer.commit(state_at(plan, 2))

        expect.raises(fail, "a batch without one of the plan's columns")
        self._page_is(lab, plan, 1, "after an error")

    def test_state_is_kept_to_the_byte(self, lab: Lab) -> None:
        plan = simple_plan(lab.table("visits"), WriteMode.APPEND)
        with lab.connect().open(plan) as writer:
            writer.finish(stream_state(plan.stream, _ODD_BLOB))
        stored = lab.stored(plan)
        blob = (
            stored.state.stream.stream_state
            if stored and stored.state and stored.state.stream
            else b""
        )
        expect.equal(_ODD_BLOB, bytes(blob), "the source's own state")

    def test_states_of_streams_and_connections_are_kept_apart(self, lab: Lab) -> None:
        plan = simple_plan(lab.table("visits"), WriteMode.APPEND)
        names = [
            StreamDescriptor("visits"),
            StreamDescriptor("visits", "ns"),
            StreamDescriptor("ns.visits"),
        ]
        plans = [
            replace(plan, connection=connection, stream=stream)
            for connection in (CONNECTION, "other")
            for stream in names
        ]
        for number, each in enumerate(plans, start=1):
            with lab.connect().open(each) as writer:
                writer.finish(state_at(each, number))
        for number, each in enumerate(plans, start=1):
            self._page_is(lab, each, number, f"{each.connection} {each.stream}")

    def test_forgetting_removes_what_is_named_and_nothing_else(self, lab: Lab) -> None:
        plan = simple_plan(lab.table("visits"), WriteMode.APPEND)
        streams = [StreamDescriptor("a"), StreamDescriptor("b"), StreamDescriptor("a", "ns")]
        for connection in (CONNECTION, "other"):
            for stream in streams:
                each = replace(plan, connection=connection, stream=stream)
                lab.load(each, [], state=state_at(each, 1))
            lab.states().store_global_state(connection, _global_state(1), 0)
        lab.states().forget_states(CONNECTION, [streams[0]])
        self._streams_are(lab, CONNECTION, [None, streams[2], streams[1]])
        lab.states().forget_states(CONNECTION, [])
        self._streams_are(lab, CONNECTION, [None, streams[2], streams[1]])
        lab.states().forget_states(CONNECTION, None)
        self._streams_are(lab, CONNECTION, [])
        self._streams_are(lab, "other", [None, streams[0], streams[2], streams[1]])

    def test_global_state_comes_back(self, lab: Lab) -> None:
        lab.states().store_global_state(CONNECTION, _global_state(1), 3)
        lab.states().store_global_state(CONNECTION, _global_state(2), 3)
        stored = list(lab.states().stored_states(CONNECTION))
        expect.equal([(None, 3)], [(each.stream, each.fence) for each in stored], "stored states")
        expect.equal(_text(_global_state(2)), _text(stored[0].state), "the global state")

    def test_stale_global_state_is_refused(self, lab: Lab) -> None:
        lab.states().store_global_state(CONNECTION, _global_state(1), 3)
        stale = lab.states()
        expect.refused(
            lambda: stale.store_global_state(CONNECTION, _global_state(2), 2), "an older attempt"
        )
        (stored,) = lab.states().stored_states(CONNECTION)
        expect.equal(_text(_global_state(1)), _text(stored.state), "the global state")

    def test_stale_commit_is_refused_without_effect(self, lab: Lab, mode: WriteMode) -> None:
        for what, state in (("with", state_at), ("without", None)):
            plan = simple_plan(lab.table(f"visits {what} state"), mode, generation_id=1, fence=2)
            self._overtaken(lab, plan)
            stale = replace(plan, fence=1, resumes=True)

            def commit(stale: StreamPlan = stale, has_state: bool = state is not None) -> None:  # noqa: FBT001
                with lab.connect().open(stale) as writer:
                    writer.write(batch_of(stale, simple_rows(66)))
                    writer.commit(state_at(stale, 9) if has_state else None)

            expect.refused(commit, f"a commit {what} state of an older attempt")
            self._goes_on(lab, plan)

    def test_stale_finish_is_refused_without_effect(self, lab: Lab, mode: WriteMode) -> None:
        plan = simple_plan(lab.table("visits"), mode, generation_id=1, fence=2)
        self._overtaken(lab, plan)
        stale = replace(plan, fence=1, resumes=True)

        def finish() -> None:
            with lab.connect().open(stale) as writer:
                writer.finish(state_at(stale, 9))

        expect.refused(finish, "a finish of an older attempt")
        self._goes_on(lab, plan)

    def test_an_attempt_overtaken_while_open_is_refused(self, lab: Lab, mode: WriteMode) -> None:
        plan = simple_plan(lab.table("visits"), mode, generation_id=1, fence=1)
        newer = replace(plan, fence=2, resumes=True)
        with lab.connect().open(plan) as writer:
            writer.write(batch_of(plan, simple_rows(1)))
            writer.commit(state_at(plan, 1))
            lab.load(newer, simple_rows(2), finish=False, state=state_at(plan, 2))

            def commit() -> None:
                writer.write(batch_of(plan, simple_rows(66)))
                writer.commit(state_at(plan, 9))

            expect.refused(commit, "a commit after a newer attempt's")
        self._goes_on(lab, newer)

    def test_stale_open_does_not_drop_the_newer_attempts_rows(
        self, lab: Lab, overwrite_mode: WriteMode
    ) -> None:
        plan = simple_plan(lab.table("visits"), overwrite_mode, generation_id=1, fence=2)
        self._overtaken(lab, plan)

        def finish() -> None:
            with lab.connect().open(replace(plan, fence=1, resumes=False)) as writer:
                writer.finish(None)

        expect.refused(finish, "an older attempt that begins anew")
        self._goes_on(lab, plan)

    def test_equal_fence_continues(self, lab: Lab, mode: WriteMode) -> None:
        plan = simple_plan(lab.table("visits"), mode, generation_id=1, fence=2)
        self._overtaken(lab, plan)
        self._goes_on(lab, plan)

    def test_a_state_never_outlives_the_rows_it_covers(
        self, lab: Lab, overwrite_mode: WriteMode
    ) -> None:
        plan = simple_plan(lab.table("visits"), overwrite_mode, generation_id=2)
        pages = tuple(Page(batches=(tuple(simple_rows(n)),)) for n in range(3))
        lab.load(plan, simple_rows(0), finish=False, state=state_at(plan, 1))
        with lab.connect().open(replace(plan, generation_id=3)):
            pass
        lab.send(Feed(plan=plan, pages=pages))
        lab.holds(plan, simple_rows(0, 1, 2), "generation 2, after an empty attempt at 3")

    def test_no_state_is_ever_seen_without_its_rows(self, lab: Lab) -> None:
        if not lab.capabilities.exactly_once:
            return
        plan = simple_plan(lab.table("visits"), WriteMode.APPEND)
        lab.load(plan, [], state=state_at(plan, 0))
        is_done = threading.Event()

        def write() -> None:
            try:
                with lab.connect().open(plan) as writer:
                    for number in range(60):
                        writer.write(batch_of(plan, simple_rows(number)))
                        writer.commit(state_at(plan, number + 1))
            finally:
                is_done.set()

        def watch() -> None:
            while not is_done.is_set():
                covered = self._stored_page(lab, plan)
                visible = len(lab.rows(plan.table))
                expect.true(visible >= covered, f"state covers {covered} rows, {visible} are there")

        in_threads(write, watch)
        expect.equal(60, self._stored_page(lab, plan), "pages covered")

    def _overtaken(self, lab: Lab, plan: StreamPlan) -> None:
        lab.load(plan, simple_rows(1), simple_rows(2), finish=False, state=state_at(plan, 2))

    def _goes_on(self, lab: Lab, plan: StreamPlan) -> None:
        """The newer attempt finds all it had, completes, and the older one left nothing."""
        stored = lab.stored(plan)
        facts = (stored.generation_id, stored.is_complete, stored.fence) if stored else None
        expect.equal(
            (plan.generation_id, False, plan.fence), facts, "the newer attempt's checkpoint"
        )
        self._page_is(lab, plan, 2, "the newer attempt's state")
        with lab.connect().open(replace(plan, resumes=True)) as writer:
            writer.write(batch_of(plan, simple_rows(3)))
            writer.finish(state_at(plan, 3))
        lab.holds(plan, simple_rows(1, 2, 3), "rows of the newer attempt")

    def _stored_page(self, lab: Lab, plan: StreamPlan) -> int:
        stored = lab.stored(plan)
        return page_of(stored.state) if stored else 0

    def _page_is(self, lab: Lab, plan: StreamPlan, page: int, what: str) -> None:
        expect.equal(page, self._stored_page(lab, plan), f"page of the stored state, {what}")

    def _is_stored(self, expected: StoredState, stored: StoredState | None, what: str) -> None:
        if stored is None:
            raise expect.broken(f"{what}: no state is stored")
        expect.equal(_text(expected.state), _text(stored.state), f"{what}: state")
        expect.equal(replace(expected, state=None), replace(stored, state=None), what)

    def _streams_are(
        self, lab: Lab, connection: str, expected: list[StreamDescriptor | None]
    ) -> None:
        stored = {str(each.stream) for each in lab.states().stored_states(connection)}
        expect.equal({str(stream) for stream in expected}, stored, f"streams of {connection!r}")


def _text(state: State | None) -> object:
    """Returns all that a state says, its blobs to the byte."""
    if state is None:
        return None
    parts = [state.stream] if state.stream else []
    shared = bytes(state.global_.shared_state) if state.global_ else None
    if state.global_:
        parts.extend(state.global_.stream_states)
    blobs = [(str(part.stream_descriptor), bytes(part.stream_state)) for part in parts]
    return state.kind, shared, blobs, bytes(state.data)


def _global_state(number: int) -> State:
    streams = tuple(
        StreamState(stream_descriptor=StreamDescriptor(name), stream_state=msgspec.Raw(b'{"x": 1}'))
        for name in ("a", "b")
    )
    shared = GlobalState(shared_state=msgspec.Raw(b'{"lsn":  %d}' % number), stream_states=streams)
    return State(type=StateType.GLOBAL, global_=shared)
