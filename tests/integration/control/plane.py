"""A control plane with a faker and a DuckDB file, for tests that let it run."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from penstock.control.builtin import Offer, definition_id, first_workspace, offer
from penstock.control.history import Run
from penstock.control.launchers.local import LocalJob
from penstock.control.model import (
    Connection,
    Connector,
    ConnectorKind,
    Definition,
    ModeName,
    StreamChoice,
)
from penstock.control.service import ControlPlane, Setup, open_control_plane
from penstock.control.store import definitions, runs

OFFERS = (
    Offer(kind=ConnectorKind.SOURCE, name="source-faker", title="Faker"),
    Offer(kind=ConnectorKind.DESTINATION, name="destination-duckdb", title="DuckDB"),
)
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Site:
    """What stays when a control plane is stopped and another is started."""

    folder: Path
    database_url: str | None = None

    @property
    def tables(self) -> Path:
        return self.folder / "out.duckdb"

    @contextmanager
    def running(self, **setup: Any) -> Iterator[ControlPlane]:
        plane = self.opened(**setup)
        plane.start()
        try:
            yield plane
        finally:
            plane.stop()

    def opened(self, **setup: Any) -> ControlPlane:
        plane = open_control_plane(
            Setup(
                data_dir=self.folder / "data",
                database_url=self.database_url,
                version="test",
                **setup,
            )
        )
        offer(plane.store, OFFERS, now=datetime.now(UTC))
        return plane

    def count(self, table: str) -> int:
        with duckdb.connect(str(self.tables), read_only=True) as connection:
            row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        assert row is not None
        return int(row[0])

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.tables), read_only=True) as connection:
            return connection.execute(sql).fetchall()


def ends(site: Site, plane: ControlPlane, **faker: Any) -> tuple[Connector, Connector]:
    """Keeps a faker and a DuckDB file."""
    workspace = first_workspace(plane.store, now=datetime.now(UTC))
    source = plane.configuring.create_connector(
        workspace_id=workspace.id,
        definition_id=definition_id("source-faker"),
        name="people",
        config={"rows": 1000, "seed": 7, **faker},
    )
    destination = plane.configuring.create_connector(
        workspace_id=workspace.id,
        definition_id=definition_id("destination-duckdb"),
        name="lake",
        config={"path": str(site.tables)},
    )
    return source, destination


def connect(site: Site, plane: ControlPlane, *, name: str = "sync", **more: Any) -> Connection:
    """Keeps a connection of the faker's users, incremental and deduplicated."""
    faker = more.pop("faker", {})
    source, destination = more.pop("ends", None) or ends(site, plane, **faker)
    now = datetime.now(UTC)
    choice = StreamChoice(name="users", mode=ModeName.INCREMENTAL_DEDUPED_HISTORY)
    connection = Connection(
        id=more.pop("id", f"conn-{name}"),
        workspace_id=source.workspace_id,
        name=name,
        source_id=source.id,
        destination_id=destination.id,
        streams=more.pop("streams", (choice,)),
        created_at=now,
        updated_at=now,
        **more,
    )
    return plane.configuring.create_connection(connection)


def ended(plane: ControlPlane, run: Run | int, *, seconds: float = PATIENCE_SECONDS) -> Run:
    """Waits until a run is over."""
    run_id = run if isinstance(run, int) else run.id
    return until(plane, run_id, lambda found: not found.status.is_active, seconds=seconds)


def until(
    plane: ControlPlane,
    run_id: int,
    is_so: Callable[[Run], bool],
    *,
    seconds: float = PATIENCE_SECONDS,
) -> Run:
    """Waits until a run is as wanted."""
    deadline = time.monotonic() + seconds
    while True:
        with plane.store.read() as tx:
            found = runs.get(tx, run_id)
        if is_so(found):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def log_text(plane: ControlPlane, run: Run) -> str:
    part = plane.log(run.id, run.attempt)
    return "\n".join(f"{each.level} {each.message}" for each in part.records)


SCRIPTED = Path(__file__).parents[2] / "acceptance" / "scripted_source.py"


def scripted(plane: ControlPlane, **config: Any) -> Connector:
    """Keeps a small source of our own that is an Airbyte program, and behaves as configured."""
    now = datetime.now(UTC)
    made = Definition(
        id="scripted",
        kind=ConnectorKind.SOURCE,
        name="source-scripted",
        title="Scripted",
        origin={"executable": f"{sys.executable} {SCRIPTED}"},
        is_custom=True,
        created_at=now,
    )
    with plane.store.write() as tx:
        if definitions.find(tx, made.id) is None:
            definitions.create(tx, made)
    return plane.configuring.create_connector(
        workspace_id=first_workspace(plane.store, now=now).id,
        definition_id=made.id,
        name="scripted",
        config=config,
    )


def connect_scripted(
    site: Site,
    plane: ControlPlane,
    *,
    name: str = "items",
    mode: ModeName | None = None,
    **config: Any,
) -> Connection:
    """Keeps a connection of the scripted source's items."""
    source = scripted(plane, **config)
    destination = plane.configuring.create_connector(
        workspace_id=source.workspace_id,
        definition_id=definition_id("destination-duckdb"),
        name="lake",
        config={"path": str(site.tables)},
    )
    choice = StreamChoice(name="items", mode=ModeName.INCREMENTAL_APPEND)
    return connect(site, plane, name=name, ends=(source, destination), streams=(choice,))


def wait_for_process(plane: ControlPlane, run: Run) -> None:
    """Waits until a run's attempt has a process, be it one that discovers."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (runner := plane._dispatcher._running.get(run.id)) is None or runner._job is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def kill_runner(plane: ControlPlane, run: Run) -> None:
    """Kills the process of a run's attempt, as the kernel does when memory is short."""
    runner = plane._dispatcher._running[run.id]
    job = runner._job
    assert isinstance(job, LocalJob)
    os.kill(job.pid, signal.SIGKILL)
