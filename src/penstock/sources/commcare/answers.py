"""Answers of a submitted form as typed columns, and what no column takes, kept as JSON.

CommCare turns a form's XML into JSON: every answer is text, a group is an object, and a group
that repeats is absent, one object, or a list of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from math import inf, isfinite
from typing import Any, Final

from penstock.data.types import Kind
from penstock.sources.commcare.design import Path

Row = dict[str, Any]
MISFIT: Final = object()
"""Stands for an answer that is not what its question asks for."""
_MISSING: Final = object()
_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


def column_of(path: Path) -> str:
    """Returns the column of a question: "form.household.phone"."""
    return ".".join(("form", *path))


def typed(value: Any, kind: Kind) -> Any:
    """Returns an answer as its column holds it: None for an empty one, or MISFIT.

    Texts are read as XML Schema part 2 writes their types; nothing is rounded or guessed.
    """
    if isinstance(value, dict) and isinstance(value.get("#text"), str):
        value = value["#text"]
    if value is None or kind is Kind.STRING:
        return value if value is None or isinstance(value, str) else MISFIT
    if not isinstance(value, str):
        return MISFIT
    text = value.strip()
    return _READERS[kind](text) if text else None


def utc(text: Any) -> Any:
    """Returns an instant with its zone: CommCare leaves the Z out in places, and means UTC."""
    if not isinstance(text, str) or not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{text}Z" if moment.tzinfo is None else text


def split_answers(form: Row, columns: Mapping[Path, Kind], drop: Sequence[Path]) -> tuple[Row, Row]:
    """Returns the typed columns of a form, or of one entry of a group, and what is left of it.

    `columns` are paths within it. What stands at `drop` is in neither: a stream of its own has it.
    """
    rest = _copied(form)
    for path in drop:
        _take(rest, path)
    row: Row = {}
    for path, kind in columns.items():
        found = _look(rest, path)
        value = None if found is _MISSING else typed(found, kind)
        row[column_of(path)] = None if value is MISFIT else value
        if value is not MISFIT and found is not _MISSING:
            _take_value(rest, path)
    return row, rest


def entries(form: Row, repeat: Path, repeats: frozenset[Path]) -> Iterator[tuple[str, Any]]:
    """Yields each entry of a group that repeats with its number: "0", or "2.0" within another."""
    yield from _entries(form, repeat, repeats, 0, ())


def _entries(
    node: Any, path: Path, repeats: frozenset[Path], depth: int, at: tuple[int, ...]
) -> Iterator[tuple[str, Any]]:
    if depth == len(path):
        yield ".".join(map(str, at)), node
        return
    if not isinstance(node, dict) or path[depth] not in node:
        return
    found = node[path[depth]]
    if isinstance(found, list) or path[: depth + 1] in repeats:
        for number, one in enumerate(_as_list(found)):
            yield from _entries(one, path, repeats, depth + 1, (*at, number))
    else:
        yield from _entries(found, path, repeats, depth + 1, at)


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [] if value is None or value == "" else [value]


def _copied(node: Row) -> Row:
    """Returns a copy of the objects; lists, from which nothing is taken, are shared."""
    return {
        name: _copied(below) if isinstance(below, dict) else below for name, below in node.items()
    }


def _look(node: Any, path: Path) -> Any:
    for name in path:
        if not isinstance(node, dict) or name not in node:
            return _MISSING
        node = node[name]
    return node


def _take(node: Any, path: Path) -> None:
    """Removes what stands at a path, and the groups that are empty then."""
    if not isinstance(node, dict) or path[0] not in node:
        return
    if len(path) == 1:
        del node[path[0]]
        return
    below = node[path[0]]
    _take(below, path[1:])
    if below == {}:
        del node[path[0]]


def _take_value(node: Any, path: Path) -> None:
    """Removes an answer; attributes that its element has beside the text stay."""
    found = _look(node, path)
    if isinstance(found, dict):
        del found["#text"]
        if found:
            return
    _take(node, path)


def _integer(text: str, *, most: int) -> Any:
    number = int(text) if _INTEGER.fullmatch(text) else most
    return number if -most < number < most else MISFIT


def _number(text: str) -> Any:
    number = float(text) if _NUMBER.fullmatch(text) else inf
    return number if isfinite(number) else MISFIT


def _date(text: str) -> Any:
    try:
        return text if date.fromisoformat(text).isoformat() == text else MISFIT
    except ValueError:
        return MISFIT


def _moment(text: str) -> Any:
    try:
        return text if datetime.fromisoformat(text).tzinfo is not None else MISFIT
    except ValueError:
        return MISFIT


_READERS: Final[Mapping[Kind, Callable[[str], Any]]] = {
    Kind.INTEGER: partial(_integer, most=2**63),
    Kind.BIG_INTEGER: partial(_integer, most=10**38),
    Kind.NUMBER: _number,
    Kind.DATE: _date,
    Kind.TIMESTAMP_TZ: _moment,
}
