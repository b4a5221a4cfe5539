"""What to do when a table and the plan for it disagree: decided here, without touching either.

The rule, for each column the plan has:

- the table lacks it: it is added, and older rows are NULL in it;
- the stored type holds every planned value: it stays, and values are converted to it;
- else it is widened to the type that holds both, and stored values are converted exactly. Where
  exactness depends on the stored values (an integer beyond 2^53 is no double), the database
  proves it before the change, and the column becomes text if one value would not survive.

A column that only the table has stays, and new rows are NULL in it. Two types are kept for
tables that PyAirbyte made: DECIMAL(38, 9) for numbers, and TIMESTAMP (in UTC) for instants.
A column of a type that is none of ours (INTEGER of 32 bits, UUID) stays as it is. Wherever a
value does not fit the column it meets, it becomes NULL (a fraction is rounded) and the change is
recorded in `_airbyte_meta.changes`: never a failed sync, never a silently different value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from penstock.data.types import Kind, kind_is_exact_text, widened


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredColumn:
    """One column of a table; `kind` None is a type that penstock does not make."""

    name: str
    kind: Kind | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedColumn:
    """One column as the plan wants it."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class AddColumn:
    """The table lacks the column."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class WidenColumn:
    """The column takes the type that holds the old and the new values."""

    name: str
    old: Kind
    new: Kind
    needs_proof: bool
    """True when `new` holds only some values of `old`: count them first, else widen to text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertValues:
    """The column stays as it is; each planned value is converted to the stored type."""

    name: str
    stored: Kind | None
    planned: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptColumn:
    """Only the table has the column: it stays, and new rows are NULL in it."""

    name: str


SchemaChange = AddColumn | WidenColumn | ConvertValues | KeptColumn


class Conversion(StrEnum):
    """How sure it is that a value arrives as it left."""

    NONE = "none"
    """Same type: nothing to convert."""
    EXACT = "exact"
    """Every value has an equal in the stored type."""
    CHECKED = "checked"
    """Some values may not fit: each is compared with what the column would hold."""


def schema_changes(
    stored: Sequence[StoredColumn], planned: Sequence[PlannedColumn]
) -> tuple[SchemaChange, ...]:
    """Returns what brings a table to its plan, in the plan's order, kept columns last.

    Names are compared without regard to case, as databases do.
    """
    existing = {column.name.lower(): column for column in stored}
    changes: list[SchemaChange] = []
    for column in planned:
        found = existing.pop(column.name.lower(), None)
        change = _added(column) if found is None else _adapted(found, column)
        if change is not None:
            changes.append(change)
    changes.extend(KeptColumn(name=column.name) for column in existing.values())
    return tuple(changes)


def conversion(planned: Kind, stored: Kind | None) -> Conversion:
    """Tells how values of one kind get into a column of another."""
    if planned is stored:
        return Conversion.NONE
    if stored is None:
        return Conversion.CHECKED
    if kind_is_exact_text(stored) or (planned, stored) in _EXACT:
        return Conversion.EXACT
    return Conversion.CHECKED


def _added(column: PlannedColumn) -> SchemaChange:
    return AddColumn(name=column.name, kind=column.kind)


def _adapted(found: StoredColumn, column: PlannedColumn) -> SchemaChange | None:
    if found.kind is column.kind:
        return None
    if found.kind is None:
        return ConvertValues(name=found.name, stored=None, planned=column.kind)
    new = _common(found.kind, column.kind)
    if new is found.kind:
        return ConvertValues(name=found.name, stored=found.kind, planned=column.kind)
    needs_proof = conversion(found.kind, new) is Conversion.CHECKED
    return WidenColumn(name=found.name, old=found.kind, new=new, needs_proof=needs_proof)


def _common(stored: Kind, planned: Kind) -> Kind:
    if kind_is_exact_text(stored) or (stored, planned) in _STAYS:
        return stored
    return widened(stored, planned)


_STAYS: Final = frozenset({(Kind.DECIMAL, Kind.NUMBER), (Kind.TIMESTAMP, Kind.TIMESTAMP_TZ)})
"""(stored, planned) of PyAirbyte's tables that keep their type."""

_EXACT: Final = frozenset(
    {
        (Kind.INTEGER, Kind.BIG_INTEGER),
        (Kind.INTEGER, Kind.DECIMAL),
        (Kind.TIMESTAMP_TZ, Kind.TIMESTAMP),
    }
)
"""(planned, stored): 19 digits fit 38 or 29 of them; an instant in UTC is a local time of UTC."""
