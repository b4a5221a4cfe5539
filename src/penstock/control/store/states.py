"""Queries about states: where each stream of a connection continues."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from penstock.control.history import StreamState
from penstock.control.store import rows
from penstock.control.store.database import Transaction
from penstock.control.store.tables import stream_states
from penstock.errors import Superseded


def of_connection(tx: Transaction, connection_id: str) -> tuple[StreamState, ...]:
    """Returns the states of a connection's streams, the global one first."""
    query = (
        select(stream_states)
        .where(stream_states.c.connection_id == connection_id)
        .order_by(stream_states.c.name, stream_states.c.namespace)
    )
    return tuple(_with_namespace(each) for each in rows.every(tx, StreamState, query))


def save(tx: Transaction, state: StreamState) -> None:
    """Keeps a stream's newest state, in place of the older one.

    Raises Superseded when one with a larger fence is there already: a newer attempt has
    begun, and this one is too late.
    """
    known = _known(tx, state)
    if known is not None and known.fence > state.fence and not state.is_override:
        raise Superseded(
            f"A newer attempt of connection {state.connection_id} has already saved its state.",
            remedy="Nothing has to be done: the newer attempt goes on.",
        )
    tx.execute(delete(stream_states).where(_is(state)))
    rows.put(tx, stream_states, replace(state, namespace=state.namespace or ""))


def forget(
    tx: Transaction,
    connection_id: str,
    streams: Iterable[tuple[str | None, str]] | None = None,
) -> None:
    """Removes the states of these (namespace, name), or of all and the global one."""
    of_it = stream_states.c.connection_id == connection_id
    if streams is None:
        tx.execute(delete(stream_states).where(of_it))
        return
    for namespace, name in streams:
        tx.execute(
            delete(stream_states).where(
                of_it,
                stream_states.c.namespace == (namespace or ""),
                stream_states.c.name == name,
            )
        )


def settle_overrides(tx: Transaction, connection_id: str, *, now: datetime) -> None:
    """Makes states set by hand ordinary ones: a run has taken them over."""
    tx.execute(
        update(stream_states)
        .where(stream_states.c.connection_id == connection_id, stream_states.c.is_override)
        .values(is_override=False, updated_at=now)
    )


def _known(tx: Transaction, state: StreamState) -> StreamState | None:
    query = select(stream_states).where(_is(state)).with_for_update()
    return rows.one(tx, StreamState, query)


def _is(state: StreamState) -> Any:
    table = stream_states.c
    return (
        (table.connection_id == state.connection_id)
        & (table.namespace == (state.namespace or ""))
        & (table.name == state.name)
    )


def _with_namespace(state: StreamState) -> StreamState:
    return replace(state, namespace=state.namespace or None)
