"""PostgreSQL behind a real SSH server: who gets through, and what each failure says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from penstock.destinations.postgres import PostgresConfig, PostgresDestination
from penstock.errors import AccessDenied, ConfigError, ConnectionFailed
from penstock.protocol.catalog import SyncMode
from penstock.sdk.stream import ReadRequest
from penstock.sdk.tunnel import KeyTunnel, PasswordTunnel, Tunnel
from penstock.sources.postgres import PostgresSource, PostgresSourceConfig
from tests.servers.postgres import PostgresDatabase
from tests.servers.ssh import PASSWORD, USER, SshServer, running_ssh_server


@pytest.fixture
def bastion() -> Iterator[SshServer]:
    with running_ssh_server() as server:
        yield server


def open_tunnels() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "tunnel" in thread.name]


def by_key(server: SshServer) -> KeyTunnel:
    return KeyTunnel(
        tunnel_host="127.0.0.1",
        tunnel_port=server.port,
        tunnel_user=USER,
        ssh_key=server.private_key,
        host_key=server.host_key_line,
    )


def by_password(server: SshServer) -> PasswordTunnel:
    return PasswordTunnel(
        tunnel_host="127.0.0.1",
        tunnel_port=server.port,
        tunnel_user=USER,
        tunnel_user_password=PASSWORD,
        host_key=server.host_key.export_public_key().decode(),
    )


def source_of(database: PostgresDatabase, tunnel: Tunnel, *, port: int = 0) -> PostgresSource:
    return PostgresSource(
        PostgresSourceConfig(
            host=database.host,
            port=port or database.port,
            database=database.name,
            username=database.user,
            password=database.password,
            tunnel_method=tunnel,
        )
    )


@pytest.mark.parametrize("made", [by_key, by_password], ids=["key", "password"])
def test_rows_come_through_the_tunnel_and_nothing_stays_open(
    postgres: PostgresDatabase, bastion: SshServer, made: type[Tunnel]
) -> None:
    postgres.run("CREATE TABLE t AS SELECT i FROM generate_series(1, 200000) AS i")
    source = source_of(postgres, made(bastion))  # type: ignore[arg-type,call-arg]
    source.check()
    (stream,) = source.streams()
    batches = list(stream.read(ReadRequest(mode=SyncMode.FULL_REFRESH)))
    assert sum(len(item) for item in batches if hasattr(item, "num_rows")) == 200_000
    assert set(bastion.targets) == {(postgres.host, postgres.port)}
    assert open_tunnels() == []


def test_a_destination_is_reached_through_the_tunnel(
    postgres: PostgresDatabase, bastion: SshServer
) -> None:
    config = PostgresConfig(
        host=postgres.host,
        port=postgres.port,
        database=postgres.name,
        username=postgres.user,
        password=postgres.password,
        tunnel_method=by_key(bastion),
    )
    PostgresDestination(config).check()
    assert bastion.targets == [(postgres.host, postgres.port)]


def test_a_reading_that_is_closed_early_ends_its_tunnel(
    postgres: PostgresDatabase, bastion: SshServer
) -> None:
    postgres.run("CREATE TABLE t AS SELECT i FROM generate_series(1, 300000) AS i")
    (stream,) = source_of(postgres, by_key(bastion)).streams()
    items = stream.read(ReadRequest(mode=SyncMode.FULL_REFRESH))
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert open_tunnels() == []


def test_a_server_with_another_key_gets_no_password(
    postgres: PostgresDatabase, bastion: SshServer
) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    tunnel = replace(by_password(bastion), host_key=other)
    with pytest.raises(ConfigError, match="not the one known of it") as caught:
        source_of(postgres, tunnel).check()
    assert f"ssh-keyscan -p {bastion.port} 127.0.0.1" in caught.value.remedy
    assert bastion.targets == []


def test_a_server_that_nobody_knows_is_refused(
    postgres: PostgresDatabase,
    bastion: SshServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    tunnel = replace(by_password(bastion), host_key=None)
    with pytest.raises(ConfigError, match="is not known"):
        source_of(postgres, tunnel).check()

    known = tmp_path / ".ssh" / "known_hosts"
    known.parent.mkdir()
    known.write_text("")
    with pytest.raises(ConfigError, match="not the one known of it"):
        source_of(postgres, tunnel).check()

    known.write_text(bastion.host_key_line + "\n")
    postgres.run("CREATE TABLE t (a int)")
    source_of(postgres, tunnel).check()


def test_a_wrong_login_is_told_and_shows_no_secret(
    postgres: PostgresDatabase, bastion: SshServer
) -> None:
    tunnel = replace(by_password(bastion), tunnel_user_password="wr0ng")
    with pytest.raises(AccessDenied, match="does not let bastion in") as caught:
        source_of(postgres, tunnel).check()
    assert "wr0ng" not in str(caught.value) + caught.value.remedy


def test_a_key_that_is_no_key_or_locked_is_told(
    postgres: PostgresDatabase, bastion: SshServer
) -> None:
    with pytest.raises(ConfigError, match="no private key"):
        source_of(postgres, replace(by_key(bastion), ssh_key="nonsense")).check()
    with pytest.raises(ConfigError, match="no public key"):
        source_of(postgres, replace(by_key(bastion), host_key="nonsense")).check()


def test_a_database_that_the_server_does_not_reach_is_told(
    postgres: PostgresDatabase, bastion: SshServer
) -> None:
    with pytest.raises(ConnectionFailed, match="does not reach the database"):
        source_of(postgres, by_key(bastion), port=1).check()


def test_a_server_that_is_not_there_is_told(postgres: PostgresDatabase, bastion: SshServer) -> None:
    with pytest.raises(ConnectionFailed, match="cannot be reached"):
        source_of(postgres, replace(by_key(bastion), tunnel_port=1)).check()


def test_a_tunnel_that_breaks_is_an_error_of_the_connection(
    postgres: PostgresDatabase, bastion: SshServer
) -> None:
    postgres.run(
        "CREATE TABLE t AS SELECT i, repeat('x', 100) FROM generate_series(1, 300000) AS i"
    )
    (stream,) = source_of(postgres, by_key(bastion)).streams()
    items = stream.read(ReadRequest(mode=SyncMode.FULL_REFRESH))
    next(items)
    connection = bastion.connections[-1]
    connection.get_extra_info("socket").shutdown(2)
    with pytest.raises(ConnectionFailed):
        list(items)
