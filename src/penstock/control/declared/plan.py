"""Three sides compared: what a file says, what there is, and what a file last set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from penstock.control.declared.current import KINDS, Current, Key
from penstock.control.model import ModeName


class Action(StrEnum):
    """What becomes of an object."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    """Made anew under its name: another connector takes its place."""
    DELETE = "delete"


class Origin(StrEnum):
    """Who has changed a setting since a file last set it."""

    FILE = "file"
    DRIFT = "drift"
    """Somebody, in the pages or by the API; applying sets it back."""
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One setting that is not as the file says; None stands for none, or the default."""

    path: str
    now: Any
    file: Any
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What applying a file does to one object."""

    action: Action
    kind: str
    """workspace, connector, tag, source, destination or connection."""
    name: str
    differences: tuple[Difference, ...] = ()
    resets: tuple[str, ...] = ()
    """Streams whose position would be lost; "*" is all of a connection."""
    was_removed: bool = False
    """True where somebody has deleted what a file had made."""

    @property
    def key(self) -> Key:
        return (self.kind, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What applying a file would do, in order."""

    workspace: str
    changes: tuple[Change, ...]
    kept: tuple[str, ...] = ()
    """What a file had made and this one leaves out: deleted only with `prune`."""
    unmanaged: tuple[str, ...] = ()
    """What is there and no file has ever set: never touched."""
    missing_secrets: tuple[str, ...] = ()
    """Names of secrets that are to be kept, and that nobody has given."""

    @property
    def resets(self) -> tuple[Change, ...]:
        return tuple(each for each in self.changes if each.resets)


def compare(
    now: Current,
    wanted: Mapping[Key, Any],
    *,
    with_state: frozenset[str],
    prunes: bool,
) -> Plan:
    """Returns what makes a workspace as wanted.

    `with_state` names the connections that have a position to lose.
    """
    changes = [
        *_made_or_changed(now, wanted, with_state),
        *(_deletions(now, wanted) if prunes else ()),
    ]
    absent = [key for key in now.items if key not in wanted]
    managed = [key for key in absent if key in now.applied]
    return Plan(
        workspace=now.workspace.name,
        changes=tuple(changes),
        kept=() if prunes else tuple(f"{kind} {name}" for kind, name in managed),
        unmanaged=tuple(f"{kind} {name}" for kind, name in absent if (kind, name) not in managed),
    )


def _made_or_changed(
    now: Current, wanted: Mapping[Key, Any], with_state: frozenset[str]
) -> Iterator[Change]:
    replaced: set[Key] = set()
    for kind in KINDS:
        for key, document in wanted.items():
            if key[0] != kind:
                continue
            found = now.items.get(key)
            base = now.applied.get(key)
            if found is None:
                yield Change(
                    action=Action.CREATE, kind=kind, name=key[1], was_removed=base is not None
                )
                continue
            differences = tuple(_differences(found.document, document, base))
            is_moved = kind == "connection" and any(
                (end, document[end]) in replaced for end in ("source", "destination")
            )
            if not differences and not is_moved:
                continue
            action = Action.UPDATE
            if kind in ("source", "destination") and any(
                each.path == "connector" for each in differences
            ):
                action = Action.REPLACE
                replaced.add(key)
            resets: tuple[str, ...] = ()
            if kind == "connection" and key[1] in with_state:
                resets = ("*",) if is_moved else _resets(found.document, document)
            yield Change(
                action=action, kind=kind, name=key[1], differences=differences, resets=resets
            )


def _deletions(now: Current, wanted: Mapping[Key, Any]) -> Iterator[Change]:
    for kind in reversed(KINDS):
        for key in now.items:
            if key[0] == kind and key not in wanted and key in now.applied:
                yield Change(action=Action.DELETE, kind=kind, name=key[1])


def _differences(now: Any, file: Any, base: Any) -> Iterator[Difference]:
    left, right, before = _flat(now), _flat(file), _flat(base) if base is not None else None
    for path in sorted(left.keys() | right.keys()):
        here, there = left.get(path), right.get(path)
        if here == there and type(here) is type(there):
            continue
        origin = Origin.FILE
        if before is not None and before.get(path) != here:
            origin = Origin.DRIFT if before.get(path) == there else Origin.BOTH
        yield Difference(path=".".join(path), now=here, file=there, origin=origin)


def _flat(document: Any) -> dict[tuple[str, ...], Any]:
    """Returns a document's settings by path; streams by their names, other lists whole."""
    found: dict[tuple[str, ...], Any] = {}

    def walk(node: Any, path: tuple[str, ...]) -> None:
        if isinstance(node, Mapping) and node:
            for key, inner in node.items():
                walk(inner, (*path, str(key)))
        elif path == ("streams",) and isinstance(node, list) and node:
            found[path] = [stream_name(each) for each in node]
            for each in node:
                walk({**each, "name": None}, (f"streams[{stream_name(each)}]",))
        else:
            found[path] = node

    walk(document, ())
    return found


def stream_name(stream: Mapping[str, Any]) -> str:
    """Returns a stream's name with its namespace before it, as messages say it."""
    namespace = stream.get("namespace")
    return f"{namespace}.{stream['name']}" if namespace else str(stream["name"])


def _resets(now: Mapping[str, Any], file: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the streams whose position means nothing any more: another cursor, or none."""
    if any(now[end] != file[end] for end in ("source", "destination")):
        return ("*",)
    before = {stream_name(each): each for each in now.get("streams") or ()}
    after = {stream_name(each): each for each in file.get("streams") or ()}
    return tuple(
        name
        for name, was in before.items()
        if _is_incremental(was)
        and (name in after or file.get("streams") is None)
        and _position(was) != _position(after.get(name, {"name": name}))
    )


def _is_incremental(stream: Mapping[str, Any]) -> bool:
    default = ModeName.FULL_REFRESH_OVERWRITE.value
    return ModeName(stream.get("mode", default)).is_incremental


def _position(stream: Mapping[str, Any]) -> tuple[Any, ...]:
    return (_is_incremental(stream), tuple(stream.get("cursor_field") or ()))
