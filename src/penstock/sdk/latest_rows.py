"""Which rows stay when one a key may: told from keys and cursors alone, counted by DuckDB.

For destinations that merge by writing files anew. Rows are known by their number, in the order in
which they are shown; only keys and cursors are held, on disk where they are many.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

_MEMORY: Final = "256MB"


class Numbers:
    """Some of the rows shown, by number."""

    def __init__(self, sorted_numbers: pa.Array) -> None:
        self._numbers = sorted_numbers
        self._values = memoryview(sorted_numbers.buffers()[1] or b"").cast("q")

    def __len__(self) -> int:
        return len(self._numbers)

    def among(self, start: int, count: int) -> pa.Array:
        """Returns which of the `count` rows from number `start` on are meant, counted from 0."""
        low, high = self._at(start), self._at(start + count)
        return pc.subtract(self._numbers.slice(low, high - low), start)

    def _at(self, number: int) -> int:
        low, high = 0, len(self._numbers)
        while low < high:
            middle = (low + high) // 2
            if self._values[middle] < number:
                low = middle + 1
            else:
                high = middle
        return low


class LatestRows:
    """Of rows with an equal key the largest cursor stays, null least, then the last to arrive.

    Nulls in a key are equal. Show all arriving rows first, then those that are there already.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, types: list[pa.DataType]) -> None:
        """`types` are those of the key's columns, and of the cursor, which is always last."""
        self._connection = connection
        self._keys = [f"k{i}" for i in range(len(types) - 1)]
        self._names = [*self._keys, "c"]
        self._empty = pa.schema(list(zip(self._names, types, strict=True)))
        self._arrived = 0
        self._there = 0
        self._make("arriving", "n, {keys}, c")

    def show_arriving(self, rows: pa.RecordBatch) -> None:
        """Takes keys and cursor of the next rows that arrive."""
        self._take("arriving", "SELECT * FROM shown", rows, self._arrived)
        self._arrived += rows.num_rows

    def begin_there(self) -> None:
        """Ends the arriving rows; of each key the latest is known from now on."""
        keys = ", ".join(self._keys)
        self._connection.execute(
            "CREATE TABLE latest AS SELECT * FROM arriving QUALIFY row_number() OVER"  # noqa: S608
            f" (PARTITION BY {keys} ORDER BY c DESC NULLS LAST, n DESC) = 1"
        )
        self._connection.execute("DROP TABLE arriving")
        self._connection.execute("CREATE TABLE rivals (n BIGINT, arriving BIGINT, stays BOOLEAN)")

    def show_there(self, rows: pa.RecordBatch) -> None:
        """Takes keys and cursor of the next rows that are there already."""
        is_equal = " AND ".join(f"shown.{k} IS NOT DISTINCT FROM latest.{k}" for k in self._keys)
        compared = (
            "SELECT shown.n, latest.n, coalesce(shown.c > latest.c, shown.c IS NOT NULL)"  # noqa: S608
            f" FROM shown JOIN latest ON {is_equal}"
        )
        self._take("rivals", compared, rows, self._there)
        self._there += rows.num_rows

    @property
    def shown_there(self) -> int:
        """How many of the rows that are there were shown: the number of the next."""
        return self._there

    def arriving_that_stay(self) -> Numbers:
        """Returns the arriving rows that have their key to themselves."""
        return self._numbers(
            "SELECT n FROM latest WHERE n NOT IN (SELECT arriving FROM rivals WHERE stays)"
        )

    def there_that_go(self) -> Numbers:
        """Returns the rows that were there and are replaced."""
        return self._numbers("SELECT n FROM rivals WHERE NOT stays")

    def _make(self, table: str, columns: str) -> None:
        shown = self._with_numbers(pa.RecordBatch.from_pylist([], self._empty), 0)
        self._connection.register("shown", shown)
        chosen = columns.format(keys=", ".join(self._keys))
        self._connection.execute(f"CREATE TABLE {table} AS SELECT {chosen} FROM shown")  # noqa: S608
        self._connection.unregister("shown")

    def _take(self, table: str, select: str, rows: pa.RecordBatch, start: int) -> None:
        self._connection.register("shown", self._with_numbers(rows, start))
        self._connection.execute(f"INSERT INTO {table} {select}")
        self._connection.unregister("shown")

    def _with_numbers(self, rows: pa.RecordBatch, start: int) -> pa.Table:
        numbers = pa.array(range(start, start + rows.num_rows), pa.int64())
        return pa.table([numbers, *rows.columns], names=["n", *self._names])

    def _numbers(self, sql: str) -> Numbers:
        found = self._connection.sql(f"{sql} ORDER BY n").to_arrow_table()
        return Numbers(found["n"].cast(pa.int64()).combine_chunks())


@contextmanager
def latest_rows(types: list[pa.DataType], spool: Path) -> Iterator[LatestRows]:
    """Opens the question; what does not fit into memory lies in the folder `spool` meanwhile."""
    spool.mkdir(parents=True, exist_ok=True)
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": _MEMORY,
        "temp_directory": str(spool),
    }
    connection = duckdb.connect(":memory:", config=settings)
    try:
        connection.execute("SET preserve_insertion_order = false")
        yield LatestRows(connection, types)
    finally:
        connection.close()
