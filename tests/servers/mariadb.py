"""A real MariaDB for the tests: one server a session, one database a test, none afterwards.

`mariadb` is a new, empty database of the test's own; `mariadb_server` is the server, for tests
that stop it, read its log or make databases. Both come through `tests/conftest.py`. A machine that
has no MariaDB fails these tests: nothing is skipped.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pymysql
import pytest

_USER: Final = "penstock"
_PASSWORD: Final = "it's 100% s3cret"
_HOST: Final = "127.0.0.1"
_ADDRESS_FILE: Final = "mariadb-server.json"
_START_SECONDS: Final = 60
_ROOM_BYTES: Final = 2 << 30
_SETTINGS: Final = {
    "bind-address": _HOST,
    "skip-name-resolve": "1",
    "innodb-buffer-pool-size": "64M",
    "innodb-log-file-size": "32M",
    "innodb-flush-log-at-trx-commit": "0",  # a test's server has nothing to keep without power
    "sync-binlog": "0",
    "sync-frm": "0",
    "innodb-flush-method": "nosync",
    "performance-schema": "0",
    "max-connections": "200",
    "server-id": "1",
    "log-bin": "binlog",
    "binlog-format": "ROW",
    "binlog-row-image": "FULL",
    "binlog-row-metadata": "FULL",
    "gtid-strict-mode": "1",
    "expire-logs-days": "0",
    "local-infile": "1",
    # Away from the defaults, so that nothing depends on them.
    "default-time-zone": "+05:30",
    "sql-mode": "",
    "character-set-server": "latin1",
    "innodb-strict-mode": "0",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MariaDatabase:
    """One database, and the user who may do everything in it."""

    host: str
    port: int
    user: str
    password: str
    name: str

    def connect(self, **others: Any) -> pymysql.Connection[Any]:
        """Returns a connection that commits every statement by itself."""
        return pymysql.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            database=self.name or None,
            autocommit=True,
            charset="utf8mb4",
            **others,
        )

    def run(self, *statements: str) -> None:
        """Runs statements one after the other, each in a transaction of its own, in UTC."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SET time_zone = '+00:00'")
            for statement in statements:
                cursor.execute(statement)

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Returns the rows of a query, in UTC."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SET time_zone = '+00:00'")
            cursor.execute(query, parameters or None)
            return [tuple(row) for row in cursor.fetchall()]

    def as_user(self, user: str, password: str) -> MariaDatabase:
        """Returns the same database as another user sees it."""
        return replace(self, user=user, password=password)


@dataclass(frozen=True, slots=True, kw_only=True)
class MariaServer:
    """One running server."""

    port: int
    folder: Path

    def database(self, name: str) -> MariaDatabase:
        """Returns the address of a database, which need not exist yet; "" is the server itself."""
        return MariaDatabase(host=_HOST, port=self.port, user=_USER, password=_PASSWORD, name=name)

    def create_database(self, name: str | None = None) -> MariaDatabase:
        """Makes an empty database, under a new name where none is given."""
        made = self.database(name or f"test_{uuid.uuid4().hex}")
        self.database("").run(f"CREATE DATABASE `{made.name}`")
        return made

    def drop_database(self, database: MariaDatabase) -> None:
        """Removes a database."""
        self.database("").run(f"DROP DATABASE IF EXISTS `{database.name}`")

    def start(self) -> None:
        """Starts the server at its port, with what was committed; returns when it answers."""
        command = [str(_program("mariadbd")), f"--defaults-file={self.folder / 'my.cnf'}"]
        subprocess.run(
            ["sh", "-c", '"$@" </dev/null >>server.log 2>&1 &', "start", *command],
            check=True,
            start_new_session=True,
            cwd=self.folder,
            **_as_account(),
        )
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.database("").rows("SELECT 1")
            except pymysql.OperationalError:
                if time.monotonic() > deadline:
                    log = (self.folder / "server.log").read_text(errors="replace")
                    pytest.fail(f"MariaDB did not start:\n{log[-4000:]}")
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """Ends the server as a crash does; a client's connection is lost."""
        number = int((self.folder / "server.pid").read_text())
        os.kill(number, 9)
        deadline = time.monotonic() + _START_SECONDS
        while _is_alive(number):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def restart(self) -> None:
        """Crashes and starts."""
        self.kill()
        self.start()


def mariadb_near(place: Path) -> MariaServer:
    """Returns the session's server in any process that knows a folder of one of its tests."""
    for folder in place.parents:
        address = folder / _ADDRESS_FILE
        if address.exists():
            known = json.loads(address.read_text())
            return MariaServer(port=known["port"], folder=Path(known["folder"]))
    pytest.fail(f"No MariaDB was started for {place}: ask for the fixture mariadb_server.")


@contextmanager
def running_mariadb(**settings: str) -> Iterator[MariaServer]:
    """Starts a server on a free port of loopback, with its files in a temporary folder.

    `settings` are more lines of its my.cnf, `_` for `-`.
    """
    _program("mariadbd")
    folder = Path(tempfile.mkdtemp(prefix="penstock-mariadb-", dir=_quick_place()))
    if os.geteuid() == 0:
        account = _account()
        os.chown(folder, account.pw_uid, account.pw_gid)
    # Whatever ends this process, closes this pipe: then the guard stops the server and cleans up.
    guard = _guard(folder)
    try:
        server = MariaServer(port=_free_port(), folder=folder)
        _initialise(server, {name.replace("_", "-"): value for name, value in settings.items()})
        server.start()
        yield server
    finally:
        assert guard.stdin is not None
        guard.stdin.close()
        guard.wait(timeout=60)


@pytest.fixture(scope="session")
def mariadb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaServer]:
    """The session's server, which processes of a test find by `mariadb_near`."""
    with running_mariadb() as server:
        address = tmp_path_factory.getbasetemp() / _ADDRESS_FILE
        address.write_text(json.dumps({"port": server.port, "folder": str(server.folder)}))
        yield server


@pytest.fixture
def mariadb(mariadb_server: MariaServer) -> Iterator[MariaDatabase]:
    """A new database, dropped after the test."""
    database = mariadb_server.create_database()
    yield database
    mariadb_server.drop_database(database)


def _quick_place() -> str | None:
    """Returns a folder in memory, where there is one with room: every CREATE and DROP is synced."""
    memory = Path("/dev/shm")
    is_roomy = memory.is_dir() and shutil.disk_usage(memory).free >= _ROOM_BYTES
    return str(memory) if is_roomy and os.access(memory, os.W_OK) else None


def _program(name: str) -> Path:
    """Returns one of the server's programs, which Debian keeps where users' paths do not lead."""
    folders = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    found = shutil.which(name, path=folders)
    if found is None:
        pytest.fail(
            f"MariaDB ({name}) is not installed, and these tests need a real server:"
            " apt-get install mariadb-server (Debian, Ubuntu) or brew install mariadb (macOS)."
        )
    return Path(found)


def _account() -> pwd.struct_passwd:
    """Returns who runs the server when the tests run as root, which MariaDB refuses."""
    for name in ("mysql", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.fail("MariaDB cannot run as root: add the user mysql (apt-get install mariadb-server)")


def _as_account() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    account = _account()
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _is_alive(number: int) -> bool:
    """Tells whether a process works; one that only waits to be buried does not."""
    state = Path(f"/proc/{number}/stat")
    try:
        if state.exists():
            return state.read_text().rpartition(")")[2].split()[0] != "Z"
        os.kill(number, 0)
    except OSError:
        return False
    return True


def _guard(folder: Path) -> subprocess.Popen[bytes]:
    script = 'read -r _; kill -9 "$(cat "$1/server.pid")"; sleep 0.2; cd /; rm -rf "$1"'
    return subprocess.Popen(
        ["sh", "-c", script, "guard", folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd=folder,
        **_as_account(),
    )


def _initialise(server: MariaServer, more: dict[str, str]) -> None:
    folder = server.folder
    password = _PASSWORD.replace("'", "''")
    (folder / "users.sql").write_text(
        f"CREATE USER IF NOT EXISTS '{_USER}'@'%' IDENTIFIED BY '{password}';\n"
        f"GRANT ALL PRIVILEGES ON *.* TO '{_USER}'@'%' WITH GRANT OPTION;\n"
    )
    settings = {
        **_SETTINGS,
        "port": str(server.port),
        "datadir": str(folder / "data"),
        "socket": str(folder / "server.sock"),
        "pid-file": str(folder / "server.pid"),
        "tmpdir": str(folder),
        "init-file": str(folder / "users.sql"),
        **more,
    }
    lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
    (folder / "my.cnf").write_text(f"[mysqld]\n{lines}")
    if os.geteuid() == 0:
        for name in ("users.sql", "my.cnf"):
            os.chown(folder / name, _account().pw_uid, -1)
    done = subprocess.run(
        [
            str(_program("mariadb-install-db")),
            "--no-defaults",
            f"--datadir={folder / 'data'}",
            f"--tmpdir={folder}",
            "--skip-test-db",
            "--auth-root-authentication-method=normal",
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=120,
        **_as_account(),
    )
    if done.returncode != 0:
        pytest.fail(f"mariadb-install-db ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((_HOST, 0))
        port: int = listener.getsockname()[1]
    return port
