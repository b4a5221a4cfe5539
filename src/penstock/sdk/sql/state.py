"""The table `_penstock_state`: checkpoints that become durable in the transaction of their rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from penstock.data.types import Kind
from penstock.errors import ConfigError, ProtocolError, ResourceBusy
from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.codec import encode
from penstock.protocol.state import State
from penstock.sdk.destination import StoredState, StreamPlan, TableName
from penstock.sdk.sql.dialect import SqlDialect, SqlSession, TableColumn

TABLE_NAME: Final = "_penstock_state"

_COLUMNS: Final = (
    ("connection", Kind.STRING),
    ("scope", Kind.STRING),
    ("stream_namespace", Kind.STRING),
    ("stream_name", Kind.STRING),
    ("state", Kind.STRING),
    ("generation_id", Kind.INTEGER),
    ("is_complete", Kind.BOOLEAN),
    ("fence", Kind.INTEGER),
    ("sync_id", Kind.INTEGER),
    ("table_name", Kind.STRING),
    ("staging_name", Kind.STRING),
    ("saved_at", Kind.TIMESTAMP_TZ),
)
"""`state` is the protocol message as text, to the byte. `staging_name` is set while the state
covers rows that are not published yet. `saved_at` NULL: an attempt began, nothing was committed."""

_KEY: Final = ("connection", "scope", "stream_namespace", "stream_name")
_STORED: Final = (
    *("scope", "stream_namespace", "stream_name", "state", "generation_id", "is_complete"),
    *("fence", "table_name", "staging_name"),
)
_STREAM: Final = "stream"
_SHARED: Final = "global"


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRow:
    """What a writer has to know of its stream's row."""

    has_state: bool
    is_saved: bool
    generation_id: int
    staging_name: str | None


class StateTable:
    """Reads and writes `_penstock_state` inside transactions that others begin and commit."""

    def __init__(self, session: SqlSession, dialect: SqlDialect) -> None:
        self._session = session
        self._mark = dialect.placeholder
        self._name = TableName(schema=dialect.default_schema, name=TABLE_NAME)
        self._table = dialect.table(self._name)
        self._dialect = dialect
        names = [dialect.quote(name) for name in _KEY]
        self._is_key = " AND ".join(f"{name} = {self._mark}" for name in names)

    def exists(self) -> bool:
        """Tells whether anything was ever committed into this schema."""
        return self._session.columns(self._name) is not None

    def create(self) -> None:
        """Creates the table where it is missing."""
        if self.exists():
            return
        self._session.execute(self._dialect.create_schema(self._dialect.default_schema))
        columns = [
            TableColumn(name=name, type_name=self._dialect.type_name(kind), kind=kind)
            for name, kind in _COLUMNS
        ]
        self._session.execute(self._dialect.create_table(self._name, columns))

    def claim(self, connection: str, stream: StreamDescriptor | None, fence: int) -> StateRow:
        """Takes the row for this attempt: from now on every older one fails to commit.

        Raises ResourceBusy when a newer attempt has claimed or committed it.
        """
        key = _key(connection, stream)
        q = self._dialect.quote
        found = self._session.rows(
            f"SELECT {q('fence')}, {q('state')} IS NOT NULL, {q('saved_at')} IS NOT NULL,"  # noqa: S608
            f" {q('generation_id')}, {q('staging_name')} FROM {self._table} WHERE {self._is_key}",
            key,
        )
        if not found:
            self._insert(key, fence)
            return StateRow(has_state=False, is_saved=False, generation_id=0, staging_name=None)
        stored_fence, has_state, is_saved, generation_id, staging_name = found[0]
        if stored_fence > fence:
            raise _stale(connection, stream, stored_fence, fence)
        if stored_fence < fence:
            self._update(key, fence, {"fence": fence})
        return StateRow(
            has_state=bool(has_state),
            is_saved=bool(is_saved),
            generation_id=generation_id,
            staging_name=staging_name,
        )

    def clear(self, plan: StreamPlan) -> None:
        """Forgets a state that covers staging which is dropped in the same transaction."""
        key = _key(plan.connection, plan.stream)
        nothing = {"state": None, "staging_name": None, "saved_at": None, "is_complete": False}
        self._update(key, plan.fence, nothing)

    def save(
        self, plan: StreamPlan, state: State | None, *, is_complete: bool, staging: str | None
    ) -> None:
        """Writes a stream's checkpoint; `state` None keeps the one stored.

        Raises ResourceBusy when a newer attempt took over, or the state was reset meanwhile.
        """
        values: dict[str, Any] = {
            "generation_id": plan.generation_id,
            "is_complete": is_complete,
            "sync_id": plan.sync_id,
            "table_name": str(plan.table),
            "staging_name": staging,
            "saved_at": datetime.now(UTC),
        }
        if state is not None:
            values["state"] = _text(state)
        self._update(_key(plan.connection, plan.stream), plan.fence, values)

    def confirm(self, plan: StreamPlan) -> None:
        """Proves that this attempt still owns its row, and leaves the row as it is."""
        self._update(_key(plan.connection, plan.stream), plan.fence, {"fence": plan.fence})

    def save_shared(self, connection: str, state: State, fence: int) -> None:
        """Writes a global (or legacy) state; raises ResourceBusy when `fence` is too old."""
        self.claim(connection, None, fence)
        values = {"state": _text(state), "saved_at": datetime.now(UTC)}
        self._update(_key(connection, None), fence, values)

    def stored(self, connection: str) -> tuple[StoredState, ...]:
        """Returns the checkpoints of one connection, in the order of their streams.

        A position goes with the rows it covers: where somebody dropped the table, it is None.
        """
        q = self._dialect.quote
        names = ", ".join(map(q, _STORED))
        rows = self._session.rows(
            f"SELECT {names} FROM {self._table}"  # noqa: S608
            f" WHERE {q('connection')} = {self._mark} AND {q('saved_at')} IS NOT NULL"
            f" ORDER BY {q('scope')}, {q('stream_namespace')}, {q('stream_name')}",
            (connection,),
        )
        found = []
        for scope, namespace, name, state, generation_id, is_complete, fence, *covered in rows:
            is_there = state is not None and (scope == _SHARED or self._is_there(*covered))
            found.append(
                StoredState(
                    stream=StreamDescriptor(name, namespace or None) if scope == _STREAM else None,
                    state=_parsed(state) if is_there else None,
                    generation_id=generation_id,
                    is_complete=bool(is_complete),
                    fence=fence,
                )
            )
        return tuple(found)

    def _is_there(self, table: str, staging: str | None) -> bool:
        """Tells whether the table that a state covers, or its staging, still is."""
        schema, _, name = table.rpartition(".")
        covered = TableName(schema=schema or None, name=staging or name)
        return self._session.columns(covered) is not None

    def forget(self, connection: str, streams: Sequence[StreamDescriptor] | None) -> None:
        """Removes the checkpoints of these streams, or all of the connection."""
        if streams is None:
            self._session.change(
                f"DELETE FROM {self._table}"  # noqa: S608
                f" WHERE {self._dialect.quote('connection')} = {self._mark}",
                (connection,),
            )
            return
        for stream in streams:
            self._session.change(
                f"DELETE FROM {self._table} WHERE {self._is_key}",  # noqa: S608
                _key(connection, stream),
            )

    def _insert(self, key: tuple[str, ...], fence: int) -> None:
        named = (*_KEY, "generation_id", "is_complete", "fence", "sync_id")
        names = ", ".join(map(self._dialect.quote, named))
        marks = ", ".join([self._mark] * (len(_KEY) + 4))
        self._session.change(
            f"INSERT INTO {self._table} ({names}) VALUES ({marks})",  # noqa: S608
            (*key, 0, False, fence, 0),
        )

    def _update(self, key: tuple[str, ...], fence: int, values: dict[str, Any]) -> None:
        q = self._dialect.quote
        changes = ", ".join(f"{q(name)} = {self._mark}" for name in values)
        touched = self._session.change(
            f"UPDATE {self._table} SET {changes}"  # noqa: S608
            f" WHERE {self._is_key} AND {q('fence')} <= {self._mark}",
            (*values.values(), *key, fence),
        )
        if touched != 1:
            self._refuse(key, fence)

    def _refuse(self, key: tuple[str, ...], fence: int) -> None:
        connection, scope, namespace, name = key
        stream = StreamDescriptor(name, namespace or None) if scope == _STREAM else None
        found = self._session.rows(
            f"SELECT {self._dialect.quote('fence')} FROM {self._table} WHERE {self._is_key}",  # noqa: S608
            key,
        )
        if found:
            raise _stale(connection, stream, found[0][0], fence)
        raise ResourceBusy(
            f"The state of {_what(stream)} in connection {connection!r} was reset while it synced.",
            remedy="Run the sync again: it starts from the beginning.",
            connection=connection,
            stream=stream,
        )


def refuse_unpublished(plan: StreamPlan, row: StateRow) -> None:
    """Raises ConfigError when a state covers rows of an overwrite that was never published.

    Appending from such a state would leave those rows out of the table for good.
    """
    if row.has_state and row.staging_name is not None:
        raise ConfigError(
            f"The state of {plan.stream} belongs to an overwrite that did not finish: the rows it"
            f" covers are in {row.staging_name}, not in {plan.table}.",
            remedy="Let the overwrite finish, or reset the stream's state (`penstock state reset`)"
            " before changing its mode.",
            stream=plan.stream,
        )


def _key(connection: str, stream: StreamDescriptor | None) -> tuple[str, ...]:
    if stream is None:
        return (connection, _SHARED, "", "")
    return (connection, _STREAM, stream.namespace or "", stream.name)


def _what(stream: StreamDescriptor | None) -> str:
    return "all streams" if stream is None else f"stream {stream}"


def _stale(
    connection: str, stream: StreamDescriptor | None, stored: int, fence: int
) -> ResourceBusy:
    return ResourceBusy(
        f"Attempt {fence} of {_what(stream)} in connection {connection!r} came too late:"
        f" attempt {stored} has taken over.",
        remedy="Let the newer attempt finish; nothing of this one was committed.",
        connection=connection,
        stream=stream,
        fence=fence,
    )


def _text(state: State) -> str:
    try:
        return encode(state).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProtocolError(
            "The source's state is not valid UTF-8 and cannot be stored.",
            remedy="Report it to the connector's author.",
        ) from error


def _parsed(text: str) -> State:
    return msgspec.json.decode(text.encode(), type=State)
