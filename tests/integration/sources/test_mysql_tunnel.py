"""MySQL behind a real SSH server."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from penstock.destinations.mysql import MySQLConfig, MySQLDestination
from penstock.errors import ConnectionFailed
from penstock.protocol.catalog import SyncMode
from penstock.sdk.stream import ReadRequest
from penstock.sdk.tunnel import KeyTunnel
from penstock.sources.mysql import MySQLSource, MySQLSourceConfig
from tests.servers.mariadb import MariaDatabase
from tests.servers.ssh import USER, SshServer, running_ssh_server


@pytest.fixture
def bastion() -> Iterator[SshServer]:
    with running_ssh_server() as server:
        yield server


def through(server: SshServer) -> KeyTunnel:
    return KeyTunnel(
        tunnel_host="127.0.0.1",
        tunnel_port=server.port,
        tunnel_user=USER,
        ssh_key=server.private_key,
        host_key=server.host_key_line,
    )


def source_of(database: MariaDatabase, server: SshServer, *, port: int = 0) -> MySQLSource:
    return MySQLSource(
        MySQLSourceConfig(
            host=database.host,
            port=port or database.port,
            databases=(database.name,),
            username=database.user,
            password=database.password,
            tunnel_method=through(server),
        )
    )


def test_rows_come_through_the_tunnel_and_nothing_stays_open(
    mariadb: MariaDatabase, bastion: SshServer
) -> None:
    mariadb.run(
        "CREATE TABLE t (i int PRIMARY KEY)", "INSERT INTO t SELECT seq FROM seq_1_to_50000"
    )
    source = source_of(mariadb, bastion)
    source.check()
    (stream,) = source.streams()
    items = list(stream.read(ReadRequest(mode=SyncMode.FULL_REFRESH)))
    assert sum(len(item) for item in items if hasattr(item, "num_rows")) == 50_000
    assert set(bastion.targets) == {(mariadb.host, mariadb.port)}
    assert [thread for thread in threading.enumerate() if "tunnel" in thread.name] == []


def test_a_destination_is_reached_through_the_tunnel(
    mariadb: MariaDatabase, bastion: SshServer
) -> None:
    config = MySQLConfig(
        host=mariadb.host,
        port=mariadb.port,
        database=mariadb.name,
        username=mariadb.user,
        password=mariadb.password,
        tunnel_method=through(bastion),
    )
    MySQLDestination(config).check()
    assert set(bastion.targets) == {(mariadb.host, mariadb.port)}


def test_a_database_that_the_server_does_not_reach_is_told(
    mariadb: MariaDatabase, bastion: SshServer
) -> None:
    with pytest.raises(ConnectionFailed, match="does not reach the database"):
        source_of(mariadb, bastion, port=1).check()
    assert [thread for thread in threading.enumerate() if "tunnel" in thread.name] == []
