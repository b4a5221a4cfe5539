"""`${secret:NAME}`: how a document speaks of a secret that the server keeps, and never shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from penstock.control.documents import has_references
from penstock.control.secrets import AIRBYTE_MASK, place_of
from penstock.sdk.config import secret_paths

_SECRET: Final = re.compile(r"^\$\{secret:([^}]+)\}$")
_ANY: Final = "*"
Opening = Callable[[Mapping[str, Any]], Any]
"""Returns what a kept secret holds, given its place."""


def name_in(value: Any) -> str | None:
    """Returns the name in `${secret:NAME}`; None for anything else."""
    found = _SECRET.match(value) if isinstance(value, str) else None
    return found[1] if found else None


def named(value: Any, path: tuple[str, ...], hidden: Iterable[tuple[str, ...]] = ()) -> Any:
    """Returns a kept document with `${secret:PATH}` in the place of each secret.

    What the specification marks (`hidden`, below `path`) never leaves either, should it stand
    there in clear; references do.
    """
    paths = [(*path, *each) for each in hidden]

    def walk(node: Any, at: tuple[str, ...]) -> Any:
        if place_of(node) is not None or (_is_hidden(at, paths) and _is_literal(node)):
            return f"${{secret:{'/'.join(map(_escaped, at))}}}"
        if isinstance(node, Mapping):
            return {key: walk(inner, (*at, str(key))) for key, inner in node.items()}
        if isinstance(node, list | tuple):
            return [walk(inner, (*at, str(number))) for number, inner in enumerate(node)]
        return node

    return walk(value, path)


def masks_named(value: Any, path: tuple[str, ...]) -> Any:
    """Returns a document with `${secret:PATH}` in the place of each mask of Airbyte's."""
    if value == AIRBYTE_MASK:
        return f"${{secret:{'/'.join(map(_escaped, path))}}}"
    if isinstance(value, Mapping):
        return {key: masks_named(inner, (*path, str(key))) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [masks_named(inner, (*path, str(number))) for number, inner in enumerate(value)]
    return value


def names_of(value: Any) -> frozenset[str]:
    """Returns the names of all `${secret:NAME}` in a document."""
    name = name_in(value)
    if name is not None:
        return frozenset((name,))
    inner: Iterable[Any] = ()
    if isinstance(value, Mapping):
        inner = value.values()
    elif isinstance(value, list | tuple):
        inner = value
    return frozenset().union(*(names_of(each) for each in inner))


def filled(value: Any, kept: Any, given: Mapping[str, Any]) -> tuple[Any, frozenset[str]]:
    """Returns a document with secrets for their names, and the names that nothing is known of.

    A secret is the one that is given, else the one that is kept at the same place.
    """
    missing: set[str] = set()

    def walk(node: Any, old: Any) -> Any:
        name = name_in(node)
        if name is not None:
            if name in given:
                return given[name]
            if old is None:
                missing.add(name)
            return old
        if isinstance(node, Mapping):
            return {key: walk(inner, item(old, key)) for key, inner in node.items()}
        if isinstance(node, list | tuple):
            return [walk(inner, item(old, number)) for number, inner in enumerate(node)]
        return node

    return walk(value, kept), frozenset(missing)


def settled(value: Any, kept: Any, shown: Any, given: Mapping[str, Any], opened: Opening) -> Any:
    """Returns a document whose secrets are named as in `shown` wherever they would stay the same.

    So equal documents compare equal, whatever name a file gives a secret.
    """
    name = name_in(value)
    if place_of(kept) is not None:
        wanted = given.get(name, _KEPT) if name is not None else value
        return shown if wanted is _KEPT or opened(kept) == wanted else value
    if name is not None:
        return shown if kept is not None and given.get(name, kept) == kept else value
    if isinstance(value, Mapping):
        return {
            key: settled(inner, item(kept, key), item(shown, key), given, opened)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [
            settled(inner, item(kept, number), item(shown, number), given, opened)
            for number, inner in enumerate(value)
        ]
    return value


def literals(config: Any, spec: Mapping[str, Any]) -> list[str]:
    """Returns where a configuration holds a secret itself, instead of a reference to one."""
    hidden = secret_paths(spec)
    found: list[str] = []

    def walk(node: Any, at: tuple[str, ...]) -> None:
        if _is_hidden(at, hidden):
            if _is_literal(node):
                found.append(".".join(at))
            return
        if isinstance(node, Mapping):
            for key, inner in node.items():
                walk(inner, (*at, str(key)))
        elif isinstance(node, list | tuple):
            for number, inner in enumerate(node):
                walk(inner, (*at, str(number)))

    walk(config, ())
    return found


def item(value: Any, key: Any) -> Any:
    """Returns a part of an object or list; None where there is none."""
    if isinstance(value, Mapping):
        return value.get(key)
    if isinstance(value, list | tuple) and isinstance(key, int) and key < len(value):
        return value[key]
    return None


_KEPT: Final = object()


def _is_hidden(at: tuple[str, ...], paths: Iterable[tuple[str, ...]]) -> bool:
    return any(
        len(each) == len(at)
        and all(wanted in (part, _ANY) for wanted, part in zip(each, at, strict=True))
        for each in paths
    )


def _is_literal(node: Any) -> bool:
    return node is not None and not has_references(node)


def _escaped(part: str) -> str:
    return part.replace("%", "%25").replace("/", "%2F").replace("}", "%7D")
