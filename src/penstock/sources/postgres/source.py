"""The PostgreSQL source: its settings, its check, and its streams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from penstock.data.items import Emptied
from penstock.data.types import Kind
from penstock.errors import BugError, ConfigError, MissingDriver
from penstock.sdk.config import setting
from penstock.sdk.postgres.address import Address, Prefer, Protection
from penstock.sdk.stream import Stream, descriptor_of
from penstock.sdk.together import Rows, Said, SharedRequest, SharedState
from penstock.sdk.tunnel import NoTunnel, Tunnel

if TYPE_CHECKING:
    from penstock.sources.postgres.stream import PostgresStream


@dataclass(frozen=True, slots=True, kw_only=True)
class Xmin:
    """By the transaction that wrote a row, or a cursor of the user's choice: no deletions."""

    title: ClassVar[str] = "By transaction or cursor"
    method: Literal["Xmin"] = "Xmin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cdc:
    """From the server's log by logical replication: every change, deletions too."""

    title: ClassVar[str] = "Change data capture"
    method: Literal["CDC"] = "CDC"
    replication_slot: str = setting(
        default="penstock",
        title="Replication slot",
        description="The server keeps its log until this slot's reader confirms it. One for each"
        " connection.",
        pattern="^[a-z0-9_]{1,63}$",
    )
    publication: str = setting(
        default="penstock",
        title="Publication",
        description="The tables whose changes are sent.",
    )
    setup: Literal["make", "check"] = setting(
        default="make",
        title="Setup",
        description="Whether a missing slot or publication is made, or is an error that tells the"
        " SQL to run.",
    )
    truncates: Literal["mirror", "refuse", "skip"] = setting(
        default="mirror",
        title="Truncated tables",
        description="What TRUNCATE at the source does: empty the table of the destination, too (in"
        " the dedup modes; append keeps every row); end the sync with an error; or leave the rows"
        " where they are and say so.",
        advanced=True,
    )
    heartbeat_action_query: str | None = setting(
        default=None,
        title="Heartbeat",
        description="SQL run before the log is read, such as an UPDATE of a published table.",
        advanced=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSourceConfig:
    """Where the database is, who reads, and which schemas."""

    host: str = setting(
        title="Host", description="Name or address of the server.", examples=["db.example.org"]
    )
    port: int = setting(
        default=5432, title="Port", description="Its port.", minimum=1, maximum=65535
    )
    database: str = setting(
        title="Database", description="The database to read.", examples=["shop"]
    )
    username: str = setting(
        title="Username",
        description="A user with SELECT on the tables; others are not listed.",
        alias=["user"],
    )
    password: str | None = setting(
        default=None, title="Password", description="The user's password.", secret=True
    )
    schemas: tuple[str, ...] = setting(
        default=(),
        title="Schemas",
        description="Schemas to read; all that the user may use when left out.",
        examples=[["public", "sales"]],
    )
    ssl_mode: Protection = setting(
        default=Prefer(),
        title="TLS",
        description="How the connection is protected; only verify-full is safe from impostors.",
    )
    tunnel_method: Tunnel = setting(
        default=NoTunnel(),
        title="SSH tunnel",
        description="How a server behind a firewall is reached.",
    )
    replication_method: Xmin | Cdc = setting(
        default=Xmin(),
        title="How changes are found",
        description="What an incremental sync reads.",
    )
    wide_numerics: Literal["text", "decimal"] = setting(
        default="text",
        title="Wide numerics",
        description="Columns of numeric without limits, or beyond 38 digits and 9 places: as text"
        " with every digit, or as decimals of 38 digits and 9 places, where what is cut off is"
        " recorded.",
        advanced=True,
    )
    connections: int = setting(
        default=1,
        title="Connections",
        description="Connections that read one large table at once, in parts of `page_blocks`, all"
        " of one moment. A sync holds two more at most while it reads the log.",
        minimum=1,
        maximum=64,
        advanced=True,
    )
    page_blocks: int = setting(
        default=8192,
        title="Pages a step",
        description="Pages of 8 kB that a table is read in before the next state; a sync that"
        " is interrupted continues there.",
        minimum=1,
        advanced=True,
    )


class PostgresSource:
    """Reads the tables and views of one database, its schemas as namespaces."""

    Config: ClassVar[type[PostgresSourceConfig]] = PostgresSourceConfig
    title: ClassVar[str] = "PostgreSQL"
    documentation_url: ClassVar[str] = (
        "https://github.com/penstock-data/penstock/tree/main/docs/connectors/source-postgres.md"
    )

    def __init__(self, config: PostgresSourceConfig) -> None:
        self._config = config
        self._address = Address(
            host=config.host,
            port=config.port,
            database=config.database,
            username=config.username,
            password=config.password,
            ssl_mode=config.ssl_mode,
            application="penstock source",
            tunnel=config.tunnel_method,
        )

    def check(self) -> None:
        """Proves that the user gets in and finds something to read.

        Raises AccessDenied, ConfigError, ConnectionFailed or ResourceBusy.
        """
        method = self._config.replication_method
        if isinstance(method, Cdc):
            _driver()
            from penstock.sources.postgres.log import check_log  # noqa: PLC0415 (loads psycopg)

            check_log(self._address, method)
        if not self.streams():
            raise ConfigError(
                f"{self._address}: {self._config.username} may read no table"
                f" {'of the schemas named' if self._config.schemas else 'of any schema'}.",
                remedy=f"Grant it: GRANT USAGE ON SCHEMA … TO {self._config.username};"
                f" GRANT SELECT ON ALL TABLES IN SCHEMA … TO {self._config.username}.",
                field="schemas",
            )

    def streams(self) -> Sequence[Stream]:
        """Returns a stream for each table and view that the user may read."""
        return self._streams()

    @property
    def reads_together(self) -> bool:
        """True when changes come from the log."""
        return isinstance(self._config.replication_method, Cdc)

    def read_together(
        self, request: SharedRequest
    ) -> Iterator[Rows | SharedState | Said | Emptied]:
        """Yields the first reading of tables that need one, then all changes up to now."""
        method = self._config.replication_method
        if not isinstance(method, Cdc):
            raise BugError(
                "The log was asked for, and is not configured.",
                remedy="Report it with the command that was run.",
            )
        streams = self._streams()
        from penstock.sources.postgres.log import LogReading  # noqa: PLC0415 (loads psycopg)

        relations = {descriptor_of(each): each.relation for each in streams}
        wanted = {stream: relations[stream] for stream in request.streams}
        reading = LogReading(
            self._address,
            method,
            wanted,
            connections=self._config.connections,
            page_blocks=self._config.page_blocks,
        )
        yield from reading.items(request.state)

    def _streams(self) -> list[PostgresStream]:
        _driver()
        from penstock.sdk.postgres.connection import connected  # noqa: PLC0415 (loads psycopg)
        from penstock.sources.postgres.catalogue import (  # noqa: PLC0415 (loads psycopg)
            missing_schemas,
            relations,
        )
        from penstock.sources.postgres.stream import PostgresStream  # noqa: PLC0415 (the same)

        config = self._config
        wide_as = Kind.DECIMAL if config.wide_numerics == "decimal" else Kind.STRING
        with connected(self._address) as connection:
            missing = missing_schemas(connection, config.schemas)
            if missing:
                raise ConfigError(
                    f"{self._address}: there is no schema {', '.join(missing)} that"
                    f" {config.username} may use.",
                    remedy="Correct `schemas`, or grant it: GRANT USAGE ON SCHEMA"
                    f" {missing[0]} TO {config.username}.",
                    field="schemas",
                )
            found = relations(connection, config.schemas, wide_as=wide_as)
        return [
            PostgresStream(
                address=self._address,
                relation=each,
                page_blocks=config.page_blocks,
                connections=config.connections,
                is_logged=self.reads_together,
            )
            for each in found
        ]


def _driver() -> None:
    try:
        import psycopg  # noqa: F401, PLC0415 (is it there?)
    except ModuleNotFoundError as error:
        raise MissingDriver(
            "PostgreSQL needs the package psycopg.",
            remedy='Install it: pip install "penstock[postgres]".',
        ) from error
