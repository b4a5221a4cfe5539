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
BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"


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
