"""Comparisons that say what differs: every failed promise of a suite is raised here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from penstock.data.types import Kind
from penstock.errors import PenstockError
from penstock.testing.cells import Cell, Found, Row, is_same, is_stored_as

_SHOWN = 5
_SHOWN_CHARACTERS = 300


def broken(message: str) -> AssertionError:
    """Returns the failure of a promise, to be raised."""
    return AssertionError(message)


def true(statement: bool, message: str) -> None:  # noqa: FBT001 - reads as `assert`
    """Fails with `message` unless the statement holds."""
    if not statement:
        raise broken(message)


def equal(expected: object, actual: object, what: str) -> None:
    """Fails unless both are equal, showing both."""
    if expected != actual:
        raise broken(f"{what}: expected {_short(expected)}, got {_short(actual)}")


def rows_equal(
    expected: Sequence[Row],
    found: Sequence[Mapping[str, Found]],
    kinds: Mapping[str, Kind],
    *,
    what: str,
    native: frozenset[Kind] | None = None,
) -> None:
    """Fails unless the table holds exactly these rows, in any order.

    `native` are the kinds stored as such (`Capabilities.kinds`): their columns must have that
    kind, all others must be text. None does not look at the column, only at the value.
    """
    columns_present(found, kinds, what=what)
    if native is not None:
        _kinds_as_promised(found, kinds, native, what=what)
    missing, surplus = difference(expected, found, kinds)
    if missing or surplus:
        raise broken(
            f"{what}: expected {len(expected)} rows, got {len(found)}.\n"
            f"  missing ({len(missing)}): {_some(missing)}\n"
            f"  unexpected ({len(surplus)}): {_some(surplus)}"
        )


def rows_covered(
    expected: Sequence[Row],
    found: Sequence[Mapping[str, Found]],
    kinds: Mapping[str, Kind],
    *,
    what: str,
) -> None:
    """Fails unless every expected row is there, as often or more often, and no other row."""
    columns_present(found, kinds, what=what)
    missing, surplus = difference(expected, found, kinds)
    foreign = difference([*expected] * (len(surplus) + 1), surplus, kinds)[1]
    if missing or foreign:
        raise broken(
            f"{what}: lost rows ({len(missing)}): {_some(missing)}\n"
            f"  rows nobody wrote ({len(foreign)}): {_some(foreign)}"
        )


def columns_present(
    found: Sequence[Mapping[str, Found]], names: Iterable[str], *, what: str
) -> None:
    """Fails unless every row found has these columns."""
    if found:
        absent = [name for name in names if name not in found[0]]
        if absent:
            raise broken(f"{what}: no column {absent} among {list(found[0])}")


def _kinds_as_promised(
    found: Sequence[Mapping[str, Found]],
    kinds: Mapping[str, Kind],
    native: frozenset[Kind],
    *,
    what: str,
) -> None:
    for name, planned in kinds.items():
        for row in found:
            if not is_stored_as(planned, row[name].kind, is_native=planned in native):
                raise broken(
                    f"{what}: column {name!r} of kind {planned} came back as {row[name].kind}; "
                    "`Capabilities.kinds` promises otherwise"
                )


def difference(
    expected: Sequence[Row], found: Sequence[Mapping[str, Found]], kinds: Mapping[str, Kind]
) -> tuple[list[Row], list[Mapping[str, Found]]]:
    """Returns the rows missing and the rows too many; order does not count."""
    left: dict[tuple[str, ...], list[Row]] = {}
    for row in expected:
        left.setdefault(_bucket(row, kinds), []).append(row)
    surplus: list[Mapping[str, Found]] = []
    for candidate in found:
        bucket = left.get(_bucket_found(candidate, kinds), [])
        match = next((row for row in bucket if _row_is_same(row, candidate, kinds)), None)
        if match is None:
            surplus.append(candidate)
        else:
            bucket.remove(match)
    return [row for rows in left.values() for row in rows], surplus


def _bucket(row: Row, kinds: Mapping[str, Kind]) -> tuple[str, ...]:
    """Groups rows by their plain text columns, to compare few with few."""
    return tuple(repr(row.get(name)) for name, kind in kinds.items() if kind is Kind.STRING)


def _bucket_found(row: Mapping[str, Found], kinds: Mapping[str, Kind]) -> tuple[str, ...]:
    return tuple(repr(row[name].cell) for name, kind in kinds.items() if kind is Kind.STRING)


def _row_is_same(expected: Row, found: Mapping[str, Found], kinds: Mapping[str, Kind]) -> bool:
    return all(is_same(kind, expected.get(name), found[name]) for name, kind in kinds.items())


def distinct(values: Sequence[object], what: str) -> None:
    """Fails when a value occurs twice."""
    twice = [value for value, times in Counter(values).items() if times > 1]
    if twice:
        raise broken(f"{what}: not distinct: {_some(twice)}")


def refused(call: Callable[[], object], what: str) -> PenstockError:
    """Fails unless the call raises a PenstockError with a remedy; returns that error."""
    try:
        call()
    except PenstockError as error:
        if not error.message.strip() or not error.remedy.strip():
            raise broken(f"{what}: the error has no message or no remedy: {error!r}") from error
        return error
    raise broken(f"{what}: it was accepted; expected a PenstockError")


def raises(call: Callable[[], object], what: str) -> None:
    """Fails unless the call raises some error: where only silence would be wrong."""
    try:
        call()
    except Exception:  # noqa: BLE001 - any will do, see above
        return
    raise broken(f"{what}: it was accepted; expected an error")


def value_equal(kind: Kind, expected: Cell, found: Found, what: str) -> None:
    """Fails unless one value came back as it went in."""
    if not is_same(kind, expected, found):
        raise broken(f"{what}: expected {kind} {_short(expected)}, got {_short(found)}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}… ({len(text)})"


def _some(values: Sequence[Any]) -> str:
    shown = ", ".join(_short(_plain(value)) for value in values[:_SHOWN])
    return shown + (", …" if len(values) > _SHOWN else "")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: v.cell if isinstance(v, Found) else v for k, v in value.items()}
    return value
