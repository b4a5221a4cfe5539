"""Every kind of run, cancelling, failing, dying, continuing: with real processes."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from penstock.control.enqueuing import Request
from penstock.control.history import AttemptStatus, RefreshMode, RunKind, RunStatus, Trigger
from penstock.control.model import Connection, ConnectionStatus, Schedule, ScheduleKind
from penstock.control.retries import RetryLimits
from penstock.control.store import Window, connections, connectors, events, runs, states
from penstock.errors import ConfigError, ResourceBusy
from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.state import stream_state
from tests.integration.control.plane import (
    Site,
    connect,
    connect_scripted,
    ended,
    kill_runner,
    log_text,
    until,
    wait_for_process,
)

QUICK = RetryLimits(first_pause_seconds=0.1, partial_total=2)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_refreshed_cleared_and_continued_tables_hold_what_they_should(site: Site) -> None:
    with site.running() as plane:
        connection = connect_scripted(site, plane, rows=25)
        first = ended(plane, plane.request_run(connection.id))
        assert first.status is RunStatus.SUCCEEDED, log_text(plane, first)
        again = ended(plane, plane.request_run(connection.id))
        assert (again.rows_committed, site.count("items")) == (0, 25)

        merge = Request(kind=RunKind.REFRESH, refresh_mode=RefreshMode.MERGE)
        merged = ended(plane, plane.request_run(connection.id, merge))
        assert (merged.status, merged.rows_committed) == (RunStatus.SUCCEEDED, 25)
        assert site.count("items") == 50  # appended to the rows of before

        anew = ended(plane, plane.request_run(connection.id, Request(kind=RunKind.REFRESH)))
        assert (anew.status, anew.rows_committed, site.count("items")) == (
            RunStatus.SUCCEEDED,
            25,
            25,
        )
        after = ended(plane, plane.request_run(connection.id))
        assert (after.rows_committed, site.count("items")) == (0, 25)

        clear = ended(plane, plane.request_run(connection.id, Request(kind=RunKind.CLEAR)))
        assert (clear.status, site.count("items")) == (RunStatus.SUCCEEDED, 0)
        last = ended(plane, plane.request_run(connection.id))
        assert (last.rows_committed, site.count("items")) == (25, 25)


def test_a_cancelled_run_ends_at_once_and_continues_later(site: Site) -> None:
    with site.running() as plane:
        connection = connect_scripted(site, plane, rows=400, seconds_a_row=0.02)
        plane.configuring.update_connection(connection.id, commit_often)
        run = plane.request_run(connection.id)
        until(plane, run.id, lambda found: found.rows_committed > 0)
        with pytest.raises(ResourceBusy, match=f"run {run.id}"):
            plane.request_run(connection.id)
        asked = time.monotonic()
        plane.cancel(run.id, by="ada")
        cancelled = ended(plane, run)
        took = time.monotonic() - asked
        assert (cancelled.status, cancelled.cancelled_by) == (RunStatus.CANCELLED, "ada")
        assert took < 5  # a second on a machine that has nothing else to do
        assert 0 < cancelled.rows_committed < 400
        again = ended(plane, plane.request_run(connection.id))
        assert again.status is RunStatus.SUCCEEDED
    assert site.rows("SELECT count(*), count(DISTINCT id) FROM items") == [(400, 400)]


def test_a_run_cancelled_while_its_source_is_discovered_ends_at_once(site: Site) -> None:
    with site.running() as plane:
        connection = connect_scripted(site, plane, rows=5, discover_seconds=600)
        run = plane.request_run(connection.id)
        wait_for_process(plane, run)
        plane.cancel(run.id, by="ada")
        cancelled = ended(plane, run, seconds=10)
        with plane.store.read() as tx:
            (attempt,) = runs.attempts_of(tx, [run.id])
    assert (cancelled.status, cancelled.cancelled_by) == (RunStatus.CANCELLED, "ada")
    assert attempt.status is AttemptStatus.CANCELLED


def test_a_server_that_stops_while_a_source_is_discovered_leaves_the_run_to_the_next(
    site: Site,
) -> None:
    with site.running() as plane:
        connection = connect_scripted(site, plane, rows=5, discover_seconds=600)
        run = plane.request_run(connection.id)
        wait_for_process(plane, run)
        swift = {"rows": 5, "discover_seconds": 0}
        plane.configuring.update_connector(connection.source_id, config=swift)
        began = time.monotonic()
    assert time.monotonic() - began < 10
    with site.running() as plane:
        done = ended(plane, run)
        with plane.store.read() as tx:
            first, _ = runs.attempts_of(tx, [run.id])
    assert (done.status, done.complete_failures) == (RunStatus.SUCCEEDED, 0)
    assert first.failure is not None
    assert first.failure.message == "The server was stopped."


def test_a_killed_runner_is_followed_by_one_that_continues(site: Site) -> None:
    with site.running(retries=QUICK) as plane:
        connection = connect_scripted(site, plane, rows=300, seconds_a_row=0.02)
        plane.configuring.update_connection(connection.id, commit_often)
        run = plane.request_run(connection.id)
        until(plane, run.id, lambda found: found.rows_committed > 0)
        kill_runner(plane, run)
        done = ended(plane, run)
        with plane.store.read() as tx:
            first, second = runs.attempts_of(tx, [run.id])
        assert (done.status, done.attempt) == (RunStatus.SUCCEEDED, 2)
        assert 0 < second.rows_committed < 300
        assert first.failure is not None
        assert first.failure.code == "runner_lost"
    assert site.rows("SELECT count(*), count(DISTINCT id) FROM items") == [(300, 300)]


def test_a_stopped_server_leaves_a_run_that_the_next_one_continues(site: Site) -> None:
    with site.running(retries=QUICK) as plane:
        connection = connect_scripted(site, plane, rows=300, seconds_a_row=0.02)
        plane.configuring.update_connection(connection.id, commit_often)
        run = plane.request_run(connection.id)
        until(plane, run.id, lambda found: found.rows_committed > 0)
    with site.running(retries=QUICK) as plane:
        done = ended(plane, run)
    assert (done.status, done.attempt) == (RunStatus.SUCCEEDED, 2)
    assert (done.partial_failures, done.complete_failures) == (0, 0)
    assert site.rows("SELECT count(*), count(DISTINCT id) FROM items") == [(300, 300)]


def test_a_source_that_fails_is_tried_again_and_its_secret_is_seen_nowhere(site: Site) -> None:
    with site.running(retries=QUICK) as plane:
        connection = connect_scripted(site, plane, rows=50, fails_after=20, token="canary-9f3")
        run = ended(plane, plane.request_run(connection.id))
        assert (run.status, run.rows_committed) == (RunStatus.FAILED, 20)
        assert run.failure is not None
        assert "the vendor says no to ****" in run.failure.message
        with plane.store.read() as tx:
            told = events.timeline(tx, Window(limit=50)).items
            kept = connections.get(tx, connection.id)
        log = log_text(plane, run)
    assert "run.failed" in [each.kind for each in told]
    assert kept.failed_runs_in_row == 1
    assert "vendor says no" in log
    for path in (site.folder / "data").rglob("*"):
        if path.is_file():
            assert b"canary-9f3" not in path.read_bytes(), path


def test_a_renewed_token_is_kept_encrypted_and_used_by_the_next_run(site: Site) -> None:
    with site.running() as plane:
        connection = connect_scripted(site, plane, rows=5, token="old-canary", renews_token=True)
        run = ended(plane, plane.request_run(connection.id))
        assert run.status is RunStatus.SUCCEEDED, log_text(plane, run)
        with plane.store.read() as tx:
            source = connectors.get(tx, connection.source_id)
            opened = plane.house.secrets.opened(tx, source.config)
    assert source.config["token"].keys() == {"_secret"}
    assert opened["token"] == "renewed-canary"
    for path in (site.folder / "data").rglob("*"):
        if path.is_file():
            assert b"renewed-canary" not in path.read_bytes(), path


def test_a_wrong_setting_fails_the_run_at_once_with_a_remedy(site: Site) -> None:
    with site.running() as plane:
        connection = connect(site, plane)
        plane.configuring.update_connector(
            connection.destination_id, config={"path": "${env:NOT_SET_ANYWHERE}"}
        )
        run = ended(plane, plane.request_run(connection.id))
        assert (run.status, run.attempt) == (RunStatus.FAILED, 1)
        assert run.failure is not None
        assert run.failure.failure_type == "config_error"
        assert "NOT_SET_ANYWHERE" in run.failure.message
        assert run.failure.remedy
        with pytest.raises(ConfigError):
            plane.check(connection.destination_id)
        plane.check(connection.source_id)


def test_a_state_set_by_hand_is_where_the_next_run_begins(site: Site) -> None:
    with site.running() as plane:
        connection = connect_scripted(site, plane, rows=30)
        given = stream_state(StreamDescriptor("items"), b'{"at":10}')
        plane.configuring.set_states(connection.id, [given])
        first = ended(plane, plane.request_run(connection.id))
        assert first.rows_committed == 20
        with plane.store.read() as tx:
            (state,) = states.of_connection(tx, connection.id)
        assert (json.loads(state.state), state.is_override) == ({"at": 30}, False)
        plane.configuring.reset_states(connection.id)
        again = ended(plane, plane.request_run(connection.id))
        assert again.rows_committed == 30


def test_a_schedule_starts_runs_and_success_starts_followers(site: Site) -> None:
    with site.running() as plane:
        hourly = Schedule(kind=ScheduleKind.INTERVAL, interval_seconds=3600)
        leader = connect_scripted(site, plane, rows=5)
        follower = connect(
            site,
            plane,
            name="next",
            schedule=Schedule(kind=ScheduleKind.AFTER, after=leader.id),
        )
        with pytest.raises(ConfigError, match="follow itself"):
            plane.configuring.update_connection(
                leader.id,
                lambda it: replace(
                    it, schedule=Schedule(kind=ScheduleKind.AFTER, after=follower.id)
                ),
            )
        plane.configuring.update_connection(leader.id, lambda it: replace(it, schedule=hourly))
        found = _first_run(plane, leader.id)
        assert ended(plane, found).trigger is Trigger.SCHEDULE
        following = _first_run(plane, follower.id)
        done = ended(plane, following)
    assert (done.trigger, done.status) == (Trigger.AFTER, RunStatus.SUCCEEDED)


def test_a_connection_switched_off_does_not_run(site: Site) -> None:
    with site.running() as plane:
        connection = connect_scripted(site, plane, rows=5)
        plane.configuring.update_connection(
            connection.id, lambda it: replace(it, status=ConnectionStatus.INACTIVE)
        )
        with pytest.raises(ConfigError, match="inactive"):
            plane.request_run(connection.id)


def test_only_one_server_runs_on_a_sqlite_file(site: Site) -> None:
    with site.running():
        second = site.opened()
        with pytest.raises(ResourceBusy, match="PostgreSQL"):
            second.start()
        second.store.close()


def test_all_streams_are_taken_where_none_were_chosen(site: Site) -> None:
    with site.running() as plane:
        connection = connect(site, plane, streams=None)
        run = ended(plane, plane.request_run(connection.id))
        assert run.status is RunStatus.SUCCEEDED, log_text(plane, run)
        found = {each["name"] for each in plane.discover(connection.source_id).catalog["streams"]}
        tables = {name for (name,) in site.rows("SELECT table_name FROM duckdb_tables()")}
    assert found
    assert found <= tables


def commit_often(connection: Connection) -> Connection:
    return replace(connection, settings={"commit_seconds": 0.2})


def _first_run(plane: object, connection_id: str) -> int:
    deadline = time.monotonic() + 60
    while True:
        with plane.store.read() as tx:  # type: ignore[attr-defined]
            found = runs.newest_of(tx, [connection_id])
        if found:
            return found[connection_id].id
        assert time.monotonic() < deadline
        time.sleep(0.05)
