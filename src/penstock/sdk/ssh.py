"""An open SSH tunnel: a port of this machine that leads to a database behind an SSH server.

The SSH server has to show a key that is known: one that does not is an impostor, or was never
looked at, and no password is given to either.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncssh

from penstock.errors import AccessDenied, ConfigError, ConnectionFailed, PenstockError
from penstock.sdk.tunnel import LOOPBACK, KeyTunnel, PasswordTunnel

_SECONDS: Final = 15
"""For each of connecting and logging in."""
_KEEPALIVE_SECONDS: Final = 30
_KEEPALIVE_MISSES: Final = 4
_KNOWN_HOSTS: Final = Path("~/.ssh/known_hosts")

T = TypeVar("T")

asyncssh.set_log_level("WARNING")  # else every channel is a line of the sync's log


class OpenTunnel:
    """One connection to the SSH server, and the port that leads through it; `close` ends both."""

    def __init__(self, settings: KeyTunnel | PasswordTunnel, host: str, port: int) -> None:
        """Opens the way to a host and port as the SSH server sees them.

        Raises AccessDenied, ConfigError or ConnectionFailed.
        """
        self._settings = settings
        self._target = (host, port)
        options = _options(settings)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="penstock ssh tunnel", daemon=True
        )
        self._thread.start()
        self._connection: asyncssh.SSHClientConnection | None = None
        try:
            with _translated(settings):
                self.port = self._run(self._open(options))
        except BaseException:
            self.close()
            raise

    def explain(self) -> None:
        """Raises ConnectionFailed when it is the SSH server that does not reach the target."""
        with _translated(self._settings):
            self._run(self._prove())

    def close(self) -> None:
        """Ends the tunnel, and with it what goes through it; a second call does nothing."""
        if self._loop.is_closed():
            return
        try:
            self._run(self._end())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _run(self, task: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(task, self._loop).result()

    async def _open(self, options: dict[str, Any]) -> int:
        settings = self._settings
        self._connection = await asyncssh.connect(
            settings.tunnel_host,
            settings.tunnel_port,
            username=settings.tunnel_user,
            config=None,
            agent_path=None,
            connect_timeout=_SECONDS,
            login_timeout=_SECONDS,
            keepalive_interval=_KEEPALIVE_SECONDS,
            keepalive_count_max=_KEEPALIVE_MISSES,
            **options,
        )
        listener = await self._connection.forward_local_port(LOOPBACK, 0, *self._target)
        return listener.get_port()

    async def _prove(self) -> None:
        if self._connection is not None:
            _, writer = await self._connection.open_connection(*self._target)
            writer.close()

    async def _end(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            await self._connection.wait_closed()
        await self._loop.shutdown_default_executor()


def _options(settings: KeyTunnel | PasswordTunnel) -> dict[str, Any]:
    """Returns how the user logs in, and which keys the server may show."""
    known: Any
    if settings.host_key is not None:
        known = (_host_keys(settings.host_key), [], [])
    else:
        path = _KNOWN_HOSTS.expanduser()
        if not path.is_file():
            raise ConfigError(
                f"Which key the SSH server {settings.tunnel_host} has is not known:"
                f" `tunnel_method.host_key` is not set, and there is no {path}.",
                remedy=_scan(settings),
                field="tunnel_method.host_key",
            )
        known = str(path)
    login: dict[str, Any]
    if isinstance(settings, PasswordTunnel):
        login = {"client_keys": None, "password": settings.tunnel_user_password}
    else:
        login = {"client_keys": [_private_key(settings)], "password": None}
    return {"known_hosts": known, **login}


def _host_keys(text: str) -> list[asyncssh.SSHKey]:
    lines = [line.strip() for line in text.splitlines()]
    keys = []
    for line in lines:
        if not line or line.startswith("#"):
            continue
        words = line.split()
        # `ssh-keyscan` and known_hosts begin a line with the host, a .pub file with the kind.
        is_named = len(words) > 2 and words[2].startswith("AAAA")
        try:
            keys.append(asyncssh.import_public_key(" ".join(words[1:] if is_named else words)))
        except asyncssh.KeyImportError as error:
            raise ConfigError(
                f"`tunnel_method.host_key` holds a line that is no public key: {line[:40]}",
                remedy="Give lines as `ssh-keyscan HOST` writes them.",
                field="tunnel_method.host_key",
            ) from error
    return keys


def _private_key(settings: KeyTunnel) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_private_key(settings.ssh_key, settings.ssh_key_password)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        is_locked = isinstance(error, asyncssh.KeyEncryptionError) or "passphrase" in str(error)
        raise ConfigError(
            "`tunnel_method.ssh_key` cannot be read: "
            + ("its password is missing or wrong." if is_locked else "it is no private key."),
            remedy="Correct `tunnel_method.ssh_key_password`."
            if is_locked
            else "Give the whole text, from -----BEGIN to -----END.",
            field="tunnel_method.ssh_key_password" if is_locked else "tunnel_method.ssh_key",
        ) from error


@contextmanager
def _translated(settings: KeyTunnel | PasswordTunnel) -> Iterator[None]:
    try:
        yield
    except (asyncssh.Error, OSError, TimeoutError) as error:
        raise _as_penstock_error(error, settings) from error


def _as_penstock_error(error: Exception, settings: KeyTunnel | PasswordTunnel) -> PenstockError:
    where = f"SSH server {settings.tunnel_host}:{settings.tunnel_port}"
    match error:
        case asyncssh.HostKeyNotVerifiable():
            return ConfigError(
                f"{where} shows a key that is not the one known of it: it is another server, or"
                " its key was changed.",
                remedy=_scan(settings),
                field="tunnel_method.host_key",
            )
        case asyncssh.PermissionDenied():
            return AccessDenied(
                f"{where} does not let {settings.tunnel_user} in.",
                remedy="Correct `tunnel_method.tunnel_user` and its key or password; the key's"
                " public half belongs into the user's ~/.ssh/authorized_keys there.",
                field="tunnel_method",
            )
        case asyncssh.ChannelOpenError():
            return ConnectionFailed(
                f"{where} does not reach the database: {error.reason}.",
                remedy="Correct `host` and `port`, which are as the SSH server sees them; it has to"
                " allow TCP forwarding, too.",
            )
        case _:
            said = str(error) or type(error).__name__
            return ConnectionFailed(
                f"{where} cannot be reached: {said}.",
                remedy="Check `tunnel_method.tunnel_host`, `tunnel_method.tunnel_port`, and the"
                " network in between, then run it again.",
            )


def _scan(settings: KeyTunnel | PasswordTunnel) -> str:
    port = "" if settings.tunnel_port == 22 else f"-p {settings.tunnel_port} "
    return (
        f"Run: ssh-keyscan {port}{settings.tunnel_host}; compare the key with what the server's"
        " owner tells, and set it as `tunnel_method.host_key`."
    )
