"""What an attempt needs before it starts: connectors with their secrets, a catalogue, states."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from penstock.control import discovery, documents
from penstock.control.history import Run
from penstock.control.house import House
from penstock.control.launchers.launcher import Job
from penstock.control.model import Connection, ConnectorKind
from penstock.control.opening import opened
from penstock.control.secrets import places, texts_of
from penstock.control.store import (
    Transaction,
    connections,
    connectors,
    definitions,
    discoveries,
    leases,
    secrets,
    states,
)
from penstock.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The document of one attempt, and what must not be seen in its log."""

    document: bytes
    secrets: frozenset[str]


def prepare(house: House, run: Run, *, held: Callable[[Job], None] | None = None) -> Prepared:
    """Returns what an attempt is started with.

    Discovers the source first when its catalogue is old, applies what has changed by the
    connection's policy, and raises ConfigError when the change forbids to go on. `held` is given
    what asks the source, while it does.
    """
    discovery.refresh(house, run, held=held)
    with house.store.read() as tx:
        connection, keys = _with_keys(tx, house, connections.get(tx, run.connection_id))
        source = opened(tx, house, connection.source_id, ConnectorKind.SOURCE)
        destination = opened(tx, house, connection.destination_id, ConnectorKind.DESTINATION)
        overrides = [each for each in states.of_connection(tx, connection.id) if each.is_override]
        document = documents.run_document(
            run,
            connection,
            source={"name": source.reference["name"]} if run.kind.empties else source.reference,
            destination=destination.reference,
            catalog=_catalog(tx, connection),
            overrides=overrides,
        )
    return Prepared(document=document, secrets=source.secrets | destination.secrets | keys)


def keep_changed_config(
    tx: Transaction, house: House, run: Run, config: Mapping[str, Any], *, now: datetime
) -> None:
    """Keeps the configuration a source asked for (a new refresh token), its secrets encrypted."""
    leases.require_held(tx, run)
    connector = connectors.get(tx, run.source_id, ConnectorKind.SOURCE, for_update=True)
    definition = definitions.get(tx, connector.definition_id)
    kept = house.secrets.split(
        tx, config, definition.spec or {}, workspace_id=connector.workspace_id, now=now
    )
    connectors.save(tx, replace(connector, config=kept, updated_at=now))
    secrets.forget(tx, places(connector.config) - places(kept))


def _with_keys(
    tx: Transaction, house: House, connection: Connection
) -> tuple[Connection, frozenset[str]]:
    """Returns a connection with the keys of its mappers in place, and their texts."""
    streams, texts = [], set[str]()
    for choice in connection.streams or ():
        kept = {"mappers": choice.mappers}
        found = house.secrets.opened(tx, kept)
        texts |= texts_of(found, kept)
        streams.append(replace(choice, mappers=tuple(found["mappers"])))
    if connection.streams is None:
        return connection, frozenset()
    return replace(connection, streams=tuple(streams)), frozenset(texts)


def _catalog(tx: Transaction, connection: Connection) -> Mapping[str, Any]:
    found = (
        discoveries.catalog(tx, connection.catalog_id)
        if connection.catalog_id is not None
        else discoveries.newest_catalog(tx, connection.source_id)
    )
    if found is None:
        raise ConfigError(
            f"The source of {connection.name} has not been discovered.",
            remedy="Discover its schema, and run the connection then.",
        )
    return found.catalog
