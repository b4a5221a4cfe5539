"""From a configured catalogue and what is stored, to what each writer and the source get told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from penstock.engine.clearing import without_streams
from penstock.engine.settings import SyncSettings
from penstock.engine.shaping.streams import Shaping
from penstock.engine.state_store import StoredCheckpoint
from penstock.errors import ConfigError
from penstock.protocol.catalog import (
    ConfiguredStream,
    DestinationSyncMode,
    StreamDescriptor,
    SyncMode,
)
from penstock.protocol.state import State, StateType, stream_state
from penstock.sdk.destination import (
    Capabilities,
    Normalisation,
    StoredState,
    StreamPlan,
    TableName,
    WriteMode,
)
from penstock.sdk.landing import columns_for, cursor_column, key_columns, mode_for, table_for

_MODES: Final[Mapping[tuple[SyncMode, DestinationSyncMode], WriteMode]] = {
    (SyncMode.FULL_REFRESH, DestinationSyncMode.OVERWRITE): WriteMode.OVERWRITE,
    (SyncMode.FULL_REFRESH, DestinationSyncMode.APPEND): WriteMode.APPEND,
    (SyncMode.FULL_REFRESH, DestinationSyncMode.APPEND_DEDUP): WriteMode.APPEND_DEDUP,
    (SyncMode.FULL_REFRESH, DestinationSyncMode.OVERWRITE_DEDUP): WriteMode.OVERWRITE_DEDUP,
    (SyncMode.INCREMENTAL, DestinationSyncMode.APPEND): WriteMode.APPEND,
    (SyncMode.INCREMENTAL, DestinationSyncMode.APPEND_DEDUP): WriteMode.APPEND_DEDUP,
}

COMPLETE_MARKER: Final = b'{"__ab_full_refresh_sync_complete":true}'
"""The state of a full refresh that ended: the CDK's own word for "start over next time"."""

_NO_STATE_KEYS: Final = frozenset(
    {"__ab_no_cursor_state_message", "__ab_full_refresh_sync_complete"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTask:
    """One stream of a sync: what was configured, how it is written, where it continues."""

    configured: ConfiguredStream
    plan: StreamPlan
    state: State | None
    """What the source gets; None starts from the beginning."""
    commits_midway: bool
    """False when a part of the stream is worth nothing: a full refresh appended to older rows
    whose source cannot continue, or an overwrite that the destination cannot continue. Its rows
    become durable only all together."""

    @property
    def stream(self) -> StreamDescriptor:
        return self.plan.stream

    @property
    def is_full_refresh(self) -> bool:
        return self.configured.sync_mode is SyncMode.FULL_REFRESH


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """All checkpoints known for one connection, the user's own overriding the destination's."""

    by_stream: Mapping[StreamDescriptor, StoredState]
    shared: StoredState | None = None
    highest_fence: int = 0


def merge_stored(
    in_destination: Sequence[StoredState] | None, beside: Iterable[StoredCheckpoint]
) -> Stored:
    """Returns the checkpoints to continue from.

    `in_destination` is None for a destination that keeps none: then those kept beside count.
    Otherwise only the user's overrides do, on top of what the destination holds.
    """
    by_stream = {row.stream: row for row in in_destination or () if row.stream is not None}
    shared = next((row for row in in_destination or () if row.stream is None), None)
    fences = [row.fence for row in in_destination or ()]
    for kept in beside:
        fences.append(kept.fence)
        if in_destination is not None and not kept.is_override:
            continue
        if kept.stream is None:
            shared = _as_stored(kept, shared)
        else:
            by_stream[kept.stream] = _as_stored(kept, by_stream.get(kept.stream))
    return Stored(by_stream=by_stream, shared=shared, highest_fence=max(fences, default=0))


def _as_stored(kept: StoredCheckpoint, known: StoredState | None) -> StoredState:
    return StoredState(
        stream=kept.stream,
        state=kept.state,
        generation_id=known.generation_id if known and kept.is_override else kept.generation_id,
        is_complete=known.is_complete if known and kept.is_override else kept.is_complete,
        fence=kept.fence,
    )


def plan_streams(
    *,
    connection: str,
    streams: Sequence[ConfiguredStream],
    settings: SyncSettings,
    capabilities: Capabilities,
    stored: Stored,
    resumes_full_refresh: bool,
    fence: int,
    shaping: Shaping | None = None,
) -> tuple[StreamTask, ...]:
    """Returns one task a stream, in the catalogue's order.

    `resumes_full_refresh` says that the source keeps the order contract in a full refresh too, so
    that its states may be continued from. Raises ConfigError when a mode lacks its key or cursor,
    when the destination cannot do it, or when two streams would land in one table.
    """
    normalisation = _normalisation(settings)
    shaping = shaping or Shaping()
    tasks = []
    for configured in map(shaping.asked, streams):
        landing = shaping.landing(configured)
        mode = _write_mode(configured, capabilities, normalisation)
        known = stored.by_stream.get(configured.descriptor)
        keeps_parts = capabilities.resumes_overwrite or not mode.is_overwrite
        generation, state, resumes = _continue(
            configured, mode, known, resumes_full_refresh=resumes_full_refresh and keeps_parts
        )
        columns = columns_for(landing, capabilities)
        plan = StreamPlan(
            connection=connection,
            stream=configured.descriptor,
            table=table_for(
                StreamDescriptor(shaping.table(configured.descriptor), configured.stream.namespace),
                capabilities,
                namespace=settings.namespace,
                prefix=settings.prefix,
            ),
            columns=() if normalisation is Normalisation.RAW else columns,
            mode=mode,
            primary_key=key_columns(landing, columns) if mode.is_dedup else (),
            cursor=cursor_column(landing, columns) if mode.is_dedup else None,
            normalisation=normalisation,
            generation_id=generation,
            sync_id=configured.sync_id or 0,
            fence=fence,
            resumes=resumes,
        )
        is_appending_full_refresh = (
            configured.sync_mode is SyncMode.FULL_REFRESH and mode is WriteMode.APPEND
        )
        tasks.append(
            StreamTask(
                configured=configured,
                plan=plan,
                state=state,
                commits_midway=keeps_parts
                and (
                    not is_appending_full_refresh
                    or (resumes_full_refresh and bool(configured.stream.is_resumable))
                ),
            )
        )
    _refuse_shared_tables(tasks)
    return tuple(tasks)


def source_states(tasks: Sequence[StreamTask], stored: Stored) -> tuple[State, ...]:
    """Returns what the source continues from: the global state if there is one, else per stream.

    A stream that is read anew to replace its table is left out of it.
    """
    incremental = [task for task in tasks if not task.is_full_refresh]
    shared = stored.shared.state if stored.shared else None
    anew = [t.stream for t in incremental if t.plan.mode.is_overwrite and not t.plan.resumes]
    if shared is not None and anew:
        shared = without_streams(shared, anew)
    if shared is not None and incremental and not _is_empty_global(shared):
        return (shared,)
    return tuple(task.state for task in tasks if task.state is not None)


def _is_empty_global(state: State) -> bool:
    held = state.global_
    return held is not None and not held.stream_states and bytes(held.shared_state) == b"null"


def complete_state(stream: StreamDescriptor) -> State:
    """Returns the state to store when a full refresh has ended: nothing to continue from."""
    return stream_state(stream, COMPLETE_MARKER)


def is_position(state: State | None) -> bool:
    """Tells whether a stream's state says where to continue; markers and empty ones do not."""
    if state is None or state.kind is not StateType.STREAM or state.stream is None:
        return False
    blob = bytes(state.stream.stream_state)
    if blob in (b"null", b"{}", b""):
        return False
    fields = msgspec.json.decode(blob, type=dict[str, msgspec.Raw])
    return bool(fields) and not _NO_STATE_KEYS & fields.keys()


def _normalisation(settings: SyncSettings) -> Normalisation:
    try:
        return Normalisation(settings.normalisation)
    except ValueError as error:
        raise ConfigError(
            f"There is no normalisation {settings.normalisation!r}.",
            remedy="Use typed (a column a property) or raw (one JSON column).",
        ) from error


def _write_mode(
    configured: ConfiguredStream, capabilities: Capabilities, normalisation: Normalisation
) -> WriteMode:
    pair = (configured.sync_mode, configured.destination_sync_mode)
    mode = _MODES.get(pair)
    if mode is None:
        raise ConfigError(
            f"Stream {configured.descriptor} cannot be read {pair[0]} and written {pair[1]}.",
            remedy="Use overwrite, append or append_dedup with a full refresh,"
            " append or append_dedup with incremental.",
            stream=configured.descriptor,
        )
    if configured.sync_mode not in configured.stream.supported_sync_modes:
        raise ConfigError(
            f"Stream {configured.descriptor} does not support {configured.sync_mode}.",
            remedy="Choose one of: " + ", ".join(configured.stream.supported_sync_modes) + ".",
            stream=configured.descriptor,
        )
    mode = mode_for(configured, mode, capabilities)
    if mode.is_dedup and normalisation is Normalisation.RAW:
        raise ConfigError(
            f"Stream {configured.descriptor} cannot be deduplicated in raw form:"
            " its key is inside the JSON column.",
            remedy="Use --normalisation typed, or a mode without dedup.",
            stream=configured.descriptor,
        )
    return mode


def _continue(
    configured: ConfiguredStream,
    mode: WriteMode,
    known: StoredState | None,
    *,
    resumes_full_refresh: bool,
) -> tuple[int, State | None, bool]:
    """Returns the generation, the state for the source, and whether its staging is continued."""
    last = known.generation_id if known else 0
    state = known.state if known is not None and is_position(known.state) else None
    can_resume = known is not None and not known.is_complete and state is not None
    if configured.sync_mode is SyncMode.FULL_REFRESH:
        can_resume = can_resume and resumes_full_refresh and bool(configured.stream.is_resumable)
    asked = configured.generation_id
    if not mode.is_overwrite:
        generation = last if asked is None else asked
        keeps = configured.sync_mode is SyncMode.INCREMENTAL or can_resume
        return generation, state if keeps else None, can_resume
    generation = asked if asked is not None else (last if can_resume else last + 1)
    resumes = can_resume and generation == last
    return generation, state if resumes else None, resumes


def _refuse_shared_tables(tasks: Sequence[StreamTask]) -> None:
    owners: dict[TableName, StreamDescriptor] = {}
    for task in tasks:
        other = owners.setdefault(task.plan.table, task.stream)
        if other != task.stream:
            raise ConfigError(
                f"Streams {other} and {task.stream} would both land in table {task.plan.table}.",
                remedy="Sync them separately with different --prefix or --namespace values.",
            )
    if len({task.stream for task in tasks}) < len(tasks):
        raise ConfigError(
            "The configured catalogue names a stream twice.", remedy="Keep one entry a stream."
        )
