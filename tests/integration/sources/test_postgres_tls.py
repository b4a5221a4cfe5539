"""TLS to a real PostgreSQL: what each mode accepts and refuses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.errors import ConfigError
from penstock.sdk.postgres.address import (
    Address,
    Disable,
    Protection,
    Require,
    VerifyCa,
    VerifyFull,
)
from penstock.sdk.postgres.connection import connected, rows_of
from tests.servers.certificates import Certificate, signed_for
from tests.servers.postgres import PostgresDatabase, PostgresServer


def serve(server: PostgresServer, certificate: Certificate) -> None:
    owner = server.folder.stat()
    for name, text in (("server.crt", certificate.certificate), ("server.key", certificate.key)):
        path = server.folder / "data" / name
        path.write_text(text)
        path.chmod(0o600)
        os.chown(path, owner.st_uid, owner.st_gid)
    database = server.database("postgres")
    database.run("ALTER SYSTEM SET ssl = on")
    server.restart("fast")


@pytest.fixture
def encrypted(postgres_server: PostgresServer) -> Iterator[Certificate]:
    """The server with TLS, and its certificate for 127.0.0.1."""
    certificate = signed_for("127.0.0.1")
    serve(postgres_server, certificate)
    yield certificate
    postgres_server.database("postgres").run("ALTER SYSTEM RESET ssl")
    postgres_server.restart("fast")


def is_encrypted(database: PostgresDatabase, mode: Protection) -> bool:
    address = Address(
        host=database.host,
        port=database.port,
        database=database.name,
        username=database.user,
        password=database.password,
        ssl_mode=mode,
        application="test",
    )
    with connected(address) as connection:
        query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        return bool(rows_of(connection, query)[0][0])


def test_each_mode_accepts_what_it_can_prove(
    encrypted: Certificate, postgres: PostgresDatabase, tmp_path: Path
) -> None:
    file = tmp_path / "authority.pem"
    file.write_text(encrypted.certificate)
    assert not is_encrypted(postgres, Disable())
    assert is_encrypted(postgres, Require())
    assert is_encrypted(postgres, VerifyCa(ca_certificate=encrypted.certificate))
    assert is_encrypted(postgres, VerifyFull(ca_certificate=str(file)))


def test_a_certificate_of_somebody_else_is_refused(
    encrypted: Certificate, postgres: PostgresDatabase
) -> None:
    del encrypted
    other = signed_for("127.0.0.1").certificate
    for mode in (VerifyCa(ca_certificate=other), VerifyFull(ca_certificate=other)):
        with pytest.raises(ConfigError, match="certificate") as refused:
            is_encrypted(postgres, mode)
        assert "`ssl_mode`" in refused.value.remedy


def test_a_certificate_of_another_host_is_refused_by_verify_full_alone(
    encrypted: Certificate, postgres: PostgresDatabase, postgres_server: PostgresServer
) -> None:
    del encrypted
    elsewhere = signed_for("127.0.0.2")
    serve(postgres_server, elsewhere)
    assert is_encrypted(postgres, VerifyCa(ca_certificate=elsewhere.certificate))
    with pytest.raises(ConfigError, match=r"127\.0\.0\.2"):
        is_encrypted(postgres, VerifyFull(ca_certificate=elsewhere.certificate))


def test_a_certificate_that_is_no_file_is_named(postgres: PostgresDatabase) -> None:
    with pytest.raises(ConfigError, match=r"ssl_mode\.ca_certificate"):
        is_encrypted(postgres, VerifyFull(ca_certificate="/no/such/file.pem"))
