"""`penstock connection`: the connections of a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from cyclopts import App, Parameter

from penstock.cli.arguments import keys_of, list_of, pairs_of
from penstock.cli.options import STREAMS, Json
from penstock.cli.remote import Server, ServerOptions, server_of
from penstock.cli.runs import OVER, ended, plain_table, show_run, status_of
from penstock.cli.screen import Screen
from penstock.control.declared.document import DeclaredSchedule, duration_of, schedule_of
from penstock.control.model import ModeName
from penstock.errors import ConfigError, ResourceBusy

connection = App(
    name="connection", help="Make, list, sync, pause and remove the server's connections."
)

Name = Annotated[str, Parameter(help="Name or id of the connection.")]


@connection.command(name="list")
def list_(*, json: Json = False, options: ServerOptions | None = None) -> None:
    """Lists the server's connections with their last and next runs."""
    with server_of(options) as server:
        found = list(server.every("/connections"))
    screen = Screen()
    if json:
        screen.write_json(found)
        return
    table = plain_table("name", "from", "to", "status", "schedule", "last run", "next run")
    for each in found:
        last = each["last_run"]
        table.add_row(
            each["name"],
            each["source_name"],
            each["destination_name"],
            each["status"],
            _schedule_text(each["schedule"]),
            f"{last['status']} ({last['id']})" if last else "",
            (each["next_run_at"] or "")[:16].replace("T", " "),
        )
    screen.show(table)


@connection.command
def show(name: Name, /, *, json: Json = False, options: ServerOptions | None = None) -> None:
    """Shows a connection and its streams."""
    with server_of(options) as server:
        found = server.named("connection", name)
    screen = Screen()
    if json:
        screen.write_json(found)
        return
    screen.show(
        f"{found['name']}: {found['source_name']} → {found['destination_name']}, "
        f"{found['status']}, {_schedule_text(found['schedule'])} ({found['id']})"
    )
    if found["status_reason"]:
        screen.show(found["status_reason"])
    if found["streams"] is None:
        screen.show("every stream, full_refresh_overwrite")
        return
    table = plain_table("stream", "mode", "cursor", "primary key")
    for each in found["streams"]:
        table.add_row(
            f"{each['namespace']}.{each['name']}" if each["namespace"] else each["name"],
            each["mode"],
            ".".join(each["cursor_field"]),
            ", ".join(".".join(path) for path in each["primary_key"]),
        )
    screen.show(table)


@connection.command
def create(  # noqa: PLR0913 (each argument is an option)
    name: Annotated[str, Parameter(help="What it is to be called.")],
    source: Annotated[str, Parameter(help="Name or id of a source.")],
    destination: Annotated[str, Parameter(help="Name or id of a destination.")],
    /,
    *,
    streams: Annotated[
        list[str] | None,
        Parameter(group=STREAMS, negative=(), help="Only these, as a,b; else every stream."),
    ] = None,
    mode: Annotated[
        list[str] | None,
        Parameter(
            group=STREAMS,
            negative=(),
            help="How a stream is synced, as users=incremental_deduped_history.",
        ),
    ] = None,
    cursor: Annotated[
        list[str] | None,
        Parameter(group=STREAMS, negative=(), help="As users=updated_at."),
    ] = None,
    primary_key: Annotated[
        list[str] | None,
        Parameter(group=STREAMS, negative=(), help="As users=id, or orders=shop,number."),
    ] = None,
    every: Annotated[
        str | None, Parameter(help="Run every so often: 15m, 6h, 1d. The first run is at once.")
    ] = None,
    cron: Annotated[
        str | None, Parameter(help="Run at these times: five fields, or Quartz's six or seven.")
    ] = None,
    time_zone: Annotated[str, Parameter(show_default=True, help="Of --cron.")] = "UTC",
    after: Annotated[
        str | None, Parameter(help="Run when this connection has succeeded: a name or id.")
    ] = None,
    json: Json = False,
    options: ServerOptions | None = None,
) -> None:
    """Makes a connection and puts it on the schedule; without one it runs when asked."""
    if sum(each is not None for each in (every, cron, after)) > 1:
        raise ConfigError(
            "A connection has one schedule.", remedy="Give one of --every, --cron and --after."
        )
    declared = DeclaredSchedule(every=every, cron=cron, time_zone=time_zone, after=after)
    chosen = _choices(streams, mode, cursor, primary_key)
    with server_of(options) as server:
        left, right = server.named("source", source), server.named("destination", destination)
        _require_free(server, name, left["workspace_id"])
        followed = {after: str(server.named("connection", after)["id"])} if after else {}
        schedule = schedule_of(declared, followed)
        body = {
            "workspace_id": left["workspace_id"],
            "source_id": left["id"],
            "destination_id": right["id"],
            "name": name,
            "streams": chosen,
            "schedule": {
                "kind": schedule.kind.value,
                "interval_seconds": schedule.interval_seconds,
                "cron": schedule.cron,
                "time_zone": schedule.time_zone,
                "after": schedule.after,
            },
        }
        made = server.post("/connections", body)
    screen = Screen()
    if json:
        screen.write_json(made)
    else:
        screen.show(f"connection {made['name']} is made ({made['id']}).")


@connection.command
def sync(
    name: Name,
    /,
    *,
    streams: Annotated[
        list[str] | None, Parameter(negative=(), help="Only these streams, as a,b.")
    ] = None,
    wait: Annotated[
        bool, Parameter(negative=(), help="Stay until it is over; a failed run ends with 1.")
    ] = False,
    json: Json = False,
    options: ServerOptions | None = None,
) -> int:
    """Starts a run of a connection, now."""
    screen = Screen()
    with server_of(options) as server:
        found = server.named("connection", name)
        wanted = list_of(streams)
        body: dict[str, Any] = {"kind": "sync"}
        if wanted:
            body["streams"] = [_key_of(found, each) for each in wanted]
        try:
            made: Mapping[str, Any] = server.post(f"/connections/{found['id']}/runs", body)
        except ResourceBusy as error:
            last = found["last_run"]
            if not wait or wanted or last is None or last["status"] in OVER:
                raise
            screen.note(f"{error.message} It is waited for.")
            made = last
        if wait:
            made = ended(server, made["id"], screen)
    if json:
        screen.write_json(made)
    elif wait:
        show_run(made, screen)
    else:
        screen.show(f"Run {made['id']} of {found['name']} is {made['status']}.")
    return status_of(made) if wait else 0


@connection.command
def pause(name: Name, /, *, options: ServerOptions | None = None) -> None:
    """Switches a connection off: it runs neither by its schedule nor when asked."""
    _switched(name, options, status="inactive")


@connection.command
def resume(name: Name, /, *, options: ServerOptions | None = None) -> None:
    """Switches a connection on again."""
    _switched(name, options, status="active")


@connection.command
def delete(name: Name, /, *, options: ServerOptions | None = None) -> None:
    """Removes a connection; its tables stay as they are."""
    with server_of(options) as server:
        found = server.named("connection", name)
        server.delete(f"/connections/{found['id']}")
    Screen().show(f"connection {found['name']} is deleted.")


def _switched(name: str, options: ServerOptions | None, *, status: str) -> None:
    with server_of(options) as server:
        found = server.named("connection", name)
        changed = server.patch(f"/connections/{found['id']}", {"status": status})
    Screen().show(f"connection {changed['name']} is {changed['status']}.")


def _choices(
    streams: list[str] | None,
    mode: list[str] | None,
    cursor: list[str] | None,
    primary_key: list[str] | None,
) -> list[dict[str, Any]] | None:
    """Returns the chosen streams; None for all there are."""
    modes = pairs_of("--mode", mode or (), example="users=incremental_append")
    cursors = pairs_of("--cursor", cursor or (), example="users=updated_at")
    keys = keys_of(pairs_of("--primary-key", primary_key or (), example="users=id"))
    names = list_of(streams)
    for option, given in (("--mode", modes), ("--cursor", cursors), ("--primary-key", keys)):
        for stream in given:
            if stream not in names:
                raise ConfigError(
                    f"{option} is given for {stream}, which is not among --streams.",
                    remedy=f"Name every stream that is wanted: --streams {stream},…",
                )
    for word in modes.values():
        if word not in list(ModeName):
            raise ConfigError(
                f'There is no mode "{word}".',
                remedy="Choose among: " + ", ".join(each.value for each in ModeName) + ".",
            )
    if not names:
        return None
    return [
        {
            "name": name,
            "mode": modes.get(name, ModeName.FULL_REFRESH_OVERWRITE.value),
            "cursor_field": cursors[name].split(".") if name in cursors else [],
            "primary_key": [[column] for column in keys.get(name, ())],
        }
        for name in names
    ]


def _require_free(server: Server, name: str, workspace_id: str) -> None:
    for each in server.every("/connections", workspace_id=workspace_id, q=name):
        if each["name"] == name:
            raise ConfigError(
                f'There is a connection "{name}" already.',
                remedy="Choose another name, or change that one: penstock apply.",
            )


def _key_of(found: Mapping[str, Any], name: str) -> tuple[str | None, str]:
    for each in found["streams"] or ():
        if name in (each["name"], f"{each['namespace']}.{each['name']}"):
            return each["namespace"], each["name"]
    return None, name


def _schedule_text(schedule: Mapping[str, Any]) -> str:
    match schedule["kind"]:
        case "interval":
            return f"every {duration_of(schedule['interval_seconds'])}"
        case "cron":
            return f"{schedule['cron']} {schedule['time_zone']}"
        case "after":
            return "after another"
        case _:
            return "when asked"
