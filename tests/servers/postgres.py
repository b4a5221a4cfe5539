"""A real PostgreSQL for the tests: one server a session, one database a test, none afterwards.

`postgres` is a new, empty database of the test's own; `postgres_server` is the server, for tests
that stop it or count its databases. Both come through `tests/conftest.py`. A machine that has no
PostgreSQL fails these tests: nothing is skipped.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, LiteralString, cast

import psycopg
import pytest

_USER: Final = "penstock"
_PASSWORD: Final = "it's 100% s3cret"
_HOST: Final = "127.0.0.1"
_ADDRESS_FILE: Final = "postgres-server.json"
_SETTINGS: Final = {
    "fsync": "off",  # a test's server has nothing to keep when the machine loses power
    "full_page_writes": "off",
    "listen_addresses": _HOST,
    "unix_socket_directories": "",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "max_connections": "200",
    "wal_level": "logical",
    "log_min_messages": "error",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresDatabase:
    """One database, and the superuser who may do everything in it."""

    host: str
    port: int
    user: str
    password: str
    name: str

    @property
    def url(self) -> str:
        """The address that libpq, SQLAlchemy and ADBC read; shows the password."""
        made = psycopg.conninfo.conninfo_to_dict(self.conninfo)
        password = "".join(f"%{byte:02X}" for byte in str(made["password"]).encode())
        return f"postgresql://{self.user}:{password}@{self.host}:{self.port}/{self.name}"

    @property
    def conninfo(self) -> str:
        """The address as keywords; shows the password."""
        return psycopg.conninfo.make_conninfo(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            dbname=self.name,
        )

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Returns a connection that commits every statement by itself."""
        return psycopg.connect(self.conninfo, autocommit=True)

    def run(self, *statements: str) -> None:
        """Runs statements one after the other, each in a transaction of its own."""
        with self.connect() as connection:
            for statement in statements:
                connection.execute(cast("LiteralString", statement))

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Returns the rows of a query."""
        with self.connect() as connection:
            return connection.execute(cast("LiteralString", query), parameters or None).fetchall()


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """One running server; `postgres` is its own database."""

    port: int
    folder: Path
    programs: Path

    def database(self, name: str) -> PostgresDatabase:
        """Returns the address of a database, which need not exist yet."""
        return PostgresDatabase(
            host=_HOST, port=self.port, user=_USER, password=_PASSWORD, name=name
        )

    def create_database(self, name: str | None = None) -> PostgresDatabase:
        """Makes an empty database, under a new name where none is given."""
        made = self.database(name or f"test_{uuid.uuid4().hex}")
        self.database("postgres").run(f'CREATE DATABASE "{made.name}"')
        return made

    def drop_database(self, database: PostgresDatabase) -> None:
        """Removes a database, whoever is connected to it."""
        name = database.name.replace('"', '""')
        self.database("postgres").run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def stop(self, mode: str = "fast") -> None:
        """Stops the server: `fast` says good-bye to clients, `immediate` is a crash."""
        self._control("stop", "-m", mode)

    def start(self) -> None:
        """Starts the server again, at its port, with what was committed."""
        self._control("start", "-l", str(self.folder / "server.log"))

    def restart(self, mode: str = "immediate") -> None:
        """Stops and starts; a client's connection is lost."""
        self.stop(mode)
        self.start()

    def _control(self, action: str, *options: str) -> None:
        command = [self.programs / "pg_ctl", action, "-w", "-D", self.folder / "data", *options]
        _run(command, self.folder)


def server_near(place: Path) -> PostgresServer:
    """Returns the session's server in any process that knows a folder of one of its tests."""
    for folder in place.parents:
        address = folder / _ADDRESS_FILE
        if address.exists():
            known = json.loads(address.read_text())
            return PostgresServer(
                port=known["port"], folder=Path(known["folder"]), programs=Path(known["programs"])
            )
    pytest.fail(f"No PostgreSQL was started for {place}: ask for the fixture postgres_server.")


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """Starts a server on a free port of loopback, with its files in a temporary folder."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="penstock-postgres-"))
    if os.geteuid() == 0:
        account = _account()
        os.chown(folder, account.pw_uid, account.pw_gid)
    # Whatever ends this process, closes this pipe: then the guard stops the server and cleans up.
    guard = _guard(programs, folder)
    try:
        server = PostgresServer(port=_free_port(), folder=folder, programs=programs)
        _initialise(server)
        server.start()
        yield server
    finally:
        assert guard.stdin is not None
        guard.stdin.close()
        guard.wait(timeout=60)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """The session's server, which processes of a test find by `server_near`."""
    with running_server() as server:
        address = tmp_path_factory.getbasetemp() / _ADDRESS_FILE
        known = {
            "port": server.port,
            "folder": str(server.folder),
            "programs": str(server.programs),
        }
        address.write_text(json.dumps(known))
        yield server


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Iterator[PostgresDatabase]:
    """A new database, dropped after the test."""
    database = postgres_server.create_database()
    yield database
    postgres_server.drop_database(database)


def _programs() -> Path:
    """Returns the folder of the newest server's programs: Debian's own place, or the path's."""
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3])
    )
    found = debian[-1] if debian else shutil.which("initdb")
    if found is None:
        pytest.fail(
            "PostgreSQL is not installed, and these tests need a real server:"
            " apt-get install postgresql (Debian, Ubuntu) or brew install postgresql (macOS)."
        )
    return Path(found).parent


def _account() -> pwd.struct_passwd:
    """Returns who runs the server when the tests run as root, which PostgreSQL refuses."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.fail("PostgreSQL cannot run as root: add the user postgres (apt-get install postgresql)")


def _as_account() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    account = _account()
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _guard(programs: Path, folder: Path) -> subprocess.Popen[bytes]:
    script = 'read -r _; "$1/pg_ctl" -D "$2/data" -m immediate stop; cd /; rm -rf "$2"'
    return subprocess.Popen(
        ["sh", "-c", script, "guard", programs, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd=folder,
        **_as_account(),
    )


def _initialise(server: PostgresServer) -> None:
    password = server.folder / "password"
    password.write_text(_PASSWORD)
    if os.geteuid() == 0:
        os.chown(password, _account().pw_uid, -1)
    command = [server.programs / "initdb", "-D", server.folder / "data", "-U", _USER, "-N"]
    options = ["--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--no-locale"]
    _run([*command, *options], server.folder)
    settings = {**_SETTINGS, "port": str(server.port)}
    lines = "".join(f"{name} = '{value}'\n" for name, value in settings.items())
    with (server.folder / "data" / "postgresql.conf").open("a") as file:
        file.write(lines)


def _run(command: Sequence[str | Path], folder: Path) -> None:
    """Runs one of PostgreSQL's programs; what it says goes to a file, since servers outlive it."""
    said = folder / "programs.log"
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}
    with said.open("ab") as output:
        done = subprocess.run(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            cwd=folder,
            env=environment,
            timeout=120,
            **_as_account(),
        )
    if done.returncode != 0:
        logs = [path.read_text(errors="replace") for path in sorted(folder.glob("*.log"))]
        pytest.fail(f"{command[0]} ended with {done.returncode}:\n" + "\n".join(logs))


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((_HOST, 0))
        port: int = listener.getsockname()[1]
    return port
