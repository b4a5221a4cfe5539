"""What a database has to read: its relations, their columns and keys, as this user sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from penstock.data.names import OWN_TABLES, STAGING_COMMENT
from penstock.data.types import Kind
from penstock.sdk.postgres.columns import base_types, read_column
from penstock.sdk.postgres.connection import Connection, identifier, rows_of
from penstock.sdk.postgres.copy_out import WireColumn

_SYSTEM_SCHEMAS: Final = r"^(pg_|information_schema$)"

_RELATIONS: Final = """
SELECT c.oid, n.nspname, c.relname, c.relkind::text, c.relreplident::text,
       c.relpersistence = 'p'
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
   AND c.relpersistence <> 't' AND n.nspname !~ %s
   AND (%s::text[] IS NULL OR n.nspname = ANY(%s::text[]))
   AND has_schema_privilege(n.oid, 'USAGE')
   AND NOT starts_with(c.relname, %s)
   AND NOT starts_with(coalesce(obj_description(c.oid, 'pg_class'), ''), %s)
   AND (has_table_privilege(c.oid, 'SELECT') OR has_any_column_privilege(c.oid, 'SELECT'))
 ORDER BY n.nspname, c.relname"""

_COLUMNS: Final = """
SELECT attrelid, attname, atttypid, atttypmod, format_type(atttypid, atttypmod)
  FROM pg_catalog.pg_attribute
 WHERE attrelid = ANY(%s::oid[]) AND attnum > 0 AND NOT attisdropped
   AND has_column_privilege(attrelid, attnum, 'SELECT')
 ORDER BY attrelid, attnum"""

_KEYS: Final = """
SELECT i.indrelid, a.attname
  FROM pg_catalog.pg_index AS i
  CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, place)
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
 WHERE i.indisprimary AND i.indrelid = ANY(%s::oid[]) AND k.place <= i.indnkeyatts
 ORDER BY i.indrelid, k.place"""


class RelationKind(StrEnum):
    """What a relation is (`pg_class.relkind`)."""

    TABLE = "r"
    PARTITIONED = "p"
    VIEW = "v"
    MATERIALISED = "m"
    FOREIGN = "f"


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationColumn:
    """One column: how it is sent, the SQL that asks for it, and its type as SQL."""

    wire: WireColumn
    asked: str
    type_name: str

    @property
    def name(self) -> str:
        return self.wire.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """One table or view that this user may read."""

    oid: int
    schema: str
    name: str
    kind: RelationKind
    columns: tuple[RelationColumn, ...]
    primary_key: tuple[str, ...]
    identity: str
    """`pg_class.relreplident`: what the log keeps of a row that is gone."""
    is_permanent: bool
    """False for unlogged tables, whose changes are in no log."""

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def sql(self) -> str:
        """The name after FROM: without the rows of tables that inherit, which are their own."""
        name = identifier(self.schema, self.name)
        return f"ONLY {name}" if self.kind is RelationKind.TABLE else name

    @property
    def has_pages(self) -> bool:
        """Tells whether rows lie in numbered pages, and can be read a range at a time."""
        return self.kind in (RelationKind.TABLE, RelationKind.MATERIALISED)

    @property
    def has_transactions(self) -> bool:
        """Tells whether every row says which transaction wrote it."""
        return self.kind in (RelationKind.TABLE, RelationKind.PARTITIONED)

    @property
    def is_logged(self) -> bool:
        """Tells whether the log says which row every change is of."""
        is_table = self.kind in (RelationKind.TABLE, RelationKind.PARTITIONED)
        is_known = self.identity == "f" or (self.identity == "d" and bool(self.primary_key))
        return is_table and self.is_permanent and is_known

    def column(self, name: str) -> RelationColumn | None:
        return next((column for column in self.columns if column.name == name), None)


def relations(
    connection: Connection, schemas: Sequence[str], *, wide_as: Kind
) -> tuple[Relation, ...]:
    """Returns the relations of some schemas, or of all but the system's, with what is in them."""
    wanted = list(schemas) or None
    given = (_SYSTEM_SCHEMAS, wanted, wanted, OWN_TABLES, STAGING_COMMENT)
    found = rows_of(connection, _RELATIONS, given)
    oids = [oid for oid, *_ in found]
    columns = _columns(connection, oids, wide_as)
    keys: dict[int, list[str]] = {}
    for oid, name in rows_of(connection, _KEYS, (oids,)):
        keys.setdefault(oid, []).append(name)
    return tuple(
        Relation(
            oid=oid,
            schema=schema,
            name=name,
            kind=RelationKind(kind),
            columns=tuple(columns.get(oid, ())),
            primary_key=_readable(keys.get(oid, []), columns.get(oid, [])),
            identity=identity,
            is_permanent=is_permanent,
        )
        for oid, schema, name, kind, identity, is_permanent in found
        if columns.get(oid)
    )


def missing_schemas(connection: Connection, schemas: Sequence[str]) -> list[str]:
    """Returns those of the schemas that are not there or that this user may not use."""
    query = (
        "SELECT nspname FROM pg_catalog.pg_namespace"
        " WHERE nspname = ANY(%s::text[]) AND has_schema_privilege(oid, 'USAGE')"
    )
    usable = {name for (name,) in rows_of(connection, query, (list(schemas),))}
    return [name for name in schemas if name not in usable]


def _columns(
    connection: Connection, oids: Sequence[int], wide_as: Kind
) -> dict[int, list[RelationColumn]]:
    rows = rows_of(connection, _COLUMNS, (list(oids),))
    bases = base_types(connection, [type_oid for _, _, type_oid, _, _ in rows])
    columns: dict[int, list[RelationColumn]] = {}
    for oid, name, type_oid, modifier, type_name in rows:
        base = bases[type_oid]
        wire, asked = read_column(name, identifier(name), base, modifier, wide_as=wide_as)
        column = RelationColumn(wire=wire, asked=asked, type_name=type_name)
        columns.setdefault(oid, []).append(column)
    return columns


def _readable(key: Sequence[str], columns: Sequence[RelationColumn]) -> tuple[str, ...]:
    """Returns a key, or none when this user may not read a part of it."""
    names = {column.name for column in columns}
    return tuple(key) if names.issuperset(key) else ()
