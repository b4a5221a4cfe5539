"""`penstock run list|show|cancel|logs`: the runs of a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from cyclopts import Parameter
from rich.table import Table

from penstock.cli import figures
from penstock.cli.options import Json
from penstock.cli.remote import Server, ServerOptions, server_of
from penstock.cli.screen import Screen
from penstock.errors import UnknownName

OVER = ("succeeded", "failed", "cancelled")
RunId = Annotated[int, Parameter(help="Number of the run, as `penstock run list` shows it.")]


def list_(
    *,
    connection: Annotated[str | None, Parameter(help="Only of this one: a name or id.")] = None,
    limit: Annotated[int, Parameter(show_default=True, help="At most so many.")] = 20,
    json: Json = False,
    options: ServerOptions | None = None,
) -> None:
    """Lists runs, the newest first."""
    with server_of(options) as server:
        of = server.named("connection", connection)["id"] if connection else None
        found = server.get("/runs", connection_id=of, limit=limit)["items"]
    screen = Screen()
    if json:
        screen.write_json(found)
        return
    table = plain_table("run", "connection", "kind", "status", "rows", "asked for", "by")
    for each in found:
        table.add_row(
            str(each["id"]),
            each["connection_name"],
            each["kind"],
            each["status"],
            figures.rows(each["rows_committed"]),
            each["created_at"][:16].replace("T", " "),
            each["requested_by"] or each["trigger"],
        )
    screen.show(table)


def show_(
    run: RunId,
    /,
    *,
    wait: Annotated[bool, Parameter(negative=(), help="Stay until it is over.")] = False,
    json: Json = False,
    options: ServerOptions | None = None,
) -> int:
    """Shows one run with its streams; the exit status is 1 when it failed."""
    screen = Screen()
    with server_of(options) as server:
        found = server.get(f"/runs/{run}")
        if wait and found["status"] not in OVER:
            found = ended(server, run, screen)
    if json:
        screen.write_json(found)
    else:
        show_run(found, screen)
    return status_of(found)


def cancel_(run: RunId, /, *, json: Json = False, options: ServerOptions | None = None) -> None:
    """Asks a run to end; what is committed stays, and the next one continues there."""
    with server_of(options) as server:
        found = server.post(f"/runs/{run}/cancel", {})
    screen = Screen()
    if json:
        screen.write_json(found)
    else:
        state = "is being cancelled" if found["is_cancelling"] else f"is {found['status']}"
        screen.show(f"Run {run} {state}.")


def logs_(
    run: RunId,
    /,
    *,
    attempt: Annotated[int | None, Parameter(help="Which try; the last one.")] = None,
    follow: Annotated[
        bool, Parameter(negative=(), help="Go on as it grows, until the attempt ends.")
    ] = False,
    json: Json = False,
    options: ServerOptions | None = None,
) -> None:
    """Writes what a run said, on standard output."""
    screen = Screen()
    with server_of(options) as server:
        number = attempt or server.get(f"/runs/{run}")["attempt"]
        if not number:
            raise UnknownName(f"Run {run} has not begun.", remedy="Look again in a moment.")
        path = f"/runs/{run}/attempts/{number}/log"
        if follow:
            for event, lines in server.follow(f"{path}/follow"):
                if event == "lines":
                    _write_lines(lines, screen, is_json=json)
            return
        offset = 0
        while True:
            part = server.get(path, offset=offset)
            _write_lines(part["items"], screen, is_json=json)
            if part["next_offset"] == offset:
                return
            offset = part["next_offset"]


def ended(server: Server, run_id: int, screen: Screen) -> Mapping[str, Any]:
    """Waits for the end of a run and returns it; tells on the way how far it is."""
    said = None
    found: Mapping[str, Any] = {}
    for event, told in server.follow(f"/runs/{run_id}/follow"):
        if event != "run":
            continue
        found = told
        now = (found["status"], found["rows_committed"])
        if now != said:
            screen.note(f"run {run_id}: {now[0]}, {figures.rows(now[1])} rows committed")
            failures = [each["failure"] for each in found["attempts"] if each["failure"]]
            if now[0] == "waiting" and failures:
                screen.note(f"  {failures[-1]['message']} It is tried again.")
            said = now
        if found["status"] in OVER:
            break
    if found.get("status") not in OVER:
        found = server.get(f"/runs/{run_id}")
    return found


def show_run(found: Mapping[str, Any], screen: Screen) -> None:
    """Writes a run: its end, its streams, and why it failed."""
    screen.show(
        f"run {found['id']} of {found['connection_name']}: {found['kind']} {found['status']}, "
        f"{figures.rows(found['rows_committed'])} rows committed"
    )
    attempts = found.get("attempts") or ()
    if attempts:
        table = plain_table("stream", "read", "sent", "committed", "status")
        for each in attempts[-1]["streams"]:
            figures_ = (each["rows_read"], each["rows_sent"], each["rows_committed"])
            name = f"{each['namespace']}.{each['name']}" if each["namespace"] else each["name"]
            table.add_row(name, *map(figures.rows, figures_), each["status"])
        screen.show(table)
    failure = found.get("failure")
    if failure:
        screen.show(f"{failure['message']}\n  → {failure['remedy']}")


def status_of(found: Mapping[str, Any]) -> int:
    """Returns the exit status for a run: 0 unless it is over without success."""
    return {"failed": 1, "cancelled": 130}.get(str(found["status"]), 0)


def plain_table(*headings: str) -> Table:
    """Returns a table without lines, as all lists of the command line."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _write_lines(lines: list[Mapping[str, Any]], screen: Screen, *, is_json: bool) -> None:
    for each in lines:
        if is_json:
            screen.write_json(each)
        else:
            at, level = str(each["at"])[:19].replace("T", " "), each["level"]
            screen.out_file.write(f"{at} {level:5} {each['origin']}: {each['message']}\n")
