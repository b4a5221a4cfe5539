"""The door to the control plane: what a server embeds, and all that people can ask of it."""

from __future__ import annotations

import fcntl
import os
import platform
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from penstock.control import discovery, enqueuing, outcomes, probing
from penstock.control.administering import Administering
from penstock.control.approving import Approving
from penstock.control.configuring import Configuring
from penstock.control.days import RememberedDays
from penstock.control.declared.declaring import Declaring
from penstock.control.dispatcher import Dispatcher
from penstock.control.enqueuing import Request
from penstock.control.history import ProbeKind, Run
from penstock.control.hooks.runner import HookRunner
from penstock.control.house import House, Patience, default_runs_at_once
from penstock.control.housekeeping import Retention
from penstock.control.launchers.launcher import Launcher
from penstock.control.launchers.local import LocalLauncher
from penstock.control.logs import LogPart, LogRecord, read_log
from penstock.control.looking import Looking
from penstock.control.model import DiscoveredCatalog
from penstock.control.notifying.channels import Channels
from penstock.control.notifying.courier import Courier
from penstock.control.observing.asked import asked_for
from penstock.control.observing.watchers import Watchers
from penstock.control.opening import opened
from penstock.control.retries import RetryLimits
from penstock.control.schema_changes import Change
from penstock.control.secrets import SecretStore, load_keys
from penstock.control.store import (
    Store,
    connections,
    connectors,
    discoveries,
    runs,
    servers,
)
from penstock.control.store.leases import Limits
from penstock.control.store.migrate import Upgrade, require_current, upgrade
from penstock.control.store.servers import Server
from penstock.errors import ResourceBusy

KEY_FILE = "secrets.key"
DATABASE_FILE = "penstock.db"
_STOP_SECONDS = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How a control plane is started."""

    data_dir: Path
    database_url: str | None = None
    """None: a SQLite file in the data folder."""
    version: str
    migrates: bool = True
    """False refuses to start with older tables, instead of changing them."""
    runs_at_once: int | None = None
    """On this server; None: by its processors."""
    runs_per_workspace: int | None = None
    runs_per_connector: int | None = None
    """Of each source, and of each destination."""
    retries: RetryLimits = field(default_factory=RetryLimits)
    patience: Patience = field(default_factory=Patience)
    retention: Retention = field(default_factory=Retention)
    public_url: str = ""
    """Where people reach the pages: notifications link there."""
    allows_commands: bool = False
    """Lets hooks run programs on this machine, as the server's user."""


class ControlPlane:
    """One server's part: the store, the schedule, the runs. Safe to use from any thread.

    `house.store` and the queries in `penstock.control.store` are for reading; what changes
    connectors and connections goes through `configuring`, what concerns runs through the methods.
    """

    def __init__(self, house: House, setup: Setup, upgraded: Upgrade | None) -> None:
        """Use `open_control_plane`."""
        self.house = house
        self.setup = setup
        self.upgraded = upgraded
        self.configuring = Configuring(house, wake=self.wake)
        self.declaring = Declaring(house, self.configuring)
        self.administering = Administering(house, self.configuring)
        self.looking = Looking(house)
        self.days = RememberedDays()
        self.approving = Approving(house, self.configuring)
        self.channels = Channels(house)
        self.courier = Courier(house, self.channels, public_url=setup.public_url)
        self.hooks = HookRunner(house, self.looking, allows_commands=setup.allows_commands)
        now = house.clock()
        self._server = Server(
            id=house.server_id,
            host=platform.node(),
            pid=os.getpid(),
            version=setup.version,
            started_at=now,
            seen_at=now,
        )
        self._dispatcher = Dispatcher(house, self._server, setup.retention)
        self._lock: IO[str] | None = None

    @property
    def store(self) -> Store:
        return self.house.store

    @property
    def running(self) -> int:
        """How many attempts this server has under way."""
        return self._dispatcher.running

    def start(self) -> None:
        """Begins to schedule and to run; raises ResourceBusy when a SQLite file has a server."""
        if self.store.is_sqlite:
            self._lock = _only_server(Path(str(self.store.url.database)))
            self.hooks.end_leftovers()
        with self.store.write() as tx:
            servers.renew(tx, self._server)
        if self.house.watchers is not None:
            self.house.watchers.start()
        self._dispatcher.start()
        self.courier.errands.start()
        self.hooks.errands.start()

    def stop(self) -> None:
        """Asks what runs to end, keeping what is committed; it goes on at the next start."""
        self._dispatcher.stop(timeout_seconds=_STOP_SECONDS)
        self.courier.errands.stop()
        self.hooks.stop()
        if self.house.watchers is not None:
            self.house.watchers.stop()
        with self.store.write() as tx:
            servers.leave(tx, self._server.id)
        self.store.close()
        if self._lock is not None:
            self._lock.close()

    def wake(self) -> None:
        """Lets the dispatcher look at once."""
        self._dispatcher.wake()

    def request_run(self, connection_id: str, request: Request | None = None) -> Run:
        """Asks for a run and returns it, queued; it starts in a moment.

        Raises UnknownName for a connection or stream there is not, ResourceBusy when the
        connection runs already, ConfigError when it is switched off.
        """
        with self.store.write() as tx:
            connection = connections.get(tx, connection_id)
            run = enqueuing.enqueue(tx, connection, request or Request(), now=self.house.clock())
        self.wake()
        return run

    def cancel(self, run_id: int, *, by: str | None = None) -> Run:
        """Asks a run to end and returns it as it is now; its runner ends within a second.

        A run that is over stays as it is. Raises UnknownName for one there is not.
        """
        now = self.house.clock()
        with self.store.write() as tx:
            before = runs.get(tx, run_id)
            run = runs.request_cancel(tx, run_id, by=by, now=now)
            if before.status.is_active and not run.status.is_active:
                outcomes.note_cancelled(tx, run, now=now)
        self.wake()
        return run

    def log(
        self,
        run_id: int,
        attempt: int,
        *,
        offset: int = 0,
        wanted: Callable[[LogRecord], bool] | None = None,
    ) -> LogPart:
        """Returns the part of an attempt's log after an offset; UnknownName when it is gone."""
        with self.store.read() as tx:
            found = runs.attempt(tx, run_id, attempt)
        path = self.house.log_folder / found.log_name
        if found.ended_at is None and not path.exists():
            return LogPart(records=(), offsets=(), next_offset=offset, size=0)
        return read_log(path, offset=offset, wanted=wanted)

    def log_path(self, run_id: int, attempt: int) -> Path:
        """Returns the file of an attempt's log, for handing it out whole."""
        with self.store.read() as tx:
            return self.house.log_folder / runs.attempt(tx, run_id, attempt).log_name

    def check(self, connector_id: str) -> None:
        """Proves that a connector works with its settings; raises what it says if not."""
        with self.store.read() as tx:
            kind = connectors.get(tx, connector_id).kind
            ready = opened(tx, self.house, connector_id, kind)
        self._ask(ProbeKind.CHECK, ready.connector.kind, ready.reference, ready.secrets)

    def check_config(self, definition_id: str, config: Mapping[str, Any]) -> None:
        """Proves settings that are not kept (yet); raises what the connector says if not."""
        definition, reference = self.configuring.reference(definition_id, config)
        self._ask(ProbeKind.CHECK, definition.kind, reference, frozenset())

    def discover(
        self, source_id: str, *, max_age_seconds: float | None = None
    ) -> DiscoveredCatalog:
        """Returns what a source has; the kept answer where it is not older than given."""
        if max_age_seconds is not None:
            with self.store.read() as tx:
                known = discoveries.newest_catalog(tx, source_id)
                source = connectors.get(tx, source_id)
            if known is not None and known.config_digest == discovery.digest_of(source.config):
                age = (self.house.clock() - known.discovered_at).total_seconds()
                if age <= max_age_seconds:
                    return known
        return discovery.discover(self.house, source_id)

    def refresh_schema(self, connection_id: str) -> tuple[Change, ...]:
        """Discovers a connection's source, applies its policy, and returns what has changed."""
        with self.store.read() as tx:
            source_id = connections.get(tx, connection_id).source_id
        newest = discovery.discover(self.house, source_id)
        with self.store.write() as tx:
            connection = connections.get(tx, connection_id, for_update=True)
            return discovery.apply(tx, connection, newest, now=self.house.clock())

    def _ask(
        self,
        question: ProbeKind,
        kind: Any,
        reference: Mapping[str, Any],
        secrets: frozenset[str],
    ) -> None:
        answer = probing.ask(self.house, question, kind, reference, secrets=secrets)
        if answer.error is not None:
            raise discovery.error_of(answer.error)


def open_control_plane(setup: Setup, *, launcher: Launcher | None = None) -> ControlPlane:
    """Returns a control plane whose database is up to date; nothing runs before `start`."""
    setup.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = open_store(setup.data_dir, setup.database_url)
    upgraded = None
    try:
        if setup.migrates:
            upgraded = upgrade(store)
        else:
            require_current(store)
        keys = load_keys(setup.data_dir / KEY_FILE, makes_file=store.is_sqlite)
    except BaseException:
        store.close()
        raise
    house = House(
        store=store,
        launcher=launcher or LocalLauncher(setup.data_dir),
        secrets=SecretStore(keys),
        log_folder=setup.data_dir / "logs",
        server_id=uuid.uuid4().hex,
        limits=Limits(
            per_server=setup.runs_at_once or default_runs_at_once(),
            per_workspace=setup.runs_per_workspace,
            per_connector=setup.runs_per_connector,
        ),
        retries=setup.retries,
        patience=setup.patience,
        watchers=Watchers(store, lambda: asked_for(os.environ)),
    )
    return ControlPlane(house, setup, upgraded)


def open_store(data_dir: Path, database_url: str | None) -> Store:
    """Returns the store at a URL, or the SQLite file in a data folder."""
    return Store(database_url) if database_url else Store.of_file(data_dir / DATABASE_FILE)


def _only_server(database: Path) -> IO[str]:
    """Locks a SQLite file for one server; the operating system unlocks it when that is gone."""
    path = database.with_name(f"{database.name}.server")
    handle = path.open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        handle.seek(0)
        pid = handle.read().strip()
        handle.close()
        raise ResourceBusy(
            f"A server is running on {database} already" + (f": process {pid}." if pid else "."),
            remedy="Stop it, or give this one another --data-dir. For several servers on one "
            "database use PostgreSQL.",
        ) from error
    handle.seek(0)
    handle.truncate()
    handle.write(str(os.getpid()))
    handle.flush()
    with suppress(OSError):
        path.chmod(0o600)
    return handle
