"""Queries about who did what, and about requests that must not happen twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from penstock.control.accounts import AuditEntry, IdempotentReply
from penstock.control.store import rows
from penstock.control.store.database import Transaction
from penstock.control.store.tables import audit, idempotent_replies


def note(tx: Transaction, entry: AuditEntry) -> AuditEntry:
    """Keeps what somebody did, in the transaction that does it."""
    return replace(entry, id=rows.put_numbered(tx, audit, entry))


def list_(
    tx: Transaction,
    window: rows.Window,
    *,
    workspace_id: str | None = None,
    actor_id: str | None = None,
    target_id: str | None = None,
) -> rows.Page[AuditEntry]:
    """Returns entries, the newest first."""
    query = select(audit)
    for column, value in (
        (audit.c.workspace_id, workspace_id),
        (audit.c.actor_id, actor_id),
        (audit.c.target_id, target_id),
    ):
        if value is not None:
            query = query.where(column == value)
    return rows.page(tx, AuditEntry, query, keys=(audit.c.id,), window=window, is_descending=True)


def begin_reply(tx: Transaction, reply: IdempotentReply) -> IdempotentReply | None:
    """Claims a key for one request; returns what was kept under it before, if anything was.

    A reply without a status belongs to a request that is still being answered.
    """
    tx.execute(
        delete(idempotent_replies).where(idempotent_replies.c.expires_at <= reply.created_at)
    )
    try:
        with tx.begin_nested():
            rows.put(tx, idempotent_replies, reply)
    except IntegrityError:
        table = idempotent_replies.c
        query = select(idempotent_replies).where(
            table.actor_id == reply.actor_id, table.key == reply.key
        )
        return rows.one(tx, IdempotentReply, query)
    return None


def end_reply(tx: Transaction, reply: IdempotentReply) -> None:
    """Keeps the answer to the request that claimed a key."""
    table = idempotent_replies.c
    tx.execute(
        update(idempotent_replies)
        .where(table.actor_id == reply.actor_id, table.key == reply.key)
        .values(status=reply.status, body=reply.body, expires_at=reply.expires_at)
    )


def drop_reply(tx: Transaction, actor_id: str, key: str) -> None:
    """Frees a key whose request failed before it did anything."""
    table = idempotent_replies.c
    tx.execute(delete(idempotent_replies).where(table.actor_id == actor_id, table.key == key))


def forget_before(tx: Transaction, moment: datetime) -> int:
    """Removes entries of before a moment; returns how many."""
    return tx.execute(delete(audit).where(audit.c.at < moment)).rowcount
