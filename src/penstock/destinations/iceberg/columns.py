"""Columns of an Iceberg table as kinds, and what it is partitioned by."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.partitioning import PARTITION_FIELD_ID_START, PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.update.schema import UpdateSchema
from pyiceberg.transforms import (
    DayTransform,
    IdentityTransform,
    MonthTransform,
    Transform,
    YearTransform,
)
from pyiceberg.types import (
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    IcebergType,
    LongType,
    NestedField,
    StringType,
    TimestampType,
    TimestamptzType,
    TimeType,
)

from penstock.data.types import Kind
from penstock.errors import ConfigError, DataError
from penstock.sdk.files.parquet_parts import Split
from penstock.sdk.stored_columns import as_text, stored_type

_TYPES: Final[Mapping[Kind, IcebergType]] = {
    Kind.STRING: StringType(),
    Kind.BOOLEAN: BooleanType(),
    Kind.INTEGER: LongType(),
    Kind.BIG_INTEGER: DecimalType(38, 0),
    Kind.NUMBER: DoubleType(),
    Kind.DECIMAL: DecimalType(38, 9),
    Kind.DATE: DateType(),
    Kind.TIMESTAMP_TZ: TimestamptzType(),
    Kind.TIMESTAMP: TimestampType(),
    Kind.TIME: TimeType(),
}
_KINDS: Final = {str(kind): name for name, kind in _TYPES.items()}
_PARTITION: Final = re.compile(r"(?:(day|month|year)\((.+)\))|(.+)", re.DOTALL)
_TRANSFORMS: Final[Mapping[str, Callable[[], Transform[Any, Any]]]] = {
    "day": DayTransform,
    "month": MonthTransform,
    "year": YearTransform,
}
_CHARACTERS: Final = {"day": 10, "month": 7, "year": 4}
_DATED: Final = frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ})
_MAX_TEXT_BYTES: Final = 1000
_PARTITIONING: Final = _DATED | {Kind.STRING, Kind.INTEGER, Kind.BOOLEAN}


def storable(kinds: Mapping[str, Kind]) -> dict[str, Kind]:
    """Returns the kinds of a table's columns: JSON lies as its text."""
    return {name: Kind.STRING if kind is Kind.JSON else kind for name, kind in kinds.items()}


def kinds_of(schema: Schema, where: str) -> dict[str, Kind]:
    """Returns a table's columns; raises ConfigError for one that penstock does not write."""
    kinds: dict[str, Kind] = {}
    for field in schema.fields:
        kind = _KINDS.get(str(field.field_type))
        if kind is None or field.required:
            raise ConfigError(
                f"Column {field.name!r} of {where} is {field.field_type}"
                f"{' (required)' if field.required else ''}, which penstock does not write.",
                remedy="Give the stream a table of its own: set a prefix or a namespace.",
            )
        kinds[field.name] = kind
    return kinds


def new_schema(kinds: Mapping[str, Kind]) -> Schema:
    """Returns the schema of a new table; the catalogue numbers its columns anew."""
    return Schema(
        *(
            NestedField(field_id=number, name=name, field_type=_TYPES[kind], required=False)
            for number, (name, kind) in enumerate(kinds.items(), start=1)
        )
    )


def change_columns(update: UpdateSchema, old: Mapping[str, Kind], new: Mapping[str, Kind]) -> None:
    """Takes out columns that are not in `new`, or of another kind, and adds those of `new`."""
    for name, kind in old.items():
        if new.get(name) is not kind:
            update.delete_column((name,))
    for name, kind in new.items():
        if old.get(name) is not kind:
            update.add_column((name,), _TYPES[kind])


def file_schema(schema: Schema, kinds: Mapping[str, Kind]) -> pa.Schema:
    """Returns the Arrow schema of data files: each column with its number in the table."""
    fields = []
    for name, kind in kinds.items():
        number = str(schema.find_field(name).field_id)
        fields.append(pa.field(name, stored_type(kind), metadata={"PARQUET:field_id": number}))
    return pa.schema(fields)


def new_partitions(
    wanted: Sequence[str], schema: Schema, kinds: Mapping[str, Kind]
) -> PartitionSpec:
    """Returns what a new table is partitioned by: nothing when it lacks a column of it.

    Raises ConfigError for a column that no table can be partitioned by.
    """
    parsed = [_parsed(text) for text in wanted]
    if not all(column in kinds for _, column in parsed):
        return PartitionSpec()
    fields = []
    for number, (unit, column) in enumerate(parsed, start=PARTITION_FIELD_ID_START):
        allowed = _DATED if unit else _PARTITIONING
        if kinds[column] not in allowed:
            raise ConfigError(
                f"No table can be partitioned by {unit or 'values'} of {column!r}, a column of"
                f" kind {kinds[column]}.",
                remedy="Choose days or instants for day(), month(), year(); else texts, integers,"
                " booleans, days or instants.",
                column=column,
            )
        transform = _TRANSFORMS[unit]() if unit else IdentityTransform()
        name = f"{column}_{unit}" if unit else column
        source = schema.find_field(column).field_id
        fields.append(
            PartitionField(source_id=source, field_id=number, transform=transform, name=name)
        )
    return PartitionSpec(*fields)


def require_partitions(
    spec: PartitionSpec, schema: Schema, old: Mapping[str, Kind], new: Mapping[str, Kind]
) -> None:
    """Raises ConfigError when a column that the table is partitioned by goes, or changes."""
    for field in spec.fields:
        name = schema.find_field(field.source_id).name
        if new.get(name) is not old[name]:
            raise ConfigError(
                f"The table is partitioned by {name!r}, a column of kind {old[name]} that the"
                f" stream now has {'no more' if name not in new else f'as {new[name]}'}.",
                remedy="Drop the table, or give the stream another: set a prefix or a namespace.",
                column=name,
            )


def split_by(spec: PartitionSpec, schema: Schema, kinds: Mapping[str, Kind]) -> Split:
    """Returns what tells rows apart by a table's partitions; ConfigError for unknown ones."""
    parts = []
    for field in spec.fields:
        unit = str(field.transform)
        if unit not in (*_CHARACTERS, "identity"):
            raise ConfigError(
                f"The table is partitioned by {unit} of a column, which penstock does not write.",
                remedy="Give the stream a table of its own: set a prefix or a namespace.",
            )
        name = schema.find_field(field.source_id).name
        parts.append((name, kinds[name], _CHARACTERS.get(unit)))

    def split(rows: pa.RecordBatch) -> Iterator[tuple[Hashable, pa.RecordBatch]]:
        if not parts or not rows.num_rows:
            yield (), rows
            return
        texts = [_texts(rows.column(name), kind, length) for name, kind, length in parts]
        names = [str(number) for number in range(len(texts))]
        keys = pa.table([*texts, pa.array(range(rows.num_rows), pa.int64())], names=[*names, ""])
        groups = keys.group_by(names, use_threads=False).aggregate([("", "list")])
        for group in groups.to_pylist():
            key = tuple(group[name] for name in names)
            yield key, rows.take(pa.array(group["_list"], pa.int64()))

    return split


def _texts(values: pa.Array, kind: Kind, length: int | None) -> pa.Array:
    """Returns what tells partitions apart; raises DataError for a text that none can be named by.

    A file's partition is told from the bounds of its columns, which Parquet leaves out for longer
    texts (its writers' limit is 4,096 bytes).
    """
    texts = as_text(values, kind)
    if length:
        return pc.utf8_slice_codeunits(texts, 0, length)
    longest = pc.max(pc.binary_length(texts)).as_py()
    if longest is not None and longest > _MAX_TEXT_BYTES:
        raise DataError(
            f"A row has a text of {longest} bytes in a column that its table is partitioned by.",
            remedy="Partition the table by another column, or by none.",
        )
    return texts


def _parsed(text: str) -> tuple[str | None, str]:
    found = _PARTITION.fullmatch(text.strip())
    if found is None:
        raise ConfigError(
            f"{text!r} in `partition_by` is neither a column nor day, month or year of one.",
            remedy="Write a column's name, or day(column), month(column), year(column).",
        )
    unit, dated, plain = found.groups()
    return unit, dated or plain
