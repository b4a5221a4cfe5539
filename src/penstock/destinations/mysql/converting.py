"""Values for columns of another type: exact as text, or tried in the server and compared.

A type that penstock did not make has rules of its own, which only the server knows. So values are
put into a temporary column of that type, read back, and kept where they are the same.
"""

from __future__ import annotations

import json
import math
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.types import Kind
from penstock.destinations.mysql.storable import TYPECAST, Changes, record
from penstock.protocol.messages import ChangeKind
from penstock.sdk.mysql.connection import Connection, identifier, rows_of
from penstock.sdk.mysql.rows_in import VALUES, joined, spelled
from penstock.sdk.sql.dialect import LoadColumn

_NUMBERS: Final = frozenset({Kind.INTEGER, Kind.BIG_INTEGER, Kind.NUMBER, Kind.DECIMAL})
_TIMES: Final = frozenset({Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ})
_ROUNDED: Final = ("double", "float", "decimal")
_PROBE: Final = "_penstock_probe"
_PROBED_ROWS: Final = 1_000


def text_of(array: pa.Array, kind: Kind) -> pa.Array:
    """Returns the text that stands for each value in a text column."""
    match kind:
        case Kind.BOOLEAN:
            return pc.if_else(array, "true", "false")
        case Kind.TIMESTAMP | Kind.TIMESTAMP_TZ:
            naive = array.view(pa.int64()).view(pa.timestamp("us")).cast(pa.string())
            suffix = "Z" if kind is Kind.TIMESTAMP_TZ else ""
            dashed = pc.replace_substring(naive, " ", "T")
            return pc.binary_join_element_wise(dashed, suffix, "")
        case Kind.JSON:
            return array.storage if isinstance(array, pa.ExtensionArray) else array
        case Kind.BIG_INTEGER | Kind.DECIMAL:
            texts = [None if v is None else f"{v:f}" for v in array.to_pylist()]
            return pa.array(texts, pa.string())
        case Kind.NUMBER:
            numbers = [None if v is None else repr(v) for v in array.to_pylist()]
            return pa.array(numbers, pa.string())
        case _:
            return array.cast(pa.string())


def json_of(array: pa.Array, kind: Kind) -> pa.Array:
    """Returns each value as JSON text."""
    texts = text_of(array, kind)
    if kind in _NUMBERS or kind in (Kind.BOOLEAN, Kind.JSON):
        return texts
    quoted = [None if t is None else json.dumps(t, ensure_ascii=False) for t in texts.to_pylist()]
    return pa.array(quoted, pa.string())


def tried(
    connection: Connection, schema: str, array: pa.Array, column: LoadColumn, made: Changes
) -> pa.Array:
    """Returns what of each value the column holds, as text; what is lost is recorded."""
    kind, type_name = column.kind, column.target.type_name
    sent = _sent(array, kind)
    back = _through(connection, schema, sent, type_name)
    kept: list[str | None] = []
    for row, (value, found) in enumerate(zip(sent.to_pylist(), back, strict=True)):
        change = None if value is None else _judged(value, found, kind, type_name)
        if change is not None:
            record(made, row, column.source, change, TYPECAST)
        kept.append(None if change is ChangeKind.NULLED else found)
    return pa.array(kept, pa.string())


def _sent(array: pa.Array, kind: Kind) -> pa.Array:
    if kind is Kind.BOOLEAN:
        return pc.if_else(array, "1", "0")
    if kind in (Kind.TIMESTAMP, Kind.TIMESTAMP_TZ):
        return array.view(pa.int64()).view(pa.timestamp("us")).cast(pa.string())
    return text_of(array, kind)


def _through(
    connection: Connection, schema: str, texts: pa.Array, type_name: str
) -> list[str | None]:
    """Returns the values as a column of the type gives them back; IGNORE makes misfits fit."""
    table = identifier(schema, _PROBE)
    plain_type = type_name.partition(" COMMENT ")[0]
    found: list[str | None] = []
    rows_of(
        connection,
        f"CREATE TEMPORARY TABLE {table} (n bigint, v {plain_type} NULL)"
        " DEFAULT CHARSET=utf8mb4 COLLATE utf8mb4_bin",
    )
    shown = "CAST(v AS DOUBLE)" if plain_type.startswith("float") else "v"
    for start in range(0, len(texts), _PROBED_ROWS):
        part = texts.slice(start, _PROBED_ROWS)
        places = pa.array(range(len(part)), pa.int64())
        rows = joined([places.cast(pa.string()), spelled(part, Kind.STRING, VALUES)], VALUES)
        statement = f"INSERT IGNORE INTO {table} VALUES {','.join(rows)}"  # noqa: S608 (escaped)
        connection.query(statement)
        query = f"SELECT CAST({shown} AS CHAR) FROM {table} ORDER BY n"  # noqa: S608 (quoted)
        found.extend(value for (value,) in rows_of(connection, query))
        rows_of(connection, f"DELETE FROM {table}")  # noqa: S608 (quoted)
    rows_of(connection, f"DROP TEMPORARY TABLE {table}")
    return found


def _judged(value: str, found: str | None, kind: Kind, type_name: str) -> ChangeKind | None:
    if found is None:
        return ChangeKind.NULLED
    if kind not in _NUMBERS and kind is not Kind.BOOLEAN:
        is_same = value == found or (kind in _TIMES and _bare(value) == _bare(found))
        return None if is_same else ChangeKind.NULLED
    number, stored = _number(value), _number(found)
    if number is None or stored is None:
        return ChangeKind.NULLED
    if number == stored:
        return None
    is_near = abs(number - stored) <= max(Decimal("0.5"), abs(number) * Decimal("1e-6"))
    is_rounded = type_name.startswith(_ROUNDED) and is_near
    return ChangeKind.TRUNCATED if is_rounded else ChangeKind.NULLED


def _number(text: Any) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if math.isfinite(number) else None


def _bare(moment: str) -> str:
    """Returns a date or time without zeros that say nothing."""
    plain = moment.rstrip("0").rstrip(".") if "." in moment else moment
    return plain.removesuffix(" 00:00:00")
