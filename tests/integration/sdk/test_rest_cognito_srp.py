"""Cognito's SRP: our proof of a password, and pycognito's, before the same server."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import boto3
import httpx
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer
from pycognito.aws_srp import AWSSRP, pad_hex

from penstock.errors import AccessDenied, ConfigError
from penstock.sdk.rest.cognito import CognitoFlow, CognitoPassword
from penstock.sdk.rest.srp import N, SrpLogin, spelled, timestamp
from tests.doubles.cognito_server import CognitoServer, serving


@pytest.fixture
def cognito() -> Iterator[CognitoServer]:
    with serving(CognitoServer()) as served:
        yield served


def login(cognito: CognitoServer, **settings: Any) -> CognitoPassword:
    defaults: dict[str, Any] = {
        "region": "ap-south-1",
        "pool_id": cognito.pool_id,
        "client_id": cognito.client_id,
        "client_secret": cognito.client_secret,
        "user": cognito.user,
        "password": cognito.password,
        "endpoint": cognito.url,
        "flows": (CognitoFlow.SRP,),
    }
    return CognitoPassword(**(defaults | settings))


def fetch(source: CognitoPassword) -> str:
    with httpx.Client() as http:
        return source.fetch(http).value


def boto(url: str) -> Any:
    unsigned = Config(signature_version=UNSIGNED)
    return boto3.client("cognito-idp", region_name="ap-south-1", endpoint_url=url, config=unsigned)


@pytest.mark.parametrize("secret", [None, "canary-client-secret"])
def test_server_takes_the_client_that_works_with_aws(secret: str | None) -> None:
    with serving(CognitoServer(client_secret=secret)) as cognito:
        real = AWSSRP(
            username=cognito.user,
            password=cognito.password,
            pool_id=cognito.pool_id,
            client_id=cognito.client_id,
            client_secret=secret,
            client=boto(cognito.url),
        )
        assert "IdToken" in real.authenticate_user()["AuthenticationResult"]
        real.password = "wrong"
        with pytest.raises(Exception, match="Incorrect username or password"):
            real.authenticate_user()


@pytest.mark.parametrize("secret", [None, "canary-client-secret"])
def test_password_is_proved_without_being_sent_and_then_refreshed(secret: str | None) -> None:
    with serving(CognitoServer(client_secret=secret)) as cognito:
        source = login(cognito)
        for _ in range(3):
            assert fetch(source).startswith("e30.")
        assert [operation for operation, _ in cognito.asked] == [
            "InitiateAuth",
            "RespondToAuthChallenge",
            "InitiateAuth",
            "InitiateAuth",
        ]
        assert cognito.password not in str(cognito.asked)


def test_login_is_right_whatever_the_numbers(cognito: CognitoServer) -> None:
    for _ in range(40):
        fetch(login(cognito))


def test_wrong_password_is_refused(cognito: CognitoServer) -> None:
    with pytest.raises(AccessDenied, match="Incorrect username or password") as caught:
        fetch(login(cognito, password="canary-wrong"))
    assert "canary" not in str(caught.value.as_document())


def test_client_that_allows_no_passwords_is_logged_in_by_srp(cognito: CognitoServer) -> None:
    source = login(cognito, flows=(CognitoFlow.PASSWORD, CognitoFlow.SRP))
    fetch(source)
    flows = [body.get("AuthFlow") for _, body in cognito.asked]
    assert flows == ["USER_PASSWORD_AUTH", "USER_SRP_AUTH", None]
    cognito.refresh_tokens.clear()
    cognito.asked.clear()
    fetch(source)
    flows = [body.get("AuthFlow") for _, body in cognito.asked]
    assert flows == ["REFRESH_TOKEN_AUTH", "USER_SRP_AUTH", None]


def test_client_that_allows_neither_is_told_with_what_to_allow(cognito: CognitoServer) -> None:
    cognito.flows = ()
    with pytest.raises(AccessDenied, match="does not allow") as caught:
        fetch(login(cognito))
    assert "ALLOW_USER_SRP_AUTH" in caught.value.remedy


def test_pool_id_is_named_where_it_would_help(cognito: CognitoServer) -> None:
    with pytest.raises(AccessDenied, match="does not allow") as caught:
        fetch(login(cognito, pool_id=None, flows=(CognitoFlow.PASSWORD, CognitoFlow.SRP)))
    assert "user pool's id" in caught.value.remedy
    with pytest.raises(ConfigError, match="id of the user pool"):
        login(cognito, pool_id=None)


@pytest.mark.parametrize("flow", list(CognitoFlow))
@pytest.mark.parametrize(
    ("challenge", "words"),
    [
        ("NEW_PASSWORD_REQUIRED", "choose a new password"),
        ("SMS_MFA", "without multi-factor"),
        ("SOFTWARE_TOKEN_MFA", "without multi-factor"),
        ("SOMETHING_NEW", "Give a user who is not asked"),
    ],
)
def test_challenge_is_told_with_what_to_do(
    cognito: CognitoServer, flow: CognitoFlow, challenge: str, words: str
) -> None:
    cognito.flows, cognito.challenge = (flow.value,), challenge
    with pytest.raises(AccessDenied, match=challenge) as caught:
        fetch(login(cognito, flows=(flow,)))
    assert words in caught.value.remedy


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"client_id": "other"}, "app client's id"),
        ({"client_secret": "wrong"}, "app client's secret"),
        ({"client_secret": None}, "app client's secret"),
    ],
)
def test_wrong_client_is_told_with_what_to_do(change: dict[str, Any], words: str) -> None:
    with serving(CognitoServer(client_secret="canary-client-secret")) as cognito:
        with pytest.raises(AccessDenied) as caught:
            fetch(login(cognito, **change))
        assert words in caught.value.remedy


def test_answer_that_would_give_the_password_away_is_not_answered() -> None:
    challenge = {"SRP_B": f"{2 * N:x}", "SALT": "ab", "USER_ID_FOR_SRP": "u", "SECRET_BLOCK": ""}
    with pytest.raises(AccessDenied, match="not safe"):
        SrpLogin("r_p", "password").answer(challenge, datetime.now(UTC))


@settings(max_examples=60)
@given(
    password=st.text(st.characters(codec="utf-8"), min_size=1, max_size=30),
    user=st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
    secret=st.integers(1, (1 << 1024) - 1),
    server=st.integers(1, N - 1),
    salt=st.integers(1 << 120, (1 << 128) - 1),
)
def test_every_answer_is_the_one_pycognito_gives(
    password: str, user: str, secret: int, server: int, salt: int
) -> None:
    challenge = {
        "SRP_B": f"{server:x}",
        "SALT": f"{salt:x}",
        "USER_ID_FOR_SRP": user,
        "SECRET_BLOCK": base64.b64encode(b"block").decode(),
    }
    other = AWSSRP(user, password, "eu-west-1_Pool", "client", client=object())
    other.small_a_value = secret
    other.large_a_value = other.calculate_a()
    theirs = other.process_challenge(challenge, {"USERNAME": user})
    moment = datetime.strptime(theirs["TIMESTAMP"], "%a %b %d %H:%M:%S UTC %Y").replace(tzinfo=UTC)
    ours = SrpLogin("eu-west-1_Pool", password, secret=secret)
    assert ours.answer(challenge, moment) == theirs


@given(st.integers(0, 1 << 80))
def test_numbers_are_spelled_as_pycognito_spells_them(number: int) -> None:
    assert bytearray.fromhex(pad_hex(number)) == spelled(number)


def test_timestamp_is_in_utc_without_a_leading_zero() -> None:
    moment = datetime(2024, 2, 1, 3, 4, 5, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert timestamp(moment) == "Wed Jan 31 21:34:05 UTC 2024"
    assert timestamp(datetime(2024, 2, 1, 13, 4, 5, tzinfo=UTC)) == "Thu Feb 1 13:04:05 UTC 2024"


def test_moto_takes_the_messages_of_an_srp_login() -> None:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}/"
        signed = boto3.client(
            "cognito-idp",
            region_name="ap-south-1",
            endpoint_url=url,
            aws_access_key_id="x",
            aws_secret_access_key="x",
        )
        pool = signed.create_user_pool(PoolName="p")["UserPool"]["Id"]
        client = signed.create_user_pool_client(UserPoolId=pool, ClientName="app")
        client_id = client["UserPoolClient"]["ClientId"]
        signed.admin_create_user(UserPoolId=pool, Username="ann", TemporaryPassword="Temp-1-pw!")
        signed.admin_set_user_password(
            UserPoolId=pool, Username="ann", Password="Canary-1-pw!", Permanent=True
        )
        source = CognitoPassword(
            region="ap-south-1",
            pool_id=pool,
            client_id=client_id,
            user="ann",
            password="Canary-1-pw!",
            endpoint=url,
            flows=(CognitoFlow.SRP,),
        )
        assert fetch(source).count(".") == 2
        assert fetch(source).count(".") == 2
    finally:
        server.stop()
