"""REST APIs as values: `RestClient` for the API, a `RestStream` for each of its streams."""

from __future__ import annotations

from penstock.sdk.rest.auth import Auth, NoAuth, TokenAuth, api_key, basic, bearer
from penstock.sdk.rest.client import Ask, Reply, RestClient
from penstock.sdk.rest.cognito import CognitoFlow, CognitoPassword
from penstock.sdk.rest.cursor import Incremental, IncrementalNumber
from penstock.sdk.rest.limit import RateLimiter
from penstock.sdk.rest.paginate import (
    Keyset,
    LinkHeader,
    NextToken,
    NextUrl,
    Offset,
    PageNumber,
    SinglePage,
)
from penstock.sdk.rest.retry import Retry
from penstock.sdk.rest.stream import RestStream
from penstock.sdk.rest.tokens import (
    RefreshToken,
    ServiceAccount,
    SessionLogin,
    client_credentials,
    keycloak_password,
)

__all__ = [
    "Ask",
    "Auth",
    "CognitoFlow",
    "CognitoPassword",
    "Incremental",
    "IncrementalNumber",
    "Keyset",
    "LinkHeader",
    "NextToken",
    "NextUrl",
    "NoAuth",
    "Offset",
    "PageNumber",
    "RateLimiter",
    "RefreshToken",
    "Reply",
    "RestClient",
    "RestStream",
    "Retry",
    "ServiceAccount",
    "SessionLogin",
    "SinglePage",
    "TokenAuth",
    "api_key",
    "basic",
    "bearer",
    "client_credentials",
    "keycloak_password",
]
