"""The SQL that parses a block of records and proves each row: written back it equals its text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import Final

import orjson

from penstock.data.types import Column, Kind

_TEMPORAL: Final = frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ, Kind.TIME})
_NATIVE: Final = {Kind.INTEGER: "BIGINT", Kind.BOOLEAN: "BOOLEAN"}
_LITERALS: Final = {
    Kind.NUMBER: "DOUBLE",
    Kind.BIG_INTEGER: "DECIMAL(38,0)",
    Kind.DECIMAL: "DECIMAL(38,9)",
    **_NATIVE,
}


@dataclass(frozen=True, slots=True)
class Habits:
    """What spares work in proving; a row of other habits stays unproved, never wrongly proved."""

    nullable: frozenset[str] = frozenset()
    """Keys that are null in some records."""
    escaped: frozenset[str] = frozenset()
    """Keys whose strings have escapes in some records."""


def block_query(
    columns: tuple[Column, ...],
    order: tuple[str, ...],
    *,
    mixed: Set[str],
    is_sparse: bool,
    is_forgiving: bool,
    habits: Habits,
) -> str:
    """Returns a query over `source(j, i)`: the columns' values in order, then `ok` and `i`.

    `order` is the order of the keys in the records, `mixed` the STRING columns whose values are
    not only strings. `is_sparse`: records may leave keys out, whatever their habits.
    `is_forgiving`: texts that are not JSON are left unproved, where otherwise the query fails.
    """
    fields = _fields(columns, order, mixed)
    by_name = {field.name: field for field in fields}
    if is_sparse:
        equality = _sparse_equality([(name, by_name[name].written) for name in order])
    else:
        equality = _equality([by_name[name] for name in order], habits)
    checks = [check for column in columns if (check := by_name[column.name].check)]
    proof = " AND ".join([equality, *checks])
    values = [f"{by_name[column.name].value} AS v{n}" for n, column in enumerate(columns)]
    outputs = ", ".join([*values, f"coalesce({proof}, false) AS ok", "i"])
    parsed, names = _parsed(fields, is_forgiving=is_forgiving)
    return f"SELECT {outputs} FROM ({parsed}) AS t({names})"  # noqa: S608 - quoted by _sql


@dataclass(frozen=True, slots=True)
class _Field:
    """One key of the records: how DuckDB carries its value from parsing to proof."""

    name: str
    kind: Kind | None
    place: str
    is_apart: bool
    """Read by a pointer: the fields of a struct must differ in more than case."""
    is_mixed: bool

    @property
    def carrier(self) -> str:
        if self.is_apart or self.is_mixed or self.kind is None:
            return "JSON"
        if self.kind is Kind.STRING or self.kind in _TEMPORAL:
            return "VARCHAR"
        return _NATIVE.get(self.kind, "JSON")

    @property
    def value(self) -> str:
        text = f"{self.place}::VARCHAR"
        if self.carrier == "JSON" and self.kind in _LITERALS:
            return f"try_cast({text} AS {_LITERALS[self.kind]})"
        if self.carrier == "JSON" and self.kind is Kind.STRING:
            return f"if({_is_quoted(text)}, {self.place}->>'$', {text})"
        if self.carrier == "JSON" and self.kind in _TEMPORAL:
            return f"({self.place}->>'$')"
        return self.place

    @property
    def written(self) -> str:
        """The value as JSON text, as the source must have spelled it."""
        if self.carrier == "VARCHAR" and self.kind is Kind.STRING:
            return f"to_json({self.place})::VARCHAR"
        if self.carrier == "VARCHAR":
            return f"('\"' || {self.place} || '\"')"
        return f"{self.place}::VARCHAR"

    @property
    def check(self) -> str | None:
        """What must hold of a proved text so that `value` is the value itself."""
        condition = _condition(self) if self.carrier == "JSON" else None
        return f"({self.place} IS NULL OR {condition})" if condition else None


def _condition(field: _Field) -> str | None:  # noqa: PLR0911 - one return a kind
    text = f"{field.place}::VARCHAR"
    match field.kind:
        case Kind.NUMBER:
            # Fifteen digits fit a double; longer ones with a point were printed from it.
            return (
                f"(isfinite(try_cast({text} AS DOUBLE)) AND "
                f"(strlen({text}) <= 15 OR contains({text}, '.')))"
            )
        case Kind.JSON:
            return f"NOT {_has_nan(text)}"
        case Kind.STRING:
            return f"({_is_quoted(text)} OR NOT {_has_nan(text)})"
        case Kind.INTEGER:
            return f"regexp_full_match({text}, '-?[0-9]{{1,18}}')"
        case Kind.BIG_INTEGER:
            return f"regexp_full_match({text}, '-?[0-9]{{1,38}}')"
        case Kind.DECIMAL:
            return rf"regexp_full_match({text}, '-?[0-9]{{1,29}}(\.[0-9]{{1,9}})?')"
        case Kind.BOOLEAN:
            return f"{text} IN ('true', 'false')"
        case _:
            return _is_quoted(text) if field.kind in _TEMPORAL else None


def _is_quoted(text: str) -> str:
    return f"starts_with({text}, '\"')"


def _has_nan(text: str) -> str:
    """DuckDB reads and writes these two words, which are not JSON."""
    return f"(contains({text}, 'NaN') OR contains({text}, 'Infinity'))"


def _fields(columns: tuple[Column, ...], order: Iterable[str], mixed: Set[str]) -> list[_Field]:
    kinds = {column.name: column.kind for column in columns}
    names = list(dict.fromkeys([*order, *kinds]))
    folded = Counter(name.lower() for name in names)
    return [
        _Field(
            name=name,
            kind=kinds.get(name),
            place=f"c{place}",
            is_apart=not name or folded[name.lower()] > 1,
            is_mixed=name in mixed,
        )
        for place, name in enumerate(names)
    ]


def _parsed(fields: list[_Field], *, is_forgiving: bool) -> tuple[str, str]:
    """Returns the subquery that reads `source`, and the names of what it yields."""
    joint = [field for field in fields if not field.is_apart]
    apart = [field for field in fields if field.is_apart]
    calls, names = [], []
    if joint:
        shape = json.dumps({field.name: field.carrier for field in joint})
        call = f"from_json(j, {_sql(shape)})"
        calls.append(f"unnest({f'try({call})' if is_forgiving else call})")
        names += [field.place for field in joint]
    for field in apart:
        call = f"json_extract(j, {_sql(_pointer(field.name))})"
        call = f"try({call})" if is_forgiving else call
        calls.append(f"nullif({call}::VARCHAR, 'null')::JSON")
        names.append(field.place)
    subquery = f"SELECT {', '.join([*calls, 'j', 'i'])} FROM source"  # noqa: S608 - quoted by _sql
    return subquery, ", ".join([*names, "j", "i"])


def _pointer(name: str) -> str:
    """Returns the JSON pointer to a key (RFC 6901 §3)."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _equality(fields: list[_Field], habits: Habits) -> str:
    """Returns the equality of a row's text with its values written back.

    Strings without escapes are written as they are between quotes. Where one had an escape after
    all, no equality can hold: from the first escape on, the written text runs ahead of the row's.
    To meet it again, the escape would have to be the backslash of a quote that the row has inside
    the string and the written text at its end, with a comma and a quote after it: then the row's
    string ends there, and the next thing is a comma or a brace where the written text has the
    next key. So no key may begin with these.
    """
    if not fields:
        return "j = '{}'"
    may_be_bare = not any(field.name.startswith((",", "}")) for field in fields)
    parts: list[str] = []
    constant = "{"
    for position, field in enumerate(fields):
        key = orjson.dumps(field.name).decode()
        constant += f"{',' if position else ''}{key}:"
        is_bare = field.carrier == "VARCHAR" and (
            field.kind in _TEMPORAL or (may_be_bare and field.name not in habits.escaped)
        )
        if field.name in habits.nullable:
            text = f"('\"' || {field.place} || '\"')" if is_bare else field.written
            parts += [_sql(constant), f"coalesce({text}, 'null')"]
            constant = ""
        elif is_bare:
            parts += [_sql(constant + '"'), field.place]
            constant = '"'
        else:
            # `concat` leaves a null out, and so the row unproved.
            parts += [_sql(constant), field.written]
            constant = ""
    return f"j = concat({', '.join(parts)}, {_sql(constant + '}')})"


def _sparse_equality(texts: list[tuple[str, str]]) -> str:
    """Returns the equality for records that may leave keys out.

    First with null for every value that is not there; where that fails, without those that the
    text does not show as null. Guessing is safe: equality decides.
    """
    if not texts:
        return "j = '{}'"
    full, sparse = [], []
    for position, (name, text) in enumerate(texts):
        key = orjson.dumps(name).decode() + ":"
        full.append(_sql(("," if position else "{") + key))
        full.append(f"coalesce({text}, 'null')")
        gap = f"if(contains(j, {_sql(key + 'null')}), {_sql(',' + key + 'null')}, '')"
        sparse.append(f"coalesce({_sql(',' + key)} || {text}, {gap})")
    dense = f"j = concat({', '.join(full)}, '}}')"
    return (
        f"CASE WHEN {dense} THEN true ELSE j[1] = '{{' AND "
        f"concat(',', j[2:]) = concat({', '.join(sparse)}, '}}') END"
    )


def _sql(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
