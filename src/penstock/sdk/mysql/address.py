"""Where a MySQL or MariaDB server is, who asks, and how the way there is protected."""

from __future__ import annotations

import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from penstock.errors import ConfigError
from penstock.sdk.config import setting
from penstock.sdk.tunnel import NoTunnel, Tunnel


@dataclass(frozen=True, slots=True, kw_only=True)
class Disabled:
    """Nothing is encrypted; a server that insists on TLS refuses."""

    title: ClassVar[str] = "disabled"
    mode: Literal["disabled"] = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferred:
    """Encrypted when the server can."""

    title: ClassVar[str] = "preferred"
    mode: Literal["preferred"] = "preferred"


@dataclass(frozen=True, slots=True, kw_only=True)
class Required:
    """Always encrypted; who the server is remains unproved."""

    title: ClassVar[str] = "required"
    mode: Literal["required"] = "required"


_CA = "PEM text, or the path of a file, of the authority that signed the server's certificate."
_CLIENT = "PEM text, or the path of a file, where the server asks for one of the client."


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyCa:
    """Encrypted, and the server's certificate is signed by an authority you trust."""

    title: ClassVar[str] = "verify_ca"
    mode: Literal["verify_ca"] = "verify_ca"
    ca_certificate: str = setting(title="CA certificate", description=_CA, multiline=True)
    client_certificate: str | None = setting(
        default=None, title="Client certificate", description=_CLIENT, multiline=True
    )
    client_key: str | None = setting(
        default=None, title="Client key", description=_CLIENT, multiline=True, secret=True
    )
    client_key_password: str | None = setting(
        default=None,
        title="Client key password",
        description="What the client key is encrypted with.",
        secret=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyIdentity:
    """Like verify_ca, and the certificate names the host: the only mode safe from impostors."""

    title: ClassVar[str] = "verify_identity"
    mode: Literal["verify_identity"] = "verify_identity"
    ca_certificate: str = setting(title="CA certificate", description=_CA, multiline=True)
    client_certificate: str | None = setting(
        default=None, title="Client certificate", description=_CLIENT, multiline=True
    )
    client_key: str | None = setting(
        default=None, title="Client key", description=_CLIENT, multiline=True, secret=True
    )
    client_key_password: str | None = setting(
        default=None,
        title="Client key password",
        description="What the client key is encrypted with.",
        secret=True,
    )


Protection = Disabled | Preferred | Required | VerifyCa | VerifyIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One server, and the user who opens it."""

    host: str
    port: int
    username: str
    password: str | None = field(repr=False)
    ssl_mode: Protection = field(repr=False)
    application: str
    """What the server's list of connections shows."""
    tunnel: Tunnel = field(default=NoTunnel(), repr=False)

    def __str__(self) -> str:
        return f"MySQL at {self.host}:{self.port}"

    def context(self) -> ssl.SSLContext | None:
        """Returns how TLS is spoken; None where it is not, or only if the server offers it."""
        mode = self.ssl_mode
        if isinstance(mode, Disabled | Preferred):
            return None
        context = ssl.create_default_context()
        if not isinstance(mode, VerifyCa | VerifyIdentity):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
        # Servers make certificates of version 1 for themselves, which RFC 5280 does not know.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.check_hostname = isinstance(mode, VerifyIdentity)
        context = _only_trusting(context, mode.ca_certificate)
        if mode.client_certificate is not None:
            _show_itself(context, mode)
        return context


def _only_trusting(system: ssl.SSLContext, authority: str) -> ssl.SSLContext:
    """Returns a context that trusts one authority, and no longer those of the machine."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags = system.verify_flags
    context.check_hostname = system.check_hostname
    context.verify_mode = ssl.CERT_REQUIRED
    text = _text_of("ca_certificate", authority)
    try:
        context.load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError) as error:
        raise _unreadable("ca_certificate") from error
    return context


def _show_itself(context: ssl.SSLContext, mode: VerifyCa | VerifyIdentity) -> None:
    certificate = _text_of("client_certificate", mode.client_certificate or "")
    key = "" if mode.client_key is None else _text_of("client_key", mode.client_key)
    # OpenSSL reads a chain from a file only; this one is private, and gone at once.
    with tempfile.NamedTemporaryFile("w", prefix="penstock-", suffix=".pem") as file:
        file.write(f"{certificate.rstrip()}\n{key}")
        file.flush()
        try:
            context.load_cert_chain(file.name, password=mode.client_key_password or "")
        except (ssl.SSLError, ValueError, OSError) as error:
            raise _unreadable("client_certificate") from error


def _text_of(name: str, text: str) -> str:
    """Returns a certificate: its own text, or that of the file it names."""
    if "-----BEGIN" in text:
        return text
    path = Path(text).expanduser()
    if not path.is_file():
        raise ConfigError(
            f"`ssl_mode.{name}` is neither PEM text nor the path of a file.",
            remedy="Give the text from -----BEGIN to -----END, or a file's path.",
            field=f"ssl_mode.{name}",
        )
    return path.read_text()


def _unreadable(name: str) -> ConfigError:
    return ConfigError(
        f"`ssl_mode.{name}` is not a certificate that TLS can use, or its key does not fit.",
        remedy="Give PEM text, with the key that belongs to it.",
        field=f"ssl_mode.{name}",
    )
