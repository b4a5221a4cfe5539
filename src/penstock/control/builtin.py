"""The connectors an installation offers without being told: kept under ids that stay."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from penstock.control.model import ConnectorKind, Definition, Workspace
from penstock.control.store import Store, Window, definitions, workspaces

_NAMESPACE: Final = uuid.UUID("6a1c5d0e-6b0c-5f2e-9d5e-70656e73746f")
_AIRBYTE_IDS: Final[Mapping[str, str]] = {
    # Airbyte's registry (connectors.airbyte.com/files/registries/v0/oss_registry.json): clients
    # that know a connector know it by this id.
    "source-faker": "dfd88b22-b603-4c3d-aad7-3701784586b1",
    "source-file": "778daa7c-feaf-4db6-96f3-70fd645acc77",
    "source-postgres": "decd338e-5647-4c0b-adf4-da0e75f5a750",
    "destination-duckdb": "94bd199c-2ff0-4aa2-b98e-17f0acb72610",
    "destination-postgres": "25c5221d-dce2-4163-ade9-739ef790f503",
}
FIRST_WORKSPACE: Final = "Default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One connector there is, as whoever knows the connectors tells it."""

    kind: ConnectorKind
    name: str
    """With its prefix: "source-faker"."""
    title: str
    documentation_url: str | None = None


def definition_id(name: str) -> str:
    """Returns the id of a connector, Airbyte's own where it has one; always the same."""
    return _AIRBYTE_IDS.get(name) or str(uuid.uuid5(_NAMESPACE, name))


def is_airbytes(definition: Definition) -> bool:
    """Tells whether Airbyte has the connector too, with the same settings and more."""
    return _AIRBYTE_IDS.get(definition.name) == definition.id


def offer(store: Store, offers: Iterable[Offer], *, now: datetime) -> None:
    """Keeps the connectors there are; those kept already get their new titles."""
    with store.write() as tx:
        for each in offers:
            made = Definition(
                id=definition_id(each.name),
                kind=each.kind,
                name=each.name,
                title=each.title,
                documentation_url=each.documentation_url,
                created_at=now,
            )
            known = definitions.find(tx, made.id)
            if known is None:
                definitions.create(tx, made)
            elif (known.title, known.documentation_url) != (made.title, made.documentation_url):
                changed = replace(known, title=made.title, documentation_url=made.documentation_url)
                definitions.save(tx, changed)


def first_workspace(store: Store, *, now: datetime) -> Workspace:
    """Returns the oldest workspace; makes one where there is none."""
    with store.write() as tx:
        found = workspaces.list_(tx, Window(limit=1)).items
        if found:
            return found[0]
        made = Workspace(id=str(uuid.uuid4()), name=FIRST_WORKSPACE, created_at=now)
        workspaces.create(tx, made)
        return made
