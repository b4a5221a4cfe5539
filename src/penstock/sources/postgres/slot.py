"""The replication slot and the publication: made, or checked, each failing with the SQL to run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg

from penstock.errors import AccessDenied, ConfigError
from penstock.sdk.postgres.address import Address
from penstock.sdk.postgres.connection import Connection, identifier, rows_of
from penstock.sources.postgres.catalogue import Relation, RelationKind
from penstock.sources.postgres.replication import lsn_of, text_of_lsn

_SLOT = """
SELECT plugin, database, wal_status, confirmed_flush_lsn::text,
       pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint, safe_wal_size
  FROM pg_catalog.pg_replication_slots WHERE slot_name = %s"""

_PUBLICATION = """
SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate, pubviaroot
  FROM pg_catalog.pg_publication WHERE pubname = %s"""

_PUBLISHED = """
SELECT schemaname, tablename FROM pg_catalog.pg_publication_tables WHERE pubname = %s"""

_MUCH_WAL = 8 << 30

READ_ANEW = (
    "run the sync once with --full-refresh: the tables are read and replaced, and a slot is made"
)
"""What brings back changes that no log holds any more: deletions are only seen this way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A replication slot as the server sees it."""

    name: str
    confirmed: int
    """Changes committed before this place are let go."""
    kept_bytes: int
    """Log that the server keeps for the slot."""
    safe_bytes: int | None
    """How much more can be written before the slot is lost (`max_slot_wal_keep_size`)."""
    wal_status: str

    @property
    def is_in_danger(self) -> bool:
        """True when the server may soon drop what the slot needs, or keeps very much."""
        return self.wal_status == "unreserved" or self.kept_bytes > _MUCH_WAL

    def __str__(self) -> str:
        room = "" if self.safe_bytes is None else f", {self.safe_bytes:,} more before it is lost"
        return (
            f"The slot {self.name} stands at {text_of_lsn(self.confirmed)}; the server keeps"
            f" {self.kept_bytes:,} bytes of log for it{room}."
        )


def check_server(connection: Connection, address: Address) -> None:
    """Refuses a server or a user that cannot replicate."""
    level, is_standby, may = rows_of(
        connection,
        "SELECT current_setting('wal_level'), pg_is_in_recovery(),"
        " (SELECT rolreplication OR rolsuper FROM pg_catalog.pg_roles WHERE rolname=current_user)",
    )[0]
    if level != "logical":
        raise ConfigError(
            f"{address}: wal_level is {level}, so that changes cannot be read from the log.",
            remedy="ALTER SYSTEM SET wal_level = 'logical'; then restart the server.",
            field="replication_method",
        )
    if is_standby:
        raise ConfigError(
            f"{address} is a standby; changes are read from the primary server.",
            remedy="Give the address of the primary server.",
            field="host",
        )
    if not may:
        raise AccessDenied(
            f"{address}: {address.username} may not replicate.",
            remedy=f"ALTER ROLE {identifier(address.username)} REPLICATION;"
            " (on a managed service, grant the role that it names for this).",
            field="username",
        )


def find_slot(connection: Connection, name: str, address: Address) -> Slot | None:
    """Returns the slot; raises ConfigError for one that is another's, or lost."""
    rows = rows_of(connection, _SLOT, (name,))
    if not rows:
        return None
    plugin, database, status, confirmed, kept, safe = rows[0]
    if plugin != "pgoutput" or database != address.database:
        raise ConfigError(
            f"{address}: the slot {name} is of {database or 'no database'}, with the plugin"
            f" {plugin}; needed is one of {address.database} with pgoutput.",
            remedy="Name another slot in `replication_method.replication_slot`.",
            field="replication_method.replication_slot",
        )
    if status == "lost" or confirmed is None:
        raise ConfigError(
            f"{address}: the slot {name} is lost: the server dropped log that it needed"
            " (max_slot_wal_keep_size).",
            remedy=f"SELECT pg_drop_replication_slot('{name}'); then {READ_ANEW}.",
            field="replication_method.replication_slot",
        )
    return Slot(
        name=name,
        confirmed=lsn_of(confirmed),
        kept_bytes=int(kept or 0),
        safe_bytes=None if safe is None else int(safe),
        wal_status=status,
    )


def make_slot(connection: Connection, name: str, address: Address) -> Slot:
    """Makes the slot: from here on, the server keeps its log until it is confirmed."""
    rows_of(connection, "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (name,))
    slot = find_slot(connection, name, address)
    if slot is None:
        raise missing_slot(address, name)
    return slot


def missing_slot(address: Address, name: str) -> ConfigError:
    """Returns the error for a slot that the user was to make."""
    return ConfigError(
        f"{address}: there is no replication slot {name}.",
        remedy=f"SELECT pg_create_logical_replication_slot('{name}', 'pgoutput');",
        field="replication_method.replication_slot",
    )


def publish(
    connection: Connection,
    name: str,
    relations: Sequence[Relation],
    *,
    makes: bool,
    is_new: bool,
    adding: Callable[[tuple[str, str]], None],
) -> None:
    """Sees to it that all changes of the tables are published; raises ConfigError if not.

    `adding` is told each table (schema and name) that is to be published only now: what changed in
    it before is not in the log. `is_new` is True when nothing was read yet.
    """
    tables = [identifier(each.schema, each.name) for each in relations]
    found = rows_of(connection, _PUBLICATION, (name,))
    if not found and not is_new:
        raise _wanting(
            f"The publication {name} is gone, so that changes since the last sync are not known.",
            f"{READ_ANEW[0].upper()}{READ_ANEW[1:]}.",
        )
    if not found:
        _run(
            connection,
            f"CREATE PUBLICATION {identifier(name)} FOR TABLE {', '.join(tables)}"
            " WITH (publish_via_partition_root = true)",
            f"There is no publication {name}.",
            makes=makes,
        )
        return
    is_whole, via_root = found[0]
    if not is_whole:
        raise _wanting(
            f"The publication {name} leaves out some kinds of changes.",
            f"ALTER PUBLICATION {identifier(name)}"
            " SET (publish = 'insert, update, delete, truncate');",
        )
    if not via_root and any(each.kind is RelationKind.PARTITIONED for each in relations):
        raise _wanting(
            f"The publication {name} gives changes of partitions under their own names.",
            f"ALTER PUBLICATION {identifier(name)} SET (publish_via_partition_root = true);",
        )
    published = set(rows_of(connection, _PUBLISHED, (name,)))
    added = {(each.schema, each.name) for each in relations} - published
    for each in sorted(added):
        adding(each)
    if added:
        lacking = [identifier(*each) for each in sorted(added)]
        _run(
            connection,
            f"ALTER PUBLICATION {identifier(name)} ADD TABLE {', '.join(lacking)}",
            f"The publication {name} lacks {', '.join(lacking)}.",
            makes=makes,
        )


def _run(connection: Connection, statement: str, problem: str, *, makes: bool) -> None:
    if not makes:
        raise _wanting(problem, f"{statement};")
    try:
        connection.execute(statement)
    except psycopg.errors.InsufficientPrivilege as error:
        raise _wanting(
            f"{problem} This user may not change that.",
            f"Let the tables' owner run: {statement};",
        ) from error


def _wanting(problem: str, remedy: str) -> ConfigError:
    return ConfigError(problem, remedy=remedy, field="replication_method.publication")
