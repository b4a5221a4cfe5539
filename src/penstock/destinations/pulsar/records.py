"""Rows as messages: the schema of a stream's topic, and each row's content, key and time.

| kind              | AVRO                             | JSON                    |
|-------------------|----------------------------------|-------------------------|
| STRING            | string                           | string                  |
| BOOLEAN           | boolean                          | true, false             |
| INTEGER           | long                             | number                  |
| BIG_INTEGER       | bytes, decimal(38, 0)            | string, digit by digit  |
| NUMBER            | double                           | number                  |
| DECIMAL           | bytes, decimal(38, 9)            | string, digit by digit  |
| DATE              | int, date                        | string, ISO 8601        |
| TIMESTAMP_TZ      | long, timestamp-micros           | string, ISO 8601 with Z |
| TIMESTAMP         | long, local-timestamp-micros     | string, ISO 8601        |
| TIME              | long, time-micros                | string, ISO 8601        |
| JSON              | string, the JSON text            | string, the JSON text   |

Every field of the stream's is nullable with null as default, so that readers of older and of newer
schemas read one another's messages. Logical types: Apache Avro 1.12, "Logical Types".
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import fastavro
import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.encode import object_lines, value_texts
from penstock.data.names import EXTRACTED_AT
from penstock.data.types import Kind, arrow_type
from penstock.destinations.pulsar.config import Encoding
from penstock.destinations.pulsar.topics import avro_name
from penstock.errors import ConfigError
from penstock.sdk.destination import Normalisation, StreamPlan
from penstock.sdk.landed import landed
from penstock.sdk.stored_columns import as_text, planned_kinds, with_json

_DELETED_AT: Final = "_ab_cdc_deleted_at"
"""Property that CDC sources fill when the row was deleted at the source."""
_PART_ROWS: Final = 2000

_DECIMAL: Final = {"type": "bytes", "logicalType": "decimal", "precision": 38}
_AVRO: Final[Mapping[Kind, Any]] = {
    Kind.STRING: "string",
    Kind.BOOLEAN: "boolean",
    Kind.INTEGER: "long",
    Kind.BIG_INTEGER: {**_DECIMAL, "scale": 0},
    Kind.NUMBER: "double",
    Kind.DECIMAL: {**_DECIMAL, "scale": 9},
    Kind.DATE: {"type": "int", "logicalType": "date"},
    Kind.TIMESTAMP_TZ: {"type": "long", "logicalType": "timestamp-micros"},
    Kind.TIMESTAMP: {"type": "long", "logicalType": "local-timestamp-micros"},
    Kind.TIME: {"type": "long", "logicalType": "time-micros"},
    Kind.JSON: "string",
}
_IN_JSON: Final = {Kind.BOOLEAN: "boolean", Kind.INTEGER: "long", Kind.NUMBER: "double"}
"""What JSON writes otherwise than as a string."""
_EXACT_AS_TEXT: Final = frozenset({Kind.BIG_INTEGER, Kind.DECIMAL})
_AS_DAYS: Final = frozenset({Kind.DATE})
_AS_MICROS: Final = frozenset({Kind.TIMESTAMP_TZ, Kind.TIMESTAMP, Kind.TIME})


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """The schema that is registered for a topic, which both encodings define in Avro's form."""

    encoding: Encoding
    name: str
    definition: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One row, ready to go."""

    content: bytes | None = field(repr=False)
    """None is a tombstone: compaction removes its key."""
    key: str | None = field(repr=False)
    event_at: int
    """Milliseconds since 1970: when the row was read at the source."""


class RowEncoder:
    """Makes messages of one stream's batches."""

    def __init__(self, plan: StreamPlan, encoding: Encoding) -> None:
        self._plan = plan
        self._kinds = planned_kinds(plan)
        self._fields = _field_names(self._kinds)
        self._is_raw = plan.normalisation is Normalisation.RAW
        self._encoding = encoding
        self.registered = None if self._is_raw else self._schema()
        own = {name for name in self._kinds if name not in {c.name for c in plan.columns}}
        physical = [
            _physical_field(self._fields[name], kind, is_nullable=name not in own)
            for name, kind in self._kinds.items()
        ]
        self._physical = fastavro.parse_schema(_record(plan, physical))
        self._deleted = next(
            (column.name for column in plan.columns if column.source == _DELETED_AT), None
        )

    def land(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Returns the rows as they will go; raises ProtocolError for a batch of another shape."""
        return landed(batch, self._plan)

    def encode(self, rows: pa.RecordBatch) -> Iterator[Message]:
        """Yields landed rows in their order."""
        for start in range(0, rows.num_rows, _PART_ROWS):
            yield from self._part(rows.slice(start, _PART_ROWS))

    def _part(self, rows: pa.RecordBatch) -> Iterator[Message]:
        events = rows.column(EXTRACTED_AT).view(pa.int64()).to_pylist()
        keys = self._keys(rows)
        gone = self._gone(rows)
        for content, key, event, is_gone in zip(
            self._contents(rows), keys, events, gone, strict=True
        ):
            yield Message(
                content=None if is_gone else content, key=key, event_at=max(0, event // 1000)
            )

    def _contents(self, rows: pa.RecordBatch) -> Iterator[bytes]:
        if self._is_raw:
            return _lines(with_json(rows, self._kinds))
        if self._encoding == "json":
            return _lines(self._as_json(rows))
        return self._as_avro(rows)

    def _as_avro(self, rows: pa.RecordBatch) -> Iterator[bytes]:
        columns = [
            _physical_values(array, kind)
            for array, kind in zip(rows.columns, self._kinds.values(), strict=True)
        ]
        names = list(self._fields.values())
        for values in zip(*columns, strict=True):
            content = io.BytesIO()
            fastavro.schemaless_writer(
                content, self._physical, dict(zip(names, values, strict=True))
            )
            yield content.getvalue()

    def _as_json(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        arrays = [
            as_text(array, kind) if kind in _EXACT_AS_TEXT else array
            for array, kind in zip(rows.columns, self._kinds.values(), strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, names=list(self._fields.values()))

    def _keys(self, rows: pa.RecordBatch) -> Sequence[str | None]:
        key = self._plan.primary_key
        if not key:
            return [None] * rows.num_rows
        lists = _key_lists([rows.column(name) for name in key])
        if len(key) > 1:
            return lists
        texts = as_text(rows.column(key[0]), self._kinds[key[0]]).to_pylist()
        return [
            text if text and not text.startswith("[") else listed
            for text, listed in zip(texts, lists, strict=True)
        ]

    def _gone(self, rows: pa.RecordBatch) -> Sequence[bool]:
        if self._deleted is None or not self._plan.primary_key:
            return [False] * rows.num_rows
        found: list[bool] = rows.column(self._deleted).is_valid().to_pylist()
        return found

    def _schema(self) -> Registered:
        sources = {column.name: column.source for column in self._plan.columns}
        fields = [
            _field(self._fields[name], name, kind, sources.get(name), self._encoding)
            for name, kind in self._kinds.items()
        ]
        definition = _record(self._plan, fields)
        return Registered(
            encoding=self._encoding, name=str(definition["name"]), definition=definition
        )


def refuse_another_kind(definition: Mapping[str, Any], registered: Registered, topic: str) -> None:
    """Raises ConfigError where a field has another kind in the topic's schema than in ours.

    Brokers compare only how Avro stores a field: they would take an instant for a number, and a
    decimal for one of another scale, and readers would misread the rows.
    """
    known = {each["name"]: each for each in definition.get("fields", ()) if "kind" in each}
    for each in registered.definition["fields"]:
        older = known.get(each["name"])
        if older is not None and older["type"] != each["type"]:
            raise ConfigError(
                f"The column {each['name']} is {each['kind']} now; in the schema of {topic} it is"
                f" {older['kind']}.",
                remedy="Set `topic` to a new name, as {stream}-v2, and let consumers move there;"
                " or leave the column out of the sync.",
                topic=topic,
            )


def _record(plan: StreamPlan, fields: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"type": "record", "name": avro_name(plan.table.name), "fields": list(fields)}


def _field_names(kinds: Mapping[str, Kind]) -> dict[str, str]:
    return {name: avro_name(name) for name in kinds}


def _field(
    name: str, column: str, kind: Kind, source: str | None, encoding: Encoding
) -> dict[str, Any]:
    """Returns a field with what its type does not say: what it holds, and what it is of."""
    stored = _AVRO[kind] if encoding == "avro" else _IN_JSON.get(kind, "string")
    made = _nullable(name, stored) if source is not None else {"name": name, "type": stored}
    made["kind"] = kind.value
    if column != name:
        made["column"] = column
    if source not in (None, column):
        made["property"] = source
    return made


def _physical_field(name: str, kind: Kind, *, is_nullable: bool) -> dict[str, Any]:
    """Returns a field without its logical type, for values are given as they are stored."""
    stored = _AVRO[kind]
    plain = stored if isinstance(stored, str) else stored["type"]
    return _nullable(name, plain) if is_nullable else {"name": name, "type": plain}


def _nullable(name: str, stored: Any) -> dict[str, Any]:
    return {"name": name, "type": ["null", stored], "default": None}


def _physical_values(array: pa.Array, kind: Kind) -> list[Any]:
    if kind in _EXACT_AS_TEXT:
        unscaled = array.cast(arrow_type(kind)).view(pa.binary(16)).to_pylist()
        return [None if value is None else _twos_complement(value) for value in unscaled]
    if kind in _AS_DAYS:
        array = array.view(pa.int32())
    elif kind in _AS_MICROS:
        array = array.view(pa.int64())
    values: list[Any] = array.to_pylist()
    return values


def _twos_complement(little_endian: bytes) -> bytes:
    """Returns a number as Avro's decimal has it: big-endian, no longer than it must be."""
    value = int.from_bytes(little_endian, "little", signed=True)
    return value.to_bytes((8 + (value + (value < 0)).bit_length()) // 8, "big", signed=True)


def _key_lists(columns: Sequence[pa.Array]) -> list[str]:
    """Returns the values of each row as a JSON list."""
    parts: list[Any] = []
    for array in columns:
        parts += [",", value_texts(array).fill_null("null")]
    joined = pc.binary_join_element_wise("[", *parts[1:], "]", "")
    lists: list[str] = joined.to_pylist()
    return lists


def _lines(rows: pa.RecordBatch) -> Iterator[bytes]:
    for part in object_lines(rows):
        yield from part.split(b"\n")[:-1]
