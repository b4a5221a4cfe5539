"""Queries about connections, their tags, and the numbers that only grow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, func, insert, select, update

from penstock.control.model import Connection, ConnectionStatus, Tag
from penstock.control.store import rows
from penstock.control.store.database import Transaction
from penstock.control.store.tables import connection_marks, connection_tags, connections, due, tags


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which connections are wanted; None leaves a point open."""

    workspace_ids: Sequence[str] | None = None
    ids: Sequence[str] | None = None
    source_ids: Sequence[str] | None = None
    destination_ids: Sequence[str] | None = None
    statuses: Sequence[ConnectionStatus] | None = None
    tag_ids: Sequence[str] | None = None
    search: str | None = None
    """A part of the name, in any case."""
    is_failing: bool = False
    """Only those whose last run failed."""
    with_deleted: bool = False


def create(tx: Transaction, connection: Connection) -> None:
    """Keeps a new connection; `due.arrange` puts it on the schedule."""
    rows.put(tx, connections, connection)
    tx.execute(
        insert(connection_marks).values(connection_id=connection.id, fence=0, generation_id=0)
    )


def save(tx: Transaction, connection: Connection) -> None:
    """Writes all that a connection has; raises UnknownName without one."""
    rows.replace_row(tx, connections, connection, what="connection")


def get(
    tx: Transaction,
    connection_id: str,
    *,
    with_deleted: bool = False,
    for_update: bool = False,
) -> Connection:
    """Returns a connection; raises UnknownName without one.

    `for_update` keeps others from changing it until the transaction ends: for whoever saves it.
    """
    query = select(connections).where(connections.c.id == connection_id)
    if for_update:
        query = query.with_for_update()
    if not with_deleted:
        query = query.where(connections.c.deleted_at.is_(None))
    found = rows.one(tx, Connection, query)
    if found is None:
        raise rows.unknown("connection", connection_id)
    return found


def names_of(tx: Transaction, connection_ids: Iterable[str]) -> dict[str, str]:
    """Returns what connections are called, deleted ones too, by id."""
    query = select(connections.c.id, connections.c.name)
    found = tx.execute(query.where(connections.c.id.in_(set(connection_ids))))
    return {row[0]: row[1] for row in found}


def named(tx: Transaction, workspace_id: str, name: str) -> tuple[Connection, ...]:
    """Returns the connections of that name; more than one may have it."""
    query = select(connections).where(
        connections.c.workspace_id == workspace_id,
        connections.c.name == name,
        connections.c.deleted_at.is_(None),
    )
    return rows.every(tx, Connection, query)


def list_(
    tx: Transaction, window: rows.Window, wanted: Filter | None = None
) -> rows.Page[Connection]:
    """Returns connections, the oldest first."""
    query = _filtered(select(connections), wanted or Filter())
    return rows.page(
        tx, Connection, query, keys=(connections.c.created_at, connections.c.id), window=window
    )


def count(tx: Transaction, wanted: Filter | None = None) -> dict[ConnectionStatus, int]:
    """Returns how many connections there are of each status."""
    query = _filtered(select(connections.c.status, func.count()), wanted or Filter())
    found = tx.execute(query.group_by(connections.c.status))
    return {row[0]: row[1] for row in found}


def delete_(tx: Transaction, connection_id: str, *, now: datetime) -> None:
    """Marks a connection as deleted and takes it off the schedule; its runs stay listed."""
    get(tx, connection_id)
    tx.execute(
        update(connections)
        .where(connections.c.id == connection_id)
        .values(deleted_at=now, updated_at=now, status=ConnectionStatus.DEPRECATED)
    )
    tx.execute(delete(due).where(due.c.connection_id == connection_id))


def next_fence(tx: Transaction, connection_id: str, *, now: datetime) -> int:
    """Returns a number larger than every fence the connection has had.

    No smaller than the time in seconds: a database restored from a backup still gives fences
    larger than those its destinations have seen since.
    """
    return _next_mark(tx, connection_id, "fence", now)


def next_generation(tx: Transaction, connection_id: str, *, now: datetime) -> int:
    """Returns a number larger than every generation the connection's tables have had."""
    return _next_mark(tx, connection_id, "generation_id", now)


def tags_of(tx: Transaction, connection_ids: Iterable[str]) -> dict[str, tuple[Tag, ...]]:
    """Returns the tags of each connection, by name."""
    query = (
        select(connection_tags.c.connection_id, tags)
        .join(tags, tags.c.id == connection_tags.c.tag_id)
        .where(connection_tags.c.connection_id.in_(tuple(connection_ids)))
        .order_by(tags.c.name)
    )
    found: dict[str, tuple[Tag, ...]] = {}
    for connection_id, *columns in tx.execute(query):
        tag = Tag(**dict(zip(tags.c.keys(), columns, strict=True)))
        found[connection_id] = (*found.get(connection_id, ()), tag)
    return found


def set_tags(tx: Transaction, connection_id: str, tag_ids: Iterable[str]) -> None:
    """Gives a connection exactly these tags."""
    tx.execute(delete(connection_tags).where(connection_tags.c.connection_id == connection_id))
    for tag_id in dict.fromkeys(tag_ids):
        tx.execute(insert(connection_tags).values(connection_id=connection_id, tag_id=tag_id))


def create_tag(tx: Transaction, tag: Tag) -> None:
    """Keeps a new tag; the caller has looked whether the name is free."""
    rows.put(tx, tags, tag)


def save_tag(tx: Transaction, tag: Tag) -> None:
    """Writes all that a tag has; raises UnknownName without one."""
    rows.replace_row(tx, tags, tag, what="tag")


def get_tag(tx: Transaction, tag_id: str) -> Tag:
    """Returns a tag; raises UnknownName without one."""
    found = rows.one(tx, Tag, select(tags).where(tags.c.id == tag_id))
    if found is None:
        raise rows.unknown("tag", tag_id)
    return found


def list_tags(tx: Transaction, workspace_ids: Sequence[str] | None = None) -> tuple[Tag, ...]:
    """Returns the tags of workspaces, by name."""
    query = select(tags).order_by(tags.c.name, tags.c.id)
    if workspace_ids is not None:
        query = query.where(tags.c.workspace_id.in_(workspace_ids))
    return rows.every(tx, Tag, query)


def delete_tag(tx: Transaction, tag_id: str) -> None:
    """Removes a tag, also from its connections; raises UnknownName without one."""
    get_tag(tx, tag_id)
    tx.execute(delete(tags).where(tags.c.id == tag_id))


def _next_mark(tx: Transaction, connection_id: str, mark: str, now: datetime) -> int:
    column = connection_marks.c[mark]
    of_connection = connection_marks.c.connection_id == connection_id
    last = tx.execute(select(column).where(of_connection).with_for_update()).scalar()
    if last is None:
        raise rows.unknown("connection", connection_id)
    given = max(int(last) + 1, int(now.timestamp()))
    tx.execute(update(connection_marks).where(of_connection).values({mark: given}))
    return given


def _filtered(query: Select[Any], wanted: Filter) -> Select[Any]:
    table = connections.c
    for column, values in (
        (table.workspace_id, wanted.workspace_ids),
        (table.id, wanted.ids),
        (table.source_id, wanted.source_ids),
        (table.destination_id, wanted.destination_ids),
        (table.status, wanted.statuses),
    ):
        if values is not None:
            query = query.where(column.in_(values))
    if not wanted.with_deleted:
        query = query.where(table.deleted_at.is_(None))
    if wanted.is_failing:
        query = query.where(table.failed_runs_in_row > 0)
    if wanted.tag_ids is not None:
        tagged = select(connection_tags.c.connection_id).where(
            connection_tags.c.tag_id.in_(wanted.tag_ids)
        )
        query = query.where(table.id.in_(tagged))
    if wanted.search:
        part = wanted.search.lower()
        query = query.where(func.lower(table.name).contains(part, autoescape=True))
    return query
