"""Where a PostgreSQL server is, who asks, and how the way there is protected."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final, Literal

from penstock.errors import ConfigError
from penstock.sdk.config import setting
from penstock.sdk.tunnel import NoTunnel, Tunnel


@dataclass(frozen=True, slots=True, kw_only=True)
class Disable:
    """Nothing is encrypted; a server that insists on TLS refuses."""

    title: ClassVar[str] = "disable"
    mode: Literal["disable"] = "disable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allow:
    """Encrypted only when the server insists."""

    title: ClassVar[str] = "allow"
    mode: Literal["allow"] = "allow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefer:
    """Encrypted when the server can."""

    title: ClassVar[str] = "prefer"
    mode: Literal["prefer"] = "prefer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Require:
    """Always encrypted; who the server is remains unproved."""

    title: ClassVar[str] = "require"
    mode: Literal["require"] = "require"


_CA: Final = (
    "PEM text, or the path of a file, of the authority that signed the server's certificate."
)
_CLIENT: Final = "PEM text, or the path of a file, where the server asks for one of the client."


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyCa:
    """Encrypted, and the server's certificate is signed by an authority you trust."""

    title: ClassVar[str] = "verify-ca"
    mode: Literal["verify-ca"] = "verify-ca"
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
class VerifyFull:
    """Like verify-ca, and the certificate names the host: the only mode safe from impostors."""

    title: ClassVar[str] = "verify-full"
    mode: Literal["verify-full"] = "verify-full"
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


Protection = Disable | Allow | Prefer | Require | VerifyCa | VerifyFull


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One database of one server, and the user who opens it."""

    host: str
    port: int
    database: str
    username: str
    password: str | None = field(repr=False)
    ssl_mode: Protection = field(repr=False)
    application: str
    """What the server's list of connections shows."""
    tunnel: Tunnel = field(default=NoTunnel(), repr=False)

    def __str__(self) -> str:
        return f"PostgreSQL at {self.host}:{self.port}, database {self.database}"

    @contextmanager
    def parameters(self) -> Iterator[dict[str, str | int]]:
        """Gives libpq's parameters; files made for certificates are gone afterwards."""
        parameters: dict[str, str | int] = {
            "host": self.host,
            "port": self.port,
            "dbname": self.database,
            "user": self.username,
            "sslmode": self.ssl_mode.mode,
            "application_name": self.application,
            "client_encoding": "UTF8",
            "connect_timeout": _CONNECT_SECONDS,
            "keepalives_idle": _KEEPALIVE_SECONDS,
            "keepalives_interval": _KEEPALIVE_SECONDS,
            "keepalives_count": 4,
            "gssencmode": "disable",
        }
        if self.password is not None:
            parameters["password"] = self.password
        with ExitStack() as files:
            if isinstance(self.ssl_mode, VerifyCa | VerifyFull):
                parameters |= _certificates(self.ssl_mode, files)
            yield parameters


_CONNECT_SECONDS: Final = 15
_KEEPALIVE_SECONDS: Final = 30


def _certificates(mode: VerifyCa | VerifyFull, files: ExitStack) -> dict[str, str | int]:
    named = {
        "sslrootcert": ("ca_certificate", mode.ca_certificate),
        "sslcert": ("client_certificate", mode.client_certificate),
        "sslkey": ("client_key", mode.client_key),
    }
    parameters: dict[str, str | int] = {
        parameter: _path_of(field, text, files)
        for parameter, (field, text) in named.items()
        if text is not None
    }
    if mode.client_key_password is not None:
        parameters["sslpassword"] = mode.client_key_password
    return parameters


def _path_of(field: str, text: str, files: ExitStack) -> str:
    """Returns the path of a certificate: its own, or that of a private file with its text."""
    if "-----BEGIN" not in text:
        path = Path(text).expanduser()
        if not path.is_file():
            raise ConfigError(
                f"`ssl_mode.{field}` is neither PEM text nor the path of a file.",
                remedy="Give the text from -----BEGIN to -----END, or a file's path.",
                field=f"ssl_mode.{field}",
            )
        return str(path)
    number, name = tempfile.mkstemp(prefix="penstock-", suffix=".pem")
    files.callback(Path(name).unlink)
    with os.fdopen(number, "w") as file:
        file.write(text if text.endswith("\n") else text + "\n")
    return name
