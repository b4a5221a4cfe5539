"""What an Airbyte workspace holds, as a document of ours, with the positions to continue from."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from penstock.control.declared.document import (
    VERSION,
    DeclaredConnection,
    DeclaredConnector,
    DeclaredEnd,
    DeclaredSchedule,
    DeclaredStream,
    DeclaredTag,
    Document,
    duration_of,
)
from penstock.control.declared.secret_names import masks_named, names_of
from penstock.control.model import NamespaceRule, SchemaPolicy
from penstock.errors import ConfigError
from penstock.protocol.spec import ConnectorSpec
from penstock.sdk.config import validate_against_spec
from penstock.server.airbyte_api import config_words, words
from penstock.server.airbyte_api.answers import Json
from penstock.server.airbyte_api.elsewhere import Held

_UNIT_SECONDS: Final = {
    "minutes": 60,
    "hours": 3600,
    "days": 86_400,
    "weeks": 7 * 86_400,
    "months": 30 * 86_400,
}
"""Airbyte counts a month as 30 days."""
_AIRBYTES: Final = "airbyte/"
SpecOf = Callable[[str], Mapping[str, Any] | None]
"""Returns the settings of a native connector, by its name with the prefix; None without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Takeover:
    """One workspace, ready to be applied."""

    document: Json
    states: Mapping[str, list[Json]]
    """State messages of each connection, by its name."""
    secrets: tuple[str, ...]
    """Names of the secrets, which Airbyte does not show."""
    notes: tuple[str, ...]
    """What is otherwise than there, for people."""


@dataclass(slots=True)
class _Names:
    """Names by id, each once."""

    taken: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def give(self, kind: str, id_: str, name: str) -> str:
        free, number = name, 1
        while free in self.taken.values():
            number += 1
            free = f"{name} ({number})"
        if free != name:
            self.notes.append(f'{kind} "{name}" is there more than once; this one is "{free}"')
        self.taken[id_] = free
        return free


def takeover(
    held: Held,
    spec_of: SpecOf,
    *,
    into: str | None = None,
    known: Collection[str] = (),
    activates: bool = False,
    prefers_native: bool = False,
) -> Takeover:
    """Returns a workspace as a document of ours.

    Connectors that were added here before, `known` by name, are used as they are.
    A source with positions keeps Airbyte's own connector, in the version it had there: positions
    are in a connector's own words. One without takes ours where there is one whose settings fit,
    as destinations do. Connections are switched off unless `activates`: Airbyte may go on.
    """
    notes: list[str] = []
    states = {
        str(each["connectionId"]): _messages(each, held.states[str(each["connectionId"])], notes)
        for each in held.connections
    }
    positioned = {
        str(each["sourceId"]) for each in held.connections if states[str(each["connectionId"])]
    }
    custom: dict[str, DeclaredConnector] = {}
    ends: dict[str, dict[str, DeclaredEnd]] = {"source": {}, "destination": {}}
    names = {"source": _Names(notes=notes), "destination": _Names(notes=notes)}
    for kind, listed in (("source", held.sources), ("destination", held.destinations)):
        for each in listed:
            id_ = str(each[f"{kind}Id"])
            name = names[kind].give(kind, id_, str(each["name"]))
            keeps = id_ in positioned and not prefers_native
            definition = held.definitions[str(each["definitionId"])]
            ends[kind][name] = _end(kind, name, each, definition, spec_of, custom, notes, keeps)
    for name in known:
        custom.pop(name, None)
    called = _Names(notes=notes)
    connections: dict[str, DeclaredConnection] = {}
    given: dict[str, list[Json]] = {}
    tags: dict[str, DeclaredTag] = {}
    for each in held.connections:
        if each.get("status") == "deprecated":
            continue
        id_ = str(each["connectionId"])
        name = called.give("connection", id_, str(each["name"]))
        for tag in each["tags"]:
            tags[str(tag["name"])] = DeclaredTag(color=str(tag["color"]).removeprefix("#"))
        connections[name] = _connection(
            name, each, {kind: each_of.taken for kind, each_of in names.items()}, notes, activates
        )
        connector = ends["source"][connections[name].source].connector
        is_dropped = f"source-{connector}" not in (*custom, *known)
        if states[id_] and is_dropped:
            notes.append(f'connection "{name}": its position is not of our connector; read anew')
        elif states[id_]:
            given[name] = states[id_]
    document = Document(
        version=VERSION,
        workspace=into or str(held.workspace["name"]),
        connectors=custom,
        tags=tags,
        sources=ends["source"],
        destinations=ends["destination"],
        connections=connections,
    )
    plain: Json = msgspec.to_builtins(document)
    return Takeover(
        document=plain,
        states=given,
        secrets=tuple(sorted(names_of(plain))),
        notes=tuple(notes),
    )


def _end(  # noqa: PLR0917 (one object, all that decides about it)
    kind: str,
    name: str,
    given: Json,
    definition: Json,
    spec_of: SpecOf,
    custom: dict[str, DeclaredConnector],
    notes: list[str],
    keeps: bool,  # noqa: FBT001
) -> DeclaredEnd:
    config = {
        key: value
        for key, value in (given.get("configuration") or {}).items()
        if key != f"{kind}Type"
    }
    repository = str(definition.get("dockerRepository") or "")
    full = repository.rpartition("/")[2] or f"{kind}-{_slug(str(definition['name']))}"
    is_airbytes = repository.startswith(_AIRBYTES)
    spec = spec_of(full) if is_airbytes and not keeps else None
    if spec is not None:
        ours = masks_named(words.ours(config, spec), (kind, name))
        problem = _misfit(ours, spec)
        if problem is None:
            return DeclaredEnd(connector=full.removeprefix(f"{kind}-"), config=ours)
        notes.append(
            f'{kind} "{name}": Airbyte\'s connector stays: ours takes other settings: {problem}'
        )
    elif keeps and spec_of(full) is not None:
        notes.append(
            f'{kind} "{name}": Airbyte\'s connector is kept, as the position is in its words'
        )
    custom[full] = _connector(definition, repository, is_airbytes=is_airbytes)
    return DeclaredEnd(
        connector=full.removeprefix(f"{kind}-"), config=masks_named(config, (kind, name))
    )


def _connector(definition: Json, repository: str, *, is_airbytes: bool) -> DeclaredConnector:
    """Returns Airbyte's own connector, in the version that ran there."""
    title = str(definition["name"])
    if definition.get("manifest"):
        manifest = definition["manifest"]
        text = manifest if isinstance(manifest, str) else json.dumps(manifest, ensure_ascii=False)
        return DeclaredConnector(title=title, manifest=text)
    version = str(definition["dockerImageTag"])
    if is_airbytes:
        return DeclaredConnector(title=title, version=version)
    return DeclaredConnector(title=title, version=version, docker_repository=repository)


def _misfit(config: Json, spec: Mapping[str, Any]) -> str | None:
    try:
        validate_against_spec(config, ConnectorSpec(connection_specification=dict(spec)))
    except ConfigError as error:
        return " ".join(error.message.split())
    return None


def _connection(
    name: str,
    given: Json,
    ends: Mapping[str, Mapping[str, str]],
    notes: list[str],
    activates: bool,  # noqa: FBT001
) -> DeclaredConnection:
    rule = str(given.get("namespaceDefinition") or "destination")
    policy = str(given.get("nonBreakingChangesPreference") or "ignore")
    if given.get("operationIds"):
        notes.append(f'connection "{name}": what Airbyte does after a sync is not taken over')
    is_active = given.get("status") == "active"
    if is_active and not activates:
        notes.append(f'connection "{name}" is switched off until `penstock connection resume`')
    return DeclaredConnection(
        source=ends["source"][str(given["sourceId"])],
        destination=ends["destination"][str(given["destinationId"])],
        active=is_active and activates,
        schedule=_schedule(given),
        streams=[_stream(name, each, notes) for each in _selected(given.get("syncCatalog") or {})],
        namespace_rule=NamespaceRule(
            {"customformat": NamespaceRule.CUSTOM_FORMAT.value}.get(rule, rule)
        ),
        namespace_format=given.get("namespaceFormat"),
        prefix=str(given.get("prefix") or ""),
        schema_policy=SchemaPolicy(
            {"disable": SchemaPolicy.DISABLE_CONNECTION.value}.get(policy, policy)
        ),
        backfills_new_columns=given.get("backfillPreference") == "enabled",
        notifies_schema_changes=bool(given.get("notifySchemaChanges", True)),
        tags=sorted({str(each["name"]) for each in given["tags"]}),
    )


def _selected(catalog: Json) -> Iterable[Json]:
    return [
        each
        for each in catalog.get("streams") or ()
        if (each.get("config") or {}).get("selected", True)
    ]


def _stream(connection: str, given: Json, notes: list[str]) -> DeclaredStream:
    (choice,) = config_words.choices_of({"streams": [given]})
    config = given.get("config") or {}
    if config.get("hashedFields") and not choice.mappers:
        notes.append(f'connection "{connection}": hash the fields of {choice.name} by a mapper')
    return DeclaredStream(
        name=choice.name,
        namespace=choice.namespace,
        mode=choice.mode,
        cursor_field=list(choice.cursor_field),
        primary_key=[list(path) for path in choice.primary_key],
        selected_fields=None
        if choice.selected_fields is None
        else [list(path) for path in choice.selected_fields],
        mappers=[
            masks_named(
                dict(each),
                ("connection", connection, "streams", choice.name, "mappers", str(number)),
            )
            for number, each in enumerate(choice.mappers)
        ],
        destination_object_name=choice.destination_object_name,
        include_files=bool(config.get("includeFiles", False)),
    )


def _schedule(given: Json) -> DeclaredSchedule:
    data = given.get("scheduleData") or {}
    match given.get("scheduleType"):
        case "basic":
            basic = data["basicSchedule"]
            seconds = int(basic["units"]) * _UNIT_SECONDS[str(basic["timeUnit"]).lower()]
            return DeclaredSchedule(every=duration_of(seconds))
        case "cron":
            cron = data["cron"]
            return DeclaredSchedule(
                cron=str(cron["cronExpression"]), time_zone=str(cron.get("cronTimeZone") or "UTC")
            )
        case _:
            return DeclaredSchedule()


def _messages(connection: Json, given: Json, notes: list[str]) -> list[Json]:
    """Returns a position as state messages; an old one that names no streams is split by them."""
    kind = given.get("stateType")
    if kind in (None, "not_set"):
        return []
    if kind != "legacy":
        return config_words.state_messages(given)
    blob = given.get("state") or {}
    streams = {
        str(each["stream"]["name"]): each["stream"].get("namespace")
        for each in _selected(connection.get("syncCatalog") or {})
    }
    if not blob:
        return []
    if not isinstance(blob, Mapping) or not set(blob) <= set(streams):
        notes.append(
            f'connection "{connection["name"]}": its old state does not say which stream it is of; '
            "the first run reads everything"
        )
        return []
    return config_words.state_messages(
        {
            "stateType": "stream",
            "streamState": [
                {
                    "streamDescriptor": {"name": name, "namespace": streams[name]},
                    "streamState": state,
                }
                for name, state in blob.items()
            ],
        }
    )


def _slug(title: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in title.lower()).split())
