"""Rows one value at a time: slow, exact for anything, and what the vector path is measured by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import pyarrow as pa

from penstock.data.arrays import of_values
from penstock.data.coerce import NOT_UNICODE, Misfit, coercer
from penstock.data.json_text import is_json, mend, split_object
from penstock.data.types import Column, Kind, arrow_type
from penstock.errors import ProtocolError
from penstock.protocol.messages import Change

DATA_COLUMN: Final = Column(name="_airbyte_data", kind=Kind.JSON)
EXTRACTED_AT: Final = "_airbyte_extracted_at"
CHANGES: Final = "_airbyte_changes"

_string: Final = coercer(Kind.STRING)
_WHOLE: Final[dict[Kind, pa.DataType]] = {
    Kind.DATE: pa.int32(),
    Kind.TIMESTAMP_TZ: pa.int64(),
    Kind.TIMESTAMP: pa.int64(),
    Kind.TIME: pa.int64(),
}
"""Kinds whose coerced values are whole numbers: built as such, then seen as their type."""


def output_columns(columns: tuple[Column, ...], *, is_raw: bool) -> tuple[Column, ...]:
    """Returns the columns of a canonical batch before the two of penstock."""
    return (DATA_COLUMN,) if is_raw else columns


def batch_schema(columns: tuple[Column, ...], *, is_raw: bool) -> pa.Schema:
    """Returns the schema of a canonical batch, as `penstock.sdk.destination.Writer` takes it."""
    fields = [
        pa.field(column.name, column.arrow_type)
        for column in output_columns(columns, is_raw=is_raw)
    ]
    fields.append(pa.field(EXTRACTED_AT, pa.timestamp("us", tz="UTC")))
    fields.append(pa.field(CHANGES, pa.string()))
    return pa.schema(fields)


def changes_text(changes: Sequence[Change]) -> str | None:
    """Returns changes as the `_airbyte_changes` column holds them."""
    return msgspec.json.encode(changes).decode() if changes else None


class CarefulRows:
    """Collects records of one stream, value by value, into arrays."""

    def __init__(self, columns: tuple[Column, ...], *, is_raw: bool) -> None:
        self._columns = output_columns(columns, is_raw=is_raw)
        self._is_raw = is_raw
        self._plan = [(column.name, coercer(column.kind)) for column in self._columns]
        self._declared = frozenset(column.name for column in columns)
        self._values: list[list[Any]] = [[] for _ in self._columns]
        self.changes: list[str | None] = []
        self.undeclared: dict[str, None] = {}
        self.mixed: set[str] = set()
        """STRING columns that met a value which is no string."""
        self.keys: list[tuple[str, ...]] = []
        """The keys of each record in its own order: what the vector path learns from."""

    def add(self, data: bytes) -> None:
        """Adds one record's JSON text; raises ProtocolError when it is not an object."""
        try:
            fields = split_object(data)
        except ValueError as error:
            raise ProtocolError(
                f"The connector sent a record whose data is not a JSON object: {error}.",
                remedy="Report it to the connector's author, or pin another version.",
                line=data[:500].decode("utf-8", "replace"),
            ) from error
        self.keys.append(tuple(fields))
        if self._is_raw:
            self._add_raw(data)
            return
        changes: list[Change] = []
        for (name, read), values in zip(self._plan, self._values, strict=True):
            text = fields.get(name)
            if text is None:
                values.append(None)
                continue
            if read is _string and text[:1] != b'"' and text != b"null":
                self.mixed.add(name)
            value, misfit = read(text)
            values.append(value)
            if misfit is not None:
                changes.append(_change(name, misfit))
        for name in fields.keys() - self._declared:
            self.undeclared[name] = None
        self.changes.append(changes_text(changes))

    def _add_raw(self, data: bytes) -> None:
        if is_json(data):
            self._values[0].append(data.decode())
            self.changes.append(None)
        else:
            self._values[0].append(mend(data).decode())
            self.changes.append(changes_text([_change(DATA_COLUMN.name, NOT_UNICODE)]))

    def arrays(self) -> list[pa.Array]:
        """Returns an array a column, JSON as its plain text."""
        return [
            coerced_array(values, column.kind)
            for values, column in zip(self._values, self._columns, strict=True)
        ]


def storage_type(kind: Kind) -> pa.DataType:
    """Returns the Arrow type of a kind without the JSON extension around it."""
    return pa.string() if kind is Kind.JSON else arrow_type(kind)


def _change(name: str, misfit: Misfit) -> Change:
    return Change(field=name, change=misfit.change, reason=misfit.reason)


def coerced_array(values: list[Any], kind: Kind) -> pa.Array:
    """Returns coerced values as an array, JSON as its plain text."""
    whole = _WHOLE.get(kind)
    if whole is None:
        return of_values(values, storage_type(kind))
    return of_values(values, whole).view(storage_type(kind))
