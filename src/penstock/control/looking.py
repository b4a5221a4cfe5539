"""Looking at rows and tables for somebody: asked of a runner, handed on, kept nowhere."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from penstock.control import documents, probing
from penstock.control.accounts import AuditEntry
from penstock.control.discovery import error_of
from penstock.control.documents import DestinationFacts, RowsFound, TableFound
from penstock.control.history import ProbeKind
from penstock.control.house import House
from penstock.control.model import (
    Connection,
    Connector,
    ConnectorKind,
    NamespaceRule,
    StreamChoice,
)
from penstock.control.opening import opened
from penstock.control.secrets import texts_of, unmasked
from penstock.control.store import (
    Transaction,
    audit,
    connections,
    connectors,
    definitions,
    discoveries,
)
from penstock.data.names import landing_name
from penstock.errors import BugError, ConfigError, ResourceBusy, UnknownName

MOST_ROWS: Final = 1000
_AT_ONCE: Final = 6
_STARTING_SECONDS: Final = 90.0
_AUDITED_TEXT: Final = 4000
_LOOKER_WAITS_SECONDS: Final = 20.0
_HOOK_WAITS_SECONDS: Final = 300.0
_TRIAL_SECONDS: Final = 300.0
"""Installing airbyte-cdk the first time is among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Where one stream of a connection lands."""

    stream: StreamChoice
    schema: str | None
    """None: the destination's default."""
    table: str
    is_shared: bool
    """True when another stream would land there too: then no run begins."""

    @property
    def key(self) -> tuple[str | None, str]:
        return (self.schema, self.table)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFound:
    """What a manifest says of itself."""

    connection_specification: Mapping[str, Any]
    streams: tuple[str, ...]


class Looking:
    """Each method waits for a runner's answer; safe to use from any thread."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._facts: dict[tuple[str, str | None], DestinationFacts] = {}
        self._room = threading.BoundedSemaphore(_AT_ONCE)
        self._turns: dict[str, threading.Lock] = {}
        self._noting = threading.Lock()

    def facts(self, definition_id: str) -> DestinationFacts:
        """Returns what a destination can do; asked once, and again for another version."""
        with self._house.store.read() as tx:
            definition = definitions.get(tx, definition_id)
        known = self._facts.get((definition.id, definition.version))
        if known is None:
            reference = documents.reference_to(definition, {})
            answer = self._ask(ProbeKind.SPEC, ConnectorKind.DESTINATION, reference)
            if answer.facts is None:
                raise ConfigError(
                    f"{definition.title} is no destination.", remedy="Name a destination."
                )
            known = self._facts[definition.id, definition.version] = answer.facts
        return known

    def preview(
        self,
        source_id: str,
        choice: StreamChoice,
        *,
        limit: int,
        connection_id: str | None = None,
    ) -> RowsFound:
        """Returns a stream's first rows as they would land: fields selected, mappers applied.

        `connection_id` says whose kept keys stand behind masks in the mappers. Raises UnknownName
        for a stream the source was not found to have, and what the source says if it fails.
        """
        with self._house.store.read() as tx:
            source = opened(tx, self._house, source_id, ConnectorKind.SOURCE)
            stream = self._stream(tx, source_id, choice)
            choice, keys = self._with_keys(tx, choice, connection_id)
        details: dict[str, Any] = {"stream": stream, "limit": _bounded(limit)}
        shape = documents.shape_of(choice, stream)
        if shape is not None:
            details["shape"] = shape
        answer = self._ask(
            ProbeKind.PREVIEW,
            ConnectorKind.SOURCE,
            source.reference,
            details=details,
            secrets=source.secrets | keys,
        )
        return _rows(answer)

    def naming(self, connection: Connection) -> tuple[Named, ...]:
        """Returns where each stream of a connection (or of a draft of one) lands.

        Without a choice of streams, those the source was last found to have.
        """
        with self._house.store.read() as tx:
            destination = connectors.get(tx, connection.destination_id, ConnectorKind.DESTINATION)
            choices = connection.streams
            if choices is None:
                known = discoveries.newest_catalog(tx, connection.source_id)
                choices = tuple(
                    StreamChoice(name=each["name"], namespace=each.get("namespace") or None)
                    for each in (known.catalog["streams"] if known else ())
                )
        longest = self.facts(destination.definition_id).max_identifier_bytes
        namespace = _namespace(connection)
        landed = [
            landing_name(
                each.destination_object_name or each.name,
                each.namespace,
                namespace=namespace,
                prefix=connection.prefix,
                max_bytes=longest,
            )
            for each in choices
        ]
        times = Counter(landed)
        return tuple(
            Named(stream=each, schema=where[0], table=where[1], is_shared=times[where] > 1)
            for each, where in zip(choices, landed, strict=True)
        )

    def tables(
        self, connection: Connection, streams: Sequence[tuple[str | None, str]] | None = None
    ) -> tuple[tuple[Named, TableFound], ...]:
        """Returns the tables of a connection, with how many rows each holds and how new they are.

        Raises ConfigError where the destination does not show what it holds.
        """
        wanted = None if streams is None else {(ns or None, name) for ns, name in streams}
        named = [n for n in self.naming(connection) if wanted is None or n.stream.key in wanted]
        if not named:
            return ()
        tables = [_reference(each) for each in named]
        answer = self._ask_destination(
            connection.destination_id, ProbeKind.TABLES, {"tables": tables}
        )
        return tuple(zip(named, answer.tables or (), strict=True))

    def rows(
        self, connection: Connection, stream: tuple[str | None, str], *, limit: int
    ) -> RowsFound:
        """Returns the first rows of a stream's table."""
        for each in self.naming(connection):
            if each.stream.key == (stream[0] or None, stream[1]):
                details = {"tables": [_reference(each)], "limit": _bounded(limit)}
                return _rows(
                    self._ask_destination(connection.destination_id, ProbeKind.ROWS, details)
                )
        raise UnknownName(
            f"{connection.name} has no stream {stream[1]}.",
            remedy="See the streams of the connection.",
        )

    def query(
        self, destination_id: str, sql: str, *, limit: int, seconds: float, by: tuple[str, str]
    ) -> RowsFound:
        """Returns rows of one SELECT that can change nothing; notes who (id, name) asked what.

        Raises ConfigError for wrong SQL, AccessDenied for what it may not do.
        """
        now = self._house.clock()
        with self._house.store.write() as tx:
            destination = connectors.get(tx, destination_id, ConnectorKind.DESTINATION)
            entry = AuditEntry(
                at=now,
                actor_id=by[0],
                actor=by[1],
                action="destination.query",
                target_kind="destination",
                target_id=destination_id,
                workspace_id=destination.workspace_id,
                detail={"name": destination.name, "sql": sql[:_AUDITED_TEXT]},
            )
            audit.note(tx, entry)
        details = {"statements": [sql], "limit": _bounded(limit), "seconds": seconds}
        return _rows(
            self._ask_destination(destination_id, ProbeKind.QUERY, details, seconds=seconds)
        )

    def execute(self, destination_id: str, statements: Sequence[str], *, seconds: float) -> None:
        """Runs SQL on a destination, in one transaction; durable on return."""
        self._ask_destination(
            destination_id,
            ProbeKind.EXECUTE,
            {"statements": list(statements)},
            seconds=seconds,
            patience_seconds=_HOOK_WAITS_SECONDS,
        )

    def manifest(self, text: str) -> ManifestFound:
        """Returns what settings a manifest asks for, and its streams; nothing is installed."""
        reference = _manifest_reference(text, {})
        answer = self._ask(ProbeKind.MANIFEST, ConnectorKind.SOURCE, reference)
        return ManifestFound(
            connection_specification=(answer.spec or {}).get("connectionSpecification", {}),
            streams=answer.streams or (),
        )

    def trial(
        self,
        text: str,
        config: Mapping[str, Any],
        stream: str,
        *,
        records: int,
        pages: int,
        slices: int,
    ) -> dict[str, Any]:
        """Returns what reading one stream of a manifest asks for and gets, its secrets masked.

        The document is the runner's, as it came. Raises ConfigError in the words of whoever read.
        """
        answer = self._ask(
            ProbeKind.TRIAL,
            ConnectorKind.SOURCE,
            _manifest_reference(text, config),
            details={
                "stream": {"name": stream},
                "limit": _bounded(records),
                "pages": pages,
                "slices": slices,
            },
            seconds=_TRIAL_SECONDS,
        )
        if answer.trial is None:
            raise BugError("The trial succeeded and told nothing.", remedy="Report it.")
        return answer.trial

    def _ask_destination(
        self,
        destination_id: str,
        question: ProbeKind,
        details: Mapping[str, Any],
        *,
        seconds: float = 60.0,
        patience_seconds: float = _LOOKER_WAITS_SECONDS,
    ) -> documents.ProbeFinished:
        with self._house.store.read() as tx:
            ready = opened(tx, self._house, destination_id, ConnectorKind.DESTINATION)
        with self._turn_at(ready.connector, patience_seconds):
            return self._ask(
                question,
                ConnectorKind.DESTINATION,
                ready.reference,
                details=details,
                secrets=ready.secrets,
                seconds=seconds,
            )

    @contextmanager
    def _turn_at(self, destination: Connector, patience_seconds: float) -> Iterator[None]:
        """Lets one question after another reach a destination: a file opens for one process."""
        with self._noting:
            turn = self._turns.setdefault(destination.id, threading.Lock())
        if not turn.acquire(timeout=patience_seconds):
            raise ResourceBusy(
                f"{destination.name} is still answering somebody else.",
                remedy="Try again in a moment.",
            )
        try:
            yield
        finally:
            turn.release()

    def _ask(
        self,
        question: ProbeKind,
        kind: ConnectorKind,
        reference: Mapping[str, Any],
        *,
        details: Mapping[str, Any] | None = None,
        secrets: frozenset[str] = frozenset(),
        seconds: float = 60.0,
    ) -> documents.ProbeFinished:
        with self._having_room():
            answer = probing.ask(
                self._house,
                question,
                kind,
                reference,
                secrets=secrets,
                details=details,
                seconds=seconds + _STARTING_SECONDS,
            )
        if answer.error is not None:
            raise error_of(answer.error)
        return answer

    @contextmanager
    def _having_room(self) -> Iterator[None]:
        """Bounds how many processes and threads people who look can take."""
        if not self._room.acquire(timeout=10):
            raise ResourceBusy(
                f"{_AT_ONCE} others are looking at rows just now.", remedy="Try again in a moment."
            )
        try:
            yield
        finally:
            self._room.release()

    def _stream(self, tx: Transaction, source_id: str, choice: StreamChoice) -> Mapping[str, Any]:
        known = discoveries.newest_catalog(tx, source_id)
        for each in known.catalog["streams"] if known else ():
            if (each.get("namespace") or None, each["name"]) == choice.key:
                stream: Mapping[str, Any] = each
                return stream
        raise UnknownName(
            f"The source was not found to have a stream {choice.name}.",
            remedy="Discover it again: POST /api/v1/probes/discover.",
        )

    def _with_keys(
        self, tx: Transaction, choice: StreamChoice, connection_id: str | None
    ) -> tuple[StreamChoice, frozenset[str]]:
        """Returns the choice with the kept keys in place of masks, and the keys' texts."""
        kept: tuple[dict[str, Any], ...] = ()
        if connection_id is not None:
            for each in connections.get(tx, connection_id).streams or ():
                kept = each.mappers if each.key == choice.key else kept
        before = {"mappers": list(kept)}
        places = unmasked({"mappers": list(choice.mappers)}, before)
        found = self._house.secrets.opened(tx, places)
        return replace(choice, mappers=tuple(found["mappers"])), texts_of(found, places)


def _namespace(connection: Connection) -> str | None:
    match connection.namespace_rule:
        case NamespaceRule.SOURCE:
            return None
        case NamespaceRule.DESTINATION:
            return ""
        case _:
            return connection.namespace_format or ""


def _manifest_reference(text: str, config: Mapping[str, Any]) -> dict[str, Any]:
    # A line of its own is a path or an address to the runner, and this must be neither.
    return {"name": "source-manifest", "config": dict(config), "manifest": f"{text}\n"}


def _reference(named: Named) -> dict[str, str]:
    return {"name": named.table, **({"namespace": named.schema} if named.schema else {})}


def _rows(answer: documents.ProbeFinished) -> RowsFound:
    return answer.rows or RowsFound(columns=(), rows=())


def _bounded(limit: int) -> int:
    if not 1 <= limit <= MOST_ROWS:
        raise ConfigError(f"{limit} rows cannot be shown.", remedy=f"Ask for 1 to {MOST_ROWS}.")
    return limit
