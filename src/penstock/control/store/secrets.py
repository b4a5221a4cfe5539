"""Queries about encrypted secrets; what they hold is opened elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select

from penstock.control.store import rows
from penstock.control.store.database import Transaction
from penstock.control.store.tables import secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedSecret:
    """One secret as it is kept: encrypted under the key of that id."""

    id: str
    workspace_id: str
    key_id: str
    nonce: bytes
    ciphertext: bytes
    created_at: datetime


def keep(tx: Transaction, secret: SealedSecret) -> None:
    """Keeps a new secret."""
    rows.put(tx, secrets, secret)


def reseal(tx: Transaction, secret: SealedSecret) -> None:
    """Replaces what is kept of a secret; its id stays."""
    rows.replace_row(tx, secrets, secret, what="secret")


def find(tx: Transaction, ids: Iterable[str]) -> dict[str, SealedSecret]:
    """Returns secrets by id; those that are gone are left out."""
    query = select(secrets).where(secrets.c.id.in_(tuple(ids)))
    return {each.id: each for each in rows.every(tx, SealedSecret, query)}


def not_under(tx: Transaction, key_id: str, *, limit: int) -> tuple[SealedSecret, ...]:
    """Returns secrets encrypted under another key than this."""
    query = select(secrets).where(secrets.c.key_id != key_id).order_by(secrets.c.id).limit(limit)
    return rows.every(tx, SealedSecret, query)


def count_by_key(tx: Transaction) -> dict[str, int]:
    """Returns how many secrets are encrypted under each key."""
    query = select(secrets.c.key_id, func.count()).group_by(secrets.c.key_id)
    return {row[0]: row[1] for row in tx.execute(query)}


def forget(tx: Transaction, ids: Iterable[str]) -> None:
    """Removes secrets; those that are gone already are no error."""
    if chosen := tuple(ids):
        tx.execute(delete(secrets).where(secrets.c.id.in_(chosen)))
