"""Logs in to AWS Cognito by user and password, without AWS credentials."""

from __future__ import annotations

from typing import Any, Final

import httpx

from penstock.errors import AccessDenied, ConnectionFailed, TransientError
from penstock.sdk.config import masked_text
from penstock.sdk.rest.auth import Token
from penstock.sdk.rest.retry import RETRYABLE

_TARGET: Final = "AWSCognitoIdentityProviderService.InitiateAuth"
_BUSY: Final = frozenset({"TooManyRequestsException", "InternalErrorException"})


class CognitoPassword:
    """ID tokens by USER_PASSWORD_AUTH, then by the refresh token that came with the first.

    The wire format is AWS's `InitiateAuth` (Amazon Cognito API Reference); it needs no signature.
    """

    def __init__(
        self,
        *,
        region: str,
        client_id: str,
        user: str,
        password: str,
        endpoint: str | None = None,
    ) -> None:
        """`endpoint` takes the place of AWS's own address for the region."""
        self._url = endpoint or f"https://cognito-idp.{region}.amazonaws.com/"
        self._client_id = client_id
        self._user = user
        self._password = password
        self._refresh_token: str | None = None

    def fetch(self, http: httpx.Client) -> Token:
        """Refreshes where it can; else logs in."""
        if self._refresh_token is not None:
            parameters = {"REFRESH_TOKEN": self._refresh_token}
            try:
                return self._initiate(http, "REFRESH_TOKEN_AUTH", parameters)
            except AccessDenied:
                # Refresh tokens end, too; the password decides.
                self._refresh_token = None
        parameters = {"USERNAME": self._user, "PASSWORD": self._password}
        return self._initiate(http, "USER_PASSWORD_AUTH", parameters)

    def secrets(self) -> frozenset[str]:
        """Returns the password and the refresh token."""
        return frozenset({self._password, *filter(None, [self._refresh_token])})

    def _initiate(self, http: httpx.Client, flow: str, parameters: dict[str, str]) -> Token:
        answer = self._post(
            http, {"AuthFlow": flow, "ClientId": self._client_id, "AuthParameters": parameters}
        )
        if answer.get("ChallengeName"):
            raise AccessDenied(
                f"Cognito asks the user {self._user} for more than a password: "
                f"{answer['ChallengeName']}.",
                remedy="Log in once by hand and answer it, or give a user who is not asked.",
            )
        result = answer.get("AuthenticationResult")
        if not isinstance(result, dict) or not isinstance(result.get("IdToken"), str):
            raise AccessDenied(
                "The login to Cognito gave no ID token.",
                remedy="See whether the app client's id is right.",
            )
        self._refresh_token = result.get("RefreshToken") or self._refresh_token
        life = result.get("ExpiresIn")
        return Token(value=result["IdToken"], expires_in=float(life) if life else None)

    def _post(self, http: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"X-Amz-Target": _TARGET, "Content-Type": "application/x-amz-json-1.1"}
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
        told = answer if isinstance(answer, dict) else {}
        kind = str(told.get("__type", f"HTTP {reply.status_code}")).rsplit("#", 1)[-1]
        words = masked_text(str(told.get("message", "")), self.secrets())
        if kind in _BUSY or reply.status_code in RETRYABLE:
            raise TransientError(f"Cognito answered {kind}.", remedy="Try again later.")
        raise AccessDenied(
            f"Cognito refused the login of {self._user}: {kind}: {words}",
            remedy="See whether the user, the password and the app client are right.",
        )
