"""Rows and tables for somebody who looks: read through a runner, shown, and kept nowhere."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from penstock.control.accounts import Role
from penstock.control.documents import RowsFound, TableFound
from penstock.control.looking import MOST_ROWS, Named
from penstock.control.model import Connection, ConnectorKind, NamespaceRule, StreamChoice
from penstock.control.store import connections, connectors, states
from penstock.server.routes.connections import seen
from penstock.server.routes.own import own_router
from penstock.server.routes.probes import FailureShown
from penstock.server.site import ActorNeeded, SiteNeeded

router = own_router()

_MOST_SECONDS = 300.0


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ColumnShown(BaseModel):
    """One column of rows."""

    name: str
    type: str
    """Arrow's name of its type."""


class RowsShown(BaseModel):
    """Rows whose values no client can round: large integers, decimals and instants are texts."""

    columns: list[ColumnShown]
    rows: list[list[Any]]
    is_cut: bool
    """There are more."""
    values_cut: int
    """How many texts were too long to be shown whole."""


class NewPreview(_Given):
    """Which stream to look at, and what happens to its rows on the way."""

    stream: str
    namespace: str | None = None
    selected_fields: list[list[str]] | None = None
    mappers: list[dict[str, Any]] = Field(default_factory=list)
    connection_id: str | None = None
    """Whose kept keys stand behind masks in the mappers."""
    limit: Annotated[int, Field(ge=1, le=MOST_ROWS)] = 10


class NamingDraft(_Given):
    """What the names of a connection's tables depend on; the connection need not be there yet."""

    source_id: str
    destination_id: str
    streams: list[StreamChoice] | None = None
    namespace_rule: NamespaceRule = NamespaceRule.DESTINATION
    namespace_format: str | None = None
    prefix: str = ""


class NameShown(BaseModel):
    """Where one stream lands."""

    stream: str
    namespace: str | None
    schema_name: str | None
    """None: the destination's default."""
    table: str
    is_shared: bool
    """Another stream would land there too; then no run begins."""


class Names(BaseModel):
    """The tables of a connection, in the order of its streams."""

    items: list[NameShown]
    collisions: int
    """How many tables would have more than one stream."""


class FactsShown(BaseModel):
    """What a destination can do."""

    max_identifier_bytes: int
    exactly_once: bool
    modes: list[str]
    reads_back: bool
    """It shows its tables and rows."""
    confines_sql: bool
    """It runs SQL of somebody who may only look."""
    runs_sql: bool
    """It runs SQL after a sync."""


class TableShown(NameShown):
    """What a table holds."""

    exists: bool | None
    """None where the destination cannot tell an empty table from none."""
    rows: int
    newest_at: datetime | None
    """When its newest row was read from the source."""
    committed_at: datetime | None
    """When a run last committed a position of this stream."""
    failure: FailureShown | None
    """Why this one could not be looked at."""


class Tables(BaseModel):
    """The tables of a connection, in the order of its streams."""

    items: list[TableShown]


class NewQuery(_Given):
    """One SELECT, which can change nothing and reach nothing but the destination's own tables."""

    sql: Annotated[str, Field(min_length=1, max_length=100_000)]
    limit: Annotated[int, Field(ge=1, le=MOST_ROWS)] = 100
    seconds: Annotated[float, Field(gt=0, le=_MOST_SECONDS)] = 30.0
    """It is stopped after these."""


@router.post("/sources/{source_id}/preview", tags=["sources"])
def preview_stream(
    source_id: str, body: NewPreview, actor: ActorNeeded, site: SiteNeeded
) -> RowsShown:
    """Reads the first rows of a stream, as they would land; takes as long as the source does."""
    with site.store.read() as tx:
        source = connectors.get(tx, source_id, ConnectorKind.SOURCE)
        actor.require(Role.EDITOR, source.workspace_id)
        if body.connection_id is not None:
            connection = connections.get(tx, body.connection_id)
            actor.require(Role.EDITOR, connection.workspace_id)
    fields = body.selected_fields
    choice = StreamChoice(
        name=body.stream,
        namespace=body.namespace,
        selected_fields=None if fields is None else tuple(tuple(path) for path in fields),
        mappers=tuple(body.mappers),
    )
    return _rows_shown(
        site.plane.looking.preview(
            source_id, choice, limit=body.limit, connection_id=body.connection_id
        )
    )


@router.post("/connections/preview-naming", tags=["connections"])
def preview_naming(body: NamingDraft, actor: ActorNeeded, site: SiteNeeded) -> Names:
    """Returns where each stream of a draft would land, and names what collides."""
    with site.store.read() as tx:
        destination = connectors.get(tx, body.destination_id, ConnectorKind.DESTINATION)
        source = connectors.get(tx, body.source_id, ConnectorKind.SOURCE)
    actor.require(Role.READER, source.workspace_id)
    actor.require(Role.READER, destination.workspace_id)
    draft = Connection(
        id="draft",
        workspace_id=destination.workspace_id,
        name="draft",
        source_id=body.source_id,
        destination_id=body.destination_id,
        streams=None if body.streams is None else tuple(body.streams),
        namespace_rule=body.namespace_rule,
        namespace_format=body.namespace_format,
        prefix=body.prefix,
        created_at=site.now(),
        updated_at=site.now(),
    )
    found = site.plane.looking.naming(draft)
    shared = {each.key for each in found if each.is_shared}
    return Names(items=[_name_shown(each) for each in found], collisions=len(shared))


@router.get("/destinations/{destination_id}/facts", tags=["destinations"])
def destination_facts(destination_id: str, actor: ActorNeeded, site: SiteNeeded) -> FactsShown:
    """Returns what a destination can do."""
    with site.store.read() as tx:
        found = connectors.get(tx, destination_id, ConnectorKind.DESTINATION)
    actor.require(Role.READER, found.workspace_id)
    facts = site.plane.looking.facts(found.definition_id)
    return FactsShown(
        max_identifier_bytes=facts.max_identifier_bytes,
        exactly_once=facts.exactly_once,
        modes=list(facts.modes),
        reads_back=facts.reads_back,
        confines_sql=facts.confines_sql,
        runs_sql=facts.runs_sql,
    )


@router.get("/connections/{connection_id}/tables", tags=["connections"])
def list_tables(
    connection_id: str,
    actor: ActorNeeded,
    site: SiteNeeded,
    stream: Annotated[str | None, Query(description="Only of this stream.")] = None,
    namespace: str | None = None,
) -> Tables:
    """Counts the rows of a connection's tables, and tells how new they are."""
    connection = seen(site, connection_id, actor, Role.READER)
    wanted = None if stream is None else [(namespace, stream)]
    found = site.plane.looking.tables(connection, wanted)
    with site.store.read() as tx:
        kept = states.of_connection(tx, connection_id)
    committed = {(each.namespace, each.name): each.updated_at for each in kept}
    return Tables(
        items=[
            _table_shown(named, table, committed.get(named.stream.key)) for named, table in found
        ]
    )


@router.get("/connections/{connection_id}/rows", tags=["connections"])
def list_rows(
    connection_id: str,
    stream: str,
    actor: ActorNeeded,
    site: SiteNeeded,
    namespace: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 50,
) -> RowsShown:
    """Returns the first rows of a stream's table, as the destination stores them."""
    connection = seen(site, connection_id, actor, Role.EDITOR)
    return _rows_shown(site.plane.looking.rows(connection, (namespace, stream), limit=limit))


@router.post("/destinations/{destination_id}/query", tags=["destinations"])
def query_destination(
    destination_id: str, body: NewQuery, actor: ActorNeeded, site: SiteNeeded
) -> RowsShown:
    """Runs one SELECT on a destination that can keep it from changing anything.

    Who asked what is in the audit log.
    """
    with site.store.read() as tx:
        found = connectors.get(tx, destination_id, ConnectorKind.DESTINATION)
    actor.require(Role.EDITOR, found.workspace_id)
    return _rows_shown(
        site.plane.looking.query(
            destination_id,
            body.sql,
            limit=body.limit,
            seconds=body.seconds,
            by=(actor.id, actor.name),
        )
    )


def _rows_shown(found: RowsFound) -> RowsShown:
    return RowsShown(
        columns=[ColumnShown(name=each.name, type=each.type) for each in found.columns],
        rows=[list(row) for row in found.rows],
        is_cut=found.is_cut,
        values_cut=found.values_cut,
    )


def _name_shown(named: Named) -> NameShown:
    return NameShown(
        stream=named.stream.name,
        namespace=named.stream.namespace,
        schema_name=named.schema,
        table=named.table,
        is_shared=named.is_shared,
    )


def _table_shown(named: Named, found: TableFound, committed_at: datetime | None) -> TableShown:
    failure = None
    if found.error is not None:
        failure = FailureShown(
            code=str(found.error.get("code", "")),
            message=str(found.error.get("message", "")),
            remedy=str(found.error.get("remedy", "")),
            origin="destination",
            failure_type=str(found.error.get("failure_type", "")),
            context=dict(found.error.get("context") or {}),
        )
    return TableShown(
        **_name_shown(named).model_dump(),
        exists=found.exists,
        rows=found.rows,
        newest_at=found.newest_at,
        committed_at=committed_at,
        failure=failure,
    )
