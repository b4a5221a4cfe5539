"""What Snowflake refuses is told with what to do, and without secrets."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from snowflake.connector import errors

from penstock.destinations.snowflake import SnowflakeConfig, SnowflakeDestination
from penstock.destinations.snowflake.failures import as_penstock_error
from penstock.errors import AccessDenied, ConfigError, ConnectionFailed, PenstockError
from penstock.sdk.destination import TableName
from tests.servers.snowflake import SnowflakeServer

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")  # fakesnow's own


@pytest.fixture
def config(snowflake_server: SnowflakeServer) -> SnowflakeConfig:
    return SnowflakeConfig(
        account=snowflake_server.account,
        username=snowflake_server.user,
        password=snowflake_server.password,
        host=snowflake_server.host,
        port=snowflake_server.port,
        is_plain_http=True,
        database="DB",
        schema=f"S{uuid.uuid4().hex[:12].upper()}",
    )


def test_check_passes_by_password_and_by_key(
    config: SnowflakeConfig, snowflake_server: SnowflakeServer
) -> None:
    SnowflakeDestination(config).check()
    by_key = replace(config, password=None, private_key=snowflake_server.private_key)
    SnowflakeDestination(by_key).check()


def test_a_wrong_password_is_denied_and_not_shown(config: SnowflakeConfig) -> None:
    with pytest.raises(AccessDenied, match="Incorrect username or password") as raised:
        SnowflakeDestination(replace(config, password="canary-1")).check()
    assert "`password`" in raised.value.remedy
    assert "canary" not in str(raised.value.as_document())


def test_a_key_that_the_user_does_not_have_is_denied(config: SnowflakeConfig) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    wrong = replace(config, password=None, private_key=other.decode())
    with pytest.raises(AccessDenied) as raised:
        SnowflakeDestination(wrong).check()
    assert "RSA_PUBLIC_KEY" in raised.value.remedy


def test_a_key_that_cannot_be_read_is_refused_before_anybody_is_asked(
    config: SnowflakeConfig,
) -> None:
    for key in ("-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----", "/no/such/key"):
        with pytest.raises(ConfigError, match="private key cannot be read") as raised:
            SnowflakeDestination(replace(config, password=None, private_key=key)).check()
        assert "canary" not in str(raised.value)


def test_neither_or_both_ways_to_sign_in_are_refused(config: SnowflakeConfig) -> None:
    for wrong in (replace(config, password=None), replace(config, private_key="x")):
        with pytest.raises(ConfigError, match="either a password or a private key"):
            SnowflakeDestination(wrong)


def test_a_query_is_a_select(config: SnowflakeConfig) -> None:
    destination = SnowflakeDestination(config)
    assert destination.query('SELECT 1 AS "a";').read_all().to_pylist() == [{"a": 1}]
    for sql in ("DROP SCHEMA public", "DELETE FROM x", "SELECT nonsense FROM nowhere"):
        with pytest.raises(ConfigError):
            destination.query(sql).read_all()


def test_a_table_that_is_not_there_is_named(config: SnowflakeConfig) -> None:
    with pytest.raises(ConfigError, match="no table missing in Snowflake's database DB"):
        SnowflakeDestination(config).scan(TableName(schema=None, name="missing"))


@pytest.mark.parametrize(
    ("error", "kind", "remedy"),
    [
        (
            errors.ProgrammingError("No active warehouse selected", errno=606),
            ConfigError,
            "`warehouse`",
        ),
        (errors.ProgrammingError("Insufficient privileges", errno=3001), AccessDenied, "Grant"),
        (errors.ProgrammingError("does not exist", errno=2043), ConfigError, "`database`"),
        (errors.DatabaseError("Role X not granted", errno=390189), AccessDenied, "`role`"),
        (errors.InterfaceError("404 Not Found: post …", errno=290404), ConfigError, "`account`"),
        (errors.OperationalError("timed out", errno=250001), ConnectionFailed, "network"),
        (
            errors.ProgrammingError("Session no longer exists", errno=390111),
            ConnectionFailed,
            "again",
        ),
    ],
    ids=lambda value: getattr(value, "raw_msg", None) or getattr(value, "__name__", None),
)
def test_an_error_number_becomes_what_to_do(
    error: errors.Error, kind: type[PenstockError], remedy: str
) -> None:
    told = as_penstock_error(error)
    assert type(told) is kind
    assert remedy in told.remedy


def test_a_secret_in_the_drivers_words_is_masked() -> None:
    told = as_penstock_error(errors.OperationalError("near 'canary-1'"), ["canary-1"])
    assert "canary" not in str(told)
