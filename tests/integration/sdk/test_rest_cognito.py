"""Cognito logins against moto's Cognito, and a service account's assertion against its key."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from moto.server import ThreadedMotoServer

from penstock.errors import AccessDenied
from penstock.sdk.rest import ServiceAccount, TokenAuth
from penstock.sdk.rest.cognito import CognitoPassword

REGION = "ap-south-1"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}/"
    server.stop()


@pytest.fixture(scope="module")
def pool(endpoint: str) -> tuple[str, Any, str]:
    cognito = boto3.client(
        "cognito-idp",
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )
    pool = cognito.create_user_pool(PoolName="avni")["UserPool"]["Id"]
    client = cognito.create_user_pool_client(
        UserPoolId=pool, ClientName="app", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"]
    )["UserPoolClient"]["ClientId"]
    cognito.admin_create_user(UserPoolId=pool, Username="ann", TemporaryPassword="Temp-1-pw!")
    cognito.admin_set_user_password(
        UserPoolId=pool, Username="ann", Password="Canary-1-pw!", Permanent=True
    )
    cognito.admin_create_user(UserPoolId=pool, Username="new", TemporaryPassword="Temp-1-pw!")
    return pool, cognito, client


def login(endpoint: str, client: str, user: str, password: str) -> CognitoPassword:
    return CognitoPassword(
        region=REGION, client_id=client, user=user, password=password, endpoint=endpoint
    )


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


def test_password_gives_an_id_token_and_its_refresh_another(
    endpoint: str, pool: tuple[str, Any, str]
) -> None:
    source = login(endpoint, pool[2], "ann", "Canary-1-pw!")
    with httpx.Client() as http:
        first, second = source.fetch(http), source.fetch(http)
    assert claims(first.value)["token_use"] == "id"
    assert claims(second.value)["cognito:username"] == "ann"
    assert first.expires_in == 3600.0


def test_wrong_password_is_refused_without_showing_it(
    endpoint: str, pool: tuple[str, Any, str]
) -> None:
    source = login(endpoint, pool[2], "ann", "Canary-wrong!")
    with httpx.Client() as http, pytest.raises(AccessDenied, match="NotAuthorized") as caught:
        source.fetch(http)
    assert "Canary-wrong!" not in str(caught.value)


def test_challenge_is_told_by_name(endpoint: str, pool: tuple[str, Any, str]) -> None:
    source = login(endpoint, pool[2], "new", "Temp-1-pw!")
    with httpx.Client() as http, pytest.raises(AccessDenied, match="NEW_PASSWORD_REQUIRED"):
        source.fetch(http)


def test_service_account_signs_what_its_key_verifies() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    sent: list[str] = []

    def token(request: httpx.Request) -> httpx.Response:
        sent.append(httpx.QueryParams(request.content.decode())["assertion"])
        return httpx.Response(200, json={"access_token": "t-1", "expires_in": 3600})

    account = ServiceAccount(
        url="https://login.example/token",
        issuer="me@example",
        private_key=pem,
        scope="read",
        now=lambda: 1_700_000_000.0,
    )
    request = httpx.Request("GET", "https://api.example/")
    with httpx.Client(transport=httpx.MockTransport(token)) as http:
        TokenAuth(account).sign(http, request)
    assert request.headers["Authorization"] == "Bearer t-1"
    signed, _, signature = sent[0].rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    key.public_key().verify(raw, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    expected = {
        "iss": "me@example",
        "scope": "read",
        "aud": "https://login.example/token",
        "iat": 1_700_000_000,
        "exp": 1_700_003_600,
    }
    assert expected == claims(sent[0])


def test_key_that_is_none_is_refused() -> None:
    account = ServiceAccount(url="https://x/", issuer="me", private_key="canary", scope="read")
    with httpx.Client() as http, pytest.raises(AccessDenied, match="not an RSA key") as caught:
        account.fetch(http)
    assert "canary" not in str(caught.value)
