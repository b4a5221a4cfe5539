"""Our words in Airbyte's and back: schedules, streams, connections, runs, roles."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from penstock.control.accounts import Role
from penstock.control.builtin import is_airbytes
from penstock.control.history import Run, RunStatus
from penstock.control.model import (
    Connection,
    Connector,
    ConnectorKind,
    Definition,
    ModeName,
    Schedule,
    ScheduleKind,
    StreamChoice,
    Tag,
)
from penstock.control.secrets import AIRBYTE_MASK, shown
from penstock.errors import ConfigError
from penstock.sdk.config import MASK
from penstock.server.airbyte_api.answers import Json, instant, seconds, without_nulls

ORGANIZATION: Final = "00000000-0000-0000-0000-000000000000"
"""Airbyte's own id of the one organization that a self-hosted installation has."""
_STATUS: Final[Mapping[RunStatus, str]] = {
    # `queued` is a word that Airflow, dagster and Kestra do not know.
    RunStatus.QUEUED: "pending",
    RunStatus.WAITING: "incomplete",
}
_UNITS: Final = ((30 * 86_400, "MONTHS"), (7 * 86_400, "WEEKS"), (86_400, "DAYS"), (3600, "HOURS"))
_HOW_FAST: Final = frozenset({"parallelism", "always_updated"})
"""Settings of Airbyte's faker that say how, not what."""
_ZONE: Final = re.compile(r"[A-Za-z]+(?:[/_+-][A-Za-z0-9_+-]+)*")
_ROLES: Final[Mapping[str, Role]] = {
    "instance_admin": Role.ADMIN,
    "organization_admin": Role.ADMIN,
    "organization_editor": Role.EDITOR,
    "organization_runner": Role.RUNNER,
    "organization_reader": Role.READER,
    "organization_member": Role.READER,
    "workspace_owner": Role.ADMIN,
    "workspace_admin": Role.ADMIN,
    "workspace_editor": Role.EDITOR,
    "workspace_runner": Role.RUNNER,
    "workspace_reader": Role.READER,
}


def status_word(status: RunStatus) -> str:
    """Returns a run's status as Airbyte's clients know it."""
    return _STATUS.get(status, status.value)


def statuses_of(word: str) -> tuple[RunStatus, ...]:
    """Returns the statuses that a client's word asks for; raises ConfigError for none."""
    found = tuple(each for each in RunStatus if word in (status_word(each), each.value))
    if not found:
        raise ConfigError(
            f"There is no status {word!r}.",
            remedy="Choose among: pending, running, incomplete, failed, succeeded, cancelled.",
        )
    return found


def job(run: Run) -> Json:
    """Returns a run as a job of the public API."""
    begun = run.started_at
    return without_nulls(
        jobId=run.id,
        status=status_word(run.status),
        jobType=run.kind.value,
        startTime=instant(begun or run.created_at),
        connectionId=run.connection_id,
        lastUpdatedAt=instant(run.updated_at) if run.ended_at else None,
        duration=_period((run.ended_at or run.updated_at) - begun) if begun else None,
        bytesSynced=run.bytes_committed,
        rowsSynced=run.rows_committed,
    )


def schedule_of(given: Mapping[str, Any]) -> Schedule:
    """Returns a schedule of the public API: manual, or cron with a time zone after it."""
    kind = given.get("scheduleType", "manual")
    if kind == "manual":
        return Schedule()
    if kind != "cron":
        raise ConfigError(
            f"A schedule of the type {kind!r} cannot be set here.", remedy="Use manual or cron."
        )
    expression = str(given.get("cronExpression") or "").strip()
    if not expression:
        raise ConfigError("A cron schedule needs cronExpression.", remedy="Give it one.")
    fields, _, last = expression.rpartition(" ")
    if fields and _ZONE.fullmatch(last) and _is_zone(last):
        return Schedule(kind=ScheduleKind.CRON, cron=fields.strip(), time_zone=last)
    return Schedule(kind=ScheduleKind.CRON, cron=expression)


def schedule(own: Schedule) -> Json:
    """Returns a schedule as the public API shows it; one after another's success is manual."""
    if own.kind is ScheduleKind.CRON:
        return {"scheduleType": "cron", "cronExpression": f"{own.cron} {own.time_zone}"}
    if own.kind is ScheduleKind.INTERVAL:
        count, unit = interval(own)
        return {"scheduleType": "basic", "basicTiming": f"Every {count} {unit}"}
    return {"scheduleType": "manual"}


def interval(own: Schedule) -> tuple[int, str]:
    """Returns an interval in the largest of Airbyte's units that says it exactly."""
    every = own.interval_seconds or 0
    for size, unit in _UNITS:
        if every >= size and every % size == 0:
            return every // size, unit
    return every // 60, "MINUTES"


def choice_of(given: Mapping[str, Any]) -> StreamChoice:
    """Returns a chosen stream of the public API."""
    word = given.get("syncMode") or ModeName.FULL_REFRESH_OVERWRITE.value
    try:
        mode = ModeName(word)
    except ValueError as error:
        raise ConfigError(
            f"There is no sync mode {word!r}.",
            remedy="Choose among: " + ", ".join(each.value for each in ModeName) + ".",
        ) from error
    selected = tuple(
        tuple(each.get("fieldPath") or ()) for each in given.get("selectedFields") or ()
    )
    return StreamChoice(
        name=str(given.get("name", "")),
        namespace=given.get("namespace") or None,
        mode=mode,
        cursor_field=tuple(given.get("cursorField") or ()),
        primary_key=tuple(tuple(path) for path in given.get("primaryKey") or ()),
        selected_fields=selected or None,
        mappers=tuple(
            {**mapper, "id": mapper.get("id") or str(uuid.uuid4())}
            for mapper in given.get("mappers") or ()
        ),
        destination_object_name=given.get("destinationObjectName"),
        include_files=bool(given.get("includeFiles", False)),
    )


def choices_of(
    given: Mapping[str, Any] | None, catalog: Mapping[str, Any]
) -> tuple[StreamChoice, ...] | None:
    """Returns the chosen streams; None, for all there are, when none are named.

    Raises ConfigError for a stream the source does not have. A name without a namespace is that
    stream whatever its namespace, as long as there is one only.
    """
    named = (given or {}).get("streams") or ()
    if not named:
        return None
    known = [(each.get("namespace") or None, each["name"]) for each in catalog.get("streams", ())]
    found = []
    for each in map(choice_of, named):
        same = [key for key in known if key[1] == each.name]
        if each.key not in same and (each.namespace is not None or len(same) != 1):
            raise ConfigError(
                f"The source has no stream {each.name!r}"
                + (f" in {each.namespace!r}." if each.namespace else "."),
                remedy="See GET /streams for those it has; give the namespace where names repeat.",
            )
        if each.key in same:
            found.append(each)
        else:
            found.append(choice_of({**_named(named, each.name), "namespace": same[0][0]}))
    return tuple(found)


def stream(choice: StreamChoice) -> Json:
    """Returns a chosen stream as the public API shows it."""
    return without_nulls(
        name=choice.name,
        namespace=choice.namespace,
        syncMode=choice.mode.value,
        cursorField=list(choice.cursor_field) or None,
        primaryKey=[list(path) for path in choice.primary_key] or None,
        selectedFields=[{"fieldPath": list(path)} for path in choice.selected_fields]
        if choice.selected_fields is not None
        else None,
        mappers=[dict(each) for each in choice.mappers] or None,
        destinationObjectName=choice.destination_object_name,
        includeFiles=choice.include_files or None,
    )


def chosen(own: Connection, catalog: Mapping[str, Any] | None) -> Sequence[StreamChoice]:
    """Returns the streams a connection takes; where it takes all, those known of its source."""
    if own.streams is not None:
        return own.streams
    return [
        StreamChoice(name=each["name"], namespace=each.get("namespace"))
        for each in (catalog or {}).get("streams", ())
    ]


def connection(own: Connection, streams: Iterable[StreamChoice], tags: Iterable[Tag]) -> Json:
    """Returns a connection as the public API shows it."""
    return without_nulls(
        connectionId=own.id,
        name=own.name,
        sourceId=own.source_id,
        destinationId=own.destination_id,
        workspaceId=own.workspace_id,
        status=own.status.value,
        statusReason=own.status_reason,
        schedule=schedule(own.schedule),
        dataResidency="auto",
        configurations={"streams": [stream(each) for each in streams]},
        createdAt=seconds(own.created_at),
        tags=[tag(each) for each in tags],
        nonBreakingSchemaUpdatesBehavior=own.schema_policy.value,
        namespaceDefinition=own.namespace_rule.value,
        namespaceFormat=own.namespace_format,
        prefix=own.prefix,
    )


def connector(own: Connector, definition: Definition | None) -> Json:
    """Returns a source or destination, its settings under Airbyte's names.

    The type stands beside the configuration. airbyte-api 1.0.1 cannot read any source whose
    configuration has a type it does not know, nor any destination whose configuration has none:
    so only a destination that Airbyte has too says it there as well.
    """
    kind = own.kind.value
    spec = definition.spec if definition else None
    config = _masked_as_airbyte(theirs(shown(own.config, spec), spec or {}))
    is_custom = definition is None or definition.is_custom
    word = "" if is_custom or definition is None else type_of(definition)
    if own.kind is ConnectorKind.DESTINATION and definition and is_airbytes(definition):
        config = {**config, "destinationType": word}
    return {
        f"{kind}Id": own.id,
        "name": own.name,
        f"{kind}Type": word,
        "definitionId": own.definition_id,
        "workspaceId": own.workspace_id,
        "configuration": config,
        "createdAt": seconds(own.created_at),
    }


def ours(config: Mapping[str, Any], spec: Mapping[str, Any]) -> Json:
    """Returns a configuration with aliases of settings replaced by their own names.

    Airbyte's clients send every setting of Airbyte's connector, also those that are switched off:
    what ours does not have is left out where it asks for nothing, and stays to be refused else.
    """
    known = spec.get("properties") or {}
    names = {alias: name for name, about in known.items() for alias in about.get("aliases") or ()}
    return {
        names.get(name, name): _inner(ours, value, known.get(names.get(name, name)))
        for name, value in config.items()
        if name in known or name in names or not _asks_for_nothing(name, value)
    }


def theirs(config: Mapping[str, Any], spec: Mapping[str, Any]) -> Json:
    """Returns a configuration with its settings under Airbyte's names for them too."""
    known = spec.get("properties") or {}
    done: Json = {}
    for name, value in config.items():
        about = known.get(name) or {}
        done[name] = _inner(theirs, value, about)
        done |= dict.fromkeys(about.get("aliases") or (), done[name])
    return done


def type_of(definition: Definition) -> str:
    """Returns a connector's name as `sourceType` or `destinationType` has it."""
    return definition.name.removeprefix(f"{definition.kind.value}-")


def merged(before: Mapping[str, Any], change: Mapping[str, Any]) -> Json:
    """Returns a configuration with a change in it, objects merged to any depth."""
    done = dict(before)
    for name, value in change.items():
        old = done.get(name)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        done[name] = merged(old, value) if both else value  # type: ignore[arg-type]
    return done


def tag(own: Tag) -> Json:
    """Returns a tag."""
    return {
        "tagId": own.id,
        "name": own.name,
        "color": own.color,
        "workspaceId": own.workspace_id,
    }


def role_of(word: str) -> Role:
    """Returns the role that a permission type stands for; ConfigError for an unknown one."""
    try:
        return _ROLES[word]
    except KeyError as error:
        raise ConfigError(
            f"There is no permission type {word!r}.",
            remedy="Choose among: " + ", ".join(_ROLES) + ".",
        ) from error


def permission_type(role: Role, workspace_id: str | None) -> str:
    """Returns a role as a permission type."""
    if workspace_id is not None:
        return f"workspace_{role.value}"
    return "instance_admin" if role is Role.ADMIN else f"organization_{role.value}"


def _period(lasted: timedelta) -> str:
    whole = max(0, round(lasted.total_seconds()))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    text = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    return f"PT{text}{left}S" if left or not text else f"PT{text}"


def _asks_for_nothing(name: str, value: Any) -> bool:
    is_tunnel = name == "tunnel_method" and isinstance(value, Mapping)
    return (
        value is None
        or value is False
        or name in _HOW_FAST
        or (is_tunnel and value.get("tunnel_method") == "NO_TUNNEL")
    )


def _inner(
    change: Callable[[Mapping[str, Any], Mapping[str, Any]], Json],
    value: Any,
    about: Mapping[str, Any] | None,
) -> Any:
    return change(value, about or {}) if isinstance(value, Mapping) else value


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _named(given: Iterable[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    return next(each for each in given if each.get("name") == name)


def _masked_as_airbyte(value: Any) -> Any:
    if value == MASK:
        return AIRBYTE_MASK
    if isinstance(value, Mapping):
        return {name: _masked_as_airbyte(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked_as_airbyte(inner) for inner in value]
    return value
