"""What a change of settings has changed, to be shown: before and after, secrets masked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, Final

import msgspec

from penstock.control.model import Connection, Connector, StreamChoice
from penstock.control.secrets import shown

_NOT_SETTINGS: Final = frozenset(
    {
        "id",
        "created_at",
        "updated_at",
        "deleted_at",
        "failed_runs_in_row",
        "failing_since",
        "last_succeeded_at",
        "streams",
    }
)
_MOST_STREAMS: Final = 50
"""Told of one by one; of further ones only how many there are."""
_LONGEST: Final = 500
_MISSING: Final = object()


def of_connector(
    before: Connector | None, after: Connector | None, spec: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """Returns the settings of a source or destination that changed: `{path, before, after}`.

    A secret that changed is told as changed, and neither value is.
    """
    old, new = (_flat(each.config) if each else {} for each in (before, after))
    told = [_flat(shown(each.config, spec)) if each else {} for each in (before, after)]
    changed = [
        _entry(("config", *path), told[0].get(path, _MISSING), told[1].get(path, _MISSING))
        for path in _union(old, new)
        if old.get(path, _MISSING) != new.get(path, _MISSING)
    ]
    if before is None or after is None or before.name != after.name:
        names = tuple(each.name if each else _MISSING for each in (before, after))
        changed.insert(0, _entry(("name",), *names))
    return _once(changed)


def of_connection(before: Connection | None, after: Connection | None) -> list[dict[str, Any]]:
    """Returns the settings of a connection that changed: `{path, before, after}`.

    Streams are told of by their names; keys of mappers are masked.
    """
    changed = []
    for each in fields(Connection):
        if each.name in _NOT_SETTINGS:
            continue
        old, new = (_value(one, each.name) for one in (before, after))
        if old != new and not (before is None and new in ("", None, [], {}, False, 0)):
            changed.append(_entry((each.name,), old, new))
    return changed + _of_streams(before.streams if before else (), after.streams if after else ())


def _of_streams(
    before: Sequence[StreamChoice] | None, after: Sequence[StreamChoice] | None
) -> list[dict[str, Any]]:
    if before == after:
        return []
    if before is None or after is None:
        counts = tuple("all" if each is None else f"{len(each)} chosen" for each in (before, after))
        return [_entry(("streams",), *counts)]
    old, new = ({each.key: each for each in held} for held in (before, after))
    keys = [key for key in _union(old, new) if old.get(key) != new.get(key)]
    changed = [
        _entry(("streams", _name(key)), _choice(old.get(key)), _choice(new.get(key)))
        for key in keys[:_MOST_STREAMS]
    ]
    if len(keys) > _MOST_STREAMS:
        rest = f"and {len(keys) - _MOST_STREAMS} more"
        changed.append(_entry(("streams",), _MISSING, rest))
    return changed


def _choice(choice: StreamChoice | None) -> Any:
    if choice is None:
        return _MISSING
    plain = shown(asdict(choice), None)
    blank = shown(asdict(StreamChoice(name=choice.name, namespace=choice.namespace)), None)
    told = {name: value for name, value in plain.items() if value != blank[name]}
    return {"mode": choice.mode.value, **told}


def _name(key: tuple[str | None, str]) -> str:
    return f"{key[0]}.{key[1]}" if key[0] else key[1]


def _value(connection: Connection | None, name: str) -> Any:
    if connection is None:
        return _MISSING
    kept = {name: msgspec.to_builtins(getattr(connection, name))}
    return shown(kept, None)[name]


def _flat(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Returns the leaves of a configuration by their paths; places of secrets are leaves."""
    if isinstance(value, Mapping) and value and "_secret" not in value:
        found: dict[tuple[str, ...], Any] = {}
        for key, inner in value.items():
            found |= _flat(inner, (*path, str(key)))
        return found
    return {path: value}


def _union(old: Mapping[Any, Any], new: Mapping[Any, Any]) -> list[Any]:
    return list(dict.fromkeys((*old, *new)))


def _entry(path: Sequence[str], before: Any, after: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"path": list(path)}
    if before is not _MISSING:
        entry["before"] = _short(before)
    if after is not _MISSING:
        entry["after"] = _short(after)
    return entry


def _short(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"{value[:_LONGEST]}…"
    if not isinstance(value, str | int | float | bool | None):
        text = msgspec.json.encode(value).decode()
        return f"{text[:_LONGEST]}…" if len(text) > _LONGEST else value
    return value


def _once(changed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leaves out what equals another entry: leaves under one masked setting."""
    kept: list[dict[str, Any]] = []
    for each in changed:
        if each not in kept:
            kept.append(each)
    return kept
