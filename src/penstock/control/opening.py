"""A connector made ready for a runner: found, its secrets opened, its reference written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penstock.control import documents
from penstock.control.house import House
from penstock.control.model import Connector, ConnectorKind, Definition
from penstock.control.secrets import texts_of
from penstock.control.store import Transaction, connectors, definitions


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A connector as a runner gets it: its secrets are in it."""

    connector: Connector
    definition: Definition
    reference: Mapping[str, Any]
    secrets: frozenset[str]


def opened(tx: Transaction, house: House, connector_id: str, kind: ConnectorKind) -> Opened:
    """Returns a connector with its secrets in place: for a runner, never to be shown."""
    connector = connectors.get(tx, connector_id, kind)
    definition = definitions.get(tx, connector.definition_id)
    config = house.secrets.opened(tx, connector.config)
    return Opened(
        connector=connector,
        definition=definition,
        reference=documents.reference_to(definition, config),
        secrets=texts_of(config, connector.config),
    )
