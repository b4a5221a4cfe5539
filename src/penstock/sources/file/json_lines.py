"""JSON Lines and JSON arrays: the keys and kinds of all records, and rows at the parser's speed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Final

import duckdb
import orjson
import pyarrow as pa

from penstock.data.types import Kind
from penstock.errors import BugError, DataError
from penstock.sources.file.kinds import ValueKinds, holds, text_rule
from penstock.sources.file.long_numbers import may_hold_long_numbers
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
)

_SAMPLE_ROWS: Final = 200
_PAGE_ROWS: Final = 5_000
_CLASSIFIED_AT_ONCE: Final = 20
_OBJECT_BYTES: Final = (4 << 20, 64 << 20, 1 << 30)
"""Longest record: what is tried first, and what after a longer one was met."""
_LONG_NUMBER: Final = r"[1-9][0-9.]{18}"
_LOSES_DIGITS: Final = (
    f"(regexp_matches(json, '{_LONG_NUMBER}') and (regexp_matches(json, '[1-9][0-9]{{19}}')"
    f" or len(list_filter(regexp_extract_all(json, '{_LONG_NUMBER}[0-9.]*'),"
    " lambda n: contains(n, '.'))) > 0))"
)
"""A record with a number of more digits than the parser keeps (it parses reals as doubles)."""


@dataclass(frozen=True, slots=True)
class JsonReader:
    """Reads one object a line, or (`is_document`) an array of objects or objects in a row."""

    is_document: bool = False

    def inspect(self, path: Path, url: str, options: Options) -> FileFacts:
        """Looks at every record once: all keys, and the kind of each."""
        del options
        for object_bytes in _OBJECT_BYTES:
            records = self._records(path, object_bytes)
            try:
                with parser(ordered=False) as connection:
                    facts = _facts(connection, path, records)
            except _NotObjectsError as error:
                if not self.is_document:
                    _careful_facts(_loaded_lines(path, url))  # raises, naming the line
                raise not_what_it_claims(
                    url,
                    f"{error} of its values are not JSON objects.",
                    remedy='Give every record as an object; wrap plain values: {"value": 1}.',
                ) from error
            except parser_errors() as error:
                if object_bytes is not _OBJECT_BYTES[-1] and "maximum_object_size" in str(error):
                    continue
                if self.is_document or "Malformed JSON" not in str(error):
                    raise _malformed(url, error) from error
                facts = _careful_facts(_loaded_lines(path, url))
            layout = {**facts.layout, "object_bytes": object_bytes}
            return FileFacts(columns=facts.columns, rows=facts.rows, layout=layout)
        raise BugError(f"{url} was read with no record length.", remedy="Please report it.")

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
        """Yields the records in order; dicts where only an exact, slower parser is safe."""
        del options
        if not facts.rows:
            return
        records = self._records(path, facts.layout["object_bytes"])
        mode = facts.layout["mode"]
        if mode == "lines":
            yield from _pages(_loaded_lines(path, url), skip)
        elif mode == "values" or not facts.columns:
            yield from _pages(_loaded_values(records), skip)
        else:
            try:
                is_usual = facts.layout["object_bytes"] == _OBJECT_BYTES[0]
                batch_rows = BATCH_ROWS if is_usual else LONG_BATCH_ROWS
                yield from _batches(records, facts.columns, wanted, skip, batch_rows=batch_rows)
            except parser_errors() as error:
                raise _malformed(url, error) from error

    def _records(self, path: Path, object_bytes: int) -> str:
        shape = "newline_delimited"
        if self.is_document:
            with path.open("rb") as stream:
                shape = "array" if stream.read(4096).lstrip().startswith(b"[") else "unstructured"
        return (
            f"read_json_objects({quoted(str(path))}, format='{shape}', compression='uncompressed',"
            f" maximum_object_size={object_bytes})"
        )


class _NotObjectsError(Exception):
    """So many records are something else than objects."""


def _facts(connection: duckdb.DuckDBPyConnection, path: Path, records: str) -> FileFacts:
    keys: dict[str, None] = {}
    seen: dict[str, ValueKinds] = {}
    sample = f"select json::varchar from {records} limit {_SAMPLE_ROWS}"
    for (text,) in connection.execute(sample).fetchall():
        record = _loads(text)
        if isinstance(record, dict):
            for key, value in record.items():
                seen.setdefault(key, ValueKinds()).add(value)
    keys |= dict.fromkeys(seen)
    if not _are_distinct(keys):
        return _careful_facts(_loaded_values(records), mode="values")
    guesses = {key: ColumnFacts(name=key, kind=kinds.kind) for key, kinds in seen.items()}
    long_numbers = _LOSES_DIGITS if may_hold_long_numbers(path) else "false"
    rows, strangers, careful, misfits = _proved(connection, records, guesses, long_numbers)
    if strangers:
        known = _list_of(tuple(keys))
        late = connection.execute(
            f"select distinct unnest(json_keys(json)) as key from {records}"
            f" where not list_has_all({known}, json_keys(json)) order by key"
        ).fetchall()
        keys |= dict.fromkeys(key for (key,) in late)
    if careful or not _are_distinct(keys):
        return _careful_facts(_loaded_values(records), mode="values")
    unsure = tuple(key for key in keys if key not in guesses or key in misfits)
    if unsure:
        guesses |= _classified(connection, records, unsure)
    columns = tuple(guesses[key] for key in keys)
    return FileFacts(columns=columns, rows=rows, layout={"mode": "batches"})


def _are_distinct(keys: Mapping[str, None]) -> bool:
    """Tells whether the parser can tell the keys apart: it ignores case, and knows no empty one."""
    return "" not in keys and len({key.lower() for key in keys}) == len(keys)


def _proved(
    connection: duckdb.DuckDBPyConnection,
    records: str,
    guesses: Mapping[str, ColumnFacts],
    long_numbers: str,
) -> tuple[int, int, int, set[str]]:
    """Returns rows, rows with unknown keys, rows for the careful parser, and keys misjudged."""
    checked = [
        column
        for column in guesses.values()
        if column.kind not in (Kind.STRING, Kind.JSON) or not column.is_exact
    ]
    carriers = {column.name: "VARCHAR" if column.kind in _MOMENTS else "JSON" for column in checked}
    known = _list_of(tuple(guesses))
    misfits = "".join(
        f", count_if(not coalesce({_fits(column, index)}, false) and {_at(index)} is not null)"
        for index, column in enumerate(checked)
    )
    record = f"from_json(json, {_structure(carriers)})" if carriers else "null"
    row = connection.execute(f"""
        select count(*), count_if(not starts_with(json::varchar, '{{')),
            count_if(case when keys = {known} then false else not list_has_all({known}, keys) end),
            count_if(case when keys = {known} then false
                else len(list_distinct(keys)) <> len(keys) end or {long_numbers})
            {misfits}
        from (select json, json_keys(json) as keys, {record} as s from {records})
    """).fetchone()
    if row is None:
        raise BugError("The parser counted nothing.", remedy="Please report it.")
    rows, others, strangers, careful, *wrong = row
    if others:
        raise _NotObjectsError(others)
    misjudged = {column.name for column, count in zip(checked, wrong, strict=True) if count}
    return rows, strangers, careful, misjudged


_MOMENTS: Final = (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ)


def _at(index: int) -> str:
    return f"struct_extract_at(s, {index + 1})"


def _fits(column: ColumnFacts, index: int) -> str:
    value = _at(index)
    match column.kind:
        case Kind.DATE | Kind.TIMESTAMP | Kind.TIMESTAMP_TZ:
            return text_rule(column.kind, value)
        case Kind.INTEGER | Kind.BIG_INTEGER | Kind.BOOLEAN:
            return text_rule(column.kind, f"({value}::varchar)")
        case Kind.NUMBER if column.is_exact:
            return _is_double(f"({value}::varchar)")
        case _:
            return "false"


def _is_double(text: str) -> str:
    # Nothing but a number begins with one of the characters from '-' to '9'.
    return (
        f"(case when not ({text} >= '-' and {text} < ':') then false"
        f" when contains({text}, '.') or contains({text}, 'e') then true"
        f" else coalesce(abs(try_cast({text} as double)) <= 9007199254740992, false) end)"
    )


def _classified(
    connection: duckdb.DuckDBPyConnection, records: str, wanted: Sequence[str]
) -> dict[str, ColumnFacts]:
    """Returns the kinds of some keys by counting every sort of value under each."""
    found: dict[str, ColumnFacts] = {}
    for start in range(0, len(wanted), _CLASSIFIED_AT_ONCE):
        part = wanted[start : start + _CLASSIFIED_AT_ONCE]
        counts = [count for index in range(len(part)) for count in _sorts(_at(index))]
        structure = _structure(dict.fromkeys(part, "JSON"))
        row = (
            connection.execute(
                f"select {', '.join(counts)}"
                f" from (select from_json(json, {structure}) as s from {records})"
            ).fetchone()
            or ()
        )
        step = len(counts) // len(part)
        for index, key in enumerate(part):
            found[key] = _judged(key, row[index * step : (index + 1) * step])
    return found


def _sorts(value: str) -> list[str]:
    text = f"({value}::varchar)"
    content = f"json_extract_string({value}, '$')"
    sorts = [
        f"count({value})",
        f"count_if(left({text}, 1) in ('{{', '['))",
        f"count_if(starts_with({text}, '\"'))",
        f"count_if({text} in ('true', 'false'))",
        f"count_if({text_rule(Kind.INTEGER, text)})",
        f"count_if({text_rule(Kind.BIG_INTEGER, text)})",
        f"count_if({_is_double(text)})",
    ]
    is_text = f"starts_with({text}, '\"')"
    sorts += [f"count_if({is_text} and {text_rule(kind, content)})" for kind in _MOMENTS]
    return sorts


def _judged(key: str, counts: Sequence[int]) -> ColumnFacts:
    total, nested, texts, booleans, small, whole, doubles, *moments = counts
    exact = True
    kind: Kind | None
    if not total:
        kind = None
    elif nested:
        kind = Kind.JSON
    elif texts == total:
        kinds = zip(_MOMENTS, moments, strict=True)
        kind = next((moment for moment, count in kinds if count == total), Kind.STRING)
    elif booleans == total:
        kind = Kind.BOOLEAN
    elif texts or booleans:
        kind = Kind.STRING
    elif small == total:
        kind = Kind.INTEGER
    elif whole == total:
        kind = Kind.BIG_INTEGER
    else:
        kind, exact = Kind.NUMBER, doubles == total
    return ColumnFacts(name=key, kind=kind, is_exact=exact)


def _batches(
    records: str,
    columns: Sequence[ColumnFacts],
    wanted: Mapping[str, Kind],
    skip: int,
    *,
    batch_rows: int,
) -> Iterator[pa.RecordBatch]:
    kinds = [_travels_as(column, wanted.get(column.name)) for column in columns]
    carriers = {
        column.name: _CARRIERS.get(kind, "VARCHAR")
        for column, kind in zip(columns, kinds, strict=True)
    }
    cells = ", ".join(f"{_cell(index, kind)} as c{index}" for index, kind in enumerate(kinds))
    offset = f" offset {skip}" if skip else ""
    query = (
        f"select {cells} from (select from_json(json, {_structure(carriers)}) as s"
        f" from {records}{offset})"
    )
    with parser(ordered=True) as connection:
        names = [column.name for column in columns]
        yield from stream_batches(connection, query, names, kinds, batch_rows=batch_rows)


_CARRIERS: Final = {
    Kind.BOOLEAN: "BOOLEAN",
    Kind.INTEGER: "BIGINT",
    Kind.NUMBER: "DOUBLE",
    Kind.BIG_INTEGER: "JSON",
    Kind.JSON: "JSON",
}


def _travels_as(column: ColumnFacts, wanted: Kind | None) -> Kind:
    found = column.kind or wanted or Kind.STRING
    if wanted is Kind.JSON:
        return Kind.JSON
    return found if column.is_exact and (wanted is None or holds(wanted, found)) else Kind.STRING


def _cell(index: int, kind: Kind) -> str:
    if kind in (Kind.STRING, Kind.BOOLEAN, Kind.INTEGER, Kind.NUMBER):
        return _at(index)
    if kind is Kind.JSON:
        return f"({_at(index)}::varchar)"
    return f"cast({_at(index)}::varchar as {SQL_TYPES[kind]})"


def _structure(carriers: Mapping[str, str]) -> str:
    return quoted(orjson.dumps(carriers).decode())


def _list_of(keys: Sequence[str]) -> str:
    return f"[{', '.join(quoted(key) for key in keys)}]::varchar[]"


# The exact, slower road: Python's parser, for the few files that the fast one cannot do justice.


def _exact_number(text: str) -> float | Decimal:
    double = float(text)
    if not math.isfinite(double):
        return Decimal(text)
    if len(text) <= 16:
        return double
    exact = Decimal(text)
    return double if exact in (Decimal(repr(double)), Decimal(f"{double:.16e}")) else exact


def _loads(text: str | bytes) -> Any:
    return json.loads(text, parse_float=_exact_number)


def _loaded_values(records: str) -> Iterator[Any]:
    with parser(ordered=True) as connection:
        reader = connection.sql(f"select json::varchar as json from {records}").to_arrow_reader(
            _PAGE_ROWS
        )
        for batch in reader:
            for text in batch.column(0).to_pylist():
                yield _loads(text)


def _loaded_lines(path: Path, url: str) -> Iterator[Any]:
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                value = _loads(line.decode())
            except UnicodeDecodeError as error:
                raise not_what_it_claims(
                    url,
                    f"line {number} is not UTF-8 text.",
                    remedy="Set the option encoding to what the file was written in.",
                    line=number,
                ) from error
            except ValueError as error:
                raise not_what_it_claims(
                    url,
                    f"line {number} is not JSON: {error}.",
                    remedy="Correct the line; for one JSON document set format: json.",
                    line=number,
                ) from error
            if not isinstance(value, dict):
                raise not_what_it_claims(
                    url,
                    f"line {number} is not a JSON object.",
                    remedy='Give every record as an object; wrap plain values: {"value": 1}.',
                    line=number,
                )
            yield value


def _careful_facts(values: Iterator[Any], *, mode: str = "lines") -> FileFacts:
    kinds: dict[str, ValueKinds] = {}
    rows = 0
    for value in values:
        rows += 1
        for key, item in value.items():
            kinds.setdefault(key, ValueKinds()).add(item)
    columns = tuple(ColumnFacts(name=key, kind=seen.kind) for key, seen in kinds.items())
    return FileFacts(columns=columns, rows=rows, layout={"mode": mode})


def _pages(values: Iterator[Any], skip: int) -> Iterator[list[dict[str, Any]]]:
    values = islice(values, skip, None)
    while page := list(islice(values, _PAGE_ROWS)):
        yield page


def _malformed(url: str, error: Exception) -> DataError:
    reason = str(error).splitlines()[0].partition(", ")[2] or str(error).splitlines()[0]
    return not_what_it_claims(
        url,
        f"is not valid JSON: {reason}",
        remedy="Correct the file; for one object a line set format: jsonl.",
    )
