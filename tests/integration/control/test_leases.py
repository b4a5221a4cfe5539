"""Who may run what, and that nobody ends a run twice: on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from penstock.control import outcomes
from penstock.control.history import (
    AttemptStatus,
    Failure,
    RefreshMode,
    Run,
    RunKind,
    RunStatus,
    StreamFigures,
)
from penstock.control.retries import RetryLimits
from penstock.control.store import Store, Window, connections, events, leases, runs
from penstock.control.store.leases import Limits
from penstock.errors import Superseded
from tests.integration.control.samples import NOW, a_connection, a_run, later, world

LIMITS = Limits(per_server=10)
FAILURE = Failure(code="x", message="m", remedy="r", failure_type="system_error")


def queue(store: Store, count: int, **more: object) -> list[Run]:
    world(store)
    queued = []
    with store.write() as tx:
        for number in range(count):
            connection = a_connection("w1", f"q{number}")
            connections.create(tx, connection)
            queued.append(runs.enqueue(tx, replace(a_run(connection), **more)))  # type: ignore[arg-type]
    return queued


def take(store: Store, owner: str = "s1", limits: Limits = LIMITS, at: float = 0) -> Run | None:
    with store.write() as tx:
        claimed = leases.claim(tx, owner, now=later(at), lease_until=later(at + 30), limits=limits)
    return None if claimed is None else claimed[0]


def test_servers_that_ask_together_take_each_run_once(store: Store) -> None:
    queued = queue(store, 6)
    taken: list[int] = []

    def ask(owner: str) -> None:
        while (run := take(store, owner)) is not None:
            taken.append(run.id)

    threads = [threading.Thread(target=ask, args=(f"s{each}",)) for each in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [run.id for run in queued]


@pytest.mark.parametrize(
    ("limits", "allowed"),
    [
        (Limits(per_server=2), 2),
        (Limits(per_server=10, per_workspace=3), 3),
        (Limits(per_server=10, per_connector=1), 1),
        (Limits(per_server=10, per_connector=1, of_connector={"w1-source": 2}), 1),
        (Limits(per_server=10, of_connector={"w1-source": 2}), 2),
    ],
    ids=["server", "workspace", "connector", "both-ends", "one-connector"],
)
def test_no_more_run_together_than_allowed(store: Store, limits: Limits, allowed: int) -> None:
    queue(store, 5)
    taken = [take(store, limits=limits) for _ in range(5)]
    assert len([run for run in taken if run is not None]) == allowed


def test_the_more_important_and_then_the_older_goes_first(store: Store) -> None:
    first, second, third = queue(store, 3)
    with store.write() as tx:
        important = replace(a_connection("w1", "vip"), priority=5)
        connections.create(tx, important)
        vip = runs.enqueue(tx, replace(a_run(important), priority=5))
    order = [take(store) for _ in range(4)]
    assert [run.id for run in order if run] == [vip.id, first.id, second.id, third.id]


def test_a_run_that_waits_is_not_taken_before_its_time(store: Store) -> None:
    queue(store, 1, not_before=later(60))
    assert take(store, at=59) is None
    assert take(store, at=60) is not None


def test_an_attempt_that_was_given_up_can_say_nothing_more(store: Store) -> None:
    queue(store, 1)
    old = take(store, "s1")
    assert old is not None
    with store.write() as tx:
        assert [run.id for run in leases.abandoned(tx, "s2", now=later(31))] == [old.id]
        assert leases.abandoned(tx, "s1", now=later(31)) == ()  # that one knows by itself
        outcomes.give_up(tx, old, limits=RetryLimits(), now=later(31))
    new = take(store, "s2", at=50)
    assert new is not None
    assert (new.id, new.attempt) == (old.id, 2)
    assert new.fence > old.fence

    def progress() -> None:
        with store.write() as tx:
            leases.note_progress(tx, old, (), before=0, now=NOW)

    def succeed() -> None:
        with store.write() as tx:
            outcomes.succeed(tx, old, (), now=NOW)

    for act in (progress, succeed):
        with pytest.raises(Superseded):
            act()
    with store.write() as tx:
        outcomes.succeed(tx, new, (), now=later(60))
        with pytest.raises(Superseded):
            outcomes.succeed(tx, new, (), now=later(61))
        kinds = [each.kind for each in events.timeline(tx, Window()).items]
        attempts = runs.attempts_of(tx, [old.id])
    assert kinds.count("run.succeeded") == 1
    assert [each.status for each in attempts] == [AttemptStatus.FAILED, AttemptStatus.SUCCEEDED]


def test_a_run_cancelled_while_a_server_looks_at_it_is_not_begun(store: Store) -> None:
    (run,) = queue(store, 1)
    taken: list[Run | None] = []
    asker = threading.Thread(target=lambda: taken.append(take(store)))
    with store.write() as tx:
        runs.request_cancel(tx, run.id, by="ada", now=NOW)
        asker.start()
        asker.join(0.3)
    asker.join()
    with store.read() as tx:
        assert runs.get(tx, run.id).status is RunStatus.CANCELLED
    assert taken == [None]


def test_a_connection_changed_while_its_run_ends_keeps_both_changes(store: Store) -> None:
    queue(store, 1)
    run = take(store)
    assert run is not None

    def end() -> None:
        with store.write() as tx:
            outcomes.succeed(tx, run, (), now=later(9))

    ender = threading.Thread(target=end)
    with store.write() as tx:
        connection = connections.get(tx, "q0", for_update=True)
        ender.start()
        ender.join(0.3)
        connections.save(tx, replace(connection, prefix="new_"))
    ender.join()
    with store.read() as tx:
        kept = connections.get(tx, "q0")
    assert (kept.prefix, kept.last_succeeded_at) == ("new_", later(9))


def test_a_lease_that_is_kept_is_not_abandoned(store: Store) -> None:
    queue(store, 1)
    run = take(store)
    assert run is not None
    with store.write() as tx:
        assert set(leases.renew(tx, "s1", lease_until=later(100))) == {run.id}
        assert leases.renew(tx, "s2", lease_until=later(200)) == {}
        assert leases.abandoned(tx, "s2", now=later(99)) == ()


def test_a_lease_of_a_future_that_the_clock_had_before_is_abandoned(store: Store) -> None:
    queue(store, 1)
    run = take(store, at=86_400)
    assert run is not None
    with store.write() as tx:
        assert [each.id for each in leases.abandoned(tx, "s2", now=NOW)] == [run.id]
        leases.renew(tx, "s1", lease_until=later(30))  # its server is there, and knows the time now
        assert leases.abandoned(tx, "s2", now=NOW) == ()


def test_runs_that_a_limit_holds_back_hide_none_that_may_start(store: Store) -> None:
    queue(store, 600)
    other = world(store, name="w2")
    with store.write() as tx:
        last = runs.enqueue(tx, replace(a_run(other.connection), not_before=later(1)))
    limits = Limits(per_server=10, per_workspace=1)
    first = take(store, limits=limits, at=2)
    second = take(store, limits=limits, at=2)
    assert first is not None
    assert first.workspace_id == "w1"
    assert second is not None
    assert second.id == last.id


def test_a_failure_after_progress_counts_as_one_with_progress(store: Store) -> None:
    queue(store, 1)
    run = take(store)
    assert run is not None
    figures = (StreamFigures(name="users", rows_committed=7, bytes_committed=70),)
    with store.write() as tx:
        failed = outcomes.fail(tx, run, FAILURE, figures, limits=RetryLimits(), now=NOW)
    assert (failed.status, failed.partial_failures, failed.rows_committed) == (
        RunStatus.WAITING,
        1,
        7,
    )


def test_a_refresh_keeps_its_generation_in_every_attempt(store: Store) -> None:
    queue(store, 1, kind=RunKind.REFRESH, refresh_mode=RefreshMode.TRUNCATE)
    first = take(store)
    assert first is not None
    with store.write() as tx:
        outcomes.fail(tx, first, FAILURE, (), limits=RetryLimits(), now=NOW)
    second = take(store, at=60)
    assert second is not None
    assert second.generation_id == first.generation_id is not None
    assert second.attempt == 2


def test_thirty_failures_over_a_week_switch_a_connection_off(store: Store) -> None:
    queue(store, 1)
    hopeless = replace(FAILURE, failure_type="config_error")
    with store.write() as tx:
        connection = connections.get(tx, "q0")
        long_ago = replace(connection, failed_runs_in_row=29, failing_since=later(-8 * 86400))
        connections.save(tx, long_ago)
    run = take(store)
    assert run is not None
    with store.write() as tx:
        outcomes.fail(tx, run, hopeless, (), limits=RetryLimits(), now=NOW)
        kept = connections.get(tx, "q0")
        kinds = [each.kind for each in events.timeline(tx, Window()).items]
    assert kept.status == "inactive"
    assert "30 failed runs" in (kept.status_reason or "")
    assert "connection.disabled" in kinds
