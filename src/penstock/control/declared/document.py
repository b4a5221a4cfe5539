"""The shape of `penstock.yml`: what a workspace is to hold, every object under its name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from penstock.control.model import (
    ConnectorKind,
    ModeName,
    NamespaceRule,
    Schedule,
    ScheduleKind,
    SchemaPolicy,
)
from penstock.errors import ConfigError
from penstock.protocol.spec import ConnectorSpec
from penstock.sdk.config import validate_against_spec

VERSION: Final = 1
_DURATION: Final = re.compile(r"(\d+)([smhd])")
_UNITS: Final = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
Duration = Annotated[
    str, Meta(pattern=r"^\d+[smhd]$", description="A number with s, m, h or d: 90s, 15m, 6h, 1d.")
]
Path = list[str]


class _Part(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """What all parts of the document are: no field is unknown, defaults are not written."""


class DeclaredConnector(_Part, frozen=True):
    """A connector of one's own, under its name with the prefix source- or destination-."""

    title: str
    version: str | None = None
    docker_repository: Annotated[
        str | None, Meta(description="Image without its tag; the version is the tag.")
    ] = None
    origin: Annotated[
        dict[str, Any],
        Meta(description="Where it comes from: one of pip_url, image and executable."),
    ] = {}
    manifest: Annotated[str | None, Meta(description="YAML of a low-code connector.")] = None
    documentation_url: str | None = None


class DeclaredTag(_Part, frozen=True):
    """A coloured word on connections."""

    color: Annotated[
        str, Meta(pattern="^[0-9a-fA-F]{6}$", description="Six hexadecimal digits, in quotes.")
    ]


class DeclaredEnd(_Part, frozen=True):
    """A source or destination."""

    connector: Annotated[
        str, Meta(description="Name of the connector, with or without its prefix: postgres.")
    ]
    config: Annotated[
        dict[str, Any],
        Meta(
            description="Its settings. Secrets are references: ${env:NAME}, ${file:PATH}, "
            "${vault:…}, ${aws:…}, ${gcp:…}, ${azure:…}, or ${secret:NAME} for one that the "
            "server keeps."
        ),
    ] = {}


class DeclaredSelector(_Part, frozen=True):
    """A stream by its name."""

    name: str
    namespace: str | None = None


class DeclaredSchedule(_Part, frozen=True):
    """When something runs by itself: one of every, cron and after; without any, never."""

    every: Annotated[
        Duration | None, Meta(description="From the start of the last run to the next.")
    ] = None
    cron: Annotated[str | None, Meta(description="Five fields, or Quartz's six or seven.")] = None
    time_zone: Annotated[str, Meta(description="Of cron: Europe/Berlin.")] = "UTC"
    after: Annotated[
        str | None, Meta(description="Name of the connection whose success starts this one.")
    ] = None
    jitter: Annotated[Duration | None, Meta(description="Starts are spread over so much time.")] = (
        None
    )
    streams: Annotated[
        list[DeclaredSelector] | None,
        Meta(description="Of a further schedule: the streams it runs; else all."),
    ] = None


class DeclaredStream(_Part, frozen=True):
    """A chosen stream."""

    name: str
    namespace: str | None = None
    mode: ModeName = ModeName.FULL_REFRESH_OVERWRITE
    cursor_field: Path = []
    primary_key: list[Path] = []
    selected_fields: Annotated[
        list[Path] | None, Meta(description="Paths of the properties to load; else all.")
    ] = None
    mappers: Annotated[
        list[dict[str, Any]], Meta(description="What changes rows on the way, in order.")
    ] = []
    destination_object_name: str | None = None
    include_files: bool = False


class DeclaredConnection(_Part, frozen=True):
    """What is read from where to where, and when."""

    source: Annotated[str, Meta(description="Name of a source.")]
    destination: Annotated[str, Meta(description="Name of a destination.")]
    active: Annotated[bool, Meta(description="False: it never runs.")] = True
    schedule: DeclaredSchedule = DeclaredSchedule()
    stream_schedules: list[DeclaredSchedule] = []
    streams: Annotated[
        list[DeclaredStream] | None,
        Meta(description="Without them every stream, full refresh and overwrite."),
    ] = None
    namespace_rule: NamespaceRule = NamespaceRule.DESTINATION
    namespace_format: str | None = None
    prefix: Annotated[str, Meta(description="Before the names of all tables.")] = ""
    schema_policy: SchemaPolicy = SchemaPolicy.IGNORE
    backfills_new_columns: bool = False
    notifies_schema_changes: bool = True
    priority: Annotated[int, Meta(description="Of waiting runs the largest goes first.")] = 0
    settings: Annotated[
        dict[str, Any], Meta(description="As `penstock run` takes them: commit_bytes …")
    ] = {}
    hooks: Annotated[
        list[dict[str, Any]], Meta(description="What happens after a run, in order.")
    ] = []
    tags: list[str] = []


class Document(_Part, frozen=True):
    """One workspace."""

    version: Annotated[int, Meta(ge=VERSION, le=VERSION, description="Of this format.")]
    workspace: Annotated[
        str | None, Meta(description="Its name; without it the first workspace.")
    ] = None
    connectors: dict[str, DeclaredConnector] = {}
    tags: dict[str, DeclaredTag] = {}
    sources: dict[str, DeclaredEnd] = {}
    destinations: dict[str, DeclaredEnd] = {}
    connections: dict[str, DeclaredConnection] = {}

    def ends(self, kind: ConnectorKind) -> dict[str, DeclaredEnd]:
        """Returns the sources, or the destinations."""
        return self.sources if kind is ConnectorKind.SOURCE else self.destinations


def json_schema() -> dict[str, Any]:
    """Returns the document's JSON Schema, for editors and for `read_document`."""
    (shape,), parts = msgspec.json.schema_components([Document], ref_template="#/$defs/{name}")
    del shape
    whole = dict(parts.pop("Document"))
    # Editors look for the schema by this key, and people may write it into the file.
    whole["properties"] = {"$schema": {"type": "string"}, **whole["properties"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_without_null(whole),
        "title": "penstock.yml",
        "$defs": {name: _without_null(part) for name, part in parts.items()},
    }


def read_document(given: Any) -> Document:
    """Returns a document; raises one ConfigError with everything that is wrong in its shape.

    What names refer to is checked too, as far as it stands in the document itself.
    """
    if not isinstance(given, Mapping):
        raise ConfigError(
            "The configuration is no object of settings.",
            remedy=f"Begin it with `version: {VERSION}`; docs/how-to/configure-as-code.md.",
        )
    plain = {key: value for key, value in given.items() if key != "$schema"}
    validate_against_spec(plain, ConnectorSpec(connection_specification=json_schema()))
    try:
        document = msgspec.convert(plain, Document)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"The configuration does not fit: {error}.",
            remedy="docs/reference/penstock.schema.json says what is expected.",
        ) from error
    problems = list(_problems(document))
    if problems:
        raise ConfigError(
            "The configuration contradicts itself:" + "".join(f"\n  - {each}" for each in problems),
            remedy="Correct these, and run `penstock validate`.",
        )
    return document


def seconds_of(duration: str) -> int:
    """Returns "15m" as 900."""
    found = _DURATION.fullmatch(duration)
    if found is None:
        raise ConfigError(f"{duration!r} is no duration.", remedy="Write 90s, 15m, 6h or 1d.")
    return int(found[1]) * _UNITS[found[2]]


def duration_of(seconds: int) -> str:
    """Returns 900 as "15m": in the largest unit that says it exactly."""
    unit = next(unit for unit, size in _UNITS.items() if seconds % size == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def schedule_of(
    declared: DeclaredSchedule, ids: Mapping[str, str], *, is_partial: bool = False
) -> Schedule:
    """Returns a schedule in the model's words; `ids` are those of connections by name."""
    common: dict[str, Any] = {
        "jitter_seconds": seconds_of(declared.jitter) if declared.jitter else 0,
        "streams": tuple((each.namespace, each.name) for each in declared.streams)
        if is_partial and declared.streams is not None
        else None,
    }
    if declared.every is not None:
        every = seconds_of(declared.every)
        return Schedule(kind=ScheduleKind.INTERVAL, interval_seconds=every, **common)
    if declared.cron is not None:
        zone = declared.time_zone
        return Schedule(kind=ScheduleKind.CRON, cron=declared.cron, time_zone=zone, **common)
    if declared.after is not None:
        return Schedule(kind=ScheduleKind.AFTER, after=ids[declared.after], **common)
    return Schedule(**common)


def declared_schedule(schedule: Schedule, names: Mapping[str, str]) -> DeclaredSchedule:
    """Returns a schedule in the document's words; `names` are those of connections by id."""
    common: dict[str, Any] = {
        "jitter": duration_of(schedule.jitter_seconds) if schedule.jitter_seconds else None,
        "streams": [
            DeclaredSelector(name=name, namespace=namespace or None)
            for namespace, name in schedule.streams
        ]
        if schedule.streams is not None
        else None,
    }
    match schedule.kind:
        case ScheduleKind.INTERVAL:
            return DeclaredSchedule(every=duration_of(schedule.interval_seconds or 0), **common)
        case ScheduleKind.CRON:
            return DeclaredSchedule(cron=schedule.cron, time_zone=schedule.time_zone, **common)
        case ScheduleKind.AFTER:
            return DeclaredSchedule(after=names.get(schedule.after or ""), **common)
        case ScheduleKind.MANUAL:
            return DeclaredSchedule(**common)


def _without_null(schema: Any) -> Any:
    """Returns a schema in which what may be left out is left out, and never null.

    So what is wrong inside such a part is told by its own path.
    """
    if isinstance(schema, list):
        return [_without_null(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {
        key: _without_null(inner)
        for key, inner in schema.items()
        if (key, inner) != ("default", None)
    }
    forms = [each for each in made.get("anyOf", ()) if each != {"type": "null"}]
    if len(forms) == 1:
        del made["anyOf"]
        made |= forms[0]
    return made


def _problems(document: Document) -> Iterator[str]:
    for name in document.connectors:
        if not name.startswith(("source-", "destination-")):
            yield f'connectors: "{name}" has neither the prefix source- nor destination-'
    for kind in ("connectors", "tags", "sources", "destinations", "connections"):
        if any(not name.strip() for name in getattr(document, kind)):
            yield f"{kind}: a name is empty"
    for name, connection in document.connections.items():
        where = f'connections: "{name}"'
        schedules = (connection.schedule, *connection.stream_schedules)
        for schedule in schedules:
            ways = [each for each in ("every", "cron", "after") if getattr(schedule, each)]
            if len(ways) > 1:
                yield f"{where} has a schedule with {' and '.join(ways)}: keep one"
        if connection.schedule.streams is not None:
            yield f"{where}: schedule.streams belongs to stream_schedules"
        keys = [(each.namespace or None, each.name) for each in connection.streams or ()]
        twice = {name for number, (_, name) in enumerate(keys) if keys[number] in keys[:number]}
        for each in sorted(twice):
            yield f'{where} chooses the stream "{each}" twice'
