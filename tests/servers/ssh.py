"""A real SSH server for the tests, of the library that is the client, too: forwards and counts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar

import asyncssh

USER: Final = "bastion"
PASSWORD: Final = "it's 100% s3cret, too"
_HOST: Final = "127.0.0.1"
T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class SshServer:
    """One running server, the keys it has and takes, and where it was asked to forward to."""

    port: int = 0
    host_key: asyncssh.SSHKey = field(
        default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519")
    )
    client_key: asyncssh.SSHKey = field(
        default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519")
    )
    targets: list[tuple[str, int]] = field(default_factory=list)
    connections: list[asyncssh.SSHServerConnection] = field(default_factory=list)

    @property
    def host_key_line(self) -> str:
        """The line that `ssh-keyscan` writes."""
        return f"[{_HOST}]:{self.port} {self.host_key.export_public_key().decode().strip()}"

    @property
    def private_key(self) -> str:
        return self.client_key.export_private_key().decode()


class _Door(asyncssh.SSHServer):
    def __init__(self, server: SshServer) -> None:
        self._server = server

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._server.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        del username
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == USER and key == self._server.client_key.convert_to_public()

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> bool:
        del orig_host, orig_port
        self._server.targets.append((dest_host, dest_port))
        return True


@contextmanager
def running_ssh_server() -> Iterator[SshServer]:
    """Starts a server on a free port of loopback, and stops it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def awaited(task: Awaitable[T]) -> T:
        return await task

    def run(task: Awaitable[T]) -> T:
        return asyncio.run_coroutine_threadsafe(awaited(task), loop).result(30)

    server = SshServer()
    acceptor = run(
        asyncssh.create_server(lambda: _Door(server), _HOST, 0, server_host_keys=[server.host_key])
    )
    server.port = acceptor.get_port()

    async def ended() -> None:
        acceptor.close()
        for connection in server.connections:
            connection.abort()
        await acceptor.wait_closed()
        await loop.shutdown_default_executor()

    try:
        yield server
    finally:
        run(ended())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
