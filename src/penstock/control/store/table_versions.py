"""Which tables this process has written to, as numbers that grow with each write."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine, Table, event

_WRITTEN: Final = "penstock_written"
_ALL: Final = "*"
"""Stands for every table, where a statement does not say which one it writes."""


def with_parents(tables: Iterable[Table]) -> frozenset[str]:
    """Returns their names, and those of all whose rows take rows of theirs with them."""
    found: set[Table] = set()
    waiting = list(tables)
    while waiting:
        table = waiting.pop()
        if table not in found:
            found.add(table)
            waiting += [key.column.table for key in table.foreign_keys]
    return frozenset(table.name for table in found)


class TableVersions:
    """Counts the writes of one engine. Safe to use from any number of threads."""

    def __init__(self, engine: Engine) -> None:
        self._turn = threading.Lock()
        self._number = 0
        self._newest: dict[str, int] = {}
        event.listen(engine, "before_execute", _note)

    def of(self, tables: frozenset[str]) -> int:
        """Returns a larger number after each write to one of the tables."""
        newest = self._newest
        return max(newest.get(name, 0) for name in (_ALL, *tables))

    @contextmanager
    def counting(self) -> Iterator[set[str]]:
        """Yields what `watch` fills; counts its tables when the block has ended, however it did."""
        written: set[str] = set()
        try:
            yield written
        finally:
            with self._turn:
                self._number += 1
                self._newest |= dict.fromkeys(written, self._number)

    @staticmethod
    def watch(tx: Connection, written: set[str]) -> None:
        """Adds to `written` the tables of every statement of a transaction but SELECT."""
        tx.info[_WRITTEN] = written


def _note(connection: Connection, statement: Any, *_more: object) -> None:
    if getattr(statement, "is_select", False):
        return
    written = connection.info.get(_WRITTEN)
    if written is not None:
        written.add(statement.table.name if getattr(statement, "is_dml", False) else _ALL)
