"""Queries about the servers that run on this database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, update

from penstock.control.store import rows
from penstock.control.store.database import Transaction
from penstock.control.store.tables import servers


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One running `penstock up`."""

    id: str
    host: str
    pid: int
    version: str
    started_at: datetime
    seen_at: datetime


def enter(tx: Transaction, server: Server) -> None:
    """Notes that a server has started."""
    rows.put(tx, servers, server)


def renew(tx: Transaction, server: Server) -> None:
    """Notes that a server is alive, also after others had given it up."""
    done = tx.execute(
        update(servers).where(servers.c.id == server.id).values(seen_at=server.seen_at)
    )
    if not done.rowcount:
        rows.put(tx, servers, server)


def leave(tx: Transaction, server_id: str) -> None:
    """Notes that a server has stopped."""
    tx.execute(delete(servers).where(servers.c.id == server_id))


def alive(tx: Transaction, since: datetime) -> tuple[Server, ...]:
    """Returns the servers that were alive at that moment or later."""
    query = select(servers).where(servers.c.seen_at >= since).order_by(servers.c.started_at)
    return rows.every(tx, Server, query)


def forget_before(tx: Transaction, moment: datetime) -> None:
    """Removes servers that have not been seen since a moment."""
    tx.execute(delete(servers).where(servers.c.seen_at < moment))
