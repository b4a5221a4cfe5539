"""How the server is reached: standard input and output, or HTTP on this machine with a token."""

from __future__ import annotations

import hmac
import logging
import os
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from penstock.errors import ConfigError
from penstock.library.mcp.offers import Shelf

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer
    from starlette.types import ASGIApp, Receive, Scope, Send

TOKEN_VARIABLE: Final = "PENSTOCK_MCP_TOKEN"  # noqa: S105 (a name)
_HOST: Final = "127.0.0.1"
_HIGHEST_PORT: Final = 65_535


def over_stdio(server: MCPServer[Any]) -> None:
    """Answers on standard input and output until the input ends."""
    server.run("stdio")


def over_http(server: MCPServer[Any], port: int, *, announce: Callable[[str], None]) -> None:
    """Answers at http://127.0.0.1:PORT/mcp to whoever has the token, until interrupted.

    The token is that of PENSTOCK_MCP_TOKEN, or a new one, which is announced. Port 0 takes a free
    one. Other users of this machine and web pages can reach the port, so they need the token too.
    """
    import uvicorn  # noqa: PLC0415 (an extra)

    if not 0 <= port <= _HIGHEST_PORT:
        raise ConfigError(f"--http is {port}.", remedy="Give a port from 0 to 65535.")
    given = os.environ.get(TOKEN_VARIABLE)
    token = given or secrets.token_urlsafe(32)
    app = _TokenRequired(server.streamable_http_app(host=_HOST), token)
    config = uvicorn.Config(app, host=_HOST, port=port, log_level="warning")
    listening = config.bind_socket()
    listening.listen()  # whoever reads the announcement may connect at once
    address = f"http://{_HOST}:{listening.getsockname()[1]}/mcp"
    shown = f"the token of {TOKEN_VARIABLE}" if given else f"token {token}"
    announce(f"MCP server at {address}, Authorization: Bearer with {shown}")
    with listening:
        uvicorn.Server(config).run(sockets=[listening])


def mask_log(shelf: Shelf) -> None:
    """Hides every secret of the shelf in this process's log: assistants' programs keep it."""

    def mask(record: logging.LogRecord) -> bool:
        record.msg, record.args = shelf.masked(record.getMessage()), ()
        return True

    for logger in (logging.getLogger(), logging.getLogger("penstock")):
        for handler in logger.handlers:
            handler.addFilter(mask)


class _TokenRequired:
    """Answers 401 to every request without the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.responses import PlainTextResponse  # noqa: PLC0415 (an extra)

        if scope["type"] == "http":
            headers = dict(scope["headers"])
            if not hmac.compare_digest(headers.get(b"authorization", b""), self._expected):
                refused = PlainTextResponse(
                    f"Send Authorization: Bearer with {TOKEN_VARIABLE}.\n",
                    status_code=401,
                    headers={"WWW-Authenticate": "Bearer"},
                )
                await refused(scope, receive, send)
                return
        await self._app(scope, receive, send)
