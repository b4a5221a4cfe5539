"""The mappers as steps: each from the columns before it to those after, and from rows to rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, assert_never

import pyarrow as pa

from penstock.data.types import Column, Kind
from penstock.engine.catalog import nearest
from penstock.engine.shaping import ciphers
from penstock.engine.shaping.documents import (
    Condition,
    Encryption,
    Equal,
    FieldFiltering,
    Hashing,
    Mapper,
    Not,
    Renaming,
    RowFiltering,
    SqlField,
    SqlFilter,
)
from penstock.engine.shaping.sql import RowSql, text_of
from penstock.errors import ConfigError, UnknownName

Columns: TypeAlias = tuple[Column, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What became of one field: where its value is now, and what is still true of it."""

    old: str
    new: str | None
    """None: it is gone."""
    keeps_identity: bool = False
    """Equal values stay equal, others stay different: it can still be a key."""
    keeps_order: bool = False
    """It can still be a cursor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One mapper made ready: the columns it leaves, and what it does to a batch."""

    columns: Columns
    apply: Callable[[pa.RecordBatch], pa.RecordBatch]
    move: Move | None = None


def step_of(mapper: Mapper, columns: Columns, sql: RowSql) -> Step:  # noqa: PLR0911 (a mapper each)
    """Returns the step of a mapper over these columns; raises ConfigError when it does not fit."""
    match mapper:
        case Renaming(mapper_configuration=c):
            return _renaming(columns, c.original_field_name, c.new_field_name)
        case FieldFiltering(mapper_configuration=c):
            return _dropping(columns, _named(columns, c.target_field))
        case Hashing(mapper_configuration=c):
            ciphers.check_digest(c.method)
            column = _named(columns, c.target_field)
            if c.method in ciphers.SQL_DIGESTS:
                expression = f"{ciphers.SQL_DIGESTS[c.method]}({text_of(column)})"
                return _replacing(
                    columns,
                    column,
                    c.field_name_suffix,
                    lambda batch: sql.values(expression, batch, Kind.STRING),
                    keeps_identity=True,
                )
            return _replacing(
                columns,
                column,
                c.field_name_suffix,
                _each_text(column, ciphers.digest(c.method), sql),
                keeps_identity=True,
            )
        case Encryption(mapper_configuration=c):
            column = _named(columns, c.target_field)
            return _replacing(
                columns,
                column,
                c.field_name_suffix,
                _each_text(column, ciphers.encryption(c), sql),
                keeps_identity=False,
            )
        case RowFiltering(mapper_configuration=c):
            return _filtering(columns, _condition(c.conditions, columns), sql)
        case SqlFilter(mapper_configuration=c):
            if sql.kind(c.expression, columns) is not Kind.BOOLEAN:
                raise ConfigError(
                    f"The row filter {c.expression!r} is not a condition.",
                    remedy="Write one that is true or false: amount > 0.",
                )
            return _filtering(columns, c.expression, sql)
        case SqlField(mapper_configuration=c):
            return _computing(columns, c.target_field, c.expression, sql)
        case _:
            assert_never(mapper)


def dropping_all_but(columns: Columns, fields: Sequence[str]) -> Columns:
    """Returns the columns of the chosen fields, in the stream's own order."""
    chosen = {_named(columns, name).name for name in fields}
    return tuple(column for column in columns if column.name in chosen)


def _renaming(columns: Columns, old: str, new: str) -> Step:
    column = _named(columns, old)
    if not new or any(each.name == new for each in columns if each is not column):
        raise ConfigError(
            f"Field {old!r} cannot be renamed to {new!r}: "
            + ("the new name is empty." if not new else "there is such a field already."),
            remedy="Choose a name that no other field of the stream has.",
        )
    after = tuple(Column(name=new, kind=c.kind) if c is column else c for c in columns)

    def apply(batch: pa.RecordBatch) -> pa.RecordBatch:
        names = [new if name == old else name for name in batch.schema.names]
        return batch.rename_columns(names)

    move = Move(old=old, new=new, keeps_identity=True, keeps_order=True)
    return Step(columns=after, apply=apply, move=move)


def _dropping(columns: Columns, column: Column) -> Step:
    after = tuple(each for each in columns if each is not column)
    return Step(
        columns=after,
        apply=lambda batch: batch.drop_columns([column.name]),
        move=Move(old=column.name, new=None),
    )


def _replacing(
    columns: Columns,
    column: Column,
    suffix: str,
    values: Callable[[pa.RecordBatch], pa.Array],
    *,
    keeps_identity: bool,
) -> Step:
    name = column.name + suffix
    if any(each.name == name for each in columns if each is not column):
        raise ConfigError(
            f"Field {column.name!r} cannot become {name!r}: there is such a field already.",
            remedy="Choose another fieldNameSuffix.",
        )
    made = Column(name=name, kind=Kind.STRING)
    after = tuple(made if each is column else each for each in columns)

    def apply(batch: pa.RecordBatch) -> pa.RecordBatch:
        index = batch.schema.get_field_index(column.name)
        return _with_column(batch, index, name, values(batch.select([column.name])))

    move = Move(old=column.name, new=name, keeps_identity=keeps_identity)
    return Step(columns=after, apply=apply, move=move)


def _each_text(
    column: Column, replace: ciphers.Replace, sql: RowSql
) -> Callable[[pa.RecordBatch], pa.Array]:
    expression = text_of(column)

    def values(batch: pa.RecordBatch) -> pa.Array:
        texts = sql.values(expression, batch, Kind.STRING).to_pylist()
        return pa.array([None if t is None else replace(t) for t in texts], pa.string())

    return values


def _computing(columns: Columns, target: str, expression: str, sql: RowSql) -> Step:
    if not target:
        raise ConfigError("A computed field has no name.", remedy="Give it one: targetField.")
    kind = sql.kind(expression, columns)
    made = Column(name=target, kind=kind)
    is_new = all(each.name != target for each in columns)
    after = (
        (*columns, made)
        if is_new
        else tuple(made if each.name == target else each for each in columns)
    )
    names = [each.name for each in columns]

    def apply(batch: pa.RecordBatch) -> pa.RecordBatch:
        values = sql.values(expression, batch.select(names), kind)
        index = len(names) if is_new else batch.schema.get_field_index(target)
        if is_new:
            return batch.add_column(index, pa.field(target, values.type), values)
        return _with_column(batch, index, target, values)

    move = None if is_new else Move(old=target, new=target)
    return Step(columns=after, apply=apply, move=move)


def _filtering(columns: Columns, condition: str, sql: RowSql) -> Step:
    names = [each.name for each in columns]

    def apply(batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch.filter(sql.values(condition, batch.select(names), Kind.BOOLEAN))

    return Step(columns=columns, apply=apply)


def _condition(condition: Condition, columns: Columns) -> str:
    match condition:
        case Equal(field_name=name, comparison_value=value):
            text = value.replace("'", "''")
            return f"coalesce({text_of(_named(columns, name))} = '{text}', false)"
        case Not(conditions=inner):
            return "NOT (" + " OR ".join(_condition(each, columns) for each in inner) + ")"
        case _:
            assert_never(condition)


def _with_column(batch: pa.RecordBatch, index: int, name: str, values: pa.Array) -> pa.RecordBatch:
    return batch.set_column(index, pa.field(name, values.type), values)


def _named(columns: Columns, name: str) -> Column:
    for column in columns:
        if column.name == name:
            return column
    raise UnknownName(
        f"There is no field {name!r} to map.",
        remedy=nearest(name, [column.name for column in columns]),
    )
