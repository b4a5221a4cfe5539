"""How the whole stands at a glance: for the first page, and for a monitoring system."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel

from penstock.control import lateness
from penstock.control.accounts import Role
from penstock.control.history import ACTIVE, RunStatus
from penstock.control.store import Transaction, Window, connections, events, figures, runs
from penstock.server.routes.own import own_router
from penstock.server.routes.runs import RunShown, run_shown
from penstock.server.site import ActorNeeded, SiteNeeded

router = own_router(tag="home")
_MOST_SHOWN = 200


class Day(BaseModel):
    """What ended on one day (UTC)."""

    day: date
    succeeded: int
    failed: int
    cancelled: int
    rows_committed: int
    bytes_committed: int
    seconds: float
    """How long its runs took, together."""
    longest_seconds: float


class Days(BaseModel):
    """The oldest first; a day without runs is there too."""

    items: list[Day]


class LateShown(BaseModel):
    """A connection whose schedule came twice since it last succeeded."""

    connection_id: str
    connection_name: str
    workspace_id: str
    since: datetime
    last_succeeded_at: datetime | None


class Summary(BaseModel):
    """How the whole stands."""

    connections: dict[str, int]
    """How many there are of each status."""
    running: list[RunShown]
    """What is under way, or waits; the newest first."""
    failed: list[RunShown]
    """The newest run of each connection whose newest run failed."""
    late: list[LateShown]
    """What should have succeeded again by now; the longest first."""
    days: list[Day]
    """The oldest first; a day without runs is there too."""


@router.get("/home")
def summary(
    actor: ActorNeeded,
    site: SiteNeeded,
    workspace_id: str | None = None,
    days: Annotated[int, Query(ge=1, le=90)] = 14,
) -> Summary:
    """Tells what runs, what failed, what is late, and how much was moved by day."""
    wanted = (workspace_id,) if workspace_id else actor.workspace_ids()
    for each in wanted or ():
        actor.require(Role.READER, each)
    now = site.now()
    window = Window(limit=_MOST_SHOWN)
    with site.store.read() as tx:
        counts = connections.count(tx, connections.Filter(workspace_ids=wanted))
        active = runs.list_(tx, window, runs.Filter(workspace_ids=wanted, statuses=ACTIVE)).items
        failing = connections.list_(
            tx, window, connections.Filter(workspace_ids=wanted, is_failing=True)
        ).items
        newest = runs.newest_of(tx, [each.id for each in failing])
        failed = sorted(
            (each for each in newest.values() if each.status is RunStatus.FAILED),
            key=lambda run: -run.id,
        )
        behind = lateness.late(tx, now, workspace_ids=wanted)[:_MOST_SHOWN]
        volume = site.plane.days.of(tx, count=days, today=now.date(), workspace_ids=wanted)
        names = connections.names_of(tx, (run.connection_id for run in (*active, *failed)))
    return Summary(
        connections={status.value: count for status, count in counts.items()},
        running=[run_shown(each, names) for each in active],
        failed=[run_shown(each, names) for each in failed],
        late=[
            LateShown(
                connection_id=each.connection.id,
                connection_name=each.connection.name,
                workspace_id=each.connection.workspace_id,
                since=each.since,
                last_succeeded_at=each.connection.last_succeeded_at,
            )
            for each in behind
        ],
        days=[_day_shown(each) for each in volume],
    )


@router.get("/figures")
def list_figures(
    actor: ActorNeeded,
    site: SiteNeeded,
    workspace_id: str | None = None,
    connection_id: str | None = None,
    days: Annotated[int, Query(ge=1, le=366)] = 30,
) -> Days:
    """Returns runs, rows, bytes and durations by day: of a connection, a workspace, or all."""
    wanted = (workspace_id,) if workspace_id else actor.workspace_ids()
    for each in wanted or ():
        actor.require(Role.READER, each)
    today = site.now().date()
    with site.store.read() as tx:
        if connection_id is None:
            volume = site.plane.days.of(tx, count=days, today=today, workspace_ids=wanted)
        else:
            found = connections.get(tx, connection_id, with_deleted=True)
            actor.require(Role.READER, found.workspace_id)
            volume = figures.by_day(
                tx,
                first=today - timedelta(days=days - 1),
                last=today,
                workspace_ids=wanted,
                connection_ids=(connection_id,),
            )
    return Days(items=[_day_shown(each) for each in volume])


def _day_shown(each: figures.DayFigures) -> Day:
    return Day(
        day=each.day,
        succeeded=each.succeeded,
        failed=each.failed,
        cancelled=each.cancelled,
        rows_committed=each.rows_committed,
        bytes_committed=each.bytes_committed,
        seconds=each.seconds,
        longest_seconds=each.longest_seconds,
    )


metrics_router = APIRouter(include_in_schema=False)


@metrics_router.get("/metrics")
def metrics(actor: ActorNeeded, site: SiteNeeded) -> Response:
    """Returns figures in Prometheus's text format; a scraper sends a token with scope read."""
    actor.require(Role.READER, None)
    with site.store.read() as tx:
        held = connections.count(tx)
        counted = runs.count_by_status(tx)
        lines = [
            *_family("penstock_up", "Version of the server; always 1."),
            f'penstock_up{{version="{site.version}"}} 1',
            *_family("penstock_attempts_running", "Attempts this server has under way."),
            f"penstock_attempts_running {site.plane.running}",
            *_family("penstock_connections", "Connections by status."),
            *(f'penstock_connections{{status="{s.value}"}} {n}' for s, n in sorted(held.items())),
            *_family("penstock_runs", "Runs kept, by status."),
            *(f'penstock_runs{{status="{s.value}"}} {counted.get(s, 0)}' for s in RunStatus),
            *_of_connections(tx, site.now()),
            *_of_deliveries(tx),
        ]
    return PlainTextResponse(
        "\n".join(lines) + "\n", media_type="text/plain; version=0.0.4; charset=utf-8"
    )


def _of_connections(tx: Transaction, now: datetime) -> list[str]:
    """Returns how fresh, how late and how unusual what connections move is."""
    fresh = figures.last_successes(tx)
    behind = {each.connection.id: each for each in lateness.late(tx, now)}
    unusual = events.count_since(tx, "run.volume", now - timedelta(days=1))
    labels = {
        id_: f'connection="{_escaped(id_)}",name="{_escaped(name)}"' for id_, name, _ in fresh
    }
    return [
        *_family(
            "penstock_connection_freshness_seconds",
            "Since the last success of each active connection that had one.",
        ),
        *(
            f"penstock_connection_freshness_seconds{{{labels[id_]}}}"
            f" {max(0.0, (now - at).total_seconds()):.0f}"
            for id_, _, at in fresh
            if at is not None
        ),
        *_family(
            "penstock_connection_late_seconds",
            "Since when each active connection should have succeeded again; 0: in time.",
        ),
        *(
            f"penstock_connection_late_seconds{{{labels[id_]}}}"
            f" {(now - behind[id_].since).total_seconds() if id_ in behind else 0:.0f}"
            for id_, _, _ in fresh
        ),
        *_family(
            "penstock_volume_anomalies",
            "Syncs of the last 24 hours that moved less than a fifth, or more than five times, of"
            " what is usual.",
        ),
        *(
            f'penstock_volume_anomalies{{connection="{_escaped(id_)}"}} {count}'
            for id_, count in unusual
        ),
    ]


def _of_deliveries(tx: Transaction) -> list[str]:
    return [
        *_family("penstock_notifications", "Notifications kept, by status."),
        *(
            f'penstock_notifications{{status="{status.value}"}} {count}'
            for status, count in sorted(events.count_deliveries(tx).items())
        ),
    ]


def _family(name: str, text: str) -> tuple[str, str]:
    return (f"# HELP {name} {text}", f"# TYPE {name} gauge")


def _escaped(text: str) -> str:
    """Returns a label's value as Prometheus's text format has it."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
