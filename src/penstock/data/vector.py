"""Records of one stream parsed by DuckDB, each proved: written back it equals its own text."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Set
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from penstock.data import temporal
from penstock.data.arrays import Ascending, number, numbers_of, of_values
from penstock.data.careful import storage_type
from penstock.data.json_text import split_object
from penstock.data.lines import RecordTexts
from penstock.data.proof import Habits, block_query
from penstock.data.types import Column, Kind
from penstock.errors import BugError, ResourceExhausted

_SOURCE_SCHEMA: Final = pa.schema([("j", pa.string()), ("i", pa.int32())])
_VECTOR_ROWS: Final = 2048
_PIECE_BYTES: Final = 4 << 20
_MAX_ROW_BYTES: Final = 8 << 20
"""Longer records are left unproved: read value by value they need less memory."""
_PREPARED_FROM: Final = 64
"""Columns from which planning a query for every block costs more than its second thread saves."""
_GIVES_BACK: Final = {
    "allocator_flush_threshold": "8MB",
    "allocator_bulk_deallocation_flush_threshold": "8MB",
}
"""Freed memory goes back to the system after each block: DuckDB would keep 128 MB a thread."""
_UTC: Final = pa.timestamp("us", tz="UTC")
_NAIVE: Final = pa.timestamp("us")


@dataclass(frozen=True, slots=True)
class Parsed:
    """Rows in order: an array a column, and where a row was not proved (its values are void)."""

    columns: list[pa.Array]
    is_proved: pa.Array


class VectorSession:
    """One in-memory DuckDB shared by the parsers of a read; not for several threads at once."""

    def __init__(self, *, threads: int | None, memory_limit: str) -> None:
        settings: dict[str, Any] = {"memory_limit": memory_limit, **_GIVES_BACK}
        if threads is not None:
            settings["threads"] = threads
        self._connection = duckdb.connect(config=settings)
        self._source = _Source()
        self._connection.register("source", self._source)
        self._prepared: dict[str, str] = {}
        self.numbers = Ascending(pa.int32())

    def run(self, query: str, batches: list[pa.RecordBatch], *, is_wide: bool) -> pa.Table:
        """Returns the query's answer over `source`, which is these batches, in order."""
        self._source.batches = batches
        try:
            if not is_wide:
                return self._connection.sql(query).to_arrow_table()
            name = self._prepared.get(query)
            if name is None:
                name = f"p{len(self._prepared)}"
                self._connection.execute(f"PREPARE {name} AS {query}")
                self._prepared[query] = name
            return self._connection.sql(f"EXECUTE {name}").to_arrow_table()
        except duckdb.OutOfMemoryException as error:
            raise ResourceExhausted(
                "DuckDB's share of memory does not suffice to parse a block of records.",
                remedy="Give the decoder a larger memory limit, or read smaller blocks.",
            ) from error
        finally:
            self._source.batches = []

    def close(self) -> None:
        """Frees DuckDB's memory; tables already returned stay valid."""
        self._connection.close()


class _Source:
    """The table `source` of every query: an Arrow stream over the batches of the moment."""

    def __init__(self) -> None:
        self.batches: list[pa.RecordBatch] = []

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        reader = pa.RecordBatchReader.from_batches(_SOURCE_SCHEMA, self.batches)
        return reader.__arrow_c_stream__(requested_schema)


class VectorParser:
    """Parses records whose keys come in one order; others are left unproved.

    The proof of a row is one equality: the parsed values, written as compact JSON under the
    expected keys, give its text back byte for byte. So nothing in the text was overlooked
    (undeclared or repeated keys), rounded (long literals), or read as something it is not.
    """

    def __init__(
        self,
        session: VectorSession,
        columns: tuple[Column, ...],
        order: tuple[str, ...],
        *,
        mixed: Set[str] = frozenset(),
    ) -> None:
        """`mixed` names the STRING columns whose values are not only strings."""
        self._session = session
        self._columns = columns
        self._is_wide = len(order) > _PREPARED_FROM
        self.is_sparse = False
        """Whether records may leave keys out; proving these, too, costs a tenth more."""
        self.habits = Habits()
        """What the records are like; proved rows are, others teach `learn` something."""
        self._query = cache(partial(block_query, columns=columns, order=order, mixed=mixed))

    def learn(self, texts: RecordTexts) -> bool:
        """Learns from rows that were not proved; tells whether there is news for proving."""
        nullable, escaped = set(self.habits.nullable), set(self.habits.escaped)
        for text in texts:
            try:
                fields = split_object(text)
            except ValueError:
                continue
            nullable.update(name for name, value in fields.items() if value == b"null")
            escaped.update(name for name, value in fields.items() if b"\\" in value)
        old, self.habits = self.habits, Habits(frozenset(nullable), frozenset(escaped))
        return self.habits != old

    def parse(self, texts: RecordTexts) -> Iterator[Parsed]:
        """Yields the rows in order, in one or several parts."""
        numbers = self._session.numbers.first(len(texts))
        batches = list(_pieces(texts, numbers))
        try:
            table = self._run(batches, is_forgiving=False)
        except (duckdb.InvalidInputException, duckdb.ConversionException, UnicodeDecodeError):
            # Some text is not JSON, or not UTF-8 (which duckdb then cannot quote in its error).
            table = self._run(batches, is_forgiving=True)
        if not table["i"].equals(pa.chunked_array([numbers])):
            raise BugError(
                "DuckDB returned the rows of a block in another order than they were given.",
                remedy="Report it, with the version of duckdb.",
                rows=len(texts),
            )
        for batch in table.to_batches():
            yield self._typed(batch)

    def _run(self, batches: list[pa.RecordBatch], *, is_forgiving: bool) -> pa.Table:
        query = self._query(is_sparse=self.is_sparse, is_forgiving=is_forgiving, habits=self.habits)
        return self._session.run(query, batches, is_wide=self._is_wide)

    def _typed(self, batch: pa.RecordBatch) -> Parsed:
        is_proved = batch.column("ok")
        arrays = []
        for position, column in enumerate(self._columns):
            array = batch.column(position)
            if column.kind in _READERS:
                array, is_odd = _READERS[column.kind](array)
                if is_odd is not None:
                    is_proved = pc.and_(is_proved, pc.invert(is_odd))
            elif array.type != storage_type(column.kind):
                array = array.cast(storage_type(column.kind))
            arrays.append(array)
        return Parsed(arrays, is_proved)


def _pieces(texts: RecordTexts, numbers: pa.Array) -> Iterator[pa.RecordBatch]:
    """Cuts the rows into parts of whole DuckDB vectors, enough for its threads to share.

    DuckDB holds a vector of 2,048 rows several times over, so long rows come in shorter parts.
    """
    lengths = texts.byte_lengths()
    array = texts.array
    is_long = pc.greater(lengths, number(_MAX_ROW_BYTES))
    if is_long.true_count:
        array = pc.if_else(is_long, pa.scalar(None, array.type), array)
    filled = numbers_of(pc.cumulative_sum(lengths))
    count = len(texts)
    size = max(_VECTOR_ROWS, -(-count // 8 // _VECTOR_ROWS) * _VECTOR_ROWS)
    start = 0
    while start < count:
        end = bisect_right(filled, filled[start] + _PIECE_BYTES, start, min(start + size, count))
        yield pa.RecordBatch.from_arrays(
            [array[start:end], numbers[start:end]], schema=_SOURCE_SCHEMA
        )
        start = end


def _instants(array: pa.Array) -> tuple[pa.Array, Any]:
    """Reads instants in UTC. Arrow's reader takes or refuses a whole array, so it cannot err."""
    for spelling in (_UTC, _NAIVE):
        try:
            return pc.cast(array, spelling).view(_UTC), None
        except pa.ArrowInvalid:
            continue
    return _by_reference(array, _UTC, temporal.instant)


def _wall_clocks(array: pa.Array) -> tuple[pa.Array, Any]:
    instants, is_odd = _instants(array)
    return instants.view(_NAIVE), is_odd


def _dates(array: pa.Array) -> tuple[pa.Array, Any]:
    try:
        return pc.cast(array, pa.date32()), None
    except pa.ArrowInvalid:
        return _by_reference(array, pa.date32(), lambda text: (temporal.date(text), False))


def _times(array: pa.Array) -> tuple[pa.Array, Any]:
    return _by_reference(array, pa.time64("us"), temporal.time)


def _by_reference(array: pa.Array, result: pa.DataType, read: Any) -> tuple[pa.Array, Any]:
    """Reads each distinct text once; rows whose text does not simply fit are marked odd."""
    coded = array.dictionary_encode()
    values: list[int | None] = []
    for text in coded.dictionary.to_pylist():
        try:
            value, is_cut = read(text)
        except temporal.Unfit:
            is_cut = True
        values.append(None if is_cut else value)
    whole = pa.int32() if pa.types.is_date32(result) else pa.int64()
    read_values = of_values(values, whole).take(coded.indices)
    is_odd = pc.and_(read_values.is_null(), array.is_valid())
    return read_values.view(result), is_odd


_READERS: Final = {
    Kind.TIMESTAMP_TZ: _instants,
    Kind.TIMESTAMP: _wall_clocks,
    Kind.DATE: _dates,
    Kind.TIME: _times,
}
