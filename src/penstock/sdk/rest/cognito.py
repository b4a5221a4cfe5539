"""Logs in to AWS Cognito by user and password, without AWS credentials."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import httpx
import msgspec

from penstock.errors import AccessDenied, ConfigError, ConnectionFailed, TransientError
from penstock.sdk.config import masked_text
from penstock.sdk.rest.auth import Token
from penstock.sdk.rest.retry import RETRYABLE
from penstock.sdk.rest.srp import SrpLogin

_TARGET: Final = "AWSCognitoIdentityProviderService."
_BUSY: Final = frozenset(
    {"TooManyRequestsException", "InternalErrorException", "LimitExceededException"}
)
_BY_HAND: Final = "Log in once by hand, in the product's own app, and "
_CHALLENGES: Final = {
    "NEW_PASSWORD_REQUIRED": (
        "to replace the password that was given for the first login",
        _BY_HAND + "choose a new password; then give that one here.",
    ),
    "SMS_MFA": (
        "for a code sent by text message",
        "Give a user without multi-factor authentication: nobody is there to enter a code.",
    ),
    "SOFTWARE_TOKEN_MFA": (
        "for a code from an authenticator app",
        "Give a user without multi-factor authentication: nobody is there to enter a code.",
    ),
    "EMAIL_OTP": (
        "for a code sent by e-mail",
        "Give a user without multi-factor authentication: nobody is there to enter a code.",
    ),
    "SELECT_MFA_TYPE": (
        "which second factor to use",
        "Give a user without multi-factor authentication: nobody is there to enter a code.",
    ),
    "MFA_SETUP": (
        "to set up multi-factor authentication",
        "Give a user for whom the user pool does not demand it.",
    ),
    "DEVICE_SRP_AUTH": (
        "to prove the device",
        "Let the owner of the user pool trust this user without remembered devices.",
    ),
}
"""What each challenge asks for, and what to do (Amazon Cognito API Reference, InitiateAuth)."""

_REFUSALS: Final = {
    "NotAuthorizedException": "See whether the user and the password are right.",
    "UserNotFoundException": "See whether the user's name is right.",
    "UserNotConfirmedException": "Confirm the user: by the code sent to them, or by the owner.",
    "PasswordResetRequiredException": _BY_HAND + "set a new password; then give that one here.",
    "ResourceNotFoundException": "See whether the user pool and the app client's id are right.",
}
_TOO_MANY: Final = "attempts exceeded"
_NOT_ENABLED: Final = "not enabled"
_NO_HASH: Final = "secret hash"


class CognitoFlow(StrEnum):
    """A way to log in that an app client may allow."""

    PASSWORD = "USER_PASSWORD_AUTH"  # noqa: S105 (AWS's name for it)
    SRP = "USER_SRP_AUTH"
    """Proves the password without sending it; needs the user pool's id."""


class CognitoPassword:
    """ID tokens for a user and a password, then for the refresh token that came with the first.

    The wire format is AWS's `InitiateAuth` and `RespondToAuthChallenge` (Amazon Cognito API
    Reference); they need no signature. Of the ways to log in, the first that the app client
    allows is used.
    """

    def __init__(  # noqa: PLR0913 (settings, each named)
        self,
        *,
        region: str,
        client_id: str,
        user: str,
        password: str,
        pool_id: str | None = None,
        client_secret: str | None = None,
        flows: Sequence[CognitoFlow] = (CognitoFlow.PASSWORD, CognitoFlow.SRP),
        endpoint: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`endpoint` takes the place of AWS's own address for the region.

        Raises ConfigError when only SRP is left, and the user pool's id is not given.
        """
        self._flows = [flow for flow in flows if flow is not CognitoFlow.SRP or pool_id]
        if not self._flows:
            raise ConfigError(
                "A login to Cognito by SRP needs the id of the user pool.",
                remedy="Give it, as ap-south-1_AbCdEfGhI.",
            )
        self._url = endpoint or f"https://cognito-idp.{region}.amazonaws.com/"
        self._client_id = client_id
        self._user = user
        self._password = password
        self._pool = pool_id or ""
        self._client_secret = client_secret
        self._now = now
        self._refresh_token: str | None = None
        self._name = user
        """The user as the pool calls it, once it has said so: refreshing is signed with it."""

    def fetch(self, http: httpx.Client) -> Token:
        """Refreshes where it can; else logs in."""
        if self._refresh_token is not None:
            parameters = {"REFRESH_TOKEN": self._refresh_token, **self._hash_for(self._name)}
            try:
                return self._token(self._initiate(http, "REFRESH_TOKEN_AUTH", parameters))
            except AccessDenied:
                # Refresh tokens end, too; the password decides.
                self._refresh_token = None
        return self._log_in(http)

    def secrets(self) -> frozenset[str]:
        """Returns the password, the client's secret and the refresh token."""
        found = (self._password, self._client_secret, self._refresh_token)
        return frozenset(text for text in found if text)

    def _log_in(self, http: httpx.Client) -> Token:
        """Logs in the first way that the app client allows, and from then on only that one."""
        while True:
            try:
                by_password = self._flows[0] is CognitoFlow.PASSWORD
                return self._by_password(http) if by_password else self._by_srp(http)
            except _NotEnabled as refused:
                if len(self._flows) > 1:
                    self._flows = self._flows[1:]
                    continue
                raise AccessDenied(
                    f"Cognito's app client does not allow the login: {refused}",
                    remedy="Let the owner of the user pool allow ALLOW_USER_SRP_AUTH or "
                    "ALLOW_USER_PASSWORD_AUTH for the app client"
                    + ("." if self._pool else "; or give the user pool's id, for SRP."),
                ) from None

    def _by_password(self, http: httpx.Client) -> Token:
        parameters = {"USERNAME": self._user, "PASSWORD": self._password}
        parameters |= self._hash_for(self._user)
        return self._token(self._initiate(http, CognitoFlow.PASSWORD, parameters))

    def _by_srp(self, http: httpx.Client) -> Token:
        login = SrpLogin(self._pool, self._password)
        parameters = {"USERNAME": self._user, "SRP_A": login.public, **self._hash_for(self._user)}
        asked = self._initiate(http, CognitoFlow.SRP, parameters)
        name = asked.get("ChallengeName")
        if name != "PASSWORD_VERIFIER":
            return self._token(asked)
        answers = login.answer(asked["ChallengeParameters"], self._now())
        body = {
            "ChallengeName": name,
            "ClientId": self._client_id,
            "ChallengeResponses": {**answers, **self._hash_for(answers["USERNAME"])},
        }
        if asked.get("Session"):
            body["Session"] = asked["Session"]
        return self._token(self._post(http, "RespondToAuthChallenge", body))

    def _initiate(
        self, http: httpx.Client, flow: str, parameters: dict[str, str]
    ) -> dict[str, Any]:
        body = {"AuthFlow": flow, "ClientId": self._client_id, "AuthParameters": parameters}
        return self._post(http, "InitiateAuth", body)

    def _token(self, answer: Mapping[str, Any]) -> Token:
        challenge = answer.get("ChallengeName")
        if challenge:
            wants, remedy = _CHALLENGES.get(
                challenge, ("for more than a password", "Give a user who is not asked.")
            )
            raise AccessDenied(
                f"Cognito asks the user {self._user} {wants}: {challenge}.", remedy=remedy
            )
        result = answer.get("AuthenticationResult")
        if not isinstance(result, dict) or not isinstance(result.get("IdToken"), str):
            raise AccessDenied(
                "The login to Cognito gave no ID token.",
                remedy="See whether the app client's id is right.",
            )
        self._refresh_token = result.get("RefreshToken") or self._refresh_token
        if self._client_secret:
            self._name = _user_in(result["IdToken"])
        life = result.get("ExpiresIn")
        return Token(value=result["IdToken"], expires_in=float(life) if life else None)

    def _hash_for(self, user: str) -> dict[str, str]:
        """Returns what a client with a secret adds to each request (Cognito, SECRET_HASH)."""
        if not self._client_secret:
            return {}
        signed = hmac.digest(
            self._client_secret.encode(), (user + self._client_id).encode(), "sha256"
        )
        return {"SECRET_HASH": base64.b64encode(signed).decode("ascii")}

    def _post(self, http: httpx.Client, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {
            "X-Amz-Target": _TARGET + operation,
            "Content-Type": "application/x-amz-json-1.1",
        }
        try:
            reply = http.post(self._url, json=body, headers=headers)
        except httpx.TransportError as error:
            raise ConnectionFailed(
                f"Cognito at {self._url} cannot be reached: {type(error).__name__}.",
                remedy="See whether the region is right and the host can be reached.",
            ) from error
        try:
            answer = reply.json()
        except ValueError:
            answer = None
        if reply.is_success and isinstance(answer, dict):
            return answer
        raise self._refusal(reply.status_code, answer if isinstance(answer, dict) else {})

    def _refusal(self, status: int, told: Mapping[str, Any]) -> Exception:
        kind = str(told.get("__type", f"HTTP {status}")).rsplit("#", 1)[-1]
        words = masked_text(str(told.get("message") or told.get("Message") or ""), self.secrets())
        if kind in _BUSY or status in RETRYABLE:
            return TransientError(f"Cognito answered {kind}.", remedy="Try again later.")
        if kind == "InvalidParameterException" and _NOT_ENABLED in words:
            return _NotEnabled(words)
        remedy = _REFUSALS.get(kind, "See whether user, password and app client are right.")
        if _TOO_MANY in words:
            remedy = "Wait some minutes: Cognito has locked the user after too many attempts."
        elif _NO_HASH in words.lower():
            remedy = "Give the app client's secret, or an app client that has none."
        return AccessDenied(
            f"Cognito refused the login of {self._user}: {kind}: {words}", remedy=remedy
        )


class _NotEnabled(Exception):
    """The app client does not allow this way to log in."""


def _user_in(token: str) -> str:
    """Returns the user's name in an ID token; it is trusted as far as the answer it came in."""
    try:
        claims = token.split(".")[1]
        text = base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))
        return msgspec.json.decode(text, type=_Claims).name
    except (IndexError, ValueError, msgspec.MsgspecError) as error:
        raise AccessDenied(
            "The login to Cognito gave an ID token that names no user.",
            remedy="See whether the address is that of a Cognito user pool.",
        ) from error


class _Claims(msgspec.Struct):
    name: str = msgspec.field(name="cognito:username")
