"""How values become those of a stored column in BigQuery's SQL, and how a loss is recorded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, assert_never

from penstock.data.names import EXTRACTED_AT, GENERATION_ID, META, RAW_ID
from penstock.data.schema_change import Conversion, conversion
from penstock.data.types import Kind
from penstock.protocol.messages import ChangeKind
from penstock.sdk.sql.dialect import Load, LoadColumn, TableColumn

ARRIVING: Final[dict[Kind, str]] = {
    Kind.STRING: "STRING",
    Kind.BOOLEAN: "BOOL",
    Kind.INTEGER: "INT64",
    Kind.BIG_INTEGER: "BIGNUMERIC",
    Kind.NUMBER: "FLOAT64",
    Kind.DECIMAL: "NUMERIC",
    Kind.DATE: "DATE",
    Kind.TIMESTAMP_TZ: "TIMESTAMP",
    Kind.TIMESTAMP: "DATETIME",
    Kind.TIME: "TIME",
    Kind.JSON: "STRING",
}
"""The type of a loaded column: a Parquet file has no JSON that BigQuery would parse."""

_NUMBERS: Final = frozenset({Kind.INTEGER, Kind.BIG_INTEGER, Kind.NUMBER, Kind.DECIMAL})
_WIDE: Final = frozenset({Kind.BIG_INTEGER, Kind.DECIMAL})
_ROUNDED_TYPES: Final = ("FLOAT64", "NUMERIC", "BIGNUMERIC")
_ESCAPES: Final = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\x00": "\\0"}


def quoted(name: str) -> str:
    """Returns a name as an SQL identifier; escapes are those of a string."""
    return "`" + _escaped(name, "`") + "`"


def literal(text: str) -> str:
    """Returns text as an SQL string."""
    return "'" + _escaped(text, "'") + "'"


def insert_converted(load: Load, source: str, target: str) -> str:
    """Returns the INSERT of loaded rows, each value converted and what it lost recorded.

    The loaded table has the columns c0, c1, …: those of the load, the instant of extraction, the
    changes, the identifier, and where arrival counts its number.
    """
    places = [f"i.c{place}" for place in range(len(load.columns) + 4)]
    values: list[str] = []
    problems: list[str] = []
    for column, value in zip(load.columns, places, strict=False):
        stored, problem = _landed(column, value)
        values.append(stored)
        if problem is not None:
            problems.append(problem)
    extracted_at, changes, raw_id, sequence = places[len(load.columns) :]
    names = [column.target.name for column in load.columns]
    names += [RAW_ID, EXTRACTED_AT, META, GENERATION_ID]
    values += [
        raw_id,
        converted(extracted_at, Kind.TIMESTAMP_TZ, load.extracted_at),
        _meta(load.sync_id, changes, problems),
        str(load.generation_id),
    ]
    if load.sequence is not None:
        names.append(load.sequence)
        values.append(sequence)
    listed = ", ".join(map(quoted, names))
    return f"INSERT INTO {target} ({listed}) SELECT {', '.join(values)} FROM {source} AS i"


def converted(value: str, kind: Kind, target: TableColumn) -> str:
    """Returns a value of one kind as SQL of the stored type; NULL where it does not fit."""
    match conversion(kind, target.kind):
        case Conversion.NONE:
            return f"PARSE_JSON({value}, wide_number_mode=>'round')" if _is_json(kind) else value
        case Conversion.EXACT:
            return _exactly(value, kind, target)
        case Conversion.CHECKED if kind in _NUMBERS and target.kind in _NUMBERS:
            return f"SAFE_CAST({value} AS {target.type_name})"
        case Conversion.CHECKED:
            return f"SAFE_CAST({_text(value, kind)} AS {target.type_name})"
        case never:
            assert_never(never)


def _exactly(value: str, kind: Kind, target: TableColumn) -> str:
    if target.kind is Kind.STRING:
        return _text(value, kind)
    if target.kind is Kind.JSON:
        return _json(value, kind)
    if kind is Kind.TIMESTAMP_TZ:
        return f"DATETIME({value}, 'UTC')"
    return f"CAST({value} AS {target.type_name})"


def _text(value: str, kind: Kind) -> str:
    """Dates and times in ISO 8601, instants in UTC with `Z`; JSON arrives as its own text."""
    match kind:
        case Kind.TIMESTAMP_TZ:
            return f"FORMAT_TIMESTAMP('%Y-%m-%dT%H:%M:%E6SZ', {value}, 'UTC')"
        case Kind.TIMESTAMP:
            return f"FORMAT_DATETIME('%Y-%m-%dT%H:%M:%E6S', {value})"
        case Kind.TIME:
            return f"FORMAT_TIME('%H:%M:%E6S', {value})"
        case Kind.STRING | Kind.JSON:
            return value
        case (
            Kind.BOOLEAN | Kind.INTEGER | Kind.BIG_INTEGER | Kind.NUMBER | Kind.DECIMAL | Kind.DATE
        ):
            return f"CAST({value} AS STRING)"
        case _:
            assert_never(kind)


def _json(value: str, kind: Kind) -> str:
    if kind in _WIDE:
        return f"TO_JSON({value}, stringify_wide_numbers=>TRUE)"
    if kind in _NUMBERS or kind is Kind.BOOLEAN:
        return f"TO_JSON({value})"
    return f"TO_JSON({_text(value, kind)})"


def _landed(column: LoadColumn, value: str) -> tuple[str, str | None]:
    """Returns the value to store, and SQL for its change record (NULL where there is none)."""
    stored = converted(value, column.kind, column.target)
    if conversion(column.kind, column.target.kind) is not Conversion.CHECKED:
        return stored, None
    back = f"SAFE_CAST({stored} AS {ARRIVING[column.kind]})"
    is_same = f"{back} IS NOT DISTINCT FROM {value}"
    nulled = literal(change_entry(column.source, ChangeKind.NULLED))
    if column.kind in _NUMBERS and column.target.type_name.startswith(_ROUNDED_TYPES):
        rounded = literal(change_entry(column.source, ChangeKind.TRUNCATED))
        how = f"IF({stored} IS NULL, {nulled}, {rounded})"
        return stored, f"IF({is_same}, NULL, {how})"
    return f"IF({is_same}, {stored}, NULL)", f"IF({is_same}, NULL, {nulled})"


def change_entry(field: str, change: ChangeKind, reason: str = "DESTINATION_TYPECAST_ERROR") -> str:
    """Returns one entry of `_airbyte_meta.changes`."""
    return json.dumps(
        {"field": field, "change": change.value, "reason": reason},
        ensure_ascii=False,
        separators=(",", ":"),
    )


def _meta(sync_id: int, changes: str, problems: Sequence[str]) -> str:
    """Returns {"sync_id": n, "changes": […]}, from the changes that arrived and those made here."""
    head = literal(f'{{"sync_id":{sync_id},"changes":')
    listed = f"IFNULL({changes}, '[]')"
    if problems:
        inner = f"NULLIF(TRIM(SUBSTR(TRIM({listed}), 2, LENGTH(TRIM({listed})) - 2)), '')"
        joined = f"ARRAY_TO_STRING([{', '.join([inner, *problems])}], ',')"
        listed = f"CONCAT('[', IFNULL({joined}, ''), ']')"
    return f"PARSE_JSON(CONCAT({head}, {listed}, '}}'), wide_number_mode=>'round')"


def _is_json(kind: Kind) -> bool:
    return kind is Kind.JSON


def _escaped(text: str, quote: str) -> str:
    escapes = {**_ESCAPES, quote: "\\" + quote}
    return "".join(escapes.get(character, character) for character in text)
