"""TLS: only a certificate of a known authority that names the host is trusted."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.destinations.pulsar import PulsarDestination
from penstock.destinations.pulsar.config import CertificateLogin, TokenLogin
from penstock.errors import AccessDenied, ConfigError, ConnectionFailed
from penstock.testing.lab import simple_rows
from tests.integration.destination_pulsar.conftest import Place, load, plan_of
from tests.servers.certificates import Certificate, signed_for


def context_of(certificate: Certificate, folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    chain, key = folder / "server.crt", folder / "server.key"
    chain.write_text(certificate.certificate)
    key.write_text(certificate.key)
    context.load_cert_chain(chain, key)
    return context


@pytest.fixture
def certificate() -> Certificate:
    return signed_for("127.0.0.1")


@pytest.fixture
def protected(opened: Callable[..., Place], certificate: Certificate, tmp_path: Path) -> Place:
    """A gate with TLS whose certificate names 127.0.0.1, and that asks for a token."""
    return opened(
        certificate=context_of(certificate, tmp_path),
        accepts=lambda method, data: (method, data) == ("token", b"good"),
    )


def url(place: Place, host: str = "127.0.0.1") -> str:
    return f"pulsar+ssl://{host}:{place.gate.tls_port}"


def test_rows_go_by_tls_where_authority_and_host_are_right(
    protected: Place, certificate: Certificate
) -> None:
    config = protected.config(
        service_url=url(protected),
        ca_certificate=certificate.certificate,
        authentication=TokenLogin(token="good"),
    )
    PulsarDestination(config).check()
    assert load(PulsarDestination(config), plan_of("visits"), simple_rows(1, 2)) == 2
    assert len(protected.behind("visits")) == 2


@pytest.mark.parametrize(
    ("host", "is_known", "words"),
    [("localhost", True, "Hostname mismatch"), ("127.0.0.1", False, "self-signed|self signed")],
    ids=["another host", "unknown authority"],
)
def test_no_login_is_sent_to_whom_cannot_be_trusted(
    protected: Place, certificate: Certificate, host: str, is_known: bool, words: str
) -> None:
    config = protected.config(
        service_url=url(protected, host),
        ca_certificate=certificate.certificate if is_known else None,
        authentication=TokenLogin(token="good"),
    )
    with pytest.raises(ConfigError, match=words):
        load(PulsarDestination(config), plan_of("visits"), simple_rows(1))
    assert protected.gate.logins == []
    assert protected.behind("visits") == []


def test_another_host_is_let_pass_only_where_the_check_is_off(
    protected: Place, certificate: Certificate
) -> None:
    config = protected.config(
        service_url=url(protected, "localhost"),
        ca_certificate=certificate.certificate,
        checks_hostname=False,
        authentication=TokenLogin(token="good"),
    )
    assert load(PulsarDestination(config), plan_of("visits"), simple_rows(1)) == 1


def test_a_port_without_tls_is_told(protected: Place) -> None:
    config = protected.config(service_url=f"pulsar+ssl://127.0.0.1:{protected.gate.port}")
    with pytest.raises((ConfigError, ConnectionFailed), match=r"TLS|reached"):
        PulsarDestination(config).check()


def test_a_port_with_tls_is_told_to_a_plain_client(protected: Place) -> None:
    config = protected.config(service_url=f"pulsar://127.0.0.1:{protected.gate.tls_port}")
    with pytest.raises(ConnectionFailed, match=r"reached|does not answer") as failed:
        PulsarDestination(config).check()
    assert "pulsar+ssl" in failed.value.remedy or "6651" in failed.value.remedy


def test_a_refused_token_is_told_through_tls(protected: Place, certificate: Certificate) -> None:
    config = protected.config(
        service_url=url(protected),
        ca_certificate=certificate.certificate,
        authentication=TokenLogin(token="bad"),
    )
    with pytest.raises(AccessDenied, match="refused the login"):
        PulsarDestination(config).check()


def test_a_client_certificate_logs_in(
    opened: Callable[..., Place], certificate: Certificate, tmp_path: Path
) -> None:
    client = signed_for("127.0.0.2")
    context = context_of(certificate, tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=client.certificate)
    place = opened(certificate=context, accepts=lambda method, _: method == "tls")
    login = CertificateLogin(client_certificate=client.certificate, client_key=client.key)
    config = place.config(
        service_url=url(place), ca_certificate=certificate.certificate, authentication=login
    )
    PulsarDestination(config).check()
    assert load(PulsarDestination(config), plan_of("visits"), simple_rows(1)) == 1


def test_a_client_certificate_without_tls_is_refused(
    place: Place, certificate: Certificate
) -> None:
    login = CertificateLogin(client_certificate=certificate.certificate, client_key=certificate.key)
    with pytest.raises(ConfigError, match="needs TLS"):
        PulsarDestination(place.config(authentication=login)).check()


def test_a_text_that_is_no_certificate_is_told(protected: Place) -> None:
    config = protected.config(service_url=url(protected), ca_certificate="-----BEGIN nothing")
    with pytest.raises(ConfigError, match="ca_certificate"):
        PulsarDestination(config).check()
