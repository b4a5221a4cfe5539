"""What a source's new catalogue changes for a connection, and what its policy makes of that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, assert_never

from penstock.control.model import Connection, ModeName, SchemaPolicy, StreamChoice

StreamKey = tuple[str | None, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference; `field` is empty for a whole stream."""

    transform: str
    """add_stream, remove_stream, add_field, remove_field, update_field or update_key."""
    stream: StreamKey
    field: str = ""
    old: Any = None
    new: Any = None
    is_breaking: bool = False

    def as_document(self) -> dict[str, Any]:
        """Returns the difference as plain values."""
        return {
            "transform": self.transform,
            "stream": {"namespace": self.stream[0], "name": self.stream[1]},
            "field": self.field,
            "old": self.old,
            "new": self.new,
            "breaking": self.is_breaking,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of a connection whose source has changed."""

    connection: Connection
    """As it is to be kept."""
    is_applied: bool
    """True when it reads by the new catalogue from now on."""
    pauses: bool
    backfills: tuple[StreamKey, ...] = ()
    """Streams to be read from the beginning, for the sake of their new columns."""


def differences(
    connection: Connection, old: Mapping[str, Any], new: Mapping[str, Any]
) -> tuple[Change, ...]:
    """Returns what changed for a connection: in the streams it reads, and streams that are new."""
    before, after = _streams(old), _streams(new)
    chosen = _choices(connection, before)
    changes: list[Change] = []
    for key, choice in chosen.items():
        if key not in after:
            changes.append(Change(transform="remove_stream", stream=key))
        elif key in before:
            changes.extend(_of_stream(key, choice, before[key], after[key]))
    changes.extend(Change(transform="add_stream", stream=key) for key in after if key not in before)
    return tuple(changes)


def decide(
    connection: Connection, changes: tuple[Change, ...], new: Mapping[str, Any], catalog_id: str
) -> Decision:
    """Returns what a connection's policy makes of changes.

    A breaking one (a key or cursor is gone) pauses the connection whatever the policy.
    """
    if any(change.is_breaking for change in changes):
        broken = replace(connection, has_breaking_change=True)
        return Decision(connection=broken, is_applied=False, pauses=True)
    match connection.schema_policy:
        case SchemaPolicy.IGNORE:
            return Decision(connection=connection, is_applied=False, pauses=False)
        case SchemaPolicy.DISABLE_CONNECTION:
            return Decision(connection=connection, is_applied=False, pauses=True)
        case SchemaPolicy.PROPAGATE_COLUMNS | SchemaPolicy.PROPAGATE_FULLY:
            return _propagated(connection, changes, new, catalog_id)
        case _:
            assert_never(connection.schema_policy)


def adopted(
    connection: Connection,
    changes: tuple[Change, ...],
    new: Mapping[str, Any],
    catalog_id: str,
    *,
    added: Iterable[StreamKey] = (),
) -> Decision:
    """Returns a connection as it reads by a new catalogue, whatever its policy says.

    Streams that are gone are left out, new fields of chosen streams are read, and of the new
    streams those in `added`. The mark of a breaking change goes.
    """
    policy = replace(connection, schema_policy=SchemaPolicy.PROPAGATE_COLUMNS)
    decided = _propagated(policy, changes, new, catalog_id)
    streams = decided.connection.streams
    if streams is not None:
        after = _streams(new)
        known = {choice.key for choice in streams}
        more = [key for key in dict.fromkeys(added) if key in after and key not in known]
        streams += tuple(best_choice(after[key]) for key in more)
    kept = replace(
        decided.connection,
        schema_policy=connection.schema_policy,
        streams=streams,
        has_breaking_change=False,
    )
    return replace(decided, connection=kept)


def unreadable(connection: Connection, new: Mapping[str, Any]) -> tuple[tuple[StreamKey, str], ...]:
    """Returns the (stream, field) of keys and cursors that a catalogue does not have."""
    after = _streams(new)
    return tuple(
        (choice.key, name)
        for choice in connection.streams or ()
        if choice.key in after
        for name in sorted(_needed(choice, after[choice.key]))
        if name not in _properties(after[choice.key])
    )


def best_choice(stream: Mapping[str, Any]) -> StreamChoice:
    """Returns how a new stream is read and written: as little and as exactly as it allows."""
    key = tuple(tuple(path) for path in stream.get("source_defined_primary_key") or ())
    cursor = tuple(stream.get("default_cursor_field") or ())
    can_increment = "incremental" in stream.get("supported_sync_modes", ()) and bool(
        cursor or stream.get("source_defined_cursor")
    )
    if can_increment:
        mode = ModeName.INCREMENTAL_DEDUPED_HISTORY if key else ModeName.INCREMENTAL_APPEND
    else:
        mode = ModeName.FULL_REFRESH_OVERWRITE_DEDUPED if key else ModeName.FULL_REFRESH_OVERWRITE
    return StreamChoice(
        name=stream["name"],
        namespace=stream.get("namespace") or None,
        mode=mode,
        cursor_field=cursor if can_increment else (),
        primary_key=key,
    )


def _propagated(
    connection: Connection, changes: tuple[Change, ...], new: Mapping[str, Any], catalog_id: str
) -> Decision:
    removed = {change.stream for change in changes if change.transform == "remove_stream"}
    added_fields: dict[StreamKey, list[str]] = {}
    for change in changes:
        if change.transform == "add_field":
            added_fields.setdefault(change.stream, []).append(change.field)
    streams = connection.streams
    if streams is not None:
        streams = tuple(
            _with_fields(choice, added_fields.get(choice.key, ()))
            for choice in streams
            if choice.key not in removed
        )
        if connection.schema_policy is SchemaPolicy.PROPAGATE_FULLY:
            after = _streams(new)
            added = [change.stream for change in changes if change.transform == "add_stream"]
            streams += tuple(best_choice(after[key]) for key in added)
    backfills = tuple(added_fields) if connection.backfills_new_columns else ()
    return Decision(
        connection=replace(connection, streams=streams, catalog_id=catalog_id),
        is_applied=True,
        pauses=False,
        backfills=backfills,
    )


def _with_fields(choice: StreamChoice, added: Sequence[str]) -> StreamChoice:
    if choice.selected_fields is None:
        return choice
    more = tuple((name,) for name in added)
    return replace(choice, selected_fields=choice.selected_fields + more)


def _of_stream(
    key: StreamKey, choice: StreamChoice, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Change]:
    before, after = _properties(old), _properties(new)
    needed = _needed(choice, old)
    for name, kind in before.items():
        if name not in after:
            yield Change(
                transform="remove_field",
                stream=key,
                field=name,
                old=kind,
                is_breaking=name in needed,
            )
        elif after[name] != kind:
            yield Change(
                transform="update_field", stream=key, field=name, old=kind, new=after[name]
            )
    for name, kind in after.items():
        if name not in before:
            yield Change(transform="add_field", stream=key, field=name, new=kind)
    old_key, new_key = (each.get("source_defined_primary_key") or [] for each in (old, new))
    if choice.mode.is_deduped and old_key and old_key != new_key:
        yield Change(transform="update_key", stream=key, old=old_key, new=new_key, is_breaking=True)


def _needed(choice: StreamChoice, stream: Mapping[str, Any]) -> set[str]:
    """Returns the properties without which a stream cannot be read as it was chosen."""
    needed: set[str] = set()
    if choice.mode.is_incremental:
        cursor = choice.cursor_field or tuple(stream.get("default_cursor_field") or ())
        needed.update(cursor[:1])
    if choice.mode.is_deduped:
        key = stream.get("source_defined_primary_key") or choice.primary_key
        needed.update(path[0] for path in key if path)
    return needed


def _choices(
    connection: Connection, before: Mapping[StreamKey, Mapping[str, Any]]
) -> dict[StreamKey, StreamChoice]:
    if connection.streams is None:
        return {key: StreamChoice(name=key[1], namespace=key[0]) for key in before}
    return {choice.key: choice for choice in connection.streams}


def _streams(catalog: Mapping[str, Any]) -> dict[StreamKey, Mapping[str, Any]]:
    return {
        (each.get("namespace") or None, str(each["name"])): each
        for each in catalog.get("streams", ())
    }


def _properties(stream: Mapping[str, Any]) -> Mapping[str, Any]:
    found = stream.get("json_schema", {}).get("properties", {})
    return found if isinstance(found, Mapping) else {}
