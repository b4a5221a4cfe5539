"""`penstock db` and `penstock secrets`, as a person runs them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

from penstock.control.model import Workspace
from penstock.control.secrets import KeyRing, SecretStore, load_keys
from penstock.control.store import Store, secrets, workspaces
from tests.acceptance.conftest import Terminal
from tests.servers.postgres import PostgresDatabase

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def filled(terminal: Terminal) -> tuple[Path, str]:
    """Makes a database with one secret in it, and returns its file and the secret's id."""
    terminal.run("db", "upgrade")
    file = terminal.home / "server" / "penstock.db"
    store = Store.of_file(file)
    keys = load_keys(terminal.home / "server" / "secrets.key", makes_file=True)
    with store.write() as tx:
        workspaces.create(tx, Workspace(id="w", name="Team", created_at=NOW))
        secret = SecretStore(keys).seal(tx, "canary", workspace_id="w", now=NOW)
    store.close()
    return file, secret


def test_a_database_is_made_once(terminal: Terminal) -> None:
    assert "revision none" in terminal.run("db", "status").out
    assert "is now of revision" in terminal.run("db", "upgrade").out
    assert "already" in terminal.run("db", "upgrade").out


def test_a_database_is_copied_to_postgresql_and_its_secrets_open_there(
    terminal: Terminal, postgres: PostgresDatabase
) -> None:
    file, secret = filled(terminal)
    done = terminal.run("db", "copy", f"sqlite:///{file}", postgres.url)
    assert done.status == 0, done.err
    assert postgres.password not in done.out
    store = Store(postgres.url)
    with store.read() as tx:
        assert workspaces.get(tx, "w").name == "Team"
        sealed = secrets.find(tx, [secret])[secret]
    store.close()
    keys = load_keys(terminal.home / "server" / "secrets.key", makes_file=False)
    assert SecretStore(keys).open(sealed) == "canary"
    again = terminal.run("db", "copy", f"sqlite:///{file}", postgres.url)
    assert again.status == 2
    assert "not empty" in again.err


def test_a_new_key_replaces_the_old_one(terminal: Terminal) -> None:
    file, secret = filled(terminal)
    key_file = terminal.home / "server" / "secrets.key"
    (old,) = key_file.read_text().split()
    done = terminal.run("secrets", "rotate", "--drop-old")
    assert "1 secrets are encrypted under the key" in done.out, done.err
    (new,) = key_file.read_text().split()
    assert new != old
    assert base64.b64decode(new)
    store = Store.of_file(file)
    with store.read() as tx:
        sealed = secrets.find(tx, [secret])[secret]
    store.close()
    ring = KeyRing(load_keys(key_file, makes_file=False).keys)
    assert SecretStore(ring).open(sealed) == "canary"
