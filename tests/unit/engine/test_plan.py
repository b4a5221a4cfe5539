"""From a configured catalogue to what each writer and the source get told."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from penstock.engine.plan import Stored, StreamTask, is_position, merge_stored, plan_streams
from penstock.engine.settings import SyncSettings
from penstock.engine.state_store import StoredCheckpoint
from penstock.errors import ConfigError
from penstock.protocol.catalog import (
    CatalogStream,
    ConfiguredStream,
    DestinationSyncMode,
    StreamDescriptor,
    SyncMode,
)
from penstock.protocol.state import stream_state
from penstock.sdk.destination import Capabilities, StoredState, TableName, WriteMode

USERS = StreamDescriptor("users")
ALL = Capabilities(modes=frozenset(WriteMode), exactly_once=True)
FULL, INCREMENTAL = SyncMode.FULL_REFRESH, SyncMode.INCREMENTAL
OVERWRITE = DestinationSyncMode.OVERWRITE
APPEND = DestinationSyncMode.APPEND
APPEND_DEDUP = DestinationSyncMode.APPEND_DEDUP
OVERWRITE_DEDUP = DestinationSyncMode.OVERWRITE_DEDUP


def _stream(
    read: SyncMode = INCREMENTAL, write: DestinationSyncMode = APPEND, **changes: Any
) -> ConfiguredStream:
    stream = CatalogStream(
        name=changes.pop("name", "users"),
        namespace=changes.pop("namespace", None),
        json_schema={"properties": {"Id": {"type": "integer"}, "Updated At": {}}},
        supported_sync_modes=(FULL, INCREMENTAL),
        is_resumable=True,
    )
    defaults = {"cursor_field": ("Updated At",), "primary_key": (("Id",),)}
    return ConfiguredStream(
        stream=stream, sync_mode=read, destination_sync_mode=write, **(defaults | changes)
    )


def _plan(
    *streams: ConfiguredStream,
    stored: StoredState | None = None,
    capabilities: Capabilities = ALL,
    resumes_full_refresh: bool = True,
    **settings: Any,
) -> tuple[StreamTask, ...]:
    return plan_streams(
        connection="c",
        streams=streams,
        settings=SyncSettings(**settings),
        capabilities=capabilities,
        stored=Stored(by_stream={USERS: stored} if stored else {}),
        resumes_full_refresh=resumes_full_refresh,
        fence=1,
    )


def _stored(blob: bytes, *, generation: int = 3, is_complete: bool = False) -> StoredState:
    return StoredState(
        stream=USERS,
        state=stream_state(USERS, blob),
        generation_id=generation,
        is_complete=is_complete,
        fence=1,
    )


@pytest.mark.parametrize(
    ("read", "write", "mode"),
    [
        (FULL, OVERWRITE, WriteMode.OVERWRITE),
        (FULL, APPEND, WriteMode.APPEND),
        (FULL, APPEND_DEDUP, WriteMode.APPEND_DEDUP),
        (FULL, OVERWRITE_DEDUP, WriteMode.OVERWRITE_DEDUP),
        (INCREMENTAL, APPEND, WriteMode.APPEND),
        (INCREMENTAL, APPEND_DEDUP, WriteMode.APPEND_DEDUP),
    ],
)
def test_a_sync_mode_has_one_way_to_write(
    read: SyncMode, write: DestinationSyncMode, mode: WriteMode
) -> None:
    (task,) = _plan(_stream(read, write))
    assert task.plan.mode is mode


def test_keys_and_cursor_are_named_as_the_table_names_them() -> None:
    (task,) = _plan(_stream(INCREMENTAL, APPEND_DEDUP))
    assert (task.plan.primary_key, task.plan.cursor) == (("id",), "updated_at")


def test_the_tables_name_follows_prefix_and_namespace() -> None:
    (task,) = _plan(_stream(namespace="Public"), prefix="Raw ")
    assert task.plan.table == TableName(schema="public", name="raw_users")
    (task,) = _plan(_stream(namespace="Public"), namespace="mine")
    assert task.plan.table == TableName(schema="mine", name="users")


@pytest.mark.parametrize(
    ("configured", "message"),
    [
        (_stream(INCREMENTAL, OVERWRITE), "cannot be read incremental and written overwrite"),
        (_stream(FULL, DestinationSyncMode.UPDATE), "cannot be read full_refresh and written"),
        (_stream(INCREMENTAL, APPEND_DEDUP, primary_key=None), "has no primary key"),
        (_stream(INCREMENTAL, APPEND_DEDUP, primary_key=(("no",),)), "primary key 'no'"),
        (_stream(INCREMENTAL, APPEND_DEDUP, primary_key=(("Id", "x"),)), "primary key 'Id.x'"),
    ],
    ids=["mode", "update", "no key", "unknown key", "nested key"],
)
def test_what_cannot_be_written_is_refused_with_the_reason(
    configured: ConfiguredStream, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        _plan(configured)


def test_a_mode_the_destination_cannot_do_is_refused() -> None:
    can = Capabilities(modes=frozenset({WriteMode.APPEND}), exactly_once=True)
    with pytest.raises(ConfigError, match="Choose one of: append"):
        _plan(_stream(FULL, OVERWRITE), capabilities=can)


def test_two_streams_in_one_table_are_refused() -> None:
    with pytest.raises(ConfigError, match="would both land in table users"):
        _plan(_stream(), _stream(name="Users"))


def test_deduplication_of_raw_rows_is_refused() -> None:
    with pytest.raises(ConfigError, match="raw form"):
        _plan(_stream(INCREMENTAL, APPEND_DEDUP), normalisation="raw")


def test_incremental_continues_from_what_is_stored() -> None:
    (task,) = _plan(_stream(), stored=_stored(b'{"x":1}', is_complete=True))
    assert task.state == stream_state(USERS, b'{"x":1}')
    assert task.plan.generation_id == 3


def test_a_new_full_refresh_is_a_new_generation_from_the_beginning() -> None:
    (task,) = _plan(_stream(FULL, OVERWRITE), stored=_stored(b'{"x":1}', is_complete=True))
    assert (task.plan.generation_id, task.state, task.plan.resumes) == (4, None, False)


def test_a_broken_full_refresh_is_continued_in_its_generation() -> None:
    (task,) = _plan(_stream(FULL, OVERWRITE), stored=_stored(b'{"x":1}'))
    assert (task.plan.generation_id, task.plan.resumes) == (3, True)
    assert task.state == stream_state(USERS, b'{"x":1}')


def test_a_broken_full_refresh_of_an_untrusted_source_starts_over() -> None:
    (task,) = _plan(
        _stream(FULL, OVERWRITE), stored=_stored(b'{"x":1}'), resumes_full_refresh=False
    )
    assert (task.plan.generation_id, task.state, task.plan.resumes) == (4, None, False)


def test_a_refresh_that_truncates_overwrites_although_the_mode_appends() -> None:
    configured = _stream(INCREMENTAL, APPEND_DEDUP, generation_id=7, minimum_generation_id=7)
    (task,) = _plan(configured, stored=_stored(b'{"x":1}', generation=6))
    assert (task.plan.mode, task.plan.generation_id, task.state) == (
        WriteMode.OVERWRITE_DEDUP,
        7,
        None,
    )


@pytest.mark.parametrize(
    ("blob", "expected"),
    [
        (b'{"x":1}', True),
        (b"{}", False),
        (b"null", False),
        (b'{"__ab_no_cursor_state_message":true}', False),
        (b'{"__ab_full_refresh_sync_complete":true}', False),
    ],
)
def test_markers_and_empty_states_are_no_position(blob: bytes, expected: bool) -> None:
    assert is_position(stream_state(USERS, blob)) is expected


def test_the_users_override_wins_over_the_destination_and_other_kept_states_do_not() -> None:
    kept = StoredCheckpoint(stream=USERS, state=stream_state(USERS, b'{"x":9}'), fence=5)
    inside = [_stored(b'{"x":1}')]
    assert merge_stored(inside, [kept]).by_stream[USERS].state == stream_state(USERS, b'{"x":1}')
    override = msgspec.structs.replace(kept, is_override=True)
    merged = merge_stored(inside, [override])
    assert merged.by_stream[USERS].state == stream_state(USERS, b'{"x":9}')
    assert merged.by_stream[USERS].generation_id == 3
    assert merged.highest_fence == 5


def test_without_states_in_the_destination_those_beside_count() -> None:
    kept = StoredCheckpoint(stream=USERS, state=stream_state(USERS, b'{"x":9}'), fence=5)
    assert merge_stored(None, [kept]).by_stream[USERS].state == kept.state
