"""Logins at a broker: which method, with which data, and tokens that are had anew each time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx

from penstock.destinations.pulsar.config import (
    Authentication,
    CertificateLogin,
    NoLogin,
    OAuth2Login,
    PasswordLogin,
    TokenFileLogin,
    TokenLogin,
)
from penstock.errors import AccessDenied, ConfigError, ConnectionFailed, PenstockError
from penstock.sdk.rest.auth import Token
from penstock.sdk.rest.tokens import ask_for_token, token_in

if TYPE_CHECKING:
    import pulsar

_EARLY_SECONDS: Final = 60.0
_LOGIN_SECONDS: Final = 20.0


class TokenFile:
    """The token in a file, as it is now."""

    def __init__(self, path: str) -> None:
        self._path = Path(path).expanduser()

    def __call__(self) -> str:
        try:
            token = self._path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"The token file {self._path} cannot be read: {type(error).__name__}.",
                remedy="Set `authentication.path` to a file that holds the token alone.",
                field="authentication.path",
            ) from error
        if not token:
            raise ConfigError(
                f"The token file {self._path} is empty.",
                remedy="Put the token into it.",
                field="authentication.path",
            )
        return token


class OAuth2Token:
    """An access token by client credentials (RFC 6749 §4.4), kept until shortly before its end."""

    def __init__(
        self,
        login: OAuth2Login,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._login = login
        self._clock = clock
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._until = 0.0

    def __call__(self) -> str:
        with self._lock:
            if self._token is None or self._clock() >= self._until:
                self._token = self._fetched()
                life = self._token.expires_in
                # A life shorter than the margin would be renewed at each login.
                early = 0.0 if life is None else min(_EARLY_SECONDS, life / 2)
                self._until = float("inf") if life is None else self._clock() + life - early
            return self._token.value

    def forget(self) -> None:
        """Drops the token that a broker has refused."""
        with self._lock:
            self._token = None

    def _fetched(self) -> Token:
        login = self._login
        form = {
            "grant_type": "client_credentials",
            "client_id": login.client_id,
            "client_secret": login.client_secret,
        }
        form |= {
            name: value
            for name, value in (("audience", login.audience), ("scope", login.scope))
            if value
        }
        with httpx.Client(timeout=_LOGIN_SECONDS) as http:
            url = _token_endpoint(http, login.issuer_url)
            answer = ask_for_token(http, url, data=form, secrets=frozenset({login.client_secret}))
        return token_in(answer)


def _token_endpoint(http: httpx.Client, issuer: str) -> str:
    """Asks an issuer where it gives tokens (OpenID Connect Discovery 1.0 §4)."""
    place = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        answer = http.get(place)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise ConnectionFailed(
            f"The OAuth 2.0 issuer {issuer} cannot be reached: {type(error).__name__}.",
            remedy="See whether `authentication.issuer_url` is right and the host is up.",
        ) from error
    try:
        endpoint = answer.raise_for_status().json()["token_endpoint"]
    except (httpx.HTTPStatusError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{place} does not name a token endpoint (HTTP {answer.status_code}).",
            remedy="Set `authentication.issuer_url` to the issuer's own address.",
            field="authentication.issuer_url",
        ) from error
    return str(endpoint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """The files of a client's certificate."""

    path: str
    key_path: str


@dataclass(slots=True)
class Login:
    """Who logs in, to the client and to our own handshake alike."""

    method: str
    """As the protocol names it: `CommandConnect.auth_method_name`."""
    ask: Callable[[], str] = field(repr=False)
    """Gives the data of a login, new each time."""
    is_token: bool = False
    forget: Callable[[], None] = field(default=lambda: None, repr=False)
    """Drops what is kept of a login that was refused."""
    failed: PenstockError | None = field(default=None, init=False)
    """Why the last login could not be had, for the client only says that it failed."""

    def data(self) -> str:
        """Returns the data of one login; raises AccessDenied, ConfigError or TransientError."""
        try:
            data = self.ask()
            if self.is_token and not (data.isascii() and data.isprintable()):
                raise AccessDenied(
                    "The token has characters that no token has.",
                    remedy="Give the token alone, without line breaks or quotes.",
                    field="authentication",
                )
        except PenstockError as error:
            self.failed = error
            raise
        self.failed = None
        return data

    def for_client(self, certificate: Certificate | None) -> pulsar.Authentication | None:
        """Returns the login as the client takes it; it asks for a token whenever it connects."""
        import pulsar  # noqa: PLC0415 (an optional driver)

        if self.method == "token":
            return pulsar.AuthenticationToken(self.data)
        if self.method == "basic":
            name, _, password = self.data().partition(":")
            return pulsar.AuthenticationBasic(name, password)
        if certificate is not None:
            return pulsar.AuthenticationTLS(certificate.path, certificate.key_path)
        return None


def login_of(  # noqa: PLR0911 - a line a method
    config: Authentication, token: Callable[[], str] | None = None
) -> Login:
    """Returns the login of a configuration; `token` gives tokens of the program's own instead.

    Raises ConfigError when both are given.
    """
    if token is not None:
        if not isinstance(config, NoLogin):
            raise ConfigError(
                "Pulsar is given a function for tokens and another login in its settings.",
                remedy="Leave `authentication` out.",
                field="authentication",
            )
        return Login(method="token", ask=token, is_token=True)
    match config:
        case NoLogin():
            return Login(method="none", ask=str)
        case TokenLogin():
            return Login(method="token", ask=config.token.strip, is_token=True)
        case TokenFileLogin():
            return Login(method="token", ask=TokenFile(config.path), is_token=True)
        case OAuth2Login():
            tokens = OAuth2Token(config)
            return Login(method="token", ask=tokens, is_token=True, forget=tokens.forget)
        case PasswordLogin():
            if ":" in config.username:
                raise ConfigError(
                    "A user's name has no colon.",
                    remedy="Correct `authentication.username`.",
                    field="authentication.username",
                )
            pair = f"{config.username}:{config.password}"
            return Login(method="basic", ask=lambda: pair)
        case CertificateLogin():
            return Login(method="tls", ask=str)
