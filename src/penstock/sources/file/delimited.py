"""CSV and TSV: the dialect, the kinds of all values, and rows at the parser's speed."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from penstock.data.types import Kind
from penstock.errors import BugError, DataError
from penstock.sources.file.kinds import (
    SHORT_NUMBER,
    SHORT_NUMBER_RULE,
    TEXT_RULES,
    WRITTEN_NUMBER_RULE,
    first_fitting,
    guessed,
    holds,
)
from penstock.sources.file.reading import (
    BATCH_ROWS,
    LONG_BATCH_ROWS,
    SQL_TYPES,
    ColumnFacts,
    FileFacts,
    Options,
    not_what_it_claims,
    parser,
    parser_errors,
    quoted,
    stream_batches,
    unique_names,
)

_HEAD_BYTES: Final = 256 << 10
_SAMPLE_ROWS: Final = 1_000
_SAMPLE_CELLS: Final = 20_000
_DELIMITERS: Final = (",", ";", "\t", "|")
_LINE_BYTES: Final = (2 << 20, 64 << 20, 512 << 20)
"""Longest line: what is tried first, and what after a longer one was met."""
_BUFFERED_LINES: Final = 4
"""Lines of that length a parser buffer holds: 8 MiB took half the memory of DuckDB's 32 MiB, and
no more time."""
_FIRST_LOOK_BYTES: Final = 4 << 10
_LOOK_BYTES: Final = 256 << 10
"""Bytes read in search of a line end: a page first, which nearly always has one."""
_CLASSIFIED_AT_ONCE: Final = 20
_PROVED_AT_ONCE: Final = 500
"""Columns a query: DuckDB's time to plan one grows with the square of its conditions."""


@dataclass(frozen=True, slots=True)
class DelimitedReader:
    """Reads text tables; `delimiter` None finds it among comma, semicolon, tab and bar."""

    delimiter: str | None = None

    def inspect(self, path: Path, url: str, options: Options) -> FileFacts:
        """Looks at every cell once and finds the kind of each column."""
        head = _head(path, url, options, options.delimiter or self.delimiter)
        delimiter = head.delimiter
        if not head.names:
            return FileFacts(columns=(), rows=0, layout={"delimiter": delimiter})
        unique, notes = unique_names(head.names)
        guesses = _guesses(head, options)
        for line_bytes in _line_bytes(path):
            table = _table(path, len(unique), delimiter, options, line_bytes)
            try:
                with parser(ordered=False) as connection:
                    kinds, rows = _kinds_of(connection, table, guesses)
            except parser_errors() as error:
                if line_bytes is not _LINE_BYTES[-1] and _TOO_LONG.search(str(error)):
                    continue
                raise _explained(error, url) from error
            columns = tuple(
                ColumnFacts(name=name, kind=kind) for name, kind in zip(unique, kinds, strict=True)
            )
            layout = {"delimiter": delimiter, "line_bytes": line_bytes}
            return FileFacts(columns=columns, rows=rows, notes=notes, layout=layout)
        raise BugError(f"{url} was read with no line length.", remedy="Please report it.")

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
        """Yields the rows in order, each column typed where all its values were proved to fit."""
        if not facts.rows:
            return
        kinds = [_travels_as(column, wanted.get(column.name)) for column in facts.columns]
        cells = ", ".join(
            _cell(index, kind, wanted.get(column.name))
            for index, (column, kind) in enumerate(zip(facts.columns, kinds, strict=True))
        )
        table = _table(
            path, len(kinds), facts.layout["delimiter"], options, facts.layout["line_bytes"]
        )
        is_usual = facts.layout["line_bytes"] == _LINE_BYTES[0]
        names = [column.name for column in facts.columns]
        offset = f" offset {skip}" if skip else ""
        try:
            with parser(ordered=True) as connection:
                yield from stream_batches(
                    connection,
                    f"select {cells} from {table}{offset}",
                    names,
                    kinds,
                    batch_rows=BATCH_ROWS if is_usual else LONG_BATCH_ROWS,
                )
        except parser_errors() as error:
            raise _explained(error, url) from error


def _travels_as(column: ColumnFacts, wanted: Kind | None) -> Kind:
    found = column.kind or wanted or Kind.STRING
    return found if wanted is None or holds(wanted, found) else Kind.STRING


def _cell(index: int, kind: Kind, wanted: Kind | None) -> str:
    cell = f"c{index}"
    if kind is Kind.STRING:
        is_text = wanted in (None, Kind.STRING, Kind.JSON)
        return cell if is_text else f"nullif({cell}, '') as {cell}"
    return f"cast(nullif({cell}, '') as {SQL_TYPES[kind]}) as {cell}"


def _table(path: Path, width: int, delimiter: str, options: Options, line_bytes: int) -> str:
    escape = options.quote if options.escape is None else options.escape
    columns = ", ".join(f"'c{index}': 'VARCHAR'" for index in range(width))
    nulls = ", ".join(quoted(text) for text in ("", *options.nulls))
    return (
        f"read_csv({quoted(str(path))}, auto_detect=false, strict_mode=true, null_padding=false,"
        f" header={str(options.header).lower()}, skip={options.skip_rows},"
        f" delim={quoted(delimiter)}, quote={quoted(options.quote)}, escape={quoted(escape)},"
        f" nullstr=[{nulls}], allow_quoted_nulls=false, compression='none',"
        f" max_line_size={line_bytes}, buffer_size={line_bytes * _BUFFERED_LINES},"
        f" columns={{{columns}}})"
    )


_TOO_LONG: Final = re.compile("aximum line size|unterminated quote|Not implemented")
"""How the parser ends when a record is longer than it was told; a real fault stays one."""


def _line_bytes(path: Path) -> Sequence[int]:
    """Returns the line lengths to try, without those that a line of the file is longer than.

    A last line longer than its buffer is dropped by DuckDB 2.0 without an error. Every line is
    shorter than a length when every stretch of half that length holds a line end.
    """
    for number, line_bytes in enumerate(_LINE_BYTES):
        if _has_line_ends(path, line_bytes // 2):
            return _LINE_BYTES[number:]
    raise not_what_it_claims(
        str(path),
        f"a line is longer than {_LINE_BYTES[-1] >> 21} MiB.",
        remedy="Check that the file is a text table.",
    )


def _has_line_ends(path: Path, stretch: int) -> bool:
    # Read, not mapped: the kernel counts all that it maps around each place looked at as ours.
    size = path.stat().st_size
    with path.open("rb", buffering=0) as stream:
        return all(
            _has_line_end(stream, start, stretch) for start in range(0, size - stretch, stretch)
        )


def _has_line_end(stream: io.FileIO, start: int, length: int) -> bool:
    """Tells whether a line ends in the `length` bytes from `start`; stops at the first."""
    stream.seek(start)
    left, block_bytes = length, _FIRST_LOOK_BYTES
    while left > 0 and (block := stream.read(min(block_bytes, left))):
        if b"\n" in block or b"\r" in block:
            return True
        left -= len(block)
        block_bytes = _LOOK_BYTES
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """The first lines of a file."""

    names: Sequence[str]
    delimiter: str
    sample: Sequence[Sequence[str]]


def _head(path: Path, url: str, options: Options, delimiter: str | None) -> _Head:
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
        is_whole = len(head) < _HEAD_BYTES
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise _not_utf8(url, 1)
    text = head.decode("utf-8-sig", "replace")
    for _ in range(options.skip_rows):
        text = re.split(r"\r\n|\n|\r", text, maxsplit=1)[-1]
    if delimiter is None:
        delimiter = _delimiter_of(text, options, is_whole=is_whole)
    records = list(islice(_records(text, delimiter, options), _SAMPLE_ROWS + 1))
    first = records[0] if records else []
    sample = records[1 if options.header else 0 : None if is_whole else -1]
    if options.column_names:
        if first and len(first) != len(options.column_names):
            raise not_what_it_claims(
                url,
                f"has {len(first)} columns; `column_names` gives {len(options.column_names)}.",
                remedy="Give a name for every column, or leave column_names out.",
            )
        names: Sequence[str] = options.column_names
    else:
        names = first if options.header else [f"f{index}" for index in range(len(first))]
    return _Head(names=names, delimiter=delimiter, sample=sample)


Guess = tuple[Kind | None, str]
"""A kind, and the condition (SQL, on `{x}`) that proves it for one value."""


def _guesses(head: _Head, options: Options) -> dict[int, Guess]:
    """Returns a likely kind for each column, with the cheapest rule that can prove it."""
    width = len(head.names)
    rows = head.sample[: max(20, _SAMPLE_CELLS // width)]
    guesses: dict[int, Guess] = {}
    for index in range(width):
        texts = [row[index] for row in rows if index < len(row)]
        texts = [text for text in texts if text and text not in options.nulls]
        kind = guessed(texts)
        if kind is Kind.NUMBER:
            is_short = max(map(len, texts)) <= SHORT_NUMBER
            guesses[index] = (kind, SHORT_NUMBER_RULE if is_short else WRITTEN_NUMBER_RULE)
        else:
            guesses[index] = (kind, TEXT_RULES.get(kind, "") if kind else "")
    return guesses


def _records(text: str, delimiter: str, options: Options) -> Iterator[list[str]]:
    csv.field_size_limit(_LINE_BYTES[-1])
    settings: dict[str, Any] = {"delimiter": delimiter}
    if options.quote:
        settings["quotechar"] = options.quote
        if options.escape and options.escape != options.quote:
            settings |= {"escapechar": options.escape, "doublequote": False}
    else:
        settings["quoting"] = csv.QUOTE_NONE
    for record in csv.reader(io.StringIO(text, newline=""), **settings):
        if record:
            yield record


def _delimiter_of(text: str, options: Options, *, is_whole: bool) -> str:
    """Returns the delimiter that gives all first records the same, largest number of cells."""
    best, best_width = ",", 1
    for candidate in _DELIMITERS:
        records = list(_records(text, candidate, options))[:100]
        if not is_whole and len(records) < 100:
            records = records[:-1] or records
        widths = {len(record) for record in records}
        if len(widths) == 1 and (width := widths.pop()) > best_width:
            best, best_width = candidate, width
    if best_width > 1:
        return best
    header = next(iter(text.splitlines()), "")
    return max(_DELIMITERS, key=lambda mark: (header.count(mark), mark == ","))


def _kinds_of(
    connection: duckdb.DuckDBPyConnection, table: str, guesses: Mapping[int, Guess]
) -> tuple[list[Kind | None], int]:
    """Finds each column's kind: guessed from the first rows, then proved on every value."""
    kinds, rows, refuted = _proved(connection, table, guesses)
    if refuted:
        kinds |= _classified(connection, table, refuted)
    return [kinds[index] for index in guesses], rows


def _classified(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[int]
) -> dict[int, Kind | None]:
    """Returns the kind of columns by trying every rule on every value of `table`."""
    kinds: dict[int, Kind | None] = {}
    for start in range(0, len(columns), _CLASSIFIED_AT_ONCE):
        part = columns[start : start + _CLASSIFIED_AT_ONCE]
        counts = []
        for index in part:
            counts.append(f"count(nullif(c{index}, ''))")
            counts.append(f"count(c{index})")
            counts += [_misfits(index, rule) for rule in TEXT_RULES.values()]
        row = connection.execute(f"select {', '.join(counts)} from {table}").fetchone() or ()
        step = len(TEXT_RULES) + 2
        for offset, index in enumerate(part):
            values, texts, *misfits = row[offset * step : (offset + 1) * step]
            if values:
                kinds[index] = first_fitting(dict(zip(TEXT_RULES, misfits, strict=True)))
            else:
                kinds[index] = Kind.STRING if texts else None
    return kinds


def _proved(
    connection: duckdb.DuckDBPyConnection, table: str, guesses: Mapping[int, Guess]
) -> tuple[dict[int, Kind | None], int, list[int]]:
    """Returns the guesses that hold for every value, the row count, and the columns refuted."""
    refuted: list[int] = []
    rows, indexes = 0, list(guesses)
    for start in range(0, len(indexes), _PROVED_AT_ONCE):
        part = indexes[start : start + _PROVED_AT_ONCE]
        counts = []
        for index in part:
            kind, rule = guesses[index]
            # Text is looked at too: what a query does not ask for is not checked to be UTF-8.
            is_checked = kind is not None and kind is not Kind.STRING
            counts.append(_misfits(index, rule) if is_checked else f"count(c{index})")
        row = connection.execute(f"select count(*), {', '.join(counts)} from {table}").fetchone()
        if row is None:
            raise BugError("The parser counted nothing.", remedy="Please report it.")
        rows, *found = row
        refuted += [
            index
            for index, count in zip(part, found, strict=True)
            if count and guesses[index][0] is not Kind.STRING
        ]
    missing = set(refuted)
    kept = {index: kind for index, (kind, _) in guesses.items() if index not in missing}
    return kept, rows, refuted


def _misfits(index: int, rule: str) -> str:
    # Not one condition of both: DuckDB's time to plan a query grows with the square of those.
    cell = f"c{index}"
    return f"count(nullif({cell}, '')) - count_if({rule.replace('{x}', cell)})"


_LINE: Final = re.compile(r"CSV Error on Line: (\d+)")
_WIDTHS: Final = re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)")


def _explained(error: Exception, url: str) -> DataError:
    """Returns the parser's error as ours: file, line, what is wrong there, what to do."""
    text = str(error)
    found = _LINE.search(text)
    line = int(found[1]) if found else None
    where = f"line {line}" if line else "a line"
    if widths := _WIDTHS.search(text):
        return not_what_it_claims(
            url,
            f"{where} has {widths[2]} cells; the header promises {widths[1]}.",
            remedy="Correct the line, or set the options delimiter, quote or header.",
            line=line,
        )
    if "unterminated quote" in text or "invalid state" in text:
        return not_what_it_claims(
            url,
            f"{where} has a quote that is not closed, text after one, or mixed line ends.",
            remedy="Correct the line, or set the options quote and escape (quote: '' for none).",
            line=line,
        )
    if "nvalid unicode" in text or "not utf-8" in text.lower():
        return _not_utf8(url, line)
    if "aximum line size" in text:
        return not_what_it_claims(
            url,
            f"{where} is longer than {_LINE_BYTES[-1] >> 20} MiB; a quote may be missing.",
            remedy="Look for an opening quote without a closing one, or set quote: ''.",
            line=line,
        )
    return not_what_it_claims(
        url,
        f"cannot be parsed: {text.splitlines()[0] if text else type(error).__name__}",
        remedy="Check the file, and the options delimiter, quote, escape and header.",
        line=line,
    )


def _not_utf8(url: str, line: int | None) -> DataError:
    where = f"line {line}" if line else "a line"
    return not_what_it_claims(
        url,
        f"{where} is not UTF-8 text.",
        remedy="Set the option encoding to what the file was written in: cp1252, utf-16, …",
        line=line,
    )
