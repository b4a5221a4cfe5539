"""One moment of the database seen by several connections, which read parts of a table at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import psycopg

from penstock.sdk.postgres.address import Address
from penstock.sdk.postgres.connection import Connection, bound, connected, copy_out, rows_of
from penstock.sdk.postgres.copy_out import WireColumn
from penstock.sdk.side_by_side import side_by_side

if TYPE_CHECKING:
    import pyarrow as pa

_CANCEL_SECONDS: Final = 10
RANGES_SINCE: Final = 140_000
"""PostgreSQL 14 reads a range of pages; older servers would read all of them for each."""
BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"


def in_pages(begin: int, end: int, blocks: int) -> list[str]:
    """Returns the conditions of rows in pages from `begin` up to `end`, of a table of so many.

    Pages added meanwhile hold nothing that the transaction sees: the last range has no end.
    """
    bounds = [f"ctid >= '({begin},0)'::tid"] if begin else []
    return bounds + ([f"ctid < '({end},0)'::tid"] if end < blocks else [])


def file_and_pages(connection: Connection, oid: int) -> tuple[int, int]:
    """Returns the file that a table's rows are in, and how many pages it has."""
    query = (
        "SELECT pg_relation_filenode(%s::oid)::bigint, pg_relation_size(%s::oid)"
        " / current_setting('block_size')::bigint"
    )
    file, blocks = rows_of(connection, query, (oid, oid))[0]
    return file, blocks


class Moment:
    """What a first connection sees in its transaction; others join it when there is work for them.

    Close it before the first connection's transaction ends.
    """

    def __init__(self, first: Connection, address: Address, *, connections: int) -> None:
        self._first = first
        self._address = address
        self._most = connections
        self._others: list[Connection] = []
        self._open = ExitStack()

    @property
    def connections(self) -> int:
        """How many may read at once, the first among them."""
        return self._most

    def read(
        self, queries: Sequence[str], columns: Sequence[WireColumn]
    ) -> Iterator[pa.RecordBatch]:
        """Yields the rows of queries, at most one a connection; in no order between queries."""
        if len(queries) == 1:
            yield from copy_out(self._first, queries[0], columns)
            return
        self._join(len(queries) - 1)
        used = [self._first, *self._others[: len(queries) - 1]]
        makers = [
            partial(copy_out, connection, query, columns)
            for connection, query in zip(used, queries, strict=True)
        ]

        def interrupt() -> None:
            for connection in used:
                with suppress(psycopg.Error):  # of a server that is gone, nothing is to be ended
                    connection.cancel_safe(timeout=_CANCEL_SECONDS)

        yield from side_by_side(makers, interrupt=interrupt)

    def read_table(
        self, query: str, columns: Sequence[WireColumn], *, blocks: int, step: int
    ) -> Iterator[pa.RecordBatch]:
        """Yields the rows of a query without conditions: `step` pages a connection at once.

        `blocks` is how many pages the table has; 0 where it has none that can be told apart.
        """
        if self._most == 1 or blocks <= step:
            yield from self.read([query], columns)
            return
        conditions = [in_pages(begin, begin + step, blocks) for begin in range(0, blocks, step)]
        queries = [f"{query} WHERE {' AND '.join(each)}" for each in conditions]
        for first in range(0, len(queries), self._most):
            yield from self.read(queries[first : first + self._most], columns)

    def close(self) -> None:
        """Closes the other connections."""
        self._open.close()
        self._others = []

    def _join(self, count: int) -> None:
        """Opens connections that see what the first one sees (PostgreSQL 15 documentation, 9.27.5).

        The snapshot can be taken up as long as the first connection's transaction goes on.
        """
        while len(self._others) < count:
            snapshot = rows_of(self._first, "SELECT pg_export_snapshot()")[0][0]
            other = self._open.enter_context(connected(self._address))
            other.execute(BEGIN)
            other.execute(bound(other, "SET TRANSACTION SNAPSHOT %s", (snapshot,)))
            self._others.append(other)
