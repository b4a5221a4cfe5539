"""What every answer and request must keep: hosts allowed, headers of security, size of bodies."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penstock.server.problems import answer, problem

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})
MAX_BODY_BYTES: Final = 50 << 20
"""As Airbyte's server: a catalogue of ten thousand streams fits."""

_PROGRAMS: Final = ("/api/", "/v1/", "/applications/")

POLICY: Final = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; font-src 'self' data:; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)
"""No script but our own files. Styles may stand in attributes: the pages place things by them."""

_HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
}


class Guard:
    """ASGI middleware around everything the server answers.

    A name of another host in `Host` means that a foreign page has pointed its own name at us
    (DNS rebinding); such a request is refused before anything is looked at.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str]) -> None:
        """`hosts` may hold "*": every name is taken."""
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if path.startswith(_PROGRAMS) and path.endswith("/"):
            # Prefect's and Kestra's clients write one, and do not follow a redirect.
            scope = {**scope, "path": path.rstrip("/")}
        headers = Headers(scope=scope)
        refusal = self._refusal(headers)
        if refusal is not None:
            await answer(refusal)(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    out.setdefault(name, value)
                if scope["path"].startswith("/api/"):
                    out.setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, send_guarded)

    def _refusal(self, headers: Headers) -> dict[str, object] | None:
        if "*" not in self._hosts and _bare(headers.get("host", "")) not in self._hosts:
            return problem(
                status=421,
                code="wrong_host",
                detail=f"This server does not go by the name {headers.get('host', '')!r}.",
                remedy="Use the address printed at start, or add the name: penstock up"
                " --allowed-host NAME.",
            )
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > MAX_BODY_BYTES:
            return problem(
                status=413,
                code="too_large",
                detail=f"The request has {length} bytes; {MAX_BODY_BYTES} are allowed.",
                remedy="Send less at once.",
            )
        return None


def _bare(host: str) -> str:
    """Returns a host without its port; an IPv6 address keeps its brackets."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].lower()
