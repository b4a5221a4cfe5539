"""How a request shows who asks: fixed keys, and tokens that are fetched, renewed and replaced."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import httpx


class Auth(Protocol):
    """Signs requests. Called from several threads."""

    def sign(self, http: httpx.Client, request: httpx.Request) -> None:
        """Puts the credentials on a request; may ask for a token first.

        Raises AccessDenied where they are refused, TransientError where asking may work later.
        """
        ...

    def renew(self, request: httpx.Request, status: int, body: bytes) -> bool:
        """Takes in that a signed request was refused; True when signing anew may help."""
        ...

    def secrets(self) -> frozenset[str]:
        """Returns every text that must not be shown: keys, passwords, tokens in use."""
        ...


@dataclass(frozen=True, slots=True)
class NoAuth:
    """Requests that need no credentials."""

    def sign(self, http: httpx.Client, request: httpx.Request) -> None:
        """Leaves the request as it is."""

    def renew(self, request: httpx.Request, status: int, body: bytes) -> bool:
        """Never helps."""
        del request, status, body
        return False

    def secrets(self) -> frozenset[str]:
        """Returns nothing."""
        return frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A fixed text in a header or in the query: API keys, bearer tokens, user and password."""

    value: str = field(repr=False)
    header: str | None = None
    query: str | None = None
    prefix: str = ""
    hidden: tuple[str, ...] = field(default=(), repr=False)
    """Further texts from which `value` is made."""

    def sign(self, http: httpx.Client, request: httpx.Request) -> None:
        """Sets the header, the query parameter, or both."""
        del http
        if self.header is not None:
            request.headers[self.header] = f"{self.prefix}{self.value}"
        if self.query is not None:
            request.url = request.url.copy_set_param(self.query, self.value)

    def renew(self, request: httpx.Request, status: int, body: bytes) -> bool:
        """Never helps: the text is what it is."""
        del request, status, body
        return False

    def secrets(self) -> frozenset[str]:
        """Returns the text, and what it is made of."""
        return frozenset({self.value, *self.hidden})


def api_key(value: str, *, header: str | None = None, query: str | None = None) -> Key:
    """Returns an API key in a header, or in the query where the vendor has it so."""
    return Key(value=value, header=header, query=query)


def bearer(token: str) -> Key:
    """Returns a fixed bearer token (RFC 6750 §2.1)."""
    return Key(value=token, header="Authorization", prefix="Bearer ")


def basic(user: str, password: str) -> Key:
    """Returns user and password as HTTP Basic (RFC 7617, in UTF-8)."""
    value = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
    return Key(value=value, header="Authorization", prefix="Basic ", hidden=(password,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token and its life."""

    value: str = field(repr=False)
    expires_in: float | None = None
    """Seconds from now; None where the other side did not say."""


class TokenSource(Protocol):
    """Where tokens come from; see `penstock.sdk.rest.tokens` and `cognito`."""

    def fetch(self, http: httpx.Client) -> Token:
        """Asks for a token. One thread at a time. Raises AccessDenied or TransientError."""
        ...

    def secrets(self) -> frozenset[str]:
        """Returns what must not be shown: password, client secret, refresh token."""
        ...


class TokenAuth:
    """Signs with a token, fetched when first needed, renewed before its end and when refused.

    Threads that need one at the same time share one fetch.
    """

    def __init__(
        self,
        source: TokenSource,
        *,
        header: str = "Authorization",
        prefix: str = "Bearer ",
        early_seconds: float = 60.0,
        is_refusal: Callable[[int, bytes, float], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`is_refusal(status, body, age)` tells an answer that a stale token explains.

        Without it that is 401. `age` is the token's age in seconds.
        """
        self._source = source
        self._header = header
        self._prefix = prefix
        self._early = early_seconds
        self._is_refusal = is_refusal or _is_unauthorized
        self._clock = clock
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._fetched_at = 0.0
        self._seen: set[str] = set()

    def sign(self, http: httpx.Client, request: httpx.Request) -> None:
        """Puts a token on the request that is good for a while yet."""
        with self._lock:
            if self._token is None or self._is_ending(self._token):
                self._token = self._source.fetch(http)
                self._fetched_at = self._clock()
                self._seen.add(self._token.value)
            request.headers[self._header] = f"{self._prefix}{self._token.value}"

    def renew(self, request: httpx.Request, status: int, body: bytes) -> bool:
        """Drops the refused token; one that another thread has put in its place stays."""
        with self._lock:
            if not self._is_refusal(status, body, self._clock() - self._fetched_at):
                return False
            used = request.headers.get(self._header, "")
            if self._token is not None and used == f"{self._prefix}{self._token.value}":
                self._token = None
            return True

    def secrets(self) -> frozenset[str]:
        """Returns the source's secrets, and every token had so far."""
        return self._source.secrets() | frozenset(self._seen)

    def _is_ending(self, token: Token) -> bool:
        if token.expires_in is None:
            return False
        # A life shorter than the margin would be renewed before each request.
        early = min(self._early, token.expires_in / 2)
        return self._clock() - self._fetched_at >= token.expires_in - early


def _is_unauthorized(status: int, body: bytes, age: float) -> bool:
    del body, age
    return status == httpx.codes.UNAUTHORIZED
