"""Looks up what an attempt was and hands it to those who watch, apart from the attempt itself."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

import msgspec

from penstock.control.history import Attempt, Run
from penstock.control.model import Connection, Connector, Definition, Workspace
from penstock.control.store import (
    Store,
    Transaction,
    connections,
    connectors,
    definitions,
    runs,
    workspaces,
)
from penstock.errors import PenstockError

logger = logging.getLogger(__name__)

_MOST_WAITING: Final = 10_000
_STOP_SECONDS: Final = 15.0


class Moment(Enum):
    """What has happened to an attempt."""

    BEGAN = "began"
    ENDED = "ended"


class StreamProof(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a receipt's stream that others are told."""

    stream: msgspec.Raw = msgspec.Raw(b"null")
    table: str = ""
    status: str = ""
    rows_read: int = 0
    rows_committed: int = 0
    bytes_read: int = 0
    columns: dict[str, str] = {}
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """The stream's name, with its namespace before it where it has one."""
        found = msgspec.json.decode(self.stream, type=_Named)
        return f"{found.namespace}.{found.name}" if found.namespace else found.name


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a receipt that others are told."""

    started_at: str
    ended_at: str
    streams: tuple[StreamProof, ...] = ()
    penstock_version: str = ""


class _Named(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    namespace: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """A source or destination of a run; its secrets are not in its configuration."""

    connector: Connector
    definition: Definition

    @property
    def system(self) -> str:
        """What it is, as `postgres`."""
        return self.definition.name.partition("-")[2] or self.definition.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An attempt as it is kept, and what it belongs to."""

    run: Run
    attempt: Attempt
    workspace: Workspace
    connection: Connection
    source: End
    destination: End
    proof: Proof | None
    """None without a receipt: it runs, or its runner was lost."""

    @property
    def is_last(self) -> bool:
        """True when the run is over, and this was its last attempt."""
        return not self.run.status.is_active and self.attempt.number == self.run.attempt


class Watcher(Protocol):
    """Tells another system; called on one thread, in the order of what happened."""

    def tell(self, moment: Moment, seen: Seen) -> None:
        """Tells of an attempt; raises PenstockError when the other side would not hear."""
        ...

    def close(self) -> None:
        """Sends what is still to be sent."""
        ...


class Watchers:
    """Everybody who watches. `note` returns at once, whatever they do."""

    def __init__(self, store: Store, asked_for: Callable[[], Iterable[Watcher]]) -> None:
        """`asked_for` is called once, at the start: nobody watches before."""
        self._store = store
        self._asked_for = asked_for
        self._watchers: tuple[Watcher, ...] = ()
        self._noted: queue.Queue[tuple[Moment, int, int] | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="penstock-watchers", daemon=True)

    def start(self) -> None:
        """Begins to tell, where somebody watches; raises MissingDriver where that needs more."""
        self._watchers = tuple(self._asked_for())
        if self._watchers:
            self._thread.start()

    def note(self, moment: Moment, run: Run) -> None:
        """Notes what has happened to the newest attempt of a run."""
        if not self._watchers:
            return
        try:
            self._noted.put_nowait((moment, run.id, run.attempt))
        except queue.Full:
            logger.warning("nobody was told of an attempt", extra={"run": run.id})

    def stop(self) -> None:
        """Tells what is noted, and closes; not for ever."""
        if self._thread.is_alive():
            self._noted.put(None)
            self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        while (noted := self._noted.get()) is not None:
            self._tell_all(*noted)
        for watcher in self._watchers:
            watcher.close()

    def _tell_all(self, moment: Moment, run_id: int, number: int) -> None:
        try:
            with self._store.read() as tx:
                seen = _seen(tx, run_id, number)
        except PenstockError as error:
            said = {"run": run_id, "why": str(error)}
            logger.warning("nobody was told of an attempt", extra=said)
            return
        for watcher in self._watchers:
            said = {"watcher": type(watcher).__name__, "run": run_id}
            try:
                watcher.tell(moment, seen)
            except PenstockError as error:
                logger.warning("a watcher was not told", extra={**said, "why": str(error)})
            except Exception:
                logger.exception("a watcher failed", extra=said)


def _seen(tx: Transaction, run_id: int, number: int) -> Seen:
    run = runs.get(tx, run_id)
    receipt = runs.receipt(tx, run_id, number)
    return Seen(
        run=run,
        attempt=runs.attempt(tx, run_id, number),
        workspace=workspaces.get(tx, run.workspace_id, with_deleted=True),
        connection=connections.get(tx, run.connection_id, with_deleted=True),
        source=_end(tx, run.source_id),
        destination=_end(tx, run.destination_id),
        proof=msgspec.json.decode(receipt, type=Proof) if receipt is not None else None,
    )


def _end(tx: Transaction, connector_id: str) -> End:
    connector = connectors.get(tx, connector_id, with_deleted=True)
    return End(connector=connector, definition=definitions.get(tx, connector.definition_id))
