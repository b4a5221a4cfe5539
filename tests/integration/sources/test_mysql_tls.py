"""How the way to a MySQL server is protected, with a real server and real certificates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from penstock.errors import ConfigError
from penstock.sdk.mysql.address import (
    Address,
    Disabled,
    Preferred,
    Protection,
    Required,
    VerifyCa,
    VerifyIdentity,
)
from penstock.sdk.mysql.connection import connected, rows_of
from tests.servers.certificates import Certificate, signed_for
from tests.servers.mariadb import MariaDatabase, running_mariadb


@dataclass(frozen=True)
class Protected:
    """A server with TLS, and the certificate it shows."""

    database: MariaDatabase
    certificate: Certificate

    def is_encrypted(self, mode: Protection) -> bool:
        address = Address(
            host=self.database.host,
            port=self.database.port,
            username=self.database.user,
            password=self.database.password,
            ssl_mode=mode,
            application="test",
        )
        with connected(address) as connection:
            return bool(rows_of(connection, "SHOW STATUS LIKE 'Ssl_cipher'")[0][1])


def protected(host: str) -> Iterator[Protected]:
    made = signed_for(host)
    files = {"server.crt": made.certificate, "server.key": made.key}
    names = {"ssl_cert": "../server.crt", "ssl_key": "../server.key"}
    with running_mariadb(files=files, **names) as server:
        yield Protected(server.database(""), made)


@pytest.fixture(scope="module")
def here() -> Iterator[Protected]:
    yield from protected("127.0.0.1")


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Protected]:
    yield from protected("127.0.0.2")


def test_each_mode_accepts_what_it_can_prove(here: Protected) -> None:
    text = here.certificate.certificate
    modes: list[Protection] = [
        Disabled(),
        Preferred(),
        Required(),
        VerifyCa(ca_certificate=text),
        VerifyIdentity(ca_certificate=text),
    ]
    assert [here.is_encrypted(mode) for mode in modes] == [False, True, True, True, True]


@pytest.mark.parametrize("verify", [VerifyCa, VerifyIdentity])
def test_a_certificate_of_somebody_else_is_refused(
    here: Protected, verify: type[VerifyCa | VerifyIdentity]
) -> None:
    other = signed_for("127.0.0.1").certificate
    with pytest.raises(ConfigError, match="protected connection"):
        here.is_encrypted(verify(ca_certificate=other))


def test_a_certificate_of_another_host_is_refused_by_verify_identity_alone(
    elsewhere: Protected,
) -> None:
    text = elsewhere.certificate.certificate
    assert elsewhere.is_encrypted(VerifyCa(ca_certificate=text))
    with pytest.raises(ConfigError, match="protected connection"):
        elsewhere.is_encrypted(VerifyIdentity(ca_certificate=text))
