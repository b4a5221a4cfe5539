"""A workspace as it is now, in the document's words: every object under its name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from penstock.control.declared.document import (
    VERSION,
    DeclaredConnection,
    DeclaredConnector,
    DeclaredEnd,
    DeclaredStream,
    DeclaredTag,
    declared_schedule,
)
from penstock.control.declared.secret_names import named, names_of
from penstock.control.model import (
    Connection,
    ConnectionStatus,
    Connector,
    ConnectorKind,
    Definition,
    Tag,
    Workspace,
)
from penstock.control.store import (
    Transaction,
    Window,
    connections,
    connectors,
    definitions,
    workspaces,
)
from penstock.errors import ConfigError
from penstock.sdk.config import secret_paths

KINDS: Final = ("connector", "tag", "source", "destination", "connection")
"""In the order in which they can be made."""
_ALL: Final = Window(limit=1_000_000)
Key = tuple[str, str]
"""Kind and name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One object as it is kept, and how the document says it."""

    id: str
    value: Connector | Connection | Definition | Tag
    document: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """All that a workspace holds, and what configuration files have set in it."""

    workspace: Workspace
    items: Mapping[Key, Item]
    applied: Mapping[Key, Any] = field(default_factory=dict)
    followed: Mapping[str, str] = field(default_factory=dict)
    """Names of connections by id."""

    def document(self) -> dict[str, Any]:
        """Returns the workspace as a document."""
        whole: dict[str, Any] = {"version": VERSION, "workspace": self.workspace.name}
        for kind in KINDS:
            found = {name: each.document for (of, name), each in self.items.items() if of == kind}
            if found:
                whole[f"{kind}s"] = dict(sorted(found.items()))
        return whole

    def secrets(self) -> frozenset[str]:
        """Returns the names of the secrets that are kept here, and are no part of a document."""
        return frozenset().union(*(names_of(each.document) for each in self.items.values()))


def current(tx: Transaction, workspace: Workspace) -> Current:
    """Returns what a workspace holds; ConfigError where two objects of a kind share a name."""
    mine = (workspace.id,)
    known = {each.id: each for each in definitions.list_(tx, _ALL, workspace_id=workspace.id).items}
    own = [each for each in known.values() if each.is_custom and each.workspace_id in (None, *mine)]
    ends = [
        each
        for kind in ConnectorKind
        for each in connectors.list_(tx, _ALL, kind, workspace_ids=mine).items
    ]
    for end in ends:
        if end.definition_id not in known:
            known[end.definition_id] = definitions.get(tx, end.definition_id)
    held = connections.list_(tx, _ALL, connections.Filter(workspace_ids=mine)).items
    tags = connections.list_tags(tx, mine)
    tagged: dict[str, tuple[Tag, ...]] = {}
    for number in range(0, len(held), _SOME):
        tagged |= connections.tags_of(tx, [each.id for each in held[number : number + _SOME]])
    end_names = {each.id: each.name for each in ends}
    names = {each.id: each.name for each in held}
    every: list[tuple[Key, Item]] = [
        *(_item("connector", each.name, each, _connector(each)) for each in own),
        *(_item("tag", each.name, each, plain(DeclaredTag(color=each.color))) for each in tags),
        *(
            _item(each.kind.value, each.name, each, _end(each, known[each.definition_id]))
            for each in ends
        ),
        *(
            _item(
                "connection",
                each.name,
                each,
                _connection(each, end_names, names, tagged.get(each.id, ())),
            )
            for each in held
        ),
    ]
    _require_names(every)
    return Current(
        workspace=workspace,
        items=dict(every),
        applied={
            (each.kind, each.name): each.document for each in workspaces.applied(tx, workspace.id)
        },
        followed=names,
    )


_SOME: Final = 500
"""Connections asked about at once: databases bound how many values a query takes."""


def _item(kind: str, name: str, value: Any, document: Any) -> tuple[Key, Item]:
    return (kind, name), Item(id=value.id, value=value, document=document)


def _require_names(every: list[tuple[Key, Item]]) -> None:
    twice = [key for key, count in Counter(key for key, _ in every).items() if count > 1]
    if twice:
        listed = ", ".join(f'the {kind} "{name}"' for kind, name in twice[:5])
        raise ConfigError(
            f"Names are what tells objects apart in a file, and some are there twice: {listed}.",
            remedy="Rename one of each, in the pages or by the API.",
        )


def _connector(definition: Definition) -> dict[str, Any]:
    return plain(
        DeclaredConnector(
            title=definition.title,
            version=definition.version,
            docker_repository=definition.docker_repository,
            origin=dict(definition.origin),
            manifest=definition.manifest,
            documentation_url=definition.documentation_url,
        )
    )


def _end(connector: Connector, definition: Definition) -> dict[str, Any]:
    path = (connector.kind.value, connector.name)
    config = named(connector.config, path, secret_paths(definition.spec or {}))
    return plain(
        DeclaredEnd(
            connector=definition.name.removeprefix(f"{connector.kind.value}-"), config=config
        )
    )


def _connection(
    own: Connection,
    ends: Mapping[str, str],
    names: Mapping[str, str],
    tags: tuple[Tag, ...],
) -> dict[str, Any]:
    declared = DeclaredConnection(
        source=ends[own.source_id],
        destination=ends[own.destination_id],
        active=own.status is ConnectionStatus.ACTIVE,
        schedule=declared_schedule(own.schedule, names),
        stream_schedules=[declared_schedule(each, names) for each in own.stream_schedules],
        streams=None
        if own.streams is None
        else [
            DeclaredStream(
                name=each.name,
                namespace=each.namespace or None,
                mode=each.mode,
                cursor_field=list(each.cursor_field),
                primary_key=[list(path) for path in each.primary_key],
                selected_fields=None
                if each.selected_fields is None
                else [list(path) for path in each.selected_fields],
                mappers=[dict(mapper) for mapper in each.mappers],
                destination_object_name=each.destination_object_name,
                include_files=each.include_files,
            )
            for each in own.streams
        ],
        namespace_rule=own.namespace_rule,
        namespace_format=own.namespace_format,
        prefix=own.prefix,
        schema_policy=own.schema_policy,
        backfills_new_columns=own.backfills_new_columns,
        notifies_schema_changes=own.notifies_schema_changes,
        priority=own.priority,
        settings=own.settings,
        hooks=list(own.hooks),
        tags=[each.name for each in tags],
    )
    found: dict[str, Any] = named(plain(declared), ("connection", own.name))
    return found


def plain(part: Any) -> dict[str, Any]:
    """Returns a part of the document as plain values, without what is as by default."""
    found: dict[str, Any] = msgspec.to_builtins(part)
    return found
