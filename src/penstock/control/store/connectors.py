"""Queries about sources and destinations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import or_, select, update

from penstock.control.model import Connector, ConnectorKind
from penstock.control.store import rows
from penstock.control.store.database import Transaction
from penstock.control.store.tables import connections, connectors


def create(tx: Transaction, connector: Connector) -> None:
    """Keeps a new source or destination; its secrets are in `secrets` already."""
    rows.put(tx, connectors, connector)


def save(tx: Transaction, connector: Connector) -> None:
    """Writes all that a connector has; raises UnknownName without one."""
    rows.replace_row(tx, connectors, connector, what=connector.kind.value)


def get(
    tx: Transaction,
    connector_id: str,
    kind: ConnectorKind | None = None,
    *,
    with_deleted: bool = False,
    for_update: bool = False,
) -> Connector:
    """Returns a connector; raises UnknownName without one of that kind.

    `for_update` keeps others from changing it until the transaction ends: for whoever saves it.
    """
    query = select(connectors).where(connectors.c.id == connector_id)
    if for_update:
        query = query.with_for_update()
    if kind is not None:
        query = query.where(connectors.c.kind == kind)
    if not with_deleted:
        query = query.where(connectors.c.deleted_at.is_(None))
    found = rows.one(tx, Connector, query)
    if found is None:
        raise rows.unknown(kind.value if kind else "connector", connector_id)
    return found


def names_of(tx: Transaction, connector_ids: Iterable[str]) -> dict[str, str]:
    """Returns what connectors are called, deleted ones too, by id."""
    query = select(connectors.c.id, connectors.c.name)
    found = tx.execute(query.where(connectors.c.id.in_(set(connector_ids))))
    return {row[0]: row[1] for row in found}


def named(
    tx: Transaction, workspace_id: str, kind: ConnectorKind, name: str
) -> tuple[Connector, ...]:
    """Returns the connectors of that name; more than one may have it."""
    query = select(connectors).where(
        connectors.c.workspace_id == workspace_id,
        connectors.c.kind == kind,
        connectors.c.name == name,
        connectors.c.deleted_at.is_(None),
    )
    return rows.every(tx, Connector, query)


def list_(
    tx: Transaction,
    window: rows.Window,
    kind: ConnectorKind,
    *,
    workspace_ids: Sequence[str] | None = None,
    with_deleted: bool = False,
) -> rows.Page[Connector]:
    """Returns the connectors of a kind, the oldest first."""
    query = select(connectors).where(connectors.c.kind == kind)
    if workspace_ids is not None:
        query = query.where(connectors.c.workspace_id.in_(workspace_ids))
    if not with_deleted:
        query = query.where(connectors.c.deleted_at.is_(None))
    return rows.page(
        tx, Connector, query, keys=(connectors.c.created_at, connectors.c.id), window=window
    )


def users_of(tx: Transaction, connector_id: str) -> tuple[str, ...]:
    """Returns the ids of the connections that use a connector."""
    query = select(connections.c.id).where(
        or_(connections.c.source_id == connector_id, connections.c.destination_id == connector_id),
        connections.c.deleted_at.is_(None),
    )
    return tuple(tx.execute(query).scalars())


def delete_(tx: Transaction, connector_id: str, *, now: datetime) -> None:
    """Marks a connector as deleted; raises UnknownName without one."""
    get(tx, connector_id)
    tx.execute(
        update(connectors).where(connectors.c.id == connector_id).values(deleted_at=now, config={})
    )
