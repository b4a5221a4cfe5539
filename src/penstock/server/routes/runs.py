"""Runs: their list, their proof, their logs as they grow, and their end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import Depends, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel

from penstock.control.accounts import Role
from penstock.control.history import (
    Attempt,
    AttemptStatus,
    HookRun,
    HookStatus,
    RefreshMode,
    Run,
    RunKind,
    RunStatus,
    Trigger,
)
from penstock.control.logs import LogPart, LogRecord
from penstock.control.store import connections, hook_runs, runs
from penstock.errors import UnknownName
from penstock.server import live
from penstock.server.routes.own import own_router
from penstock.server.routes.probes import FailureShown, failure_shown
from penstock.server.site import ActorNeeded, Site, SiteNeeded, WindowAsked

router = own_router("/runs", tag="runs")

_FAR: Final = 1 << 53
_LEVELS: Final = {"WARNING": "WARN", "CRITICAL": "FATAL"}
"""The same level by its other name."""


class StreamShown(BaseModel):
    """Where one stream of an attempt stands."""

    name: str
    namespace: str | None
    status: str
    rows_read: int
    rows_sent: int
    rows_committed: int
    bytes_read: int
    bytes_committed: int
    estimated_rows: int | None
    checkpoints: int


class AttemptShown(BaseModel):
    """One try at a run."""

    number: int
    status: AttemptStatus
    streams: list[StreamShown]
    rows_committed: int
    bytes_committed: int
    failure: FailureShown | None
    started_at: datetime
    heard_at: datetime
    ended_at: datetime | None


class RunShown(BaseModel):
    """One run of a connection."""

    id: int
    connection_id: str
    connection_name: str
    workspace_id: str
    kind: RunKind
    refresh_mode: RefreshMode | None
    streams: list[tuple[str | None, str]] | None
    trigger: Trigger
    requested_by: str | None
    status: RunStatus
    attempt: int
    next_attempt_at: datetime | None
    rows_committed: int
    bytes_committed: int
    failure: FailureShown | None
    created_at: datetime
    started_at: datetime | None
    updated_at: datetime
    ended_at: datetime | None
    is_cancelling: bool


class HookShown(BaseModel):
    """What happened after a run."""

    number: int
    type: str
    name: str
    status: HookStatus
    tries: int
    next_at: datetime
    """When it is tried again, while it waits."""
    output: str
    """The end of what it said."""
    failure: FailureShown | None
    started_at: datetime | None
    ended_at: datetime | None


class RunDetail(RunShown):
    """A run with its attempts, the oldest first, and what came after it."""

    attempts: list[AttemptShown]
    hooks: list[HookShown]


class Runs(BaseModel):
    """A part of the list, the newest first."""

    items: list[RunShown]
    next: str | None


class LogLine(BaseModel):
    """One line of a log."""

    at: datetime
    level: str
    message: str
    origin: str
    offset: int
    """Where it begins, in bytes: names it in links."""


class LogLines(BaseModel):
    """Some lines of a log; `next_offset` is where the next ones begin."""

    items: list[LogLine]
    next_offset: int
    size: int
    """Bytes the log has now; any offset up to it may be asked for."""


async def lines_looked_for(
    level: Annotated[list[str] | None, Query()] = None,
    origin: Annotated[list[str] | None, Query()] = None,
    q: Annotated[str | None, Query(description="A part of the message, in any case.")] = None,
) -> Callable[[LogRecord], bool] | None:
    """Returns what tells the lines that are asked for; None for all."""
    if not (level or origin or q):
        return None
    levels = {_LEVELS.get(each.upper(), each.upper()) for each in level or ()}
    needle = (q or "").lower()

    def is_wanted(record: LogRecord) -> bool:
        return (
            (not levels or _LEVELS.get(record.level, record.level) in levels)
            and (not origin or record.origin in origin)
            and needle in record.message.lower()
        )

    return is_wanted


LookedFor = Annotated[Callable[[LogRecord], bool] | None, Depends(lines_looked_for)]


@router.get("")
def list_runs(
    actor: ActorNeeded,
    site: SiteNeeded,
    window: WindowAsked,
    connection_id: Annotated[list[str] | None, Query()] = None,
    workspace_id: str | None = None,
    status: Annotated[list[RunStatus] | None, Query()] = None,
    kind: Annotated[list[RunKind] | None, Query()] = None,
    created_from: datetime | None = None,
    created_to: datetime | None = None,
) -> Runs:
    """Lists runs, the newest first."""
    workspaces = (workspace_id,) if workspace_id else actor.workspace_ids()
    for each in workspaces or ():
        actor.require(Role.READER, each)
    wanted = runs.Filter(
        connection_ids=connection_id,
        workspace_ids=workspaces,
        statuses=status,
        kinds=kind,
        created_from=created_from,
        created_to=created_to,
    )
    with site.store.read() as tx:
        found = runs.list_(tx, window, wanted)
        names = connections.names_of(tx, (run.connection_id for run in found.items))
    return Runs(items=[run_shown(run, names) for run in found.items], next=found.next)


@router.get("/{run_id}")
def get_run(run_id: int, actor: ActorNeeded, site: SiteNeeded) -> RunDetail:
    """Returns a run and its attempts."""
    with site.store.read() as tx:
        run = runs.get(tx, run_id)
        actor.require(Role.READER, run.workspace_id)
        attempts = runs.attempts_of(tx, [run_id])
        after = hook_runs.of_run(tx, run_id)
        names = connections.names_of(tx, [run.connection_id])
    return RunDetail(
        **dict(run_shown(run, names)),
        attempts=[_attempt_shown(each) for each in attempts],
        hooks=[_hook_shown(each) for each in after],
    )


@router.post("/{run_id}/cancel")
def cancel_run(run_id: int, actor: ActorNeeded, site: SiteNeeded) -> RunShown:
    """Asks a run to end; what is committed stays, and the next one continues there."""
    _seen(site, run_id, actor, Role.RUNNER)
    run = site.plane.cancel(run_id, by=actor.name)
    return run_shown(run, _names(site, [run]))


@router.get("/{run_id}/follow")
def follow_run(
    run_id: int, request: Request, actor: ActorNeeded, site: SiteNeeded
) -> StreamingResponse:
    """Tells a run's figures as they change (server-sent events), until it is over."""
    _seen(site, run_id, actor, Role.READER)

    def look(last: str) -> list[tuple[str, str, object]]:
        detail = get_run(run_id, actor, site)
        heard = max((each.heard_at for each in detail.attempts), default=detail.updated_at)
        stamp = f"{detail.updated_at.isoformat()}/{heard.isoformat()}/{detail.status}"
        return [] if stamp == last else [(stamp, "run", detail.model_dump(mode="json"))]

    def is_over() -> bool:
        with site.store.read() as tx:
            return not runs.get(tx, run_id).status.is_active

    return live.follow(request, look, start="", is_over=is_over)


@router.get("/{run_id}/receipt")
def get_receipt(
    run_id: int, actor: ActorNeeded, site: SiteNeeded, attempt: int | None = None
) -> dict[str, Any]:
    """Returns the proof: per stream rows read, sent and committed, as the runner wrote it."""
    _seen(site, run_id, actor, Role.READER)
    with site.store.read() as tx:
        text = runs.receipt(tx, run_id, attempt)
    if text is None:
        raise UnknownName(
            f"Run {run_id} has left no receipt (yet).",
            remedy="It comes with the end of an attempt; the log tells of one that was killed.",
        )
    receipt: dict[str, Any] = msgspec.json.decode(text)
    return receipt


@router.get("/{run_id}/attempts/{number}/log")
def get_log(
    run_id: int,
    number: int,
    actor: ActorNeeded,
    site: SiteNeeded,
    looked_for: LookedFor,
    offset: Annotated[int, Query(ge=0, le=_FAR, description="In bytes; as of a line.")] = 0,
) -> LogLines:
    """Returns a part of an attempt's log, from the first whole line at an offset on.

    With a filter the lines that fit, and how far they were looked for.
    """
    _seen(site, run_id, actor, Role.READER)
    part = site.plane.log(run_id, number, offset=offset, wanted=looked_for)
    return LogLines(items=_lines(part), next_offset=part.next_offset, size=part.size)


@router.get("/{run_id}/attempts/{number}/log/download")
def download_log(run_id: int, number: int, actor: ActorNeeded, site: SiteNeeded) -> Response:
    """Returns an attempt's log whole, as JSON lines."""
    _seen(site, run_id, actor, Role.READER)
    path = site.plane.log_path(run_id, number)
    return FileResponse(
        path, filename=f"run-{run_id}-attempt-{number}.jsonl", media_type="application/jsonl"
    )


@router.get("/{run_id}/attempts/{number}/log/follow")
def follow_log(
    run_id: int,
    number: int,
    request: Request,
    actor: ActorNeeded,
    site: SiteNeeded,
    looked_for: LookedFor,
    offset: Annotated[int, Query(ge=0, le=_FAR)] = 0,
) -> StreamingResponse:
    """Tells an attempt's log as it grows (server-sent events), from an offset on."""
    _seen(site, run_id, actor, Role.READER)

    def look(last: str) -> list[tuple[str, str, object]]:
        begin = live.number_of(last)
        part = site.plane.log(run_id, number, offset=begin, wanted=looked_for)
        if part.next_offset == begin:
            return []
        lines = [each.model_dump(mode="json") for each in _lines(part)]
        return [(str(part.next_offset), "lines", lines)]

    def is_over() -> bool:
        with site.store.read() as tx:
            return runs.attempt(tx, run_id, number).ended_at is not None

    return live.follow(request, look, start=str(offset), is_over=is_over)


def run_shown(run: Run, names: dict[str, str]) -> RunShown:
    """Returns a run as the API shows it."""
    return RunShown(
        id=run.id,
        connection_id=run.connection_id,
        connection_name=names.get(run.connection_id, ""),
        workspace_id=run.workspace_id,
        kind=run.kind,
        refresh_mode=run.refresh_mode,
        streams=list(run.streams) if run.streams is not None else None,
        trigger=run.trigger,
        requested_by=run.requested_by,
        status=run.status,
        attempt=run.attempt,
        next_attempt_at=run.not_before if run.status is RunStatus.WAITING else None,
        rows_committed=run.rows_committed,
        bytes_committed=run.bytes_committed,
        failure=failure_shown(run.failure),
        created_at=run.created_at,
        started_at=run.started_at,
        updated_at=run.updated_at,
        ended_at=run.ended_at,
        is_cancelling=run.cancel_requested_at is not None and run.status.is_active,
    )


def _names(site: Site, found: Iterable[Run]) -> dict[str, str]:
    with site.store.read() as tx:
        return connections.names_of(tx, (run.connection_id for run in found))


def _seen(site: Site, run_id: int, actor: ActorNeeded, role: Role) -> Run:
    with site.store.read() as tx:
        run = runs.get(tx, run_id)
    actor.require(role, run.workspace_id)
    return run


def _lines(part: LogPart) -> list[LogLine]:
    return [
        LogLine(
            at=each.at, level=each.level, message=each.message, origin=each.origin, offset=offset
        )
        for offset, each in zip(part.offsets, part.records, strict=True)
    ]


def _hook_shown(hook: HookRun) -> HookShown:
    return HookShown(
        number=hook.number,
        type=str(hook.hook.get("type", "")),
        name=str(hook.hook.get("name", "")),
        status=hook.status,
        tries=hook.tries,
        next_at=hook.next_at,
        output=hook.output,
        failure=failure_shown(hook.failure),
        started_at=hook.started_at,
        ended_at=hook.ended_at,
    )


def _attempt_shown(attempt: Attempt) -> AttemptShown:
    return AttemptShown(
        number=attempt.number,
        status=attempt.status,
        streams=[
            StreamShown(
                name=each.name,
                namespace=each.namespace,
                status=each.status,
                rows_read=each.rows_read,
                rows_sent=each.rows_sent,
                rows_committed=each.rows_committed,
                bytes_read=each.bytes_read,
                bytes_committed=each.bytes_committed,
                estimated_rows=each.estimated_rows,
                checkpoints=each.checkpoints,
            )
            for each in attempt.streams
        ],
        rows_committed=attempt.rows_committed,
        bytes_committed=attempt.bytes_committed,
        failure=failure_shown(attempt.failure),
        started_at=attempt.started_at,
        heard_at=attempt.heard_at,
        ended_at=attempt.ended_at,
    )
