"""Discovering sources: asked when the answer is old, compared, applied by each one's policy."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec

from penstock.control import outcomes, probing
from penstock.control.enqueuing import arrange
from penstock.control.history import Event, ProbeKind, Run, StreamState, Trigger
from penstock.control.house import House
from penstock.control.launchers.launcher import Job
from penstock.control.model import (
    Connection,
    ConnectionStatus,
    ConnectorKind,
    DiscoveredCatalog,
    SchemaChange,
)
from penstock.control.opening import opened
from penstock.control.schema_changes import Change, Decision, decide, differences
from penstock.control.store import Transaction, Window, connections, discoveries, events, states
from penstock.errors import (
    AccessDenied,
    ConfigError,
    ConnectorFailed,
    PenstockError,
    ResourceExhausted,
    TransientError,
)


def discover(
    house: House, source_id: str, *, held: Callable[[Job], None] | None = None
) -> DiscoveredCatalog:
    """Asks a source what it has, now, and keeps the answer.

    An answer equal to the one before is that one, found again. Raises what the connector said.
    `held` is given what asks, while it does.
    """
    with house.store.read() as tx:
        source = opened(tx, house, source_id, ConnectorKind.SOURCE)
    answer = probing.ask(
        house,
        ProbeKind.DISCOVER,
        ConnectorKind.SOURCE,
        source.reference,
        secrets=source.secrets,
        held=held,
    )
    if answer.error is not None:
        raise error_of(answer.error)
    now = house.clock()
    found = DiscoveredCatalog(
        id=uuid.uuid4().hex,
        connector_id=source_id,
        catalog=answer.catalog or {"streams": []},
        digest=digest_of(answer.catalog),
        config_digest=digest_of(source.connector.config),
        discovered_at=now,
    )
    with house.store.write() as tx:
        last = discoveries.newest_catalog(tx, source_id)
        if last is not None and last.digest == found.digest:
            found = replace(found, id=last.id)
            discoveries.touch_catalog(tx, found)
        else:
            discoveries.keep_catalog(tx, found)
            discoveries.forget_old_catalogs(tx, source_id, keep=[found.id])
    return found


def refresh(house: House, run: Run, *, held: Callable[[Job], None] | None = None) -> None:
    """Brings a connection's catalogue up to date before a run, where that is due.

    Raises ConfigError when what has changed pauses the connection.
    """
    with house.store.read() as tx:
        connection = connections.get(tx, run.connection_id)
        newest = discoveries.newest_catalog(tx, run.source_id)
    if run.kind.empties and newest is not None:
        return
    if newest is None or _is_old(newest, house):
        newest = discover(house, run.source_id, held=held)
    if connection.catalog_id == newest.id:
        return
    with house.store.write() as tx:
        connection = connections.get(tx, run.connection_id, for_update=True)
        is_scheduled = run.trigger is Trigger.SCHEDULE
        apply(tx, connection, newest, now=house.clock(), may_backfill=is_scheduled)
        paused = connections.get(tx, run.connection_id)
    if paused.status is not ConnectionStatus.ACTIVE:
        raise ConfigError(
            f"The connection was paused: {paused.status_reason}",
            remedy="Look at the changes of its schema, adapt it, and switch it on again.",
        )


def apply(
    tx: Transaction,
    connection: Connection,
    newest: DiscoveredCatalog,
    *,
    now: datetime,
    may_backfill: bool = False,
) -> tuple[Change, ...]:
    """Compares a connection with what its source has now, and does what its policy says.

    The caller has read the connection for update. Returns the changes; the first catalogue of a
    connection is none.
    """
    if connection.catalog_id is None:
        connections.save(tx, replace(connection, catalog_id=newest.id))
        return ()
    known = discoveries.catalog(tx, connection.catalog_id)
    changes = differences(connection, known.catalog, newest.catalog)
    if not changes:
        connections.save(tx, replace(connection, catalog_id=newest.id))
        return ()
    decision = decide(connection, changes, newest.catalog, newest.id)
    kept = decision.connection
    if decision.pauses:
        kept = replace(
            kept,
            status=ConnectionStatus.INACTIVE,
            status_reason=_reason(changes),
            updated_at=now,
        )
        arrange(tx, kept, now=now, last_started=None)
    connections.save(tx, kept)
    if may_backfill:
        _read_anew(tx, kept, decision, now)
    _note(tx, kept, changes, decision, now)
    return changes


def error_of(document: Mapping[str, Any]) -> PenstockError:
    """Returns a runner's error document as an error of ours that is tried again or not."""
    failure = outcomes.failure_of(document)
    kinds: dict[str, type[PenstockError]] = {
        "config_error": ConfigError,
        "transient_error": TransientError,
    }
    by_code: dict[str, type[PenstockError]] = {
        each.code: each for each in (AccessDenied, ResourceExhausted)
    }
    kind = by_code.get(failure.code) or kinds.get(failure.failure_type, ConnectorFailed)
    return kind(failure.message, remedy=failure.remedy, **failure.context)


def digest_of(document: Any) -> str:
    """Returns a text that is equal for equal documents, whatever the order of their keys."""
    return hashlib.sha256(msgspec.json.encode(document, order="sorted")).hexdigest()


def _is_old(catalog: DiscoveredCatalog, house: House) -> bool:
    window = house.patience.discover_window_seconds
    return bool(window) and house.clock() - catalog.discovered_at > timedelta(seconds=window)


def _read_anew(tx: Transaction, connection: Connection, decision: Decision, now: datetime) -> None:
    """Lets the next run read streams from the beginning, as if their states were taken back."""
    for namespace, name in decision.backfills:
        states.save(
            tx,
            StreamState(
                connection_id=connection.id,
                name=name,
                namespace=namespace,
                state="{}",
                is_override=True,
                updated_at=now,
            ),
        )


def _reason(changes: tuple[Change, ...]) -> str:
    breaking = [change for change in changes if change.is_breaking]
    if not breaking:
        return "The schema of the source has changed."
    fields = ", ".join(f"{change.stream[1]}.{change.field}" for change in breaking[:5])
    return f"A key or cursor of the source is gone: {fields}."


def _note(
    tx: Transaction,
    connection: Connection,
    changes: tuple[Change, ...],
    decision: Decision,
    now: datetime,
) -> None:
    is_breaking = any(change.is_breaking for change in changes)
    documents = tuple(change.as_document() for change in changes)
    told = discoveries.changes_of(tx, connection.id, Window(limit=1)).items
    if told and digest_of(told[0].changes) == digest_of(documents):
        return  # an ignored change is found again by every run
    change = SchemaChange(
        connection_id=connection.id,
        found_at=now,
        is_breaking=is_breaking,
        is_applied=decision.is_applied,
        changes=documents,
    )
    discoveries.note_change(tx, change)
    event = Event(
        at=now,
        kind="schema.breaking" if is_breaking else "schema.changed",
        workspace_id=connection.workspace_id,
        connection_id=connection.id,
        data={
            "name": connection.name,
            "changes": documents,
            "applied": decision.is_applied,
            "paused": decision.pauses,
            "backfilled": decision.backfills,
        },
    )
    events.note(tx, event, tells=is_breaking or connection.notifies_schema_changes)
