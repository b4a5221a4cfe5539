"""Queries about the connectors that can be configured."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import or_, select, update

from penstock.control.model import ConnectorKind, Definition
from penstock.control.store import rows
from penstock.control.store.database import Transaction
from penstock.control.store.tables import definitions


def create(tx: Transaction, definition: Definition) -> None:
    """Keeps a new definition."""
    rows.put(tx, definitions, definition)


def save(tx: Transaction, definition: Definition) -> None:
    """Writes all that a definition has; raises UnknownName without one."""
    rows.replace_row(tx, definitions, definition, what="definition")


def find(tx: Transaction, definition_id: str) -> Definition | None:
    """Returns a definition, also a deleted one; None without one."""
    return rows.one(tx, Definition, select(definitions).where(definitions.c.id == definition_id))


def get(tx: Transaction, definition_id: str) -> Definition:
    """Returns a definition, also a deleted one; raises UnknownName without one."""
    found = find(tx, definition_id)
    if found is None:
        raise rows.unknown("definition", definition_id)
    return found


def named(
    tx: Transaction, kind: ConnectorKind, name: str, *, workspace_id: str | None = None
) -> Definition | None:
    """Returns the definition of that name; a workspace's own wins over one for all."""
    query = (
        select(definitions)
        .where(
            definitions.c.kind == kind,
            definitions.c.name == name,
            definitions.c.deleted_at.is_(None),
            _visible(workspace_id),
        )
        .order_by(definitions.c.workspace_id.is_(None), definitions.c.created_at)
    )
    return rows.one(tx, Definition, query)


def list_(
    tx: Transaction,
    window: rows.Window,
    *,
    kind: ConnectorKind | None = None,
    workspace_id: str | None = None,
    only_custom: bool = False,
) -> rows.Page[Definition]:
    """Returns the definitions for all and those of one workspace, by name."""
    query = select(definitions).where(definitions.c.deleted_at.is_(None), _visible(workspace_id))
    if kind is not None:
        query = query.where(definitions.c.kind == kind)
    if only_custom:
        query = query.where(definitions.c.is_custom)
    return rows.page(
        tx, Definition, query, keys=(definitions.c.name, definitions.c.id), window=window
    )


def keep_spec(tx: Transaction, definition_id: str, spec: dict[str, Any], version: str) -> None:
    """Remembers what a connector says of its configuration."""
    tx.execute(
        update(definitions)
        .where(definitions.c.id == definition_id)
        .values(spec=spec, spec_version=version)
    )


def delete_(tx: Transaction, definition_id: str, *, now: datetime) -> None:
    """Marks a definition as deleted; raises UnknownName without one."""
    get(tx, definition_id)
    tx.execute(update(definitions).where(definitions.c.id == definition_id).values(deleted_at=now))


def _visible(workspace_id: str | None) -> Any:
    return or_(definitions.c.workspace_id.is_(None), definitions.c.workspace_id == workspace_id)
