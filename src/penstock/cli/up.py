"""`penstock up`: the server, in one process."""

from __future__ import annotations

import ipaddress
import logging
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from penstock.cli.bounds import Bounds
from penstock.cli.screen import Screen
from penstock.errors import ConfigError, ResourceBusy
from penstock.version import __version__

_HOST = "127.0.0.1"
_PORT = 8787


def up(  # noqa: PLR0913 (each is a flag)
    *,
    host: Annotated[
        str, Parameter(show_default=True, help="Address to listen at.", env_var="PENSTOCK_HOST")
    ] = _HOST,
    port: Annotated[
        int, Parameter(show_default=True, help="Port; 0 takes a free one.", env_var="PENSTOCK_PORT")
    ] = _PORT,
    data_dir: Annotated[
        Path | None,
        Parameter(help="Folder of database, key and logs; without it penstock's own."),
    ] = None,
    database_url: Annotated[
        str | None,
        Parameter(
            help="postgresql://user@host/database instead of a SQLite file.",
            env_var="PENSTOCK_DATABASE_URL",
        ),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        Parameter(negative=(), help="Further names the server goes by, as behind a proxy."),
    ] = None,
    root_path: Annotated[
        str, Parameter(help="Path the server has behind a proxy, as /penstock.")
    ] = "",
    public_url: Annotated[
        str | None,
        Parameter(
            help="Where people reach the pages; notifications link there.",
            env_var="PENSTOCK_PUBLIC_URL",
        ),
    ] = None,
    allow_commands: Annotated[
        bool,
        Parameter(
            negative=(),
            help="Let connections run shell commands and dbt after a sync, as this user.",
        ),
    ] = False,
    migrate: Annotated[
        bool, Parameter(help="Bring the database up to date first; else refuse an older one.")
    ] = True,
    bounds: Bounds | None = None,
) -> None:
    """Starts the server: pages, API, schedule and runs.

    It listens on this machine only, unless told otherwise, and prints a link that signs you in.
    Ctrl-C ends it; what runs keeps what is committed and continues at the next start.
    """
    import uvicorn  # noqa: PLC0415 (of no use to other commands)

    from penstock.cli.db import server_folder  # noqa: PLC0415
    from penstock.cli.declared import offers  # noqa: PLC0415
    from penstock.cli.remote import announced  # noqa: PLC0415
    from penstock.control.builtin import first_workspace, offer  # noqa: PLC0415
    from penstock.control.housekeeping import Retention  # noqa: PLC0415
    from penstock.control.service import Setup, open_control_plane  # noqa: PLC0415
    from penstock.server.app import create_app  # noqa: PLC0415
    from penstock.server.guard import LOOPBACK_NAMES  # noqa: PLC0415

    screen = Screen(is_quiet=False)
    folder = server_folder(data_dir)
    listening = _socket(host, port)
    address = f"http://{_shown_host(host)}:{listening.getsockname()[1]}{root_path}"
    bounds = bounds or Bounds()
    setup = Setup(
        data_dir=folder,
        database_url=database_url,
        version=__version__,
        migrates=migrate,
        public_url=public_url or address,
        allows_commands=allow_commands,
        runs_at_once=bounds.runs_at_once,
        runs_per_workspace=bounds.runs_per_workspace,
        runs_per_connector=bounds.runs_per_connector,
        retention=Retention(
            run_days=bounds.keep_runs_days,
            event_days=bounds.keep_runs_days,
            receipt_bytes=bounds.keep_receipts_mib << 20,
            log_days=bounds.keep_logs_days,
            log_bytes=bounds.keep_logs_mib << 20,
        ),
    )
    plane = open_control_plane(setup)
    now = datetime.now(UTC)
    offer(plane.store, offers(), now=now)
    first_workspace(plane.store, now=now)
    hosts = {*LOOPBACK_NAMES, host, *(allowed_host or ())}
    app = create_app(plane, version=__version__, hosts=hosts)
    access = app.state.site.access
    user = access.first_user(now)
    if not access.has_passwords():
        if not _is_loopback(host):
            listening.close()
            raise ConfigError(
                f"The server would be reachable at {host} while nobody has a password.",
                remedy="Set one first: penstock user password, with the same --data-dir.",
            )
        secret = access.new_link(user, now)
        screen.note(f"Sign in, once, with: {address}/login#{secret}")
    screen.note(f"penstock {__version__} is up at {address}. Ctrl-C ends it.")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        root_path=root_path,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    # Of a server that listens everywhere the command line on this machine asks the loopback.
    local = f"http://{_near(host)}:{listening.getsockname()[1]}"
    with announced(folder, local, database_url):
        uvicorn.Server(config).run(sockets=[listening])


def _socket(host: str, port: int) -> socket.socket:
    """Listens before anything else is done: a taken port is told at once."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # The protocol too: only where it is TCP's, asyncio sends answers at once (TCP_NODELAY).
        listening = socket.socket(found[0], found[1], socket.IPPROTO_TCP)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(found[4])
            listening.listen()  # whoever reads the address may connect at once
        except OSError:
            listening.close()
            raise
    except socket.gaierror as error:
        raise ConfigError(
            f"There is no address {host!r}.", remedy="Write one this machine has: 127.0.0.1."
        ) from error
    except OSError as error:
        raise ResourceBusy(
            f"Port {port} at {host} cannot be used: {error.strerror}.",
            remedy="Choose another: penstock up --port 8788; 0 takes a free one.",
        ) from error
    return listening


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _near(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "::", "localhost") else _shown_host(host)  # noqa: S104


def _shown_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host
