"""`penstock db copy`: every row from one database to another, values as they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Column, MetaData, Table, func, insert, select, text
from sqlalchemy.types import TypeEngine

from penstock.control.store import servers
from penstock.control.store.columns import Document, Named
from penstock.control.store.database import Store, Transaction
from penstock.control.store.migrate import require_current
from penstock.control.store.tables import metadata
from penstock.errors import ConfigError, ProofFailed, ResourceBusy

_ROWS_AT_ONCE: Final = 1000
_SERVER_IS_GONE_AFTER: Final = timedelta(minutes=1)
_NOT_COPIED: Final = frozenset({"servers"})


def copy_all(origin: Store, target: Store, *, now: datetime) -> Mapping[str, int]:
    """Copies every table, all or nothing, and returns the rows of each.

    Both have this penstock's tables; those of `target` are empty, and no server is running on
    `origin`. Documents are copied as text. Secrets stay encrypted: the new server needs the same
    key. Raises ProofFailed, and copies nothing, when the counts differ in the end.
    """
    require_current(origin)
    require_current(target)
    copied: dict[str, int] = {}
    with origin.read() as source, target.write() as sink:
        _refuse_running(source, origin, now)
        _refuse_filled(sink, target)
        for table in metadata.sorted_tables:
            if table.name not in _NOT_COPIED:
                copied[table.name] = _copy_table(source, sink, table)
                _count_on(sink, target, table)
    return copied


def _copy_table(source: Transaction, sink: Transaction, table: Table) -> int:
    plain = _as_kept(table)
    reading = source.execution_options(yield_per=_ROWS_AT_ONCE).execute(select(plain))
    read = 0
    for chunk in reading.mappings().partitions(_ROWS_AT_ONCE):
        sink.execute(insert(plain), [dict(row) for row in chunk])
        read += len(chunk)
    arrived = int(sink.execute(select(func.count()).select_from(plain)).scalar() or 0)
    if arrived != read:
        raise ProofFailed(
            f"{read} rows of {table.name} were read, but {arrived} arrived.",
            remedy="Nothing was copied; try again.",
        )
    return read


def _as_kept(table: Table) -> Table:
    """Returns the table with texts where documents and names are, so that nothing is parsed."""
    columns = [Column(each.name, _kept_type(each.type)) for each in table.columns]
    return Table(table.name, MetaData(), *columns)


def _kept_type(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    if isinstance(kind, Document | Named):
        inner: TypeEngine[Any] = kind.impl_instance
        return inner
    return kind


def _count_on(sink: Transaction, target: Store, table: Table) -> None:
    """Lets PostgreSQL go on counting after the largest number that was copied."""
    key = next(iter(table.primary_key.columns))
    if target.is_sqlite or key.name != "id" or table.primary_key.columns.keys() != ["id"]:
        return
    sequence = sink.execute(
        text("SELECT pg_get_serial_sequence(:table, 'id')"), {"table": table.name}
    ).scalar()
    if sequence is not None:
        sink.execute(
            text("SELECT setval(:sequence, greatest(:last, 1), :last > 0)"),
            {
                "sequence": sequence,
                "last": sink.execute(select(func.coalesce(func.max(key), 0))).scalar(),
            },
        )


def _refuse_running(tx: Transaction, store: Store, now: datetime) -> None:
    running = servers.alive(tx, now - _SERVER_IS_GONE_AFTER)
    if running:
        raise ResourceBusy(
            f"A server is running on {store.shown}: process {running[0].pid} on {running[0].host}.",
            remedy="Stop it, and copy then.",
        )


def _refuse_filled(tx: Transaction, store: Store) -> None:
    for table in metadata.sorted_tables:
        if tx.execute(select(func.count()).select_from(table)).scalar():
            raise ConfigError(
                f"{store.shown} is not empty: its table {table.name} has rows.",
                remedy="Copy into a new database.",
            )
