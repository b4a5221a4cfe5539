"""Where tokens come from: OAuth 2.0 grants, Keycloak, logins for a session, service accounts."""

from __future__ import annotations

import base64
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from penstock.errors import AccessDenied, ConnectionFailed, MissingDriver, TransientError
from penstock.sdk.config import masked_text
from penstock.sdk.rest.auth import Token
from penstock.sdk.rest.retry import RETRYABLE, asked_wait

_log = logging.getLogger(__name__)
_ASSERTION_SECONDS = 3600
_LEAST_LINE = 16
_MARKS = {"-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"}


def ask_for_token(
    http: httpx.Client,
    url: str,
    *,
    secrets: frozenset[str],
    data: Mapping[str, str] | None = None,
    json_body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Posts to a token endpoint and returns its answer.

    Raises AccessDenied with the endpoint's own words, without secrets, or TransientError.
    """
    place = httpx.URL(url).copy_with(query=None, userinfo=b"")
    try:
        reply = http.post(url, data=data, json=json_body, headers=headers)
    except httpx.TransportError as error:
        raise ConnectionFailed(
            f"The login at {place} cannot be reached: {type(error).__name__}.",
            remedy="See whether the address is right and the host is up.",
        ) from error
    if reply.status_code in RETRYABLE:
        raise TransientError(
            f"The login at {place} answered {reply.status_code}.",
            remedy="Try again later.",
            wait_seconds=asked_wait(reply.headers.get("retry-after"), datetime.now(UTC)),
        )
    try:
        answer = reply.json()
    except ValueError:
        answer = None
    if reply.is_success and isinstance(answer, dict):
        return answer
    words = _words(answer) or f"HTTP {reply.status_code}"
    raise AccessDenied(
        f"The login at {place} was refused: {masked_text(words, secrets)}.",
        remedy="See whether the user, password, client and secret are right.",
    )


def _words(answer: Any) -> str:
    if not isinstance(answer, dict):
        return ""
    names = ("error", "error_description", "__type", "message", "detail")
    return ", ".join(str(answer[name]) for name in names if isinstance(answer.get(name), str))


def token_in(answer: Mapping[str, Any], name: str = "access_token") -> Token:
    """Returns the token in an endpoint's answer. Raises AccessDenied where there is none."""
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise AccessDenied(
            f"The login succeeded but gave no {name}.",
            remedy="See whether the account may use the API.",
        )
    life = answer.get("expires_in")
    return Token(value=value, expires_in=float(life) if life is not None else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A token for a form sent to a token endpoint: RFC 6749 §4.3 and §4.4."""

    url: str
    form: Mapping[str, str] = field(repr=False)
    hidden: frozenset[str] = field(repr=False)

    def fetch(self, http: httpx.Client) -> Token:
        """Sends the form."""
        return token_in(ask_for_token(http, self.url, data=self.form, secrets=self.hidden))

    def secrets(self) -> frozenset[str]:
        """Returns the password or client secret in the form."""
        return self.hidden


def client_credentials(
    url: str, *, client_id: str, client_secret: str, scope: str | None = None
) -> Grant:
    """Returns OAuth 2.0 client credentials (RFC 6749 §4.4)."""
    form = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": client_secret,
    }
    if scope:
        form["scope"] = scope
    return Grant(url=url, form=form, hidden=frozenset({client_secret}))


def keycloak_password(
    server: str, *, realm: str, client_id: str, user: str, password: str, scope: str = "openid"
) -> Grant:
    """Returns a Keycloak login by user and password; the token is the access token."""
    form = {
        "grant_type": "password",
        "client_id": client_id,
        "username": user,
        "password": password,
        "scope": scope,
    }
    url = f"{server.rstrip('/')}/realms/{realm}/protocol/openid-connect/token"
    return Grant(url=url, form=form, hidden=frozenset({password}))


class RefreshToken:
    """OAuth 2.0 access tokens for a refresh token, which may itself be good only once.

    A new refresh token takes the old one's place at once; `keep` is called with it before the
    access token is used, so that nothing is read on a token that a restart would not find. A
    source gives it on in `keep_changes_with` (`penstock.sdk.source.ChangesConfig`).
    """

    def __init__(
        self,
        url: str,
        *,
        refresh_token: str,
        client_id: str,
        client_secret: str | None = None,
        keep: Callable[[str], None] | None = None,
    ) -> None:
        self._url = url
        self._refresh_token = refresh_token
        self._client_id = client_id
        self._client_secret = client_secret
        self.keep = keep
        """May be set later, but before the first token is fetched."""
        self._seen = {refresh_token, *([client_secret] if client_secret else [])}

    def fetch(self, http: httpx.Client) -> Token:
        """Trades the refresh token in (RFC 6749 §6), and keeps the one that comes back."""
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self._refresh_token,
            "client_id": self._client_id,
        }
        if self._client_secret:
            form["client_secret"] = self._client_secret
        answer = ask_for_token(http, self._url, data=form, secrets=self.secrets())
        rotated = answer.get("refresh_token")
        if isinstance(rotated, str) and rotated and rotated != self._refresh_token:
            self._refresh_token = rotated
            self._seen.add(rotated)
            self._give_on(rotated)
        return token_in(answer)

    def secrets(self) -> frozenset[str]:
        """Returns the client secret and every refresh token had so far."""
        return frozenset(self._seen)

    def _give_on(self, rotated: str) -> None:
        if self.keep is None:
            _log.warning("the API replaced the refresh token, and nobody keeps the new one")
            return
        self.keep(rotated)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLogin:
    """A token that a vendor's own login call answers with."""

    url: str
    body: Mapping[str, Any] = field(repr=False)
    """What is posted, as JSON."""
    token: str = "token"  # noqa: S105 (the name of a property)
    hidden: frozenset[str] = field(repr=False)
    """The texts in `body` that must not be shown."""
    life_seconds: float | None = None

    def fetch(self, http: httpx.Client) -> Token:
        """Logs in."""
        answer = ask_for_token(http, self.url, json_body=self.body, secrets=self.hidden)
        found = token_in(answer, self.token)
        return Token(value=found.value, expires_in=found.expires_in or self.life_seconds)

    def secrets(self) -> frozenset[str]:
        """Returns what the login must not show."""
        return self.hidden


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """Tokens for an assertion signed with a service account's key (RFC 7523 §2.1, RS256)."""

    url: str
    issuer: str
    private_key: str = field(repr=False)
    """In PEM, as the vendor gives it."""
    scope: str
    key_id: str | None = None
    now: Callable[[], float] = time.time

    def fetch(self, http: httpx.Client) -> Token:
        """Signs an assertion and trades it in."""
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": self._assertion(),
        }
        return token_in(ask_for_token(http, self.url, data=form, secrets=self.secrets()))

    def secrets(self) -> frozenset[str]:
        """Returns the private key, whole and line by line: JSON writes its line ends otherwise."""
        lines = (line for line in self.private_key.splitlines() if len(line) >= _LEAST_LINE)
        return frozenset({self.private_key, *lines} - _MARKS)

    def _assertion(self) -> str:
        try:
            from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
            from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: PLC0415
        except ImportError as error:
            raise MissingDriver(
                "A service account's key needs the package cryptography.",
                remedy="pip install 'penstock[jwt]'",
            ) from error
        now = int(self.now())
        head = {"alg": "RS256", "typ": "JWT", **({"kid": self.key_id} if self.key_id else {})}
        claims = {
            "iss": self.issuer,
            "scope": self.scope,
            "aud": self.url,
            "iat": now,
            "exp": now + _ASSERTION_SECONDS,
        }
        signed = b".".join(_url64(json.dumps(part).encode()) for part in (head, claims))
        wrong_key = AccessDenied(
            "The service account's private key is not an RSA key in PEM.",
            remedy="Paste the whole key file as the vendor gave it.",
        )
        try:
            key = serialization.load_pem_private_key(self.private_key.encode(), password=None)
        except (ValueError, TypeError) as error:
            raise wrong_key from error
        if not isinstance(key, rsa.RSAPrivateKey):
            raise wrong_key
        signature = key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return b".".join((signed, _url64(signature))).decode("ascii")


def _url64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
