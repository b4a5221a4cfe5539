"""REST APIs as values: `RestClient` for the API, a `RestStream` for each of its streams."""

from __future__ import annotations

from penstock.sdk.rest.auth import (
    Auth,
    NoAuth,
    Token,
    TokenAuth,
    TokenSource,
    api_key,
    basic,
    bearer,
)
from penstock.sdk.rest.client import Ask, Reply, RestClient
from penstock.sdk.rest.cognito import CognitoFlow, CognitoPassword
from penstock.sdk.rest.cursor import Cursor, Incremental, IncrementalNumber, Window
from penstock.sdk.rest.limit import RateLimiter
from penstock.sdk.rest.paginate import (
    Keyset,
    LinkHeader,
    NextToken,
    NextUrl,
    Offset,
    PageFacts,
    PageNumber,
    Paginator,
    SinglePage,
    Turn,
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
    "Cursor",
    "Incremental",
    "IncrementalNumber",
    "Keyset",
    "LinkHeader",
    "NextToken",
    "NextUrl",
    "NoAuth",
    "Offset",
    "PageFacts",
    "PageNumber",
    "Paginator",
    "RateLimiter",
    "RefreshToken",
    "Reply",
    "RestClient",
    "RestStream",
    "Retry",
    "ServiceAccount",
    "SessionLogin",
    "SinglePage",
    "Token",
    "TokenAuth",
    "TokenSource",
    "Turn",
    "Window",
    "api_key",
    "basic",
    "bearer",
    "client_credentials",
    "keycloak_password",
]
