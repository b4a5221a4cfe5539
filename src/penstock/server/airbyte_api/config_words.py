"""Our words in the Config API's and back: modes in two halves, times in seconds, states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from penstock.control.history import Attempt, AttemptStatus, Failure, Run, RunKind
from penstock.control.model import (
    Connection,
    ModeName,
    NamespaceRule,
    Schedule,
    ScheduleKind,
    SchemaPolicy,
    StreamChoice,
)
from penstock.control.store import Store
from penstock.control.store.states import of_connection
from penstock.errors import ConfigError
from penstock.server.airbyte_api import words
from penstock.server.airbyte_api.answers import Json, seconds, without_nulls

_KINDS: Final[Mapping[str, RunKind]] = {
    **{kind.value: kind for kind in RunKind},
    "reset_connection": RunKind.RESET,
}
_NAMESPACES: Final = {NamespaceRule.CUSTOM_FORMAT: "customformat"}
_POLICIES: Final = {SchemaPolicy.DISABLE_CONNECTION: "disable"}
_MODES: Final = {(mode.reads, mode.writes): mode for mode in ModeName}


def kinds_of(given: Sequence[str]) -> tuple[RunKind, ...] | None:
    """Returns the kinds of run that are asked for; checks and discoveries are none."""
    return tuple(_KINDS[each] for each in given if each in _KINDS) if given else None


def job(run: Run) -> Json:
    """Returns a run as a job of the Config API."""
    kind = "reset_connection" if run.kind is RunKind.RESET else run.kind.value
    return without_nulls(
        id=run.id,
        configType=kind,
        configId=run.connection_id,
        createdAt=seconds(run.created_at),
        updatedAt=seconds(run.updated_at),
        startedAt=seconds(run.started_at) if run.started_at else None,
        status=words.status_word(run.status),
        aggregatedStats={
            "recordsEmitted": run.rows_committed,
            "recordsCommitted": run.rows_committed,
            "bytesEmitted": run.bytes_committed,
            "bytesCommitted": run.bytes_committed,
        },
    )


def attempt(own: Attempt) -> Json:
    """Returns an attempt; its figures are those of its streams."""
    status = "failed" if own.status is AttemptStatus.CANCELLED else own.status.value
    figures = [
        {
            "streamName": each.name,
            **({"streamNamespace": each.namespace} if each.namespace else {}),
            "stats": {
                "recordsEmitted": each.rows_read,
                "recordsCommitted": each.rows_committed,
                "bytesEmitted": each.bytes_read,
                "bytesCommitted": each.bytes_committed,
                "stateMessagesEmitted": each.checkpoints,
            },
        }
        for each in own.streams
    ]
    return without_nulls(
        id=own.number - 1,
        status=status,
        createdAt=seconds(own.started_at),
        updatedAt=seconds(own.heard_at),
        endedAt=seconds(own.ended_at) if own.ended_at else None,
        bytesSynced=own.bytes_committed,
        recordsSynced=own.rows_committed,
        totalStats={
            "recordsEmitted": sum(each.rows_read for each in own.streams),
            "recordsCommitted": own.rows_committed,
            "bytesEmitted": sum(each.bytes_read for each in own.streams),
            "bytesCommitted": own.bytes_committed,
            "stateMessagesEmitted": sum(each.checkpoints for each in own.streams),
        },
        streamStats=figures,
        failureSummary=_failure_summary(own, own.failure) if own.failure else None,
    )


def connection(own: Connection, catalog: Mapping[str, Any]) -> Json:
    """Returns a connection as the Config API shows it."""
    return without_nulls(
        connectionId=own.id,
        name=own.name,
        sourceId=own.source_id,
        destinationId=own.destination_id,
        workspaceId=own.workspace_id,
        status=own.status.value,
        namespaceDefinition=_NAMESPACES.get(own.namespace_rule, own.namespace_rule.value),
        namespaceFormat=own.namespace_format,
        prefix=own.prefix,
        operationIds=[],
        sourceCatalogId=own.catalog_id,
        **_schedule(own.schedule),
        syncCatalog={"streams": _configured(own, catalog)},
        breakingChange=own.has_breaking_change,
        nonBreakingChangesPreference=_POLICIES.get(own.schema_policy, own.schema_policy.value),
        notifySchemaChanges=own.notifies_schema_changes,
        backfillPreference="enabled" if own.backfills_new_columns else "disabled",
        createdAt=seconds(own.created_at),
        tags=[],
    )


def choices_of(catalog: Mapping[str, Any]) -> tuple[StreamChoice, ...]:
    """Returns the streams that are selected in a catalogue of the Config API."""
    found = []
    for each in catalog.get("streams", ()):
        stream, config = each.get("stream") or {}, each.get("config") or {}
        if not config.get("selected", True):
            continue
        halves = (
            config.get("syncMode", "full_refresh"),
            config.get("destinationSyncMode", "overwrite"),
        )
        if halves not in _MODES:
            raise ConfigError(
                f"{stream.get('name')} cannot be synced by {halves[0]} and {halves[1]}.",
                remedy="Choose another pair of syncMode and destinationSyncMode.",
            )
        has_selection = config.get("fieldSelectionEnabled", False)
        public = {
            **config,
            "name": stream.get("name", ""),
            "namespace": stream.get("namespace"),
            "syncMode": _MODES[halves].value,
            "selectedFields": config.get("selectedFields") if has_selection else None,
        }
        found.append(words.choice_of(public))
    return tuple(found)


def discovered(catalog: Mapping[str, Any]) -> Json:
    """Returns what a source has, every stream with what the source suggests for it."""
    streams = [
        {
            "stream": _stream(each),
            "config": {
                "syncMode": "full_refresh",
                "destinationSyncMode": "overwrite",
                "cursorField": each.get("default_cursor_field") or [],
                "primaryKey": each.get("source_defined_primary_key") or [],
                "aliasName": each["name"],
                "selected": True,
            },
        }
        for each in catalog.get("streams", ())
    ]
    return {"streams": streams}


def states(store: Store, connection_id: str) -> Json:
    """Returns a connection's states as one object: of streams, or global with its streams."""
    with store.read() as tx:
        known = of_connection(tx, connection_id)
    streams = [
        {
            "streamDescriptor": without_nulls(name=each.name, namespace=each.namespace),
            "streamState": msgspec.json.decode(each.state),
        }
        for each in known
        if each.name
    ]
    whole = next((each for each in known if not each.name), None)
    if whole is None:
        kind = (
            {"stateType": "stream", "streamState": streams} if streams else {"stateType": "not_set"}
        )
        return {"connectionId": connection_id, **kind}
    message = msgspec.json.decode(whole.state).get("global", {})
    return {
        "connectionId": connection_id,
        "stateType": "global",
        "globalState": {
            "sharedState": message.get("shared_state"),
            "streamStates": [
                {
                    "streamDescriptor": each.get("stream_descriptor"),
                    "streamState": each.get("stream_state"),
                }
                for each in message.get("stream_states", ())
            ],
        },
    }


def state_messages(given: Mapping[str, Any]) -> list[Json]:
    """Returns the state messages of the protocol for a state of the Config API."""
    match given.get("stateType"):
        case "stream":
            return [_stream_state(each) for each in given.get("streamState") or ()]
        case "global":
            whole = given.get("globalState") or {}
            inner = [_stream_state(each)["stream"] for each in whole.get("streamStates") or ()]
            return [
                {
                    "type": "GLOBAL",
                    "global": {"shared_state": whole.get("sharedState"), "stream_states": inner},
                }
            ]
        case other:
            raise ConfigError(
                f"A state of the type {other!r} cannot be set.", remedy="Give stream or global."
            )


def _stream_state(each: Mapping[str, Any]) -> Json:
    named = each.get("streamDescriptor") or {}
    return {
        "type": "STREAM",
        "stream": {
            "stream_descriptor": without_nulls(
                name=named.get("name", ""), namespace=named.get("namespace")
            ),
            "stream_state": each.get("streamState") or {},
        },
    }


def _configured(own: Connection, catalog: Mapping[str, Any]) -> list[Json]:
    """Returns every stream of the source, those the connection takes as selected."""
    choices = {each.key: each for each in words.chosen(own, catalog)}
    shown = []
    for each in catalog.get("streams", ()):
        choice = choices.pop((each.get("namespace") or None, each["name"]), None)
        shown.append({"stream": _stream(each), "config": _config(choice, each["name"])})
    for choice in choices.values():  # no longer in the source
        bare = {"name": choice.name, "namespace": choice.namespace}
        shown.append({"stream": _stream(bare), "config": _config(choice, choice.name)})
    return shown


def _config(choice: StreamChoice | None, name: str) -> Json:
    mode = choice.mode if choice else ModeName.FULL_REFRESH_OVERWRITE
    selected = choice.selected_fields if choice else None
    return without_nulls(
        syncMode=mode.reads,
        destinationSyncMode=mode.writes,
        cursorField=list(choice.cursor_field) if choice else [],
        primaryKey=[list(path) for path in choice.primary_key] if choice else [],
        aliasName=name,
        selected=choice is not None,
        suggested=choice is not None,
        fieldSelectionEnabled=selected is not None,
        selectedFields=[{"fieldPath": list(path)} for path in selected or ()],
        mappers=[dict(each) for each in choice.mappers] if choice else [],
        destinationObjectName=choice.destination_object_name if choice else None,
    )


def _stream(each: Mapping[str, Any]) -> Json:
    return without_nulls(
        name=each["name"],
        namespace=each.get("namespace"),
        jsonSchema=each.get("json_schema") or {},
        supportedSyncModes=each.get("supported_sync_modes") or ["full_refresh"],
        sourceDefinedCursor=bool(each.get("source_defined_cursor", False)),
        defaultCursorField=each.get("default_cursor_field") or [],
        sourceDefinedPrimaryKey=each.get("source_defined_primary_key") or [],
        isResumable=each.get("is_resumable"),
    )


def _schedule(own: Schedule) -> Json:
    if own.kind is ScheduleKind.CRON:
        cron = {"cronExpression": own.cron, "cronTimeZone": own.time_zone}
        return {"scheduleType": "cron", "scheduleData": {"cron": cron}}
    if own.kind is ScheduleKind.INTERVAL:
        count, unit = words.interval(own)
        basic = {"timeUnit": unit.lower(), "units": count}
        return {"scheduleType": "basic", "scheduleData": {"basicSchedule": basic}}
    return {"scheduleType": "manual"}


def _failure_summary(own: Attempt, failure: Failure) -> Json:
    return {
        "failures": [
            {
                "failureOrigin": failure.origin,
                "failureType": failure.failure_type,
                "externalMessage": f"{failure.message} {failure.remedy}".strip(),
                "internalMessage": failure.code,
                "timestamp": seconds(own.ended_at or own.heard_at) * 1000,
            }
        ],
        "partialSuccess": own.rows_committed > 0,
    }
