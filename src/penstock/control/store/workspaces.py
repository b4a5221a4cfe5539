"""Queries about workspaces, and about what is set for the whole installation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update

from penstock.control.model import AppliedConfig, Workspace
from penstock.control.store import rows
from penstock.control.store.database import Transaction
from penstock.control.store.tables import applied_configs, instance, workspaces


def create(tx: Transaction, workspace: Workspace) -> None:
    """Keeps a new workspace."""
    rows.put(tx, workspaces, workspace)


def get(tx: Transaction, workspace_id: str, *, with_deleted: bool = False) -> Workspace:
    """Returns a workspace; raises UnknownName without one."""
    query = select(workspaces).where(workspaces.c.id == workspace_id)
    if not with_deleted:
        query = query.where(workspaces.c.deleted_at.is_(None))
    found = rows.one(tx, Workspace, query)
    if found is None:
        raise rows.unknown("workspace", workspace_id)
    return found


def list_(
    tx: Transaction,
    window: rows.Window,
    *,
    ids: Sequence[str] | None = None,
    with_deleted: bool = False,
) -> rows.Page[Workspace]:
    """Returns workspaces, the oldest first."""
    query = select(workspaces)
    if ids is not None:
        query = query.where(workspaces.c.id.in_(ids))
    if not with_deleted:
        query = query.where(workspaces.c.deleted_at.is_(None))
    return rows.page(
        tx, Workspace, query, keys=(workspaces.c.created_at, workspaces.c.id), window=window
    )


def save(tx: Transaction, workspace: Workspace) -> None:
    """Writes all that a workspace has; raises UnknownName without one."""
    rows.replace_row(tx, workspaces, workspace, what="workspace")


def delete_(tx: Transaction, workspace_id: str, *, now: datetime) -> None:
    """Marks a workspace as deleted; raises UnknownName without one."""
    get(tx, workspace_id)
    tx.execute(update(workspaces).where(workspaces.c.id == workspace_id).values(deleted_at=now))


def setting(tx: Transaction, key: str) -> dict[str, Any] | None:
    """Returns a setting of the installation; None when it was never set."""
    found = tx.execute(select(instance.c.value).where(instance.c.key == key)).first()
    return None if found is None else found[0]


def set_setting(tx: Transaction, key: str, value: dict[str, Any]) -> None:
    """Sets a setting of the installation."""
    tx.execute(delete(instance).where(instance.c.key == key))
    tx.execute(insert(instance).values(key=key, value=value))


def applied(tx: Transaction, workspace_id: str) -> tuple[AppliedConfig, ...]:
    """Returns what a configuration file last set in a workspace."""
    query = select(applied_configs).where(applied_configs.c.workspace_id == workspace_id)
    return rows.every(tx, AppliedConfig, query)


def set_applied(tx: Transaction, config: AppliedConfig) -> None:
    """Remembers one object as a configuration file has set it."""
    forget_applied(tx, config.workspace_id, config.kind, config.name)
    rows.put(tx, applied_configs, config)


def forget_applied(tx: Transaction, workspace_id: str, kind: str, name: str) -> None:
    """Forgets that a configuration file has set an object."""
    tx.execute(
        delete(applied_configs).where(
            applied_configs.c.workspace_id == workspace_id,
            applied_configs.c.kind == kind,
            applied_configs.c.name == name,
        )
    )
