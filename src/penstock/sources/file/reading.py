"""What every format gives: the facts of a whole file, and its rows; and the parser they share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import duckdb
import pyarrow as pa

from penstock.data.types import JSON_TYPE, Kind
from penstock.errors import DataError

BATCH_ROWS: Final = 65_536
LONG_BATCH_ROWS: Final = 2_048
"""Rows a batch of files with records of megabytes: DuckDB moves all of a batch's text anew for
every row that follows a huge one."""
_PARSER_MEMORY: Final = "1GB"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFacts:
    """One column of one file, after every value was looked at."""

    name: str
    """As the reader gives it: the file's own name, made unique."""
    kind: Kind | None
    """None: the column has no value in this file."""
    is_exact: bool = True
    """False: some values do not fit the kind; the column travels as text, and they are recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """One version of one file, after every value was looked at."""

    columns: tuple[ColumnFacts, ...]
    rows: int
    notes: tuple[str, ...] = ()
    """What was repaired, for the log: renamed headers and the like."""
    layout: Mapping[str, Any]
    """What the reader found out for itself: delimiter, sheet, …"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to read the files of one stream; None and empty leave it to the reader."""

    delimiter: str | None = None
    quote: str = '"'
    escape: str | None = None
    header: bool = True
    column_names: tuple[str, ...] = ()
    nulls: tuple[str, ...] = ()
    skip_rows: int = 0
    sheet: str | None = None


class Reader(Protocol):
    """One format. Both functions take a plain local file and its name for messages."""

    def inspect(self, path: Path, url: str, options: Options) -> FileFacts:
        """Looks at every value once; raises DataError naming file and line."""
        ...

    def read(
        self,
        path: Path,
        url: str,
        facts: FileFacts,
        wanted: Mapping[str, Kind],
        options: Options,
        *,
        skip: int,
    ) -> Iterator[pa.RecordBatch | list[dict[str, Any]]]:
        """Yields the rows after the first `skip`, in the file's order.

        A column travels typed where its facts and its `wanted` kind agree, else as its text.
        """
        ...


def quoted(text: str) -> str:
    """Returns a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def unique_names(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns usable column names, and a note for each that differs from the file's own."""
    result: list[str] = []
    notes: list[str] = []
    taken = set(names)
    used: set[str] = set()
    for position, name in enumerate(names, start=1):
        unique = name or _free(f"column_{position}", taken | used, first=None)
        if unique in used:
            unique = _free(unique, taken | used, first=2)
        if unique != name:
            what = f"the second {name!r}" if name else "without a name"
            notes.append(f"column {position}, {what}, is read as {unique!r}")
        used.add(unique)
        result.append(unique)
    return tuple(result), tuple(notes)


def _free(name: str, taken: set[str], *, first: int | None) -> str:
    number = first or 2
    candidate = f"{name}_{number}" if first else name
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    return candidate


@contextmanager
def parser(*, ordered: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    """Lends an in-memory DuckDB used as a parser only; `ordered` keeps the file's row order."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": _PARSER_MEMORY,
        "threads": max(1, min(4, os.cpu_count() or 1)),
        "preserve_insertion_order": ordered,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    connection = duckdb.connect(":memory:", config=settings)
    try:
        connection.execute("set TimeZone = 'UTC'")
        yield connection
    finally:
        connection.close()


def parser_errors() -> tuple[type[Exception], ...]:
    """Returns what DuckDB and Arrow raise for content that they cannot parse."""
    return (duckdb.Error, pa.ArrowException, OSError)


def stream_batches(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    names: Sequence[str],
    kinds: Sequence[Kind],
    *,
    batch_rows: int,
) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a query under other column names; JSON columns become JSON by type."""
    reader = connection.sql(query).to_arrow_reader(batch_rows)
    json_columns = [index for index, kind in enumerate(kinds) if kind is Kind.JSON]
    for batch in reader:
        if not batch.num_rows:
            continue
        arrays = batch.columns
        for index in json_columns:
            arrays[index] = pa.ExtensionArray.from_storage(JSON_TYPE, arrays[index])
        yield pa.RecordBatch.from_arrays(arrays, names=list(names))


SQL_TYPES: Final[Mapping[Kind, str]] = {
    Kind.STRING: "varchar",
    Kind.BOOLEAN: "boolean",
    Kind.INTEGER: "bigint",
    Kind.BIG_INTEGER: "decimal(38, 0)",
    Kind.NUMBER: "double",
    Kind.DECIMAL: "decimal(38, 9)",
    Kind.DATE: "date",
    Kind.TIMESTAMP_TZ: "timestamptz",
    Kind.TIMESTAMP: "timestamp",
    Kind.TIME: "time",
    Kind.JSON: "varchar",
}


def not_what_it_claims(url: str, what: str, *, remedy: str, **context: Any) -> DataError:
    """Returns the error of a file that cannot be read as what it claims to be."""
    return DataError(f"{url}: {what}", remedy=remedy, file=url, **context)
