"""Values to keep: a workspace with a source, a destination and a connection."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from penstock.control.history import Run
from penstock.control.model import (
    Connection,
    Connector,
    ConnectorKind,
    Definition,
    ModeName,
    Schedule,
    ScheduleKind,
    StreamChoice,
    Workspace,
)
from penstock.control.store import Store, connections, connectors, definitions, workspaces

NOW = datetime(2026, 11, 21, 6, 0, 0, 123456, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@dataclass(frozen=True)
class World:
    workspace: Workspace
    source: Connector
    destination: Connector
    connection: Connection


def world(store: Store, *, name: str = "w1") -> World:
    """Keeps one of everything."""
    workspace = Workspace(id=name, name="Team «Ω»", created_at=NOW)
    ends = {
        kind: Connector(
            id=f"{name}-{kind}",
            workspace_id=name,
            kind=kind,
            definition_id=f"{name}-def-{kind}",
            name=f"my {kind}",
            config={"big": 2**80, "zero": 0, "no": False, "text": "00\u0000\x7f 017", "pi": 3.25},
            created_at=NOW,
            updated_at=NOW,
        )
        for kind in ConnectorKind
    }
    connection = a_connection(name, "c1" if name == "w1" else f"{name}-c1")
    with store.write() as tx:
        workspaces.create(tx, workspace)
        for kind, end in ends.items():
            definitions.create(
                tx,
                Definition(
                    id=end.definition_id,
                    kind=kind,
                    name=f"{kind}-thing",
                    title="Thing",
                    workspace_id=name,
                    created_at=NOW,
                ),
            )
            connectors.create(tx, end)
        connections.create(tx, connection)
    return World(workspace, ends[ConnectorKind.SOURCE], ends[ConnectorKind.DESTINATION], connection)


def a_connection(workspace: str, connection_id: str) -> Connection:
    return Connection(
        id=connection_id,
        workspace_id=workspace,
        name=f"connection {connection_id}",
        source_id=f"{workspace}-source",
        destination_id=f"{workspace}-destination",
        schedule=Schedule(kind=ScheduleKind.INTERVAL, interval_seconds=900),
        streams=(
            StreamChoice(
                name="users",
                namespace="public",
                mode=ModeName.INCREMENTAL_DEDUPED_HISTORY,
                cursor_field=("updated_at",),
                primary_key=(("id",),),
                selected_fields=(("id",), ("updated_at",)),
                mappers=({"type": "hashing", "mapperConfiguration": {"targetField": "e"}},),
            ),
        ),
        created_at=NOW,
        updated_at=NOW,
    )


def a_run(connection: Connection) -> Run:
    return Run(
        connection_id=connection.id,
        workspace_id=connection.workspace_id,
        source_id=connection.source_id,
        destination_id=connection.destination_id,
        not_before=NOW,
        created_at=NOW,
        updated_at=NOW,
    )
