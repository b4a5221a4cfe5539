"""Where brokers are, and how the way there is protected: for the client and for our handshake."""

from __future__ import annotations

import ipaddress
import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from penstock.destinations.pulsar.config import CertificateLogin, PulsarConfig
from penstock.destinations.pulsar.credentials import Certificate
from penstock.errors import ConfigError

_PORTS: Final = {"pulsar": 6650, "pulsar+ssl": 6651}


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One broker or proxy."""

    name: str
    port: int

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"

    @property
    def is_here(self) -> bool:
        """Whether the way there does not leave this machine."""
        try:
            return ipaddress.ip_address(self.name).is_loopback
        except ValueError:
            return self.name == "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """The hosts of a service URL, and the files that a connection with TLS needs."""

    url: str
    hosts: tuple[Host, ...]
    authorities: str | None
    """Path of the trusted certificates; None without TLS."""
    checks_hostname: bool
    certificate: Certificate | None

    def tls(self) -> ssl.SSLContext | None:
        """Returns how our own handshake protects itself: as the client does."""
        if self.authorities is None:
            return None
        context = ssl.create_default_context(cafile=self.authorities)
        context.check_hostname = self.checks_hostname
        if self.certificate is not None:
            context.load_cert_chain(self.certificate.path, self.certificate.key_path)
        return context


@contextmanager
def address_of(config: PulsarConfig) -> Iterator[Address]:
    """Gives the address of a configuration; files made for certificates are gone afterwards."""
    scheme, hosts = hosts_of(config.service_url)
    is_tls = scheme == "pulsar+ssl"
    login = config.authentication
    if isinstance(login, CertificateLogin) and not is_tls:
        raise ConfigError(
            "A client certificate needs TLS.",
            remedy="Set `service_url` to pulsar+ssl://…",
            field="service_url",
        )
    with ExitStack() as files:
        yield Address(
            url=f"{scheme}://{','.join(map(str, hosts))}",
            hosts=hosts,
            authorities=_authorities(config, files) if is_tls else None,
            checks_hostname=config.checks_hostname,
            certificate=_certificate(login, files) if isinstance(login, CertificateLogin) else None,
        )


def hosts_of(url: str) -> tuple[str, tuple[Host, ...]]:
    """Returns the scheme and the hosts of a service URL; raises ConfigError for another URL."""
    scheme, _, names = url.partition("://")
    hosts = []
    for name in names.split(","):
        try:
            parts = urlsplit(f"//{name.strip()}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if scheme not in _PORTS or not host:
            raise ConfigError(
                f"{url} is not the address of a Pulsar cluster.",
                remedy="Set `service_url` to pulsar://host:6650 or pulsar+ssl://host:6651.",
                field="service_url",
            )
        hosts.append(Host(name=host, port=port or _PORTS[scheme]))
    return scheme, tuple(hosts)


def _authorities(config: PulsarConfig, files: ExitStack) -> str:
    if config.ca_certificate is not None:
        path = _path_of("ca_certificate", config.ca_certificate, files)
        _must_hold_certificates(path)
        return path
    import certifi  # noqa: PLC0415 (comes with the client)

    return certifi.where()


def _must_hold_certificates(path: str) -> None:
    try:
        ssl.create_default_context(cafile=path)
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(
            "`ca_certificate` holds no certificate that can be read.",
            remedy="Give PEM text from -----BEGIN CERTIFICATE----- on, or a file with it.",
            field="ca_certificate",
        ) from error


def _certificate(login: CertificateLogin, files: ExitStack) -> Certificate:
    found = Certificate(
        path=_path_of("authentication.client_certificate", login.client_certificate, files),
        key_path=_path_of("authentication.client_key", login.client_key, files),
    )
    try:
        ssl.create_default_context().load_cert_chain(found.path, found.key_path)
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(
            "The client certificate and its key cannot be read, or do not belong together.",
            remedy="Give both as PEM, the key without a password.",
            field="authentication.client_certificate",
        ) from error
    return found


def _path_of(field: str, text: str, files: ExitStack) -> str:
    """Returns the path of a certificate: its own, or that of a private file with its text."""
    if "-----BEGIN" not in text:
        path = Path(text).expanduser()
        if not path.is_file():
            raise ConfigError(
                f"`{field}` is neither PEM text nor the path of a file.",
                remedy="Give the text from -----BEGIN to -----END, or a file's path.",
                field=field,
            )
        return str(path)
    number, name = tempfile.mkstemp(prefix="penstock-", suffix=".pem")
    files.callback(Path(name).unlink)
    with os.fdopen(number, "w") as file:
        file.write(text if text.endswith("\n") else text + "\n")
    return name
