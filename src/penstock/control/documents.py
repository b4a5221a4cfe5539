"""What the control plane and `penstock run` say to each other: documents out, events in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, assert_never

import msgspec

from penstock.control.history import RefreshMode, Run, RunKind, StreamState
from penstock.control.model import (
    Connection,
    ConnectorKind,
    Definition,
    NamespaceRule,
    StreamChoice,
)
from penstock.errors import ConfigError
from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.state import State

_REFERENCE: Final = re.compile(r"\$\{[a-z][a-z0-9-]*:[^}]+\}")
_EMPTY_STATE: Final = msgspec.Raw(b"{}")
_ORIGINS: Final = ("version", "pip_url", "python", "executable", "image", "network")


class SyncStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The connectors are up."""

    source: str = ""
    streams: tuple[StreamDescriptor, ...] = ()


class StreamProgress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a stream stands."""

    stream: StreamDescriptor
    rows_read: int
    rows_sent: int
    rows_committed: int
    bytes_read: int
    estimated_rows: int | None = None
    status: str = "running"


class CheckpointCommitted(msgspec.Struct, frozen=True, kw_only=True):
    """Rows and the state that covers them are durable."""

    stream: StreamDescriptor | None
    rows: int
    bytes: int
    state: State | None = None
    generation_id: int = 0


class LogEmitted(msgspec.Struct, frozen=True, kw_only=True):
    """A line for the log."""

    level: str
    message: str
    origin: str = "source"


class ConfigChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration to be kept from now on."""

    config: dict[str, Any]


class ReceiptSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a receipt that decides what becomes of a run."""

    outcome: str
    error: dict[str, Any] | None = None


class SyncFinished(msgspec.Struct, frozen=True, kw_only=True):
    """The end; the receipt as it was written."""

    receipt: msgspec.Raw

    @property
    def summary(self) -> ReceiptSummary:
        return msgspec.json.decode(self.receipt, type=ReceiptSummary)


class ColumnFound(msgspec.Struct, frozen=True, kw_only=True):
    """One column of rows that somebody looks at."""

    name: str
    type: str


class RowsFound(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that somebody looks at; exact values as JSON."""

    columns: tuple[ColumnFound, ...]
    rows: tuple[tuple[Any, ...], ...]
    is_cut: bool = False
    values_cut: int = 0


class TableFound(msgspec.Struct, frozen=True, kw_only=True):
    """What a table of a destination holds."""

    name: str
    namespace: str | None = None
    exists: bool | None = None
    rows: int = 0
    newest_at: datetime | None = None
    error: dict[str, Any] | None = None


class DestinationFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a destination can do."""

    max_identifier_bytes: int
    exactly_once: bool
    modes: tuple[str, ...] = ()
    reads_back: bool = False
    confines_sql: bool = False
    runs_sql: bool = False


class ProbeFinished(msgspec.Struct, frozen=True, kw_only=True):
    """A connector's answer."""

    outcome: str
    spec: dict[str, Any] | None = None
    catalog: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    rows: RowsFound | None = None
    tables: tuple[TableFound, ...] | None = None
    facts: DestinationFacts | None = None
    streams: tuple[str, ...] | None = None
    trial: dict[str, Any] | None = None


RunnerEvent = (
    SyncStarted
    | StreamProgress
    | CheckpointCommitted
    | LogEmitted
    | ConfigChanged
    | SyncFinished
    | ProbeFinished
)
_EVENTS: Final[Mapping[str, type[Any]]] = {
    each.__name__: each
    for each in (
        SyncStarted,
        StreamProgress,
        CheckpointCommitted,
        LogEmitted,
        ConfigChanged,
        SyncFinished,
        ProbeFinished,
    )
}


class _Tagged(msgspec.Struct):
    event: str


def read_event(line: bytes) -> RunnerEvent | None:
    """Returns the event on a line; None for one that is not known, or is none at all."""
    try:
        kind = _EVENTS.get(msgspec.json.decode(line, type=_Tagged).event)
        return None if kind is None else msgspec.json.decode(line, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def reference_to(definition: Definition, config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a connector as the runner finds it, with its configuration."""
    found = {key: value for key, value in definition.origin.items() if key in _ORIGINS}
    if definition.manifest is not None:
        found["manifest"] = definition.manifest
    elif definition.is_custom and definition.docker_repository and not found:
        found["image"] = f"{definition.docker_repository}:{definition.version or 'latest'}"
    elif definition.version is not None:
        found.setdefault("version", definition.version)
    return {"name": definition.name, "config": dict(config), **found}


def has_references(config: Any) -> bool:
    """Tells whether a value in a configuration is to be resolved by the runner."""
    if isinstance(config, str):
        return _REFERENCE.search(config) is not None
    if isinstance(config, Mapping):
        return any(has_references(value) for value in config.values())
    if isinstance(config, list | tuple):
        return any(has_references(value) for value in config)
    return False


def probe_document(
    question: str,
    kind: ConnectorKind,
    reference: Mapping[str, Any],
    details: Mapping[str, Any] | None = None,
) -> bytes:
    """Returns the document that asks one connector one question; `details` say of what."""
    return msgspec.json.encode({"probe": question, kind.value: reference, **(details or {})})


def run_document(
    run: Run,
    connection: Connection,
    *,
    source: Mapping[str, Any],
    destination: Mapping[str, Any],
    catalog: Mapping[str, Any],
    overrides: Sequence[StreamState],
) -> bytes:
    """Returns the document of one attempt of a run.

    `overrides` are states set by hand. They, and the beginning that a merging refresh asks for,
    are given until an attempt has begun; later ones continue from what was committed.
    """
    chosen = chosen_streams(run, connection, catalog)
    streams = [_configured(run, choice, stream) for choice, stream in chosen]
    shapes = [shape for each in chosen if (shape := shape_of(*each)) is not None]
    document: dict[str, Any] = {
        "connection": connection.id,
        "run_id": run.engine_id,
        "job": "clear" if run.kind.empties else "sync",
        "fence": run.fence,
        "keeps_config": False,
        "source": source,
        "destination": destination,
        "catalog": {"streams": streams},
        "settings": {**_namespace(connection), "prefix": connection.prefix, **connection.settings},
    }
    if shapes:
        document["shapes"] = shapes
    states = [] if run.is_begun else _states(run, streams, overrides)
    if states:
        document["states"] = states
    return msgspec.json.encode(document)


def chosen_streams(
    run: Run, connection: Connection, catalog: Mapping[str, Any]
) -> list[tuple[StreamChoice, Mapping[str, Any]]]:
    """Returns the choices a run is for, each with what the source says of the stream.

    Raises ConfigError when the source has one of them no more, or none is chosen.
    """
    found = {_key_of(stream): stream for stream in catalog.get("streams", ())}
    chosen = connection.streams
    if chosen is None:
        chosen = tuple(StreamChoice(name=name, namespace=ns) for ns, name in found)
    if run.streams is not None:
        wanted = {(namespace or None, name) for namespace, name in run.streams}
        chosen = tuple(choice for choice in chosen if choice.key in wanted)
    missing = [choice.name for choice in chosen if choice.key not in found]
    if missing and not run.kind.empties:
        raise ConfigError(
            f"The source of {connection.name} has no stream {', '.join(missing)} any more.",
            remedy="Discover its schema again, and choose from the streams it has.",
        )
    if not chosen:
        raise ConfigError(
            f"No stream of {connection.name} is chosen.", remedy="Choose one or more streams."
        )
    return [(each, found.get(each.key, _bare(each))) for each in chosen]


def _configured(run: Run, choice: StreamChoice, stream: Mapping[str, Any]) -> dict[str, Any]:
    configured: dict[str, Any] = {
        "stream": stream,
        "sync_mode": choice.mode.reads,
        "destination_sync_mode": choice.mode.writes,
        "sync_id": run.id,
    }
    if choice.cursor_field:
        configured["cursor_field"] = choice.cursor_field
    if choice.primary_key:
        configured["primary_key"] = choice.primary_key
    if choice.include_files:
        configured["include_files"] = True
    if run.generation_id is not None:
        configured["generation_id"] = run.generation_id
        if run.refresh_mode is not RefreshMode.MERGE:
            configured["minimum_generation_id"] = run.generation_id
    return configured


def shape_of(choice: StreamChoice, stream: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns what happens to a stream on its way: table, fields, mappers; None for nothing.

    Of selected fields the key and the cursor are always among: without them nothing is found again.
    A stream that is gone from its source has no fields: its table can only be emptied.
    """
    shape: dict[str, Any] = {}
    if choice.destination_object_name:
        shape["table"] = choice.destination_object_name
    if choice.selected_fields is not None and stream.get("json_schema"):
        key = stream.get("source_defined_primary_key") or choice.primary_key
        cursor = choice.cursor_field or stream.get("default_cursor_field") or ()
        paths = (*choice.selected_fields, *key, cursor)
        shape["fields"] = list(dict.fromkeys(path[0] for path in paths if path))
    if choice.mappers and stream.get("json_schema"):
        shape["mappers"] = choice.mappers
    if not shape:
        return None
    namespace = {"namespace": choice.namespace} if choice.namespace else {}
    return {"name": choice.name, **namespace, **shape}


def _states(
    run: Run, streams: Iterable[Mapping[str, Any]], overrides: Iterable[StreamState]
) -> list[Any]:
    given: dict[tuple[str | None, str], Any] = {}
    shared: list[Any] = []
    keys = {_key_of(each["stream"]) for each in streams}
    for kept in overrides:
        if not kept.name:
            shared.append(msgspec.Raw(kept.state.encode()))
        elif (kept.namespace, kept.name) in keys:
            given[kept.namespace, kept.name] = _stream_state(
                kept.namespace, kept.name, msgspec.Raw(kept.state.encode())
            )
    if run.kind is RunKind.REFRESH and run.refresh_mode is RefreshMode.MERGE:
        for namespace, name in sorted(keys, key=lambda key: (key[0] or "", key[1])):
            given[namespace, name] = _stream_state(namespace, name, _EMPTY_STATE)
    return [*shared, *given.values()]


def _stream_state(namespace: str | None, name: str, blob: msgspec.Raw) -> dict[str, Any]:
    descriptor = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {
        "type": "STREAM",
        "stream": {"stream_descriptor": descriptor, "stream_state": blob},
    }


def _namespace(connection: Connection) -> dict[str, Any]:
    """Returns the schema tables go to, in the words of a RunSpec's settings."""
    match connection.namespace_rule:
        case NamespaceRule.SOURCE:
            return {}
        case NamespaceRule.DESTINATION:
            return {"namespace": ""}
        case NamespaceRule.CUSTOM_FORMAT:
            return {"namespace": connection.namespace_format or ""}
        case _:
            assert_never(connection.namespace_rule)


def _bare(choice: StreamChoice) -> dict[str, Any]:
    """Returns a stream of which only the name is known: enough to empty its table."""
    modes = ["full_refresh", "incremental"]
    stream: dict[str, Any] = {"name": choice.name, "json_schema": {}, "supported_sync_modes": modes}
    return {**stream, "namespace": choice.namespace} if choice.namespace else stream


def _key_of(stream: Mapping[str, Any]) -> tuple[str | None, str]:
    return (stream.get("namespace") or None, str(stream["name"]))
