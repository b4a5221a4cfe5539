"""How the whole stands at a glance: for the first page, and for a monitoring system."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel

from penstock.control.accounts import Role
from penstock.control.history import RunStatus
from penstock.control.store import Window, connections, runs
from penstock.server.routes.runs import RunShown, run_shown
from penstock.server.site import ActorNeeded, SiteNeeded

router = APIRouter(tags=["home"])
_MOST_RUNS = 5_000


class Day(BaseModel):
    """What ended on one day (UTC)."""

    day: date
    succeeded: int
    failed: int
    cancelled: int
    rows_committed: int
    bytes_committed: int


class Summary(BaseModel):
    """How the whole stands."""

    connections: dict[str, int]
    """How many there are of each status."""
    running: list[RunShown]
    """What is under way, or waits."""
    failed: list[RunShown]
    """The newest run of each connection whose newest run failed."""
    days: list[Day]
    """The oldest first; a day without runs is there too."""


@router.get("/home")
def summary(
    actor: ActorNeeded,
    site: SiteNeeded,
    workspace_id: str | None = None,
    days: Annotated[int, Query(ge=1, le=90)] = 14,
) -> Summary:
    """Tells what runs, what failed, and how much was moved by day."""
    wanted = (workspace_id,) if workspace_id else actor.workspace_ids()
    for each in wanted or ():
        actor.require(Role.READER, each)
    today = site.now().date()
    volume = {
        day: Day(day=day, succeeded=0, failed=0, cancelled=0, rows_committed=0, bytes_committed=0)
        for day in (today - timedelta(days=back) for back in reversed(range(days)))
    }
    with site.store.read() as tx:
        mine = connections.Filter(workspace_ids=wanted)
        counts = connections.count(tx, mine)
        held = connections.list_(tx, Window(limit=_MOST_RUNS), mine).items
        newest = runs.newest_of(tx, [each.id for each in held])
        active = [each for each in newest.values() if each.status.is_active]
        since = runs.Filter(workspace_ids=wanted, updated_from=site.now() - timedelta(days=days))
        ended = runs.list_(tx, Window(limit=_MOST_RUNS), since).items
    for run in ended:
        day = volume.get(run.ended_at.date()) if run.ended_at else None
        if day is None:
            continue
        day.rows_committed += run.rows_committed
        day.bytes_committed += run.bytes_committed
        match run.status:
            case RunStatus.SUCCEEDED:
                day.succeeded += 1
            case RunStatus.FAILED:
                day.failed += 1
            case _:
                day.cancelled += 1
    names = {each.id: each.name for each in held}
    failed = [each for each in newest.values() if each.status is RunStatus.FAILED]
    return Summary(
        connections={status.value: count for status, count in counts.items()},
        running=[run_shown(each, names) for each in active],
        failed=[run_shown(each, names) for each in failed],
        days=list(volume.values()),
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
        "# HELP penstock_up Version of the server; always 1.",
        "# TYPE penstock_up gauge",
        f'penstock_up{{version="{site.version}"}} 1',
        "# HELP penstock_attempts_running Attempts this server has under way.",
        "# TYPE penstock_attempts_running gauge",
        f"penstock_attempts_running {site.plane.running}",
        "# HELP penstock_connections Connections by status.",
        "# TYPE penstock_connections gauge",
        *(f'penstock_connections{{status="{s.value}"}} {n}' for s, n in sorted(held.items())),
        "# HELP penstock_runs Runs kept, by status.",
        "# TYPE penstock_runs gauge",
        *(f'penstock_runs{{status="{s.value}"}} {counted.get(s, 0)}' for s in RunStatus),
    ]
    return PlainTextResponse(
        "\n".join(lines) + "\n", media_type="text/plain; version=0.0.4; charset=utf-8"
    )
