"""PyAirbyte's own tables in a cache: streams registered so that its users' SQL keeps working.

`_airbyte_streams` is read and written, in PyAirbyte's columns. `_airbyte_state` is only read: as
where to start when penstock itself has no checkpoint of the source. It is never written, so it
stays what PyAirbyte left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from penstock.errors import ConfigError
from penstock.protocol.catalog import CatalogStream, StreamDescriptor
from penstock.protocol.codec import decode_states
from penstock.protocol.state import State, StateType
from penstock.sdk.destination import RunsSql, TableName
from penstock.sdk.sql.state import TABLE_NAME as PENSTOCK_STATE

STREAMS: Final = "_airbyte_streams"
STATE: Final = "_airbyte_state"
_COLUMNS: Final = ("stream_name", "source_name", "table_name", "catalog_metadata")

_CREATE: Final = (
    'CREATE SCHEMA IF NOT EXISTS "{schema}"',
    'CREATE TABLE IF NOT EXISTS {table} ("stream_name" VARCHAR, "source_name" VARCHAR,'
    ' "table_name" VARCHAR PRIMARY KEY, "catalog_metadata" VARCHAR)',
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """One stream of a cache."""

    stream_name: str
    source_name: str
    table_name: str
    """Prefix and stream name, as the source writes it; not the table's normalised name."""
    json_schema: dict[str, Any]


class Bookkeeping:
    """Reads and writes PyAirbyte's tables in one schema of a cache."""

    def __init__(self, database: RunsSql, schema: str, *, create: Sequence[str] = _CREATE) -> None:
        """`create` makes the table of streams where a database has words of its own for it."""
        self._database = database
        self._create = create
        self._schema = schema

    def streams(self) -> tuple[Registered, ...]:
        """Returns the streams registered, in the order of their tables."""
        return tuple(
            Registered(
                stream_name=row["stream_name"],
                source_name=row["source_name"],
                table_name=row["table_name"],
                json_schema=_schema_of(row["catalog_metadata"]),
            )
            for row in self._rows(STREAMS, _COLUMNS, f"ORDER BY {self._quoted('table_name')}")
        )

    def register(self, source_name: str, streams: Iterable[CatalogStream], prefix: str) -> None:
        """Records streams and their schemas, replacing what was recorded of their tables."""
        table, mark = self._table(STREAMS), self._database.placeholder
        columns, key = ", ".join(map(self._quoted, _COLUMNS)), self._quoted("table_name")
        statements: list[tuple[str, Sequence[Any]]] = []
        if not self._database.has_table(TableName(schema=self._schema, name=STREAMS)):
            # Asked only where they are missing: some users may fill a schema and not make one.
            statements += [
                (sql.format(schema=self._schema, table=table), ()) for sql in self._create
            ]
        for stream in streams:
            name = f"{prefix}{stream.name}"
            schema = msgspec.json.encode(stream.json_schema).decode()
            statements += [
                (f"DELETE FROM {table} WHERE {key} = {mark}", (name,)),  # noqa: S608
                (
                    f"INSERT INTO {table} ({columns})"  # noqa: S608
                    f" VALUES ({mark}, {mark}, {mark}, {mark})",
                    (stream.name, source_name, name, schema),
                ),
            ]
        self._database.execute(statements)

    def states_to_adopt(self, source_name: str, stream_names: Iterable[str]) -> tuple[State, ...]:
        """Returns what PyAirbyte stored of a source, while penstock has stored nothing of it.

        PyAirbyte keeps states by the source's name alone. So they are taken once, by the first
        connection of that name: a second account must not continue where the first one stood.
        """
        if self._is_known_to_penstock(source_name):
            return ()
        wanted = set(stream_names)
        rows = self._rows(
            STATE,
            ("source_name", "stream_name", "state_json"),
            f"ORDER BY {self._quoted('table_name')}",
        )
        return tuple(
            state
            for row in rows
            if row["source_name"] == source_name and row["stream_name"] in wanted
            for state in _states_of(row["state_json"], row["stream_name"])
        )

    def filled_tables(self, connection: str) -> dict[str, list[StreamDescriptor]]:
        """Returns which streams of a connection committed rows into which table."""
        saved_at, mark = self._quoted("saved_at"), self._database.placeholder
        rows = self._rows(
            PENSTOCK_STATE,
            ("table_name", "stream_namespace", "stream_name"),
            f"WHERE {saved_at} IS NOT NULL AND {self._quoted('scope')} = 'stream'"
            f" AND {self._quoted('connection')} = {mark} ORDER BY {saved_at}",
            (connection,),
        )
        filled: dict[str, list[StreamDescriptor]] = {}
        for row in rows:
            stream = StreamDescriptor(row["stream_name"], row["stream_namespace"] or None)
            filled.setdefault(row["table_name"], []).append(stream)
        return filled

    def _is_known_to_penstock(self, source_name: str) -> bool:
        saved = f"WHERE {self._quoted('saved_at')} IS NOT NULL"
        rows = self._rows(PENSTOCK_STATE, ("connection",), saved)
        return any(row["connection"].startswith(f"{source_name}-") for row in rows)

    def _rows(
        self, name: str, columns: Sequence[str], tail: str, parameters: Sequence[Any] = ()
    ) -> list[dict[str, Any]]:
        if not self._database.has_table(TableName(schema=self._schema, name=name)):
            return []
        names = ", ".join(map(self._quoted, columns))
        sql = f"SELECT {names} FROM {self._table(name)} {tail}"  # noqa: S608
        rows: list[dict[str, Any]] = self._database.query(sql, parameters).read_all().to_pylist()
        return rows

    def _quoted(self, column: str) -> str:
        # Always: Snowflake would look for upper case.
        return self._database.column_sql(column)

    def _table(self, name: str) -> str:
        return self._database.table_sql(TableName(schema=self._schema, name=name))


def _schema_of(text: str | None) -> dict[str, Any]:
    return msgspec.json.decode(text, type=dict[str, Any]) if text else {}


def _states_of(text: str, stream: str) -> tuple[State, ...]:
    """Returns a stored state; one that PyAirbyte could not have meant raises ConfigError."""
    states = decode_states(text.encode())
    if any(state.kind is StateType.LEGACY for state in states):
        raise ConfigError(
            f"The state that PyAirbyte stored of stream {stream} is not one that can be continued.",
            remedy=f"Delete its row from {STATE}; the next read begins at the first record.",
            stream=stream,
        )
    return states
