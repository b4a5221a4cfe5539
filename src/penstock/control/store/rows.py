"""Values to rows and back, and pages of them."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Row, Select, Table, and_, insert, literal, or_, update

from penstock.control.store.columns import Instant
from penstock.control.store.database import Transaction
from penstock.errors import ConfigError, UnknownName

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which part of a list is wanted."""

    limit: int = 20
    after: str | None = None
    """What `Page.next` said of the page before."""
    offset: int = 0
    """Rows to pass over, for interfaces without cursors; slow where it is large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """A part of a list."""

    items: tuple[T, ...]
    next: str | None
    """Where the next page begins; None after the last."""


def value_of(shape: type[T], row: Row[Any]) -> T:
    """Returns a row whose columns are named as the fields of `shape`."""
    return shape(**row._mapping)  # noqa: SLF001 (the public name of that attribute)


def columns_of(value: object) -> dict[str, Any]:
    """Returns a value's fields by name, as they stand in its table."""
    return {each.name: getattr(value, each.name) for each in fields(value)}  # type: ignore[arg-type]


def put(tx: Transaction, table: Table, value: object) -> None:
    """Inserts a value whose fields are the table's columns."""
    tx.execute(insert(table).values(columns_of(value)))


def put_numbered(tx: Transaction, table: Table, value: object) -> int:
    """Inserts a value whose `id` the database gives, and returns it."""
    columns = columns_of(value)
    del columns["id"]
    key = tx.execute(insert(table).values(columns)).inserted_primary_key
    return int(key[0]) if key else 0


def replace_row(tx: Transaction, table: Table, value: Any, *, what: str) -> None:
    """Writes all columns of the row with the value's `id`; raises UnknownName without one."""
    columns = columns_of(value)
    done = tx.execute(update(table).where(table.c.id == columns.pop("id")).values(columns))
    if not done.rowcount:
        raise unknown(what, value.id)


def one(tx: Transaction, shape: type[T], query: Select[Any]) -> T | None:
    """Returns the first row of a query as a value."""
    row = tx.execute(query.limit(1)).first()
    return None if row is None else value_of(shape, row)


def every(tx: Transaction, shape: type[T], query: Select[Any]) -> tuple[T, ...]:
    """Returns all rows of a query as values."""
    return tuple(value_of(shape, row) for row in tx.execute(query))


def page(
    tx: Transaction,
    shape: type[T],
    query: Select[Any],
    *,
    keys: Sequence[ColumnElement[Any]],
    window: Window,
    is_descending: bool = False,
) -> Page[T]:
    """Returns a part of a query's rows in the order of `keys`, the last of which is unique."""
    if window.after is not None:
        query = query.where(_beyond(keys, _read_cursor(window.after, keys), is_descending))
    order = [key.desc() if is_descending else key.asc() for key in keys]
    query = query.order_by(*order).limit(window.limit + 1)
    if window.offset:
        query = query.offset(window.offset)
    rows = tx.execute(query).all()
    is_last = len(rows) <= window.limit
    rows = rows[: window.limit]
    cursor = None if is_last or not rows else _cursor(rows[-1], keys)
    return Page(items=tuple(value_of(shape, row) for row in rows), next=cursor)


def unknown(what: str, id_: object) -> UnknownName:
    """Returns the error for an id that nothing has."""
    return UnknownName(
        f"There is no {what} {id_}.",
        remedy="It may have been deleted; list those there are.",
        resource_type=what,
        resource_id=id_,
    )


def _beyond(
    keys: Sequence[ColumnElement[Any]],
    values: Sequence[Any],
    is_descending: bool,  # noqa: FBT001
) -> ColumnElement[bool]:
    """Returns the condition that a row stands after one with these values.

    Spelt out, as not every database uses an index for a comparison of tuples. The bound of the
    first key is said apart: from the alternatives alone none finds where in an index to begin.
    """
    alternatives = []
    for position, (key, value) in enumerate(zip(keys, values, strict=True)):
        bound = literal(value, key.type)
        same = [
            k == literal(v, k.type) for k, v in zip(keys[:position], values[:position], strict=True)
        ]
        alternatives.append(and_(*same, key < bound if is_descending else key > bound))
    first = literal(values[0], keys[0].type)
    return and_(keys[0] <= first if is_descending else keys[0] >= first, or_(*alternatives))


def _cursor(row: Row[Any], keys: Sequence[ColumnElement[Any]]) -> str:
    values = [row._mapping[key.key] for key in keys]  # type: ignore[index]  # noqa: SLF001
    plain = [each.isoformat() if isinstance(each, datetime) else each for each in values]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def _read_cursor(text: str, keys: Sequence[ColumnElement[Any]]) -> list[Any]:
    try:
        values = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if not isinstance(values, list) or len(values) != len(keys):
            raise ValueError(text)
        return [
            datetime.fromisoformat(value) if isinstance(key.type, Instant) else value
            for key, value in zip(keys, values, strict=True)
        ]
    except (ValueError, TypeError, binascii.Error) as error:
        raise ConfigError(
            f"{text!r} is no cursor of this list.",
            remedy="Take it from the page before, or leave it out for the first page.",
        ) from error
