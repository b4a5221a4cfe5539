"""The Snowflake destination: its settings, its check, and what can be read back."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from penstock.destinations.snowflake.dialect import SnowflakeDialect
from penstock.errors import ConfigError, MissingDriver
from penstock.sdk.config import setting
from penstock.sdk.destination import (
    Capabilities,
    StreamPlan,
    TableName,
    WriteMode,
    Writer,
)
from penstock.sdk.sql.destination import SqlDestination
from penstock.sdk.sql.writer import sql_writer

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.destinations.snowflake.session import SnowflakeSession


@dataclass(frozen=True, slots=True, kw_only=True)
class SnowflakeConfig:
    """Which account and database, who writes by which warehouse, and where streams land."""

    account: str = setting(
        title="Account",
        description="The account identifier: organisation and account name.",
        examples=["myorg-account123"],
    )
    username: str = setting(title="Username", description="Who writes.", alias=["user"])
    password: str | None = setting(default=None, title="Password", secret=True)
    private_key: str | None = setting(
        default=None,
        title="Private key",
        description="PEM text of the key, or the path of its file, instead of a password.",
        secret=True,
        multiline=True,
    )
    private_key_password: str | None = setting(
        default=None, title="Private key password", secret=True
    )
    warehouse: str | None = setting(
        default=None, title="Warehouse", description="The user's default when left out."
    )
    database: str = setting(title="Database", examples=["ANALYTICS"])
    schema: str = setting(
        default="PUBLIC",
        title="Default schema",
        description="Where streams without a namespace land; created when missing. As it is"
        " written: Snowflake's own names are upper case.",
    )
    role: str | None = setting(
        default=None, title="Role", description="The user's default when left out."
    )
    retention_days: int | None = setting(
        default=None,
        title="Time Travel",
        description="Days that replaced rows stay readable; set on schemas that penstock makes."
        " The account's default when left out.",
        minimum=0,
        maximum=90,
        advanced=True,
    )
    host: str | None = setting(
        default=None,
        title="Host",
        description="Only for private links and proxies: else made from the account.",
        advanced=True,
    )
    port: int = setting(default=443, title="Port", minimum=1, maximum=65535, advanced=True)
    is_plain_http: bool = setting(
        default=False,
        title="Without TLS",
        description="Only for a server on this machine.",
        advanced=True,
    )


class SnowflakeDestination(SqlDestination["SnowflakeSession"]):
    """Writes streams into Snowflake; rows and checkpoint in one transaction."""

    Config: ClassVar[type[SnowflakeConfig]] = SnowflakeConfig
    title: ClassVar[str] = "Snowflake"
    documentation_url: ClassVar[str] = (
        "https://github.com/penstock-data/penstock/tree/main/docs/connectors/destination-snowflake.md"
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset(WriteMode),
        exactly_once=True,
        publishes_in_steps=True,
        max_identifier_bytes=SnowflakeDialect.max_identifier_bytes,
        reads_back=True,
    )
    placeholder: ClassVar[str] = SnowflakeDialect.placeholder
    _dialect: SnowflakeDialect

    def __init__(self, config: SnowflakeConfig) -> None:
        if (config.password is None) == (config.private_key is None):
            raise ConfigError(
                "Snowflake needs either a password or a private key.",
                remedy="Set one of `password` and `private_key`.",
                field="password",
            )
        self._config = config
        self._dialect = SnowflakeDialect(config.schema, config.retention_days)

    def check(self) -> None:
        """Makes, fills and drops a table, and the schema where it was missing.

        Raises AccessDenied, ConfigError or ConnectionFailed.
        """
        with self._session() as session:
            schema = self._dialect.default_schema
            was_there = session.has_schema(schema)
            session.execute(self._dialect.create_schema(schema))
            table = TableName(schema=None, name=f"_penstock_check_{uuid.uuid4().hex}")
            name = self._dialect.table(table)
            session.execute(f"CREATE TABLE {name} (value NUMBER)")
            try:
                session.change(f"INSERT INTO {name} VALUES (1)")  # noqa: S608 (quoted)
            finally:
                session.execute(f"DROP TABLE {name}")
                if not was_there:
                    session.execute(f"DROP SCHEMA {self._dialect.quote(schema)}")

    @contextmanager
    def open(self, plan: StreamPlan) -> Iterator[Writer]:
        """Opens one writer; see `penstock.sdk.sql.writer` for what is durable when."""
        session = self._connect()
        try:
            session.use_schema(makes=True)
        except BaseException:
            session.close()
            raise
        with sql_writer(session, self._dialect, plan) as writer:
            yield writer

    @property
    def _where(self) -> str:
        return f"Snowflake's database {self._config.database}"

    def _selected(self, sql: str, parameters: Sequence[Any]) -> Iterator[pa.RecordBatch]:
        with self._session() as session:
            session.use_schema()
            session.refuse_other_than_select(sql, parameters)
            yield from session.batches(sql, parameters)

    def _scanned(self, table: TableName, sql: str) -> Iterator[pa.RecordBatch]:
        del table
        with self._session() as session:
            yield from session.batches(sql, ())

    @contextmanager
    def _session(self) -> Iterator[SnowflakeSession]:
        session = self._connect()
        try:
            yield session
        finally:
            session.rollback()
            session.close()

    def _connect(self) -> SnowflakeSession:
        try:
            from penstock.destinations.snowflake.failures import (  # noqa: PLC0415 (loads the driver)
                translating,
            )
            from penstock.destinations.snowflake.session import (  # noqa: PLC0415 (loads the driver)
                SnowflakeSession,
            )
        except ModuleNotFoundError as error:
            raise MissingDriver(
                "Snowflake needs the package snowflake-connector-python.",
                remedy='Install it: pip install "penstock[snowflake]".',
            ) from error
        return SnowflakeSession(
            _settings(self._config), self._dialect, translating(_secrets(self._config))
        )


def _secrets(config: SnowflakeConfig) -> list[str]:
    given = (config.password, config.private_key, config.private_key_password)
    return [secret for secret in given if secret]


def _settings(config: SnowflakeConfig) -> dict[str, Any]:
    """Returns what the driver's `connect` takes."""
    given: dict[str, Any] = {
        "account": config.account,
        "user": config.username,
        "password": config.password,
        "warehouse": config.warehouse,
        "database": config.database,
        "role": config.role,
        "host": config.host,
        "port": config.port,
        "protocol": "http" if config.is_plain_http else "https",
    }
    if config.private_key is not None:
        given["private_key"] = _key_bytes(config.private_key, config.private_key_password)
        given["authenticator"] = "SNOWFLAKE_JWT"
    return {name: value for name, value in given.items() if value is not None}


def _key_bytes(key: str, password: str | None) -> bytes:
    """Returns a private key as the driver takes it: PKCS 8, DER, not encrypted."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 (heavy)

    try:
        pem = key.encode() if key.lstrip().startswith("-----") else Path(key).read_bytes()
        loaded = serialization.load_pem_private_key(pem, password.encode() if password else None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"The private key cannot be read: {type(error).__name__}.",
            remedy="Give PEM text or the path of a PEM file, and its password if it has one.",
            field="private_key",
        ) from error
    return loaded.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
