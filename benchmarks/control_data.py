"""A database with ten thousand connections and a million runs, as three months leave it."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert, text

from benchmarks.places import PROGRAMS
from penstock.control.builtin import Offer, definition_id, first_workspace, offer
from penstock.control.history import Run, RunStatus
from penstock.control.model import (
    Connection,
    ConnectorKind,
    Definition,
    ModeName,
    Schedule,
    ScheduleKind,
    StreamChoice,
)
from penstock.control.service import ControlPlane, Setup, open_control_plane
from penstock.control.store import definitions, runs
from penstock.control.store.rows import columns_of
from penstock.control.store.tables import connection_marks, connections, due

CONNECTIONS = 10_000
RUNS = 1_000_000
_SECONDS_BETWEEN_RUNS = 8
_INTERVAL_SECONDS = 86_400
_OFFERS = (
    Offer(kind=ConnectorKind.SOURCE, name="source-faker", title="Faker"),
    Offer(kind=ConnectorKind.DESTINATION, name="destination-duckdb", title="DuckDB"),
)
SLOW_SOURCE = "source-slow"


def opened(folder: Path) -> ControlPlane:
    """Returns a control plane over the data folder of a server that does not run."""
    plane = open_control_plane(Setup(data_dir=folder / "data", version="benchmark"))
    offer(plane.store, _OFFERS, now=datetime.now(UTC))
    return plane


def keep_slow_source(folder: Path) -> None:
    """Adds a source that waits for most of its time to what a server offers."""
    plane = opened(folder)
    made = Definition(
        id=SLOW_SOURCE,
        kind=ConnectorKind.SOURCE,
        name=SLOW_SOURCE,
        title="Slow",
        origin={"executable": f"{sys.executable} {PROGRAMS / 'slow_source.py'}"},
        is_custom=True,
        created_at=datetime.now(UTC),
    )
    with plane.store.write() as tx:
        definitions.create(tx, made)
    plane.store.close()


def fill(folder: Path, *, connection_count: int = CONNECTIONS, run_count: int = RUNS) -> None:
    """Makes the database: no connection is due within the next two hours."""
    plane = opened(folder)
    now = datetime.now(UTC)
    first = _first_connection(plane, folder, now)
    many = [
        replace(first, id=f"bench-{number:06}", name=f"connection {number}")
        for number in range(connection_count)
    ]
    with plane.store.write() as tx:
        tx.execute(insert(connections), [columns_of(each) for each in many])
        tx.execute(
            insert(connection_marks),
            [{"connection_id": each.id, "fence": 0, "generation_id": 0} for each in many],
        )
        tx.execute(
            insert(due),
            [
                {
                    "connection_id": each.id,
                    "slot": 0,
                    "next_at": now + timedelta(seconds=7200 + number % _INTERVAL_SECONDS),
                }
                for number, each in enumerate(many)
            ],
        )
    _repeat_run(plane, many[0], now, connection_count=connection_count, run_count=run_count)
    plane.store.close()


def _first_connection(plane: ControlPlane, folder: Path, now: datetime) -> Connection:
    workspace = first_workspace(plane.store, now=now)
    ends = [
        plane.configuring.create_connector(
            workspace_id=workspace.id, definition_id=definition_id(name), name=name, config=config
        )
        for name, config in (
            ("source-faker", {"rows": 100}),
            ("destination-duckdb", {"path": str(folder / "out.duckdb")}),
        )
    ]
    choice = StreamChoice(name="users", mode=ModeName.INCREMENTAL_DEDUPED_HISTORY)
    return Connection(
        id="first",
        workspace_id=workspace.id,
        name="first",
        source_id=ends[0].id,
        destination_id=ends[1].id,
        schedule=Schedule(kind=ScheduleKind.INTERVAL, interval_seconds=_INTERVAL_SECONDS),
        streams=(choice,),
        created_at=now,
        updated_at=now,
        last_succeeded_at=now,
    )


def _repeat_run(
    plane: ControlPlane,
    connection: Connection,
    now: datetime,
    *,
    connection_count: int,
    run_count: int,
) -> None:
    """Copies one run so often that the database does it by itself, seconds apart."""
    pattern = Run(
        connection_id=connection.id,
        workspace_id=connection.workspace_id,
        source_id=connection.source_id,
        destination_id=connection.destination_id,
        status=RunStatus.SUCCEEDED,
        attempt=1,
        rows_committed=100,
        bytes_committed=10_000,
        not_before=now,
        created_at=now,
        started_at=now,
        updated_at=now,
        ended_at=now,
    )
    columns = [name for name in columns_of(pattern) if name != "id"]
    at = "strftime('%Y-%m-%d %H:%M:%f', created_at, '-' || ((:last - i) * :step) || ' seconds')"
    changed = {
        "connection_id": "printf('bench-%06d', (i * 7919) % :connections)",
        "status": "CASE WHEN i % 50 = 0 THEN 'failed' WHEN i % 1000 = 1 THEN 'cancelled' "
        "ELSE status END",
        **dict.fromkeys(("created_at", "started_at", "updated_at", "ended_at"), f"{at} || '000'"),
    }
    chosen = ", ".join(changed.get(name, name) for name in columns)
    statement = (
        "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < :last) "
        f"INSERT INTO runs ({', '.join(columns)}) "
        f"SELECT {chosen} FROM n, (SELECT * FROM runs WHERE id = :pattern)"
    )
    with plane.store.write() as tx:
        first = runs.enqueue(tx, pattern)
        values = {
            "pattern": first.id,
            "last": run_count,
            "step": _SECONDS_BETWEEN_RUNS,
            "connections": connection_count,
        }
        tx.execute(text(statement), values)
        tx.execute(
            text(
                "INSERT INTO attempts SELECT id, 1, 1, 'bench', status, '[]', rows_committed,"
                " bytes_committed, NULL, id || '/1.jsonl', created_at, created_at, ended_at"
                " FROM runs"
            )
        )
