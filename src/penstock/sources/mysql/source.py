"""The MySQL source: its settings, its check, and its streams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from penstock.data.items import Emptied
from penstock.data.types import Kind
from penstock.errors import BugError, ConfigError, MissingDriver
from penstock.sdk.config import setting
from penstock.sdk.mysql.address import Address, Preferred, Protection
from penstock.sdk.stream import Stream, descriptor_of
from penstock.sdk.together import Rows, Said, SharedRequest, SharedState
from penstock.sdk.tunnel import NoTunnel, Tunnel

if TYPE_CHECKING:
    from penstock.sources.mysql.stream import MySQLStream


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """By a cursor of the user's choice: no deletions."""

    title: ClassVar[str] = "By cursor"
    method: Literal["STANDARD"] = "STANDARD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cdc:
    """From the server's binary log: every change, deletions too."""

    title: ClassVar[str] = "Change data capture"
    method: Literal["CDC"] = "CDC"
    position: Literal["gtid", "file"] = setting(
        default="gtid",
        title="Position",
        description="How a place in the log is remembered: by transactions (GTID), which another"
        " server of the same group understands, too; or by file and offset. A MySQL without GTIDs"
        " is always read by file.",
    )
    server_id: int | None = setting(
        default=None,
        title="Server id",
        description="The number under which this reader registers; two readers of one number end"
        " each other. Chosen at random when left out.",
        minimum=1,
        maximum=4294967295,
        advanced=True,
    )
    truncates: Literal["mirror", "refuse", "skip"] = setting(
        default="mirror",
        title="Truncated tables",
        description="What TRUNCATE at the source does: empty the table of the destination, too (in"
        " the dedup modes; append keeps every row); or end the sync with an error, as DROP TABLE"
        " does; or, as for DROP TABLE then, leave the rows where they are and say so.",
        advanced=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MySQLSourceConfig:
    """Where the server is, who reads, and which databases."""

    host: str = setting(
        title="Host", description="Name or address of the server.", examples=["db.example.org"]
    )
    port: int = setting(
        default=3306, title="Port", description="Its port.", minimum=1, maximum=65535
    )
    databases: tuple[str, ...] = setting(
        default=(),
        title="Databases",
        description="Databases to read; all that the user may use when left out.",
        examples=[["shop"]],
    )
    username: str = setting(
        title="Username",
        description="A user with SELECT on the tables; others are not listed.",
        alias=["user"],
    )
    password: str | None = setting(
        default=None, title="Password", description="The user's password.", secret=True
    )
    ssl_mode: Protection = setting(
        default=Preferred(),
        title="TLS",
        description="How the connection is protected; only verify_identity is safe from impostors.",
    )
    tunnel_method: Tunnel = setting(
        default=NoTunnel(),
        title="SSH tunnel",
        description="How a server behind a firewall is reached.",
    )
    replication_method: Standard | Cdc = setting(
        default=Standard(),
        title="How changes are found",
        description="What an incremental sync reads.",
    )
    tiny_integers: Literal["boolean", "integer"] = setting(
        default="boolean",
        title="tinyint(1) and bit(1)",
        description="As true and false, where any other number becomes NULL and is recorded; or as"
        " integers.",
        advanced=True,
    )


class MySQLSource:
    """Reads the tables and views of one server, its databases as namespaces."""

    Config: ClassVar[type[MySQLSourceConfig]] = MySQLSourceConfig
    title: ClassVar[str] = "MySQL"
    documentation_url: ClassVar[str] = (
        "https://github.com/penstock-data/penstock/tree/main/docs/connectors/source-mysql.md"
    )

    def __init__(self, config: MySQLSourceConfig) -> None:
        self._config = config
        self._address = Address(
            host=config.host,
            port=config.port,
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
        if isinstance(self._config.replication_method, Cdc):
            _driver()
            from penstock.sources.mysql.log import check_log  # noqa: PLC0415 (loads pymysql)

            check_log(self._address)
        if not self.streams():
            raise ConfigError(
                f"{self._address}: {self._config.username} may read no table"
                f" {'of the databases named' if self._config.databases else 'of any database'}.",
                remedy=f"Grant it: GRANT SELECT ON database.* TO {self._config.username}.",
                field="databases",
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
        from penstock.sources.mysql.log import LogReading  # noqa: PLC0415 (loads pymysql)

        found = {descriptor_of(each): each.table for each in streams}
        wanted = {stream: found[stream] for stream in request.streams}
        yield from LogReading(self._address, method, wanted).items(request.state)

    def _streams(self) -> list[MySQLStream]:
        _driver()
        from penstock.sdk.mysql.connection import connected  # noqa: PLC0415 (loads pymysql)
        from penstock.sources.mysql.catalogue import (  # noqa: PLC0415 (the same)
            missing_schemas,
            tables,
        )
        from penstock.sources.mysql.stream import MySQLStream  # noqa: PLC0415 (the same)

        config = self._config
        tiny_as = Kind.BOOLEAN if config.tiny_integers == "boolean" else Kind.INTEGER
        with connected(self._address) as connection:
            missing = missing_schemas(connection, config.databases)
            if missing:
                raise ConfigError(
                    f"{self._address}: there is no database {', '.join(missing)} that"
                    f" {config.username} may use.",
                    remedy="Correct `databases`, or grant it: GRANT SELECT ON"
                    f" {missing[0]}.* TO {config.username}.",
                    field="databases",
                )
            found = tables(connection, config.databases, tiny_as=tiny_as)
        return [
            MySQLStream(address=self._address, table=each, is_logged=self.reads_together)
            for each in found
        ]


def _driver() -> None:
    try:
        import pymysql  # noqa: F401, PLC0415 (is it there?)
    except ModuleNotFoundError as error:
        raise MissingDriver(
            "MySQL needs the package PyMySQL.",
            remedy='Install it: pip install "penstock[mysql]".',
        ) from error
