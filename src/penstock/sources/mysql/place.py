"""A place in the binary log: its name, whether a server knows it, how to ask what follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pymysql

from penstock.errors import AccessDenied, ConfigError
from penstock.sdk.mysql.address import Address
from penstock.sdk.mysql.connection import Connection, is_mariadb, rows_of
from penstock.sdk.mysql.failures import number_of
from penstock.sources.mysql.binlog import dump_by_file, dump_by_mariadb_gtid, dump_by_mysql_gtid
from penstock.sources.mysql.gtids import Gtids, MariaGtids, MySQLGtids

_PARSE_ERROR: Final = 1064
_NO_RIGHT: Final = frozenset({1227, 1045})
_FRESH: Final = "Run the sync once with --full-refresh: the tables are read and replaced."


@dataclass(slots=True, kw_only=True)
class LogPlace:
    """Behind one transaction of the log."""

    file: str
    position: int
    gtids: str | None
    """The transactions read so far; None where the server names none, or files are wished."""
    server: str
    cursor: int
    """Grows with every transaction, also when another server goes on."""

    def __str__(self) -> str:
        return self.gtids or f"{self.file}:{self.position}"

    def value(self) -> dict[str, Any]:
        """Returns the place as a state keeps it."""
        return {
            "file": self.file,
            "position": self.position,
            "gtids": self.gtids,
            "server": self.server,
            "cursor": self.cursor,
        }

    @classmethod
    def parsed(cls, value: Mapping[str, Any]) -> LogPlace:
        """Returns the place that a state keeps; ConfigError for a state of another source."""
        try:
            gtids = value["gtids"]
            return cls(
                file=str(value["file"]),
                position=int(value["position"]),
                gtids=None if gtids is None else str(gtids),
                server=str(value["server"]),
                cursor=int(value["cursor"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                "The global state is not one that this source wrote.",
                remedy="Reset the connection's state (`penstock state reset`).",
            ) from error

    def add(self, group: str, gtid: str) -> None:
        """Takes a transaction into those that were read."""
        if self.gtids is None:
            return
        known = _gtids(self.server, self.gtids)
        known.add(group, gtid)
        self.gtids = str(known)

    def refuse_unless_follows(self, start: LogPlace, address: Address) -> None:
        """Raises ConfigError when the log from `start` on is not this server's to tell."""
        is_other = start.server != self.server
        if is_other and (start.gtids is None or self.gtids is None):
            raise ConfigError(
                f"{address}: the state is of another server ({start.server}, not {self.server}),"
                " and tells a place by file, which means nothing here.",
                remedy=_FRESH,
                field="host",
            )
        if is_other and start.server.partition(" ")[0] != self.server.partition(" ")[0]:
            raise ConfigError(
                f"{address}: the state is of another product ({start.server}).",
                remedy=_FRESH,
                field="host",
            )


def check_server(connection: Connection, address: Address) -> None:
    """Refuses a server whose log does not hold whole rows, or a user who may not read it."""
    wanted = {
        "log_bin": ("1", "Set log_bin in the server's configuration, and restart it."),
        "binlog_format": ("ROW", "SET GLOBAL binlog_format = 'ROW';"),
        "binlog_row_image": ("FULL", "SET GLOBAL binlog_row_image = 'FULL';"),
        "binlog_row_metadata": (
            "FULL",
            "SET GLOBAL binlog_row_metadata = 'FULL'; (MySQL 8.0.1, MariaDB 10.5 and newer)",
        ),
    }
    for name, (value, remedy) in wanted.items():
        found = rows_of(connection, "SHOW GLOBAL VARIABLES LIKE %s", (name,))
        said = str(found[0][1]) if found else "not known to it"
        if said.upper() not in (value, "ON" if value == "1" else value):
            raise ConfigError(
                f"{address}: {name} is {said}, so that changes cannot be read from the log.",
                remedy=remedy,
                field="replication_method",
            )
    _status(connection, address)
    grants = " ".join(str(row[0]).upper() for row in rows_of(connection, "SHOW GRANTS"))
    rights = ("REPLICATION SLAVE", "REPLICATION REPLICA", "ALL PRIVILEGES ON *.*")
    if not any(right in grants for right in rights) and " TO " in grants and "`@`" in grants:
        raise AccessDenied(
            f"{address}: {address.username} may not read the binary log.",
            remedy=f"GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {address.username};",
            field="username",
        )


def here(connection: Connection, *, by_file: bool, cursor: int) -> LogPlace:
    """Returns the present end of the log."""
    file, position, executed = _status(connection, None)
    server, gtids = _server(connection), None
    if not by_file and is_mariadb(connection):
        gtids = str(rows_of(connection, "SELECT @@global.gtid_binlog_pos")[0][0])
    elif not by_file and rows_of(connection, "SELECT @@global.gtid_mode")[0][0] == "ON":
        gtids = "".join(executed.split())
    return LogPlace(file=file, position=position, gtids=gtids, server=server, cursor=cursor)


def snapshot_here(connection: Connection, address: Address, *, cursor: int) -> LogPlace:
    """Begins a transaction that sees one moment, and returns that moment's place in the log."""
    rows_of(connection, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    if is_mariadb(connection):
        rows_of(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        said = dict(rows_of(connection, "SHOW STATUS LIKE 'binlog_snapshot_%'"))
        lowered = {str(name).lower(): value for name, value in said.items()}
        file = str(lowered["binlog_snapshot_file"])
        position = int(lowered["binlog_snapshot_position"])
    else:
        try:
            rows_of(connection, "FLUSH TABLES WITH READ LOCK")
        except pymysql.OperationalError as error:
            if number_of(error) not in _NO_RIGHT:
                raise
            raise AccessDenied(
                f"{address}: {address.username} may not stop writers for the moment in which the"
                " first reading begins.",
                remedy=f"GRANT RELOAD ON *.* TO {address.username};",
                field="username",
            ) from error
        rows_of(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        file, position, _ = _status(connection, address)
        rows_of(connection, "UNLOCK TABLES")
    server = _server(connection)
    return LogPlace(file=file, position=position, gtids=None, server=server, cursor=cursor)


def has_checksums(connection: Connection) -> bool:
    """Tells whether the server puts checksums behind the events it sends to who knows of them."""
    return bool(rows_of(connection, "SELECT @@global.binlog_checksum")[0][0] == "CRC32")


def begin_dump(connection: Connection, start: LogPlace, server_id: int) -> None:
    """Asks for the log behind a place; what is missing comes as an error while it is read."""
    rows_of(
        connection,
        "SET @master_binlog_checksum = @@global.binlog_checksum,"
        " @source_binlog_checksum = @@global.binlog_checksum",
    )
    if not is_mariadb(connection):
        if start.gtids is None:
            dump_by_file(connection, server_id, start.file, start.position)
        else:
            known = MySQLGtids.parsed(start.gtids)
            dump_by_mysql_gtid(connection, server_id, known.encoded())
        return
    rows_of(connection, "SET @mariadb_slave_capability = 4")
    if start.gtids is None:
        dump_by_file(connection, server_id, start.file, start.position)
        return
    rows_of(connection, "SET @slave_connect_state = %s", (start.gtids,))
    rows_of(connection, "SET @slave_gtid_strict_mode = 1, @slave_gtid_ignore_duplicates = 0")
    dump_by_mariadb_gtid(connection, server_id)


def _server(connection: Connection) -> str:
    """Returns what tells a server from others: MySQL's UUID; MariaDB has only its number."""
    if is_mariadb(connection):
        return f"MariaDB {rows_of(connection, 'SELECT @@global.server_id')[0][0]}"
    return f"MySQL {rows_of(connection, 'SELECT @@global.server_uuid')[0][0]}"


def _gtids(server: str, text: str) -> Gtids:
    made: Any = MariaGtids if server.startswith("MariaDB") else MySQLGtids
    known: Gtids = made.parsed(text)
    return known


def _status(connection: Connection, address: Address | None) -> tuple[str, int, str]:
    """Returns file, offset and executed transactions; MySQL 8.4 has a new name for the question."""
    try:
        try:
            rows = rows_of(connection, "SHOW MASTER STATUS")
        except pymysql.ProgrammingError as error:
            if number_of(error) != _PARSE_ERROR:
                raise
            rows = rows_of(connection, "SHOW BINARY LOG STATUS")
    except pymysql.OperationalError as error:
        if address is None or number_of(error) not in _NO_RIGHT:
            raise
        raise AccessDenied(
            f"{address}: {address.username} may not ask where the binary log is.",
            remedy=f"GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {address.username};"
            " (MariaDB: BINLOG MONITOR)",
            field="username",
        ) from error
    if not rows:
        raise ConfigError(
            "The server writes no binary log.",
            remedy="Set log_bin in the server's configuration, and restart it.",
            field="replication_method",
        )
    row = rows[0]
    return str(row[0]), int(row[1]), str(row[4]) if len(row) > 4 else ""
