"""An event in words, and as the document that programs get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from penstock.control.history import Event
from penstock.control.notifying.channels import EVENT_KINDS
from penstock.control.store import Transaction, connections, workspaces
from penstock.errors import UnknownName


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a channel is told of one event."""

    id: str
    """The same each time the event is told: receivers know a repetition by it."""
    kind: str
    title: str
    text: str
    """Some lines for people: what happened, to what, and what to do."""
    connection: str
    link: str
    error: str
    document: dict[str, Any]
    """What programs get."""


def message_of(tx: Transaction, event: Event, *, public_url: str) -> Message:
    """Returns an event as it is told; names are those of now."""
    workspace, connection = _names(tx, event)
    link = _link(event, public_url)
    failure: Mapping[str, Any] = msgspec.to_builtins(event.data.get("failure") or {})
    error = str(failure.get("message", "") or event.data.get("reason") or "")
    named = connection or str(event.data.get("name", ""))
    title = EVENT_KINDS.get(event.kind, event.kind).rstrip(".")
    title = f"{title}: {named}" if named else title
    lines = [title, *_details(event)]
    if error:
        lines.append(error)
    if failure.get("remedy"):
        lines.append(str(failure["remedy"]))
    if link:
        lines.append(link)
    document = {
        "id": event.id,
        "type": event.kind,
        "timestamp": event.at,
        "workspace": {"id": event.workspace_id, "name": workspace},
        "connection": {"id": event.connection_id, "name": connection}
        if event.connection_id
        else None,
        "run_id": event.run_id,
        "actor": event.actor,
        "text": "\n".join(lines),
        "link": link or None,
        "data": event.data,
    }
    return Message(
        id=f"evt_{event.id}",
        kind=event.kind,
        title=title,
        text="\n".join(lines),
        connection=named,
        link=link,
        error=error,
        document=msgspec.to_builtins(document),
    )


def _details(event: Event) -> list[str]:
    data = event.data
    match event.kind:
        case "run.succeeded":
            return [f"{data.get('rows_committed', 0):,} rows were committed."]
        case "run.volume":
            rows, usual = data.get("rows_committed", 0), data.get("usual_rows", 0)
            return [f"{rows:,} rows were committed; {usual:,} are usual."]
        case "attempt.failed":
            return [f"Attempt {data.get('attempt')} failed; the next is at {data.get('next_at')}."]
        case "schema.changed" | "schema.breaking":
            return [_change(each) for each in data.get("changes", ())[:10]]
        case _:
            return []


def _change(change: Mapping[str, Any]) -> str:
    stream = change.get("stream") or {}
    field = f".{change['field']}" if change.get("field") else ""
    return f"{str(change.get('transform', '')).replace('_', ' ')}: {stream.get('name')}{field}"


def _link(event: Event, public_url: str) -> str:
    if not public_url or event.connection_id is None:
        return ""
    page = f"{public_url.rstrip('/')}/connections/{event.connection_id}"
    return page if event.run_id is None else f"{page}/runs/{event.run_id}"


def _names(tx: Transaction, event: Event) -> tuple[str, str]:
    workspace = connection = ""
    try:
        if event.workspace_id is not None:
            workspace = workspaces.get(tx, event.workspace_id).name
        if event.connection_id is not None:
            connection = connections.get(tx, event.connection_id, with_deleted=True).name
    except UnknownName:  # deleted since: the event is told all the same
        pass
    return workspace, connection
