"""How a database behind a firewall is reached: the settings of an SSH tunnel, and its opening."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from penstock.errors import MissingDriver
from penstock.sdk.config import setting

if TYPE_CHECKING:
    from penstock.sdk.ssh import OpenTunnel

LOOPBACK: Final = "127.0.0.1"
"""Where the port of an open tunnel is."""

_HOST = "Name or address of the SSH server; the database's own `host` is as this server sees it."
_HOST_KEY = (
    "The SSH server's public key, as `ssh-keyscan HOST` writes it or a .pub file holds it; several"
    " lines are alternatives. When left out, the server has to be in ~/.ssh/known_hosts."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoTunnel:
    """The server is reached directly."""

    title: ClassVar[str] = "None"
    tunnel_method: Literal["NO_TUNNEL"] = "NO_TUNNEL"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTunnel:
    """Through an SSH server that knows the user by a key."""

    title: ClassVar[str] = "SSH with a key"
    tunnel_method: Literal["SSH_KEY_AUTH"] = "SSH_KEY_AUTH"
    tunnel_host: str = setting(title="SSH host", description=_HOST)
    tunnel_port: int = setting(default=22, title="SSH port", minimum=1, maximum=65535)
    tunnel_user: str = setting(title="SSH user", description="The user there.")
    ssh_key: str = setting(
        title="Private key",
        description="The user's private key: its text, in the format of OpenSSH or PEM.",
        multiline=True,
        secret=True,
    )
    ssh_key_password: str | None = setting(
        default=None,
        title="Private key's password",
        description="What the private key is encrypted with.",
        secret=True,
    )
    host_key: str | None = setting(
        default=None, title="Host key", description=_HOST_KEY, multiline=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordTunnel:
    """Through an SSH server that knows the user by a password."""

    title: ClassVar[str] = "SSH with a password"
    tunnel_method: Literal["SSH_PASSWORD_AUTH"] = "SSH_PASSWORD_AUTH"
    tunnel_host: str = setting(title="SSH host", description=_HOST)
    tunnel_port: int = setting(default=22, title="SSH port", minimum=1, maximum=65535)
    tunnel_user: str = setting(title="SSH user", description="The user there.")
    tunnel_user_password: str = setting(
        title="SSH password", description="The user's password there.", secret=True
    )
    host_key: str | None = setting(
        default=None, title="Host key", description=_HOST_KEY, multiline=True
    )


Tunnel = NoTunnel | KeyTunnel | PasswordTunnel
"""What a connector's setting `tunnel_method` takes; Airbyte's names, and `host_key`."""


def open_tunnel(settings: KeyTunnel | PasswordTunnel, host: str, port: int) -> OpenTunnel:
    """Returns a way to a host and port as the SSH server sees them; who opens it closes it.

    Raises AccessDenied, ConfigError, ConnectionFailed or MissingDriver.
    """
    try:
        from penstock.sdk.ssh import OpenTunnel  # noqa: PLC0415 (loads asyncssh)
    except ModuleNotFoundError as error:
        raise MissingDriver(
            "SSH tunnels need the package asyncssh.",
            remedy='Install it: pip install "penstock[ssh]".',
        ) from error
    return OpenTunnel(settings, host, port)
