"""One API: its address, credentials, pace and patience; every request and every failure."""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, Self, TypeVar

import httpx

from penstock.errors import (
    AccessDenied,
    BugError,
    ConfigError,
    ConnectionFailed,
    DataError,
    PenstockError,
    TransientError,
)
from penstock.sdk.config import masked_text
from penstock.sdk.rest.auth import Auth, NoAuth
from penstock.sdk.rest.limit import RateLimiter
from penstock.sdk.rest.retry import Retry, asked_wait

T = TypeVar("T")

_log = logging.getLogger(__name__)
_EXCERPT: Final = 300
_REDIRECTS: Final = 5

# These log whole addresses, and keys may stand in their query.
for _noisy in ("httpx", "httpcore"):
    logging.getLogger(_noisy).setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request to an API."""

    path: str
    """Below the API's address; or a whole address on the same host, as servers give for pages."""
    params: Mapping[str, Any] = field(default_factory=dict)
    method: str = "GET"
    body: Mapping[str, Any] | None = None
    """Sent as JSON."""
    headers: Mapping[str, str] = field(default_factory=dict)
    cost: int = 1
    """What it takes of the account's pace (`RateLimiter.wait`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A successful answer, whole."""

    status: int
    headers: httpx.Headers
    content: bytes
    url: str
    """Without the query, in which a key may stand."""


class RestClient:
    """Asks one API, from any number of threads. Connections live while it is a context."""

    def __init__(  # noqa: PLR0913 (settings, each with a default)
        self,
        base_url: str,
        *,
        auth: Auth | None = None,
        retry: Retry | None = None,
        limiter: RateLimiter | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = 60.0,
        max_body_bytes: int = 256 << 20,
        secrets: frozenset[str] = frozenset(),
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`secrets` are masked in errors, beside those the auth knows itself."""
        self._base = _address(base_url)
        self._auth = auth or NoAuth()
        self._retry = retry or Retry()
        self._limiter = limiter
        self._headers = {"Accept": "application/json", **(headers or {})}
        self._timeout = timeout_seconds
        self._max_body = max_body_bytes
        self._secrets = secrets
        self._sleep = sleep
        self.now = now
        self._lock = threading.Lock()
        self._users = 0
        self._http: httpx.Client | None = None

    def __enter__(self) -> Self:
        with self._lock:
            if self._http is None:
                self._http = httpx.Client(
                    timeout=self._timeout, follow_redirects=False, verify=_trust()
                )
            self._users += 1
        return self

    def __exit__(self, *failure: object) -> None:
        with self._lock:
            self._users -= 1
            http = self._http if self._users == 0 else None
            if http is not None:
                self._http = None
        if http is not None:
            http.close()

    def ask(
        self, ask: Ask, read: Callable[[Reply], T], *, accept: frozenset[int] = frozenset()
    ) -> T:
        """Returns what `read` makes of the answer; repeats what may pass, within the patience.

        A TransientError from `read` (a cut body) is repeated, too. Statuses in `accept` are
        given to `read` like successes. Raises ConfigError (404), AccessDenied (401, 403),
        DataError (other refusals), TransientError and ConnectionFailed.
        """
        waited, attempt, renewals = 0.0, 1, 0
        while True:
            try:
                return read(self._once(ask, accept))
            except _StaleToken as stale:
                # Once for the token held, once more for one that ended in between.
                renewals += 1
                if renewals > 2:
                    raise stale.error from None
                continue
            except TransientError as error:
                status = error.context.get("status")
                wait = self._retry.wait_seconds(attempt, asked=error.wait_seconds, status=status)
                if attempt >= self._retry.attempts or waited + wait > self._retry.patience_seconds:
                    error.context.setdefault("attempts", attempt)
                    raise
                _log.info("request repeated", extra={"attempt": attempt, "seconds": wait})
                if self._limiter is not None and status == httpx.codes.TOO_MANY_REQUESTS:
                    self._limiter.pause(wait)
                self._sleep(wait)
                waited, attempt = waited + wait, attempt + 1

    def _once(self, ask: Ask, accept: frozenset[int]) -> Reply:
        if self._http is None:
            raise BugError(
                "A REST client was used outside its context.", remedy="Use it as `with client:`."
            )
        if self._limiter is not None:
            self._limiter.wait(cost=ask.cost)
        url, params = self._url(ask.path), dict(ask.params)
        for _ in range(_REDIRECTS):
            request = self._http.build_request(
                ask.method, url, json=ask.body, headers={**self._headers, **ask.headers}
            )
            request.url = request.url.copy_merge_params(params) if params else request.url
            self._auth.sign(self._http, request)
            reply = self._fetch(self._http, request)
            location = reply.headers.get("location")
            if not 300 <= reply.status < 400 or location is None:
                break
            # What a redirect adds stands in its own query.
            url, params = self._url(str(request.url.join(location))), {}
        if 200 <= reply.status < 300 or reply.status in accept:
            return reply
        error = self._error(reply)
        if self._auth.renew(request, reply.status, reply.content):
            raise _StaleToken(error)
        raise error

    def _fetch(self, http: httpx.Client, request: httpx.Request) -> Reply:
        place = _shown(request.url)
        chunks: list[bytes] = []
        size = 0
        try:
            response = http.send(request, stream=True)
            try:
                for chunk in response.iter_bytes():
                    size += len(chunk)
                    if size > self._max_body:
                        raise DataError(
                            f"The answer of {place} is larger than {self._max_body} bytes.",
                            remedy="Ask for smaller pages.",
                        )
                    chunks.append(chunk)
            finally:
                response.close()
        except (httpx.TransportError, httpx.DecodingError) as error:
            words = masked_text(str(error), self._hidden())
            raise ConnectionFailed(
                f"The request to {place} failed: {type(error).__name__}: {words}",
                remedy="See whether the address is right, and the host up and reachable.",
            ) from None
        return Reply(
            status=response.status_code,
            headers=response.headers,
            content=b"".join(chunks),
            url=place,
        )

    def _error(self, reply: Reply) -> PenstockError:
        status = reply.status
        text = reply.content[:_EXCERPT].decode("utf-8", "replace")
        is_page = text.lstrip().startswith("<")
        words = "a web page" if is_page else masked_text(" ".join(text.split()), self._hidden())
        told = f"{reply.url} answered {status}" + (f": {words}" if words else "")
        if not told.endswith("."):
            told += "."
        if self._retry.is_retryable(status):
            wait = asked_wait(reply.headers.get("retry-after"), self.now())
            return TransientError(told, remedy="Try again later.", wait_seconds=wait, status=status)
        if status == httpx.codes.UNAUTHORIZED:
            return AccessDenied(told, remedy="Give credentials that are valid.", status=status)
        if status == httpx.codes.FORBIDDEN:
            remedy = "Let the owner of the account allow this user to read it."
            return AccessDenied(told, remedy=remedy, status=status)
        if status == httpx.codes.NOT_FOUND:
            remedy = "See whether the address and the ids in the settings are right."
            return ConfigError(told, remedy=remedy, status=status)
        remedy = "See whether the settings suit this API, else report it to the connector's author."
        return DataError(told, remedy=remedy, status=status)

    def shows_secrets(self, text: str) -> bool:
        """Tells whether a text holds one of the credentials in use."""
        return masked_text(text, self._hidden()) != text

    def _hidden(self) -> frozenset[str]:
        return self._secrets | self._auth.secrets()

    def _url(self, path: str) -> httpx.URL:
        """Returns the address of a path; an address on another host is refused.

        Credentials would go there. A proxy that ends TLS makes servers write http: ours stays.
        """
        base = self._base
        if "://" not in path:
            return httpx.URL(f"{str(base).rstrip('/')}/{path.lstrip('/')}" if path else base)
        url = httpx.URL(path)
        if url.host != base.host or (url.scheme == base.scheme and url.port != base.port):
            raise DataError(
                f"The API names an address on another host: {_shown(url)}.",
                remedy=f"Set the base address to the host that serves the pages, not {base.host}.",
            )
        return url.copy_with(scheme=base.scheme, port=base.port)


@cache
def _trust() -> ssl.SSLContext:
    """Returns the certificates that are trusted; reading them takes longer than a request."""
    return httpx.create_ssl_context()


class _StaleToken(Exception):
    def __init__(self, error: PenstockError) -> None:
        super().__init__()
        self.error = error


def _address(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ConfigError(
            "The base address is not a URL.", remedy="Give it as https://host/path."
        ) from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigError(
            "The base address is not an http(s) URL.", remedy="Give it as https://host/path."
        )
    return url


def _shown(url: httpx.URL) -> str:
    return str(url.copy_with(query=None, fragment=None, userinfo=b""))
