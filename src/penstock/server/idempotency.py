"""`Idempotency-Key`: a POST that is sent again is answered as the first time, and done once.

As the IETF draft "The Idempotency-Key HTTP Header Field" has it: keys are each asker's own, last a
day, and belong to one request; the same key with another request is refused.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penstock.control.accounts import IdempotentReply
from penstock.control.store import audit
from penstock.errors import ConfigError, PenstockError, ResourceBusy
from penstock.server.problems import answer, problem_of
from penstock.server.site import Site, actor_of

HEADER: Final = "idempotency-key"
REPLAYED: Final = "idempotency-replayed"
_LASTS: Final = timedelta(days=1)
_ANSWERED_WITHIN: Final = timedelta(minutes=5)
"""Then whoever claimed a key is taken to be gone."""
_LONGEST_KEY: Final = 200
_LARGEST_KEPT: Final = 1 << 20
_NOT_KEPT: Final = ("/session", "/query", "/preview", "/tokens", "/link", "/test")
"""Ends of paths whose answers hold what is shown once or kept nowhere, or that change nothing."""


class Idempotency:
    """ASGI middleware around the own API; inside `Guard`, whose limits hold for the body."""

    def __init__(self, app: ASGIApp, *, site: Site, prefix: str) -> None:
        self._app = app
        self._site = site
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_meant(scope):
            await self._app(scope, receive, send)
            return
        body = await Request(scope, receive).body()
        try:
            claimed, known = await run_in_threadpool(self._claimed, Request(scope), body)
        except PenstockError as error:
            await answer(problem_of(error))(scope, receive, send)
            return
        if known is not None:
            await _replayed(known, scope, receive, send)
            return
        kept = _Kept(send)
        try:
            await self._app(scope, _again(body), kept.send)
        finally:
            await run_in_threadpool(self._end, claimed, kept)

    def _is_meant(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["method"] != "POST":
            return False
        path = str(scope["path"])
        return (
            path.startswith(self._prefix)
            and not path.endswith(_NOT_KEPT)
            and HEADER in Headers(scope=scope)
        )

    def _claimed(
        self, request: Request, body: bytes
    ) -> tuple[IdempotentReply, IdempotentReply | None]:
        """Returns this request's claim, and what was answered before under its key.

        Raises NotSignedIn, ConfigError for a key that is another request's, and ResourceBusy while
        the first one is being answered.
        """
        key = request.headers[HEADER]
        if not 1 <= len(key) <= _LONGEST_KEY or not key.isascii() or not key.isprintable():
            raise ConfigError(
                f"An Idempotency-Key has 1 to {_LONGEST_KEY} plain characters.",
                remedy="Send a random one, as a UUID.",
            )
        actor = actor_of(request, self._site)
        now = self._site.now()
        asked = f"{request.url.path}?{request.url.query}\n".encode() + body
        claim = IdempotentReply(
            actor_id=actor.id,
            key=key,
            request_digest=hashlib.sha256(asked).hexdigest(),
            created_at=now,
            expires_at=now + _ANSWERED_WITHIN,
        )
        with self._site.store.write() as tx:
            known = audit.begin_reply(tx, claim)
        if known is None:
            return claim, None
        if known.request_digest != claim.request_digest:
            raise ConfigError(
                "This Idempotency-Key belongs to another request.",
                remedy="Send a new key with each new request.",
            )
        if known.status is None:
            raise ResourceBusy(
                "The first request with this Idempotency-Key is still being answered.",
                remedy="Try again in a moment.",
            )
        return claim, known

    def _end(self, claim: IdempotentReply, kept: _Kept) -> None:
        """Keeps what was answered; an error, before which nothing was done, frees the key."""
        text = kept.text()
        with self._site.store.write() as tx:
            if kept.status is None or kept.status >= 400 or text is None:
                audit.drop_reply(tx, claim.actor_id, claim.key)
                return
            until = self._site.now() + _LASTS
            audit.end_reply(tx, replace(claim, status=kept.status, body=text, expires_at=until))


class _Kept:
    """Hands an answer on, and remembers it while it is not too large."""

    def __init__(self, send: Send) -> None:
        self.status: int | None = None
        self._send = send
        self._body = bytearray()
        self._is_whole = False

    async def send(self, message: Message) -> None:
        """Passes one message on."""
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
        elif message["type"] == "http.response.body":
            if len(self._body) <= _LARGEST_KEPT:
                self._body += message.get("body", b"")
            self._is_whole = not message.get("more_body", False)
        await self._send(message)

    def text(self) -> str | None:
        """Returns the body; None for one that was cut or is too large."""
        if not self._is_whole or len(self._body) > _LARGEST_KEPT:
            return None
        return self._body.decode()


async def _replayed(known: IdempotentReply, scope: Scope, receive: Receive, send: Send) -> None:
    response = Response(
        content=known.body or "",
        status_code=known.status or 200,
        media_type="application/json" if known.body else None,
        headers={REPLAYED: "true"},
    )
    await response(scope, receive, send)


def _again(body: bytes) -> Receive:
    """Returns what gives a body that was read already to whoever reads it now."""
    is_given = False

    async def receive() -> Message:
        nonlocal is_given
        if is_given:
            return {"type": "http.disconnect"}
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
