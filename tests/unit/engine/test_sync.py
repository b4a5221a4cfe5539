"""The loop: what is committed, published, remembered, and what makes a sync fail."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest

from penstock.data.items import Emptied, ErrorTrace, LogLine, StartsAnew, Undeclared
from penstock.engine.events import CheckpointCommitted, LogEmitted, StreamProgress
from penstock.engine.settings import SyncSettings
from penstock.engine.state_store import FileStateStore
from penstock.errors import (
    Cancelled,
    ConfigError,
    ConnectionFailed,
    ConnectorFailed,
    ProofFailed,
    ProtocolError,
)
from penstock.protocol.catalog import DestinationSyncMode, StreamDescriptor, SyncMode
from penstock.protocol.messages import TraceError
from penstock.testing.memory import MemoryConfig, MemoryDestination
from tests.unit.engine.scripted import (
    Rig,
    ScriptedReading,
    complete,
    configured,
    descriptor,
    global_state,
    position_of,
    rows,
    started,
    state,
    status,
)

OVERWRITE = DestinationSyncMode.OVERWRITE
APPEND = DestinationSyncMode.APPEND
EAGER = SyncSettings(commit_bytes=1)
"""Commits at every state."""


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(
        destination=MemoryDestination(MemoryConfig()),
        store=FileStateStore(tmp_path),
        streams=(configured("users"),),
    )


def _full(rig: Rig, write: DestinationSyncMode = OVERWRITE, **stream: bool) -> Rig:
    rig.streams = (configured("users", mode=SyncMode.FULL_REFRESH, write=write, **stream),)
    return rig


def _broke() -> ConnectionFailed:
    return ConnectionFailed("The source went away.", remedy="Try again.")


def test_rows_and_their_state_arrive(rig: Rig) -> None:
    rig.sync(started("users"), rows("users", 1, 2), state("users", 2), complete("users"))
    assert rig.ids("users") == [1, 2]
    assert position_of(rig.plan(), "users") == b'{"position":2}'


def test_a_small_sync_commits_once(rig: Rig) -> None:
    events = rig.sync(
        started("users"),
        rows("users", 1),
        state("users", 1),
        rows("users", 2),
        state("users", 2),
        complete("users"),
    )
    assert [e.rows for e in events if isinstance(e, CheckpointCommitted)] == [2]


def test_enough_bytes_commit_at_the_next_state(rig: Rig) -> None:
    rig.settings = EAGER
    events = rig.sync(
        started("users"),
        rows("users", 1),
        rows("users", 2),
        state("users", 2),
        rows("users", 3),
        state("users", 3),
        complete("users"),
    )
    assert [e.rows for e in events if isinstance(e, CheckpointCommitted)] == [2, 1, 0]


def test_enough_time_commits_too(rig: Rig) -> None:
    rig.settings = SyncSettings(commit_seconds=0.0)
    events = rig.sync(started("users"), rows("users", 1), state("users", 1), complete("users"))
    assert [e.rows for e in events if isinstance(e, CheckpointCommitted)] == [1, 0]


def test_the_next_sync_continues_where_the_last_one_ended(rig: Rig) -> None:
    rig.sync(started("users"), rows("users", 1), state("users", 1), complete("users"))
    rig.sync(started("users"), rows("users", 2), state("users", 2), complete("users"))
    assert rig.ids("users") == [1, 2]


def test_a_failed_source_keeps_what_a_state_covers_and_nothing_else(rig: Rig) -> None:
    rig.settings = EAGER
    with pytest.raises(ConnectionFailed):
        rig.sync(started("users"), rows("users", 1), state("users", 1), rows("users", 2), _broke())
    assert rig.ids("users") == [1]
    assert position_of(rig.plan(), "users") == b'{"position":1}'


def test_rows_covered_but_not_yet_due_are_committed_when_the_source_fails(rig: Rig) -> None:
    with pytest.raises(ConnectionFailed):
        rig.sync(started("users"), rows("users", 1), state("users", 1), _broke())
    assert rig.ids("users") == [1]


def test_a_failed_full_refresh_shows_nothing(rig: Rig) -> None:
    _full(rig)
    rig.sync(started("users"), rows("users", 1, 2), complete("users"))
    with pytest.raises(ConnectionFailed):
        rig.sync(started("users"), rows("users", 3), _broke())
    assert rig.ids("users") == [1, 2]


def test_a_full_refresh_replaces_what_was_there(rig: Rig) -> None:
    _full(rig)
    rig.sync(started("users"), rows("users", 1, 2), complete("users"))
    rig.sync(started("users"), rows("users", 3), complete("users"))
    assert rig.ids("users") == [3]


def test_a_full_refresh_of_nothing_leaves_an_empty_table(rig: Rig) -> None:
    _full(rig)
    rig.sync(started("users"), rows("users", 1), complete("users"))
    rig.sync(started("users"), complete("users"))
    assert rig.ids("users") == []


def test_a_full_refresh_never_hands_its_state_to_the_next_one(rig: Rig) -> None:
    _full(rig)
    rig.sync(started("users"), rows("users", 1), state("users", 1), complete("users"))
    assert rig.plan() == ()


def test_a_resumable_full_refresh_continues_its_generation(rig: Rig) -> None:
    _full(rig, is_resumable=True).settings = EAGER
    with pytest.raises(ConnectionFailed):
        rig.sync(started("users"), rows("users", 1), state("users", 1), _broke())
    assert position_of(rig.plan(), "users") == b'{"position":1}'
    rig.sync(started("users"), rows("users", 2), complete("users"))
    assert rig.ids("users") == [1, 2]


def test_a_full_refresh_that_begins_anew_drops_what_an_attempt_before_it_committed(
    rig: Rig,
) -> None:
    _full(rig, is_resumable=True).settings = EAGER
    with pytest.raises(ConnectionFailed):
        rig.sync(started("users"), rows("users", 1), state("users", 1), _broke())
    anew = StartsAnew(stream=StreamDescriptor("users"), reason="Rows of users changed.")
    events = rig.sync(started("users"), anew, rows("users", 2, 3), complete("users"))
    assert rig.ids("users") == [2, 3]
    said = [event for event in events if isinstance(event, LogEmitted)]
    assert [(event.level, event.message) for event in said] == [
        ("WARN", "Rows of users changed. It is read anew.")
    ]


def test_a_stream_cannot_begin_anew_behind_its_rows(rig: Rig) -> None:
    _full(rig, is_resumable=True)
    anew = StartsAnew(stream=StreamDescriptor("users"), reason="Rows of users changed.")
    with pytest.raises(ProtocolError, match="begins anew after"):
        rig.sync(started("users"), rows("users", 1), anew, complete("users"))
    assert rig.ids("users") == []


def test_a_full_refresh_of_a_source_that_may_start_over_starts_over(rig: Rig) -> None:
    rig.resumes_full_refresh = False
    _full(rig, is_resumable=True).settings = EAGER
    with pytest.raises(ConnectionFailed):
        rig.sync(started("users"), rows("users", 1), state("users", 1), _broke())
    assert rig.plan() == ()
    rig.sync(started("users"), rows("users", 1, 2), complete("users"))
    assert rig.ids("users") == [1, 2]


def test_a_full_refresh_that_appends_and_fails_leaves_no_part_behind(rig: Rig) -> None:
    rig.resumes_full_refresh = False
    _full(rig, APPEND).settings = EAGER
    rig.sync(started("users"), rows("users", 1), complete("users"))
    with pytest.raises(ConnectionFailed):
        rig.sync(started("users"), rows("users", 1), state("users", 1), _broke())
    rig.sync(started("users"), rows("users", 1), complete("users"))
    assert rig.ids("users") == [1, 1]


def test_deduplication_keeps_one_row_a_key(rig: Rig) -> None:
    rig.streams = (configured("users", write=DestinationSyncMode.APPEND_DEDUP),)
    rig.sync(
        started("users"),
        rows("users", 1, 1, 2),
        rows("users", 2),
        state("users", 2),
        complete("users"),
    )
    assert rig.ids("users") == [1, 2]


def test_a_table_emptied_at_the_source_is_an_error_where_it_cannot_be_emptied(rig: Rig) -> None:
    emptied = Emptied(stream=StreamDescriptor("users"))
    rig.streams = (configured("users", write=DestinationSyncMode.APPEND_DEDUP),)
    with pytest.raises(ConfigError, match="emptied at the source") as refused:
        rig.sync(started("users"), rows("users", 1), emptied, state("users", 1), complete("users"))
    assert "--full-refresh" in refused.value.remedy
    assert rig.ids("users") == []


def test_a_table_emptied_at_the_source_keeps_its_history_where_rows_are_appended(rig: Rig) -> None:
    emptied = Emptied(stream=StreamDescriptor("users"))
    events = rig.sync(
        started("users"),
        rows("users", 1),
        emptied,
        rows("users", 2),
        state("users", 2),
        complete("users"),
    )
    assert rig.ids("users") == [1, 2]
    said = [event.message for event in events if isinstance(event, LogEmitted)]
    assert said == ["users was emptied at the source; the rows appended before stay."]


def test_streams_that_interleave_keep_their_own_checkpoints(rig: Rig) -> None:
    rig.settings = EAGER
    rig.streams = (configured("users"), configured("orders"))
    with pytest.raises(ConnectionFailed):
        rig.sync(
            started("users"),
            started("orders"),
            rows("users", 1),
            rows("orders", 10),
            state("users", 1),
            rows("orders", 11),
            _broke(),
        )
    assert (rig.ids("users"), rig.ids("orders")) == ([1], [])


def test_a_completed_stream_is_published_although_a_later_one_fails(rig: Rig) -> None:
    rig.streams = (
        configured("users", mode=SyncMode.FULL_REFRESH, write=OVERWRITE),
        configured("orders", mode=SyncMode.FULL_REFRESH, write=OVERWRITE),
    )
    with pytest.raises(ConnectionFailed):
        rig.sync(
            started("users"),
            rows("users", 1),
            complete("users"),
            started("orders"),
            rows("orders", 1),
            _broke(),
        )
    assert (rig.ids("users"), rig.ids("orders")) == ([1], [])


def test_a_state_after_complete_is_stored_with_its_rows(rig: Rig) -> None:
    events = rig.sync(started("users"), rows("users", 1), complete("users"), state("users", 1))
    assert position_of(rig.plan(), "users") == b'{"position":1}'
    assert len([e for e in events if isinstance(e, CheckpointCommitted)]) == 1


def test_a_state_after_the_stream_was_published_is_stored_too(rig: Rig) -> None:
    rig.streams = (configured("users"), configured("orders"))
    rig.sync(
        started("users"),
        rows("users", 1),
        state("users", 1),
        complete("users"),
        started("orders"),
        state("users", 2),
        complete("orders"),
    )
    assert position_of(rig.plan(), "users") == b'{"position":2}'


def test_a_late_state_of_a_truncating_refresh_leaves_the_published_rows(rig: Rig) -> None:
    refreshed = msgspec.structs.replace(
        configured("users"), generation_id=1, minimum_generation_id=1
    )
    rig.streams = (refreshed, configured("orders"))
    rig.sync(
        started("users"),
        rows("users", 1),
        state("users", 1),
        complete("users"),
        started("orders"),
        state("users", 2),
        complete("orders"),
    )
    assert rig.ids("users") == [1]
    rig.streams = (configured("users"), configured("orders"))
    assert position_of(rig.plan(), "users") == b'{"position":2}'


def test_a_complete_stream_waits_for_the_state_of_its_last_rows(rig: Rig) -> None:
    rig.streams = (configured("users"), configured("orders"))
    with pytest.raises(ConnectionFailed):
        rig.sync(
            started("users"),
            rows("users", 1),
            state("users", 1),
            rows("users", 2),
            complete("users"),
            started("orders"),
            rows("orders", 1),
            _broke(),
        )
    assert rig.ids("users") == []
    rig.sync(
        started("users"),
        rows("users", 1, 2),
        state("users", 2),
        complete("users"),
        started("orders"),
        complete("orders"),
    )
    assert rig.ids("users") == [1, 2]


def test_a_source_without_statuses_succeeds_when_it_ends_well(rig: Rig) -> None:
    rig.sync(rows("users", 1), state("users", 1))
    assert rig.ids("users") == [1]


def test_a_stream_that_started_and_did_not_complete_fails_the_sync(rig: Rig) -> None:
    with pytest.raises(ProofFailed, match="without completing users"):
        rig.sync(started("users"), rows("users", 1), state("users", 1))


def test_an_incomplete_stream_fails_the_sync(rig: Rig) -> None:
    with pytest.raises(ProofFailed, match="without completing users"):
        rig.sync(started("users"), rows("users", 1), status("users", "INCOMPLETE"))


def test_a_stream_that_was_never_started_fails_the_sync(rig: Rig) -> None:
    rig.streams = (configured("users"), configured("orders"))
    with pytest.raises(ProtocolError, match="never started orders"):
        rig.sync(started("users"), rows("users", 1), state("users", 1), complete("users"))
    assert rig.ids("users") == [1]


@pytest.mark.parametrize(
    ("failure_type", "error"),
    [("config_error", ConfigError), ("system_error", ConnectorFailed), (None, ConnectorFailed)],
)
def test_an_error_trace_fails_the_sync_even_when_the_source_ends_well(
    rig: Rig, failure_type: str | None, error: type[Exception]
) -> None:
    trace = ErrorTrace(error=TraceError(message="The key is wrong", failure_type=failure_type))
    with pytest.raises(error, match="The key is wrong"):
        rig.sync(started("users"), rows("users", 1), state("users", 1), complete("users"), trace)


def test_a_false_claim_fails_the_sync_and_commits_none_of_its_rows(rig: Rig) -> None:
    with pytest.raises(ProofFailed, match="counted 3 records of users"):
        rig.sync(
            started("users"), rows("users", 1, 2), state("users", 2, (3.0, 2)), complete("users")
        )
    assert rig.ids("users") == []


def test_rows_after_a_published_stream_fail_the_sync(rig: Rig) -> None:
    rig.streams = (configured("users"), configured("orders"))
    with pytest.raises(ProofFailed, match="after the stream had been reported complete"):
        rig.sync(
            started("users"),
            complete("users"),
            started("orders"),
            rows("users", 1),
            complete("orders"),
        )


def test_records_of_streams_that_were_not_chosen_are_ignored(rig: Rig) -> None:
    rig.sync(
        started("users"),
        rows("strangers", 1),
        state("strangers", 1),
        rows("users", 1),
        state("users", 1),
        complete("users"),
        complete("strangers"),
    )
    assert rig.ids("users") == [1]


def test_a_stop_cancels_and_keeps_what_is_covered(rig: Rig) -> None:
    never = threading.Event()
    rig.plan()
    assert rig.loop is not None
    reading = ScriptedReading([started("users"), rows("users", 1), state("users", 1), never])
    events = rig.loop.events(reading)
    for event in events:
        if isinstance(event, StreamProgress) and event.rows_sent == 1:
            rig.stop.set()
            break
    with pytest.raises(Cancelled):
        list(events)
    assert reading.stopped.is_set()
    assert rig.ids("users") == [1]


def test_a_global_state_is_saved_after_every_stream_it_covers(rig: Rig) -> None:
    rig.settings = EAGER
    rig.streams = (configured("users"), configured("orders"))
    with pytest.raises(ConnectionFailed):
        rig.sync(
            started("users"),
            started("orders"),
            rows("users", 1),
            rows("orders", 1),
            global_state(5),
            rows("users", 2),
            _broke(),
        )
    assert (rig.ids("users"), rig.ids("orders")) == ([1], [1])
    (given,) = rig.plan()
    assert given.global_ is not None
    assert bytes(given.global_.shared_state) == b'{"lsn":5}'


def test_a_global_state_told_before_all_rows_is_saved_before_they_are(rig: Rig) -> None:
    rig.streams = (configured("users"),)
    with pytest.raises(ConnectionFailed):
        rig.sync(global_state(5), started("users"), rows("users", 1), _broke())
    (given,) = rig.plan()
    assert given.global_ is not None
    assert bytes(given.global_.shared_state) == b'{"lsn":5}'


def test_rows_beyond_a_global_state_are_not_committed_with_it(rig: Rig) -> None:
    rig.streams = (configured("users"),)
    with pytest.raises(ConnectionFailed):
        rig.sync(started("users"), rows("users", 1), global_state(5), rows("users", 2), _broke())
    assert rig.ids("users") == []


def test_logs_and_undeclared_properties_reach_the_events_and_the_account(rig: Rig) -> None:
    events = rig.sync(
        LogLine(level="WARN", message="slow"),
        started("users"),
        Undeclared(stream=descriptor("users"), properties=("extra",)),
        complete("users"),
    )
    assert LogEmitted(level="WARN", message="slow") in events
    assert rig.loop is not None
    assert rig.loop.sinks[descriptor("users")].account.undeclared == ["extra"]


def test_the_last_progress_tells_the_whole(rig: Rig) -> None:
    events = rig.sync(started("users"), rows("users", 1, 2), state("users", 2), complete("users"))
    last = [event for event in events if isinstance(event, StreamProgress)][-1]
    assert (last.rows_read, last.rows_sent, last.rows_committed, last.status) == (
        2,
        2,
        2,
        "complete",
    )


def test_a_state_set_by_hand_is_where_the_next_sync_starts(rig: Rig) -> None:
    rig.sync(started("users"), rows("users", 1), state("users", 1), complete("users"))
    rig.store.override("c", [state("users", 77).state])
    assert position_of(rig.plan(), "users") == b'{"position":77}'
    assert rig.store.load("c") == ()
    assert position_of(rig.plan(), "users") == b'{"position":77}'


def test_the_position_goes_when_the_tables_go(rig: Rig) -> None:
    rig.sync(started("users"), rows("users", 1), state("users", 1), complete("users"))
    rig.destination = MemoryDestination(MemoryConfig())
    assert rig.plan() == ()
