"""How one logs in to Avni: the server says by whom users are known, and takes their tokens."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import httpx

from penstock.errors import AccessDenied, ConfigError, ConnectionFailed, TransientError
from penstock.sdk.rest import SessionLogin, TokenAuth, keycloak_password
from penstock.sdk.rest.auth import Auth, Key, Token, TokenSource
from penstock.sdk.rest.cognito import CognitoPassword
from penstock.sdk.rest.retry import RETRYABLE
from penstock.sources.avni.config import AvniConfig

_TOKEN_HEADER: Final = "AUTH-TOKEN"  # noqa: S105 (the name of a header)
_USER_HEADER: Final = "USER-NAME"
_OLD_AGE_SECONDS: Final = 150.0
"""Half the shortest life a Cognito pool can give a token (AWS: five minutes)."""
_SERVER_ERROR: Final = 500


def auth_of(
    config: AvniConfig, address: str, *, clock: Callable[[], float] = time.monotonic
) -> Auth:
    """Returns how requests are signed; who users are known by is asked at the first of them."""
    if config.login == "none":
        return Key(value=config.username, header=_USER_HEADER)
    source = AvniLogin(config, address)
    return TokenAuth(
        source, header=_TOKEN_HEADER, prefix="", is_refusal=source.is_refusal, clock=clock
    )


class AvniLogin:
    """Tokens from whomever the server names: Cognito, Keycloak, both, or the server itself."""

    def __init__(self, config: AvniConfig, address: str) -> None:
        self._config = config
        self._address = address
        self._password = config.password or ""
        self._sources: tuple[TokenSource, ...] = ()
        self._life: float | None = None

    def fetch(self, http: httpx.Client) -> Token:
        """Logs in, at first after asking by whom. Raises AccessDenied naming the settings."""
        if not self._sources:
            self._sources = self._found(http)
        refusals: list[AccessDenied] = []
        for source in self._sources:
            try:
                token = source.fetch(http)
            except AccessDenied as error:
                refusals.append(error)
                continue
            # Who let the user in will again: no failed logins on the way to a renewal.
            self._sources = (source,)
            self._life = token.expires_in
            return token
        told = " ".join(error.message for error in refusals)
        raise AccessDenied(f"username, password: {told}", remedy=refusals[-1].remedy) from refusals[
            -1
        ]

    def secrets(self) -> frozenset[str]:
        """Returns the password, and what the login keeps to renew itself."""
        found = (source.secrets() for source in self._sources)
        return frozenset({self._password}).union(*found) if self._password else frozenset()

    def is_refusal(self, status: int, body: bytes, age: float) -> bool:
        """Tells whether a new token may help.

        Avni answers 500, not 401, when a token has ended, and production servers leave the
        reason out: then a token that could have ended is taken for the cause, once.
        """
        if status == httpx.codes.UNAUTHORIZED or b"TokenExpired" in body:
            return True
        if status not in (httpx.codes.FORBIDDEN, _SERVER_ERROR):
            return False
        half = _OLD_AGE_SECONDS if self._life is None else self._life / 2
        return age >= min(half, _OLD_AGE_SECONDS)

    def _found(self, http: httpx.Client) -> tuple[TokenSource, ...]:
        config = self._config
        if config.login == "token_api":
            return (_token_api(self._address, config.username, self._password),)
        details = _details(http, self._address)
        kind = str(details.get("idpType") or "cognito").lower()
        cognito, keycloak = details.get("cognito"), details.get("keycloak")
        found: list[TokenSource] = []
        if kind in {"cognito", "both"} and cognito:
            found.append(self._cognito(cognito))
        if kind in {"keycloak", "both"} and keycloak:
            found.append(self._keycloak(keycloak))
        if found:
            return tuple(found)
        if kind == "none":
            raise ConfigError(f"login: {self._address} has no login.", remedy="Set login to none.")
        raise ConfigError(
            f"login: {self._address} names a login that is not known here: {kind}.",
            remedy="Set login to token_api.",
        )

    def _cognito(self, details: dict[str, Any]) -> TokenSource:
        pool = str(details.get("poolId") or "")
        region = pool.partition("_")[0] or "ap-south-1"
        return CognitoPassword(
            region=region,
            pool_id=pool,
            client_id=str(details.get("clientId") or ""),
            user=self._config.username,
            password=self._password,
            endpoint=self._config.cognito_url,
        )

    def _keycloak(self, details: dict[str, Any]) -> TokenSource:
        return keycloak_password(
            str(details.get("authServerUrl") or ""),
            realm=str(details.get("realm") or ""),
            client_id=str(details.get("clientId") or ""),
            user=self._config.username,
            password=self._password,
            scope=str(details.get("scope") or "openid"),
        )


def _token_api(address: str, user: str, password: str) -> TokenSource:
    return SessionLogin(
        url=f"{address}/api/user/generateToken",
        body={"username": user, "password": password},
        token="authToken",  # noqa: S106 (the name of a property)
        hidden=frozenset({password}),
    )


def _details(http: httpx.Client, address: str) -> dict[str, Any]:
    """Returns by whom the server knows its users; older servers know Cognito only."""
    for path in ("idp-details", "cognito-details"):
        reply = _get(http, f"{address}/{path}")
        if reply.status_code in RETRYABLE:
            raise TransientError(
                f"{address}/{path} answered {reply.status_code}.", remedy="Try again later."
            )
        try:
            answer = reply.json() if reply.is_success else None
        except ValueError:
            answer = None
        if isinstance(answer, dict):
            return answer if path == "idp-details" else {"idpType": "cognito", "cognito": answer}
    raise ConfigError(
        f"base_url: {address} does not answer as an Avni server does.",
        remedy="Give the address of the web app, without anything behind the host.",
    )


def _get(http: httpx.Client, url: str) -> httpx.Response:
    try:
        return http.get(url, headers={"Accept": "application/json"})
    except httpx.TransportError as error:
        raise ConnectionFailed(
            f"base_url: {url} cannot be reached: {type(error).__name__}.",
            remedy="See whether the address is right and the server is up.",
        ) from error
