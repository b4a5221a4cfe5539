"""The one data generator: seeded Airbyte message streams and CSV, JSONL and Parquet files.

Beside every file stand its facts: the number of rows, and of each column the digest that every
tool's table must give. `python -m benchmarks.generate messages|file …` writes one data set.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

SEED = 7
STATE_EVERY = 10_000
BLOCK_ROWS = 125_000
"""File rows repeat after this many, but for `id` and `code`; more than a DuckDB row group."""
_START = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(slots=True, kw_only=True)
class ColumnFacts:
    """What must be in one column afterwards, whatever type a tool gave it."""

    kind: str
    """text, integer, number, decimal, boolean, date, instant or json: how values are compared."""
    count: int = 0
    """Values that are not null."""
    total: int = 0
    """Sum of 64 bits of the MD5 of each value's canonical text: order does not matter."""

    def add(self, canonical: str | None) -> None:
        if canonical is not None:
            self.count += 1
            self.total += int.from_bytes(hashlib.md5(canonical.encode()).digest()[8:], "little")

    def repeated(self, times: int) -> ColumnFacts:
        return ColumnFacts(kind=self.kind, count=self.count * times, total=self.total * times)


@dataclass(slots=True, kw_only=True)
class DataFacts:
    """What is known of one data set, written beside it."""

    rows: int
    columns: dict[str, ColumnFacts]
    json_schema: dict[str, Any] = field(default_factory=dict)

    def repeated(self, times: int) -> DataFacts:
        columns = {name: facts.repeated(times) for name, facts in self.columns.items()}
        return DataFacts(rows=self.rows * times, columns=columns, json_schema=self.json_schema)


def facts_path(data: Path) -> Path:
    return data.with_name(data.name + ".facts.json")


def load_facts(data: Path) -> DataFacts:
    """Returns the facts of a generated file."""
    document = json.loads(facts_path(data).read_text())
    document["columns"] = {
        name: ColumnFacts(**facts) for name, facts in document["columns"].items()
    }
    return DataFacts(**document)


def _finish(temporary: Path, data: Path, facts: DataFacts) -> None:
    facts_path(data).write_text(json.dumps(asdict(facts)))
    temporary.rename(data)


# Airbyte messages -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Property:
    """One property of generated records: its JSON Schema, its value and that value's text."""

    kind: str
    schema: dict[str, Any]
    value: Callable[[int, random.Random], Any]
    canonical: Callable[[Any, int], str] = lambda value, _: str(value)


_TEXT = {"type": ["null", "string"]}
_INTEGER = {"type": ["null", "integer"]}
_NUMBER = {"type": ["null", "number"]}
_INSTANT = {
    "type": ["null", "string"],
    "format": "date-time",
    "airbyte_type": "timestamp_with_timezone",
}
_NOTES = (None, 'a "quoted" line\nwith é and \\ back', "plain")


def _boolean_text(value: Any, _: int) -> str:
    return "true" if value else "false"


def _json_text(value: Any, _: int) -> str:
    return orjson.dumps(value).decode()


def _every_second(index: int, _: random.Random) -> str:
    return (_START + timedelta(seconds=index)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _in_india(index: int, _: random.Random) -> str:
    return (_START + timedelta(seconds=3 * index)).strftime("%Y-%m-%dT%H:%M:%S.123456+05:30")


def _micros(moment: datetime) -> str:
    return str((moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))


def _every_second_text(_: Any, index: int) -> str:
    return _micros(_START + timedelta(seconds=index))


def _in_india_text(_: Any, index: int) -> str:
    moment = _START + timedelta(seconds=3 * index, microseconds=123456)
    return _micros(moment - timedelta(hours=5, minutes=30))


USERS: dict[str, Property] = {
    "id": Property("integer", _INTEGER, lambda i, _: i),
    "big": Property("integer", _INTEGER, lambda i, _: 9007199254740993 + i * 1000),
    "name": Property("text", _TEXT, lambda i, r: f"user {i} {r.random():.6f}"),
    "age": Property("integer", _INTEGER, lambda _, r: r.choice((None, r.randrange(90)))),
    "active": Property(
        "boolean", {"type": ["null", "boolean"]}, lambda _, r: r.random() < 0.5, _boolean_text
    ),
    "score": Property("number", _NUMBER, lambda _, r: 1 + r.random() * 99),
    "amount": Property("number", _NUMBER, lambda _, r: round(r.random() * 1e5, 2)),
    "address": Property(
        "json",
        {"type": ["null", "object"]},
        lambda i, _: {"street": f"{i} Main St", "city": "Pune", "geo": {"lat": 12.5, "lon": 77.25}},
        _json_text,
    ),
    "created_at": Property("instant", _INSTANT, _every_second, _every_second_text),
    "updated_at": Property("instant", _INSTANT, _in_india, _in_india_text),
    "note": Property("text", _TEXT, lambda _, r: r.choice(_NOTES)),
    "country": Property("text", _TEXT, lambda _i, _r: "IN"),
}
"""The twelve properties of the usual record, about 430 bytes."""


def wide_properties(columns: int) -> dict[str, Property]:
    """Returns `columns` properties, an integer key and the usual scalar types in turn."""
    cycle = [USERS[name] for name in ("big", "name", "age", "active", "amount", "created_at")]
    cycle.append(USERS["note"])
    names = (f"c{index:04d}" for index in range(1, columns))
    pairs = {name: cycle[index % len(cycle)] for index, name in enumerate(names)}
    return {"id": USERS["id"], **pairs}


def write_messages(data: Path, *, rows: int, columns: int | None = None) -> None:
    """Writes RECORD messages of the stream `users` with a STATE every 10,000, and the facts.

    Statuses are left to the program that plays the connector: it may send the file repeatedly.
    """
    properties = USERS if columns is None else wide_properties(columns)
    facts = {name: ColumnFacts(kind=p.kind) for name, p in properties.items()}
    chosen = [(name, p.value, p.canonical, facts[name]) for name, p in properties.items()]
    randomly = random.Random(SEED)
    temporary = data.with_suffix(".part")
    with temporary.open("wb") as out:
        for index in range(rows):
            record = {}
            for name, value_of, canonical, column in chosen:
                value = record[name] = value_of(index, randomly)
                column.add(None if value is None else canonical(value, index))
            out.write(_record_line(record, index))
            if index % STATE_EVERY == STATE_EVERY - 1 or index == rows - 1:
                out.write(_state_line(index, index % STATE_EVERY + 1))
    schema = {"type": "object", "properties": {name: p.schema for name, p in properties.items()}}
    _finish(temporary, data, DataFacts(rows=rows, columns=facts, json_schema=schema))


def _record_line(record: dict[str, Any], index: int) -> bytes:
    return b'{"type":"RECORD","record":{"stream":"users","data":%b,"emitted_at":%d}}\n' % (
        orjson.dumps(record),
        1_700_000_000_000 + index,
    )


def _state_line(index: int, count: int) -> bytes:
    state = {
        "type": "STREAM",
        "stream": {"stream_descriptor": {"name": "users"}, "stream_state": {"id": index}},
        "sourceStats": {"recordCount": float(count)},
    }
    return orjson.dumps({"type": "STATE", "state": state}) + b"\n"


def status_line(status: str) -> bytes:
    """Returns the STREAM_STATUS message of `users`: STARTED, RUNNING or COMPLETE."""
    trace = {
        "type": "STREAM_STATUS",
        "emitted_at": 1_700_000_000_000.0,
        "stream_status": {"stream_descriptor": {"name": "users"}, "status": status},
    }
    return orjson.dumps({"type": "TRACE", "trace": trace}) + b"\n"


# Files ----------------------------------------------------------------------------------------

FILE_KINDS = {
    "id": "integer",
    "code": "text",
    "name": "text",
    "village": "text",
    "phone": "text",
    "visit_date": "date",
    "amount": "decimal",
    "score": "number",
    "seen_at": "instant",
    "is_active": "boolean",
    "age": "integer",
    "note": "text",
}
"""`code` and `phone` are digits that begin with 0; `note` has quotes, line ends and nulls."""
_NAMES = ("Asha Jadhav", "रवि कुमार", "Meera O'Neil", "José Álvarez", "Sunita, Devi", "Li Wei")
_VILLAGES = ("Velhe", "पाबळ", "Saswad", "Bhor", "Mulshi (Paud)", "Junnar")
_REMARKS = (None, None, "plain", 'said "come back", twice', "two\nlines", "back\\slash, comma")


def _block(randomly: random.Random) -> list[dict[str, Any]]:
    """Returns the rows that repeat, as text the way CSV has it; `id` and `code` come later."""
    rows = []
    for index in range(BLOCK_ROWS):
        moment = _START + timedelta(seconds=37 * index)
        rows.append(
            {
                "name": f"{randomly.choice(_NAMES)} {index}",
                "village": randomly.choice(_VILLAGES),
                "phone": f"0{randomly.randrange(10**10):010d}",
                "visit_date": (moment.date() - timedelta(days=randomly.randrange(400))).isoformat(),
                "amount": f"{randomly.randrange(10**8) / 100:.2f}",
                "score": repr(1 + randomly.random() * 99),
                "seen_at": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "is_active": "true" if randomly.random() < 0.5 else "false",
                "age": randomly.choice((None, str(randomly.randrange(90)))),
                "note": randomly.choice(_REMARKS),
            }
        )
    return rows


def _block_facts(rows: Sequence[dict[str, Any]]) -> dict[str, ColumnFacts]:
    facts = {name: ColumnFacts(kind=FILE_KINDS[name]) for name in rows[0]}
    for row in rows:
        for name, text in row.items():
            moment = name == "seen_at"
            facts[name].add(_micros(datetime.fromisoformat(text)) if moment else text)
    return facts


def write_file(data: Path, *, format_name: str, size: int) -> None:
    """Writes a CSV, JSONL or Parquet file of at least `size` bytes, in whole blocks."""
    rows = _block(random.Random(SEED))
    writer = {"csv": _write_csv, "jsonl": _write_jsonl, "parquet": _write_parquet}[format_name]
    temporary = data.with_suffix(".part")
    blocks = writer(temporary, rows, size)
    count = blocks * BLOCK_ROWS
    columns = {
        "id": ColumnFacts(kind="integer"),
        "code": ColumnFacts(kind="text"),
        **{name: facts.repeated(blocks) for name, facts in _block_facts(rows).items()},
    }
    for index in range(count):
        columns["id"].add(str(index))
        columns["code"].add(f"{index:010d}")
    _finish(temporary, data, DataFacts(rows=count, columns=columns))


def _write_csv(path: Path, rows: Sequence[dict[str, Any]], size: int) -> int:
    tails = []
    for row in rows:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(row.values())
        tails.append(line.getvalue())
    return _write_lines(
        path,
        size,
        (",".join(FILE_KINDS) + "\n").encode(),
        tails,
        lambda i, tail: f"{i},{i:010d},{tail}",
    )


def _write_jsonl(path: Path, rows: Sequence[dict[str, Any]], size: int) -> int:
    bare = {"amount", "score", "is_active", "age"}
    tails = []
    for row in rows:
        parts = (
            f'"{name}":' + (text if text and name in bare else orjson.dumps(text).decode())
            for name, text in row.items()
        )
        tails.append(",".join(parts) + "}\n")
    return _write_lines(
        path, size, b"", tails, lambda i, tail: f'{{"id":{i},"code":"{i:010d}",{tail}'
    )


def _write_lines(
    path: Path, size: int, header: bytes, tails: Sequence[str], line: Callable[[int, str], str]
) -> int:
    blocks = 0
    with path.open("wb") as out:
        written = out.write(header)
        while written < size:
            first = blocks * BLOCK_ROWS
            text = "".join(line(first + index, tail) for index, tail in enumerate(tails))
            written += out.write(text.encode())
            blocks += 1
    return blocks


def _write_parquet(path: Path, rows: Sequence[dict[str, Any]], size: int) -> int:
    import pyarrow as pa  # noqa: PLC0415 - only this format needs it
    import pyarrow.compute as pc  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    types = {
        "visit_date": pa.date32(),
        "amount": pa.decimal128(12, 2),
        "score": pa.float64(),
        "is_active": pa.bool_(),
        "age": pa.int64(),
    }
    columns: dict[str, pa.Array] = {}
    for name in rows[0]:
        texts = pa.array([row[name] for row in rows], pa.string())
        columns[name] = texts.cast(types[name]) if name in types else texts
    moments = pc.strptime(columns["seen_at"], format="%Y-%m-%dT%H:%M:%SZ", unit="us")
    columns["seen_at"] = pc.assume_timezone(moments, "UTC")

    def blocks() -> Iterator[pa.Table]:
        first = 0
        while True:
            ids = pa.array(range(first, first + BLOCK_ROWS), pa.int64())
            codes = pc.utf8_lpad(ids.cast(pa.string()), width=10, padding="0")
            yield pa.table({"id": ids, "code": codes, **columns})
            first += BLOCK_ROWS

    written = 0
    source = blocks()
    table = next(source)
    with path.open("wb") as out, pq.ParquetWriter(out, table.schema) as parquet:
        while True:
            parquet.write_table(table, row_group_size=BLOCK_ROWS)
            written += 1
            if out.tell() >= size:
                return written
            table = next(source)


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes one data set to the given path."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generate", description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    messages = commands.add_parser("messages", help="RECORD and STATE messages of one stream")
    messages.add_argument("path", type=Path)
    messages.add_argument("--rows", type=int, required=True)
    messages.add_argument("--columns", type=int, help="wide records; else the usual twelve")
    file = commands.add_parser("file", help="a CSV, JSONL or Parquet file")
    file.add_argument("path", type=Path)
    file.add_argument("--format", choices=("csv", "jsonl", "parquet"), required=True)
    file.add_argument("--size", type=int, required=True, help="bytes, at least")
    given = parser.parse_args(arguments)
    given.path.parent.mkdir(parents=True, exist_ok=True)
    if given.what == "messages":
        write_messages(given.path, rows=given.rows, columns=given.columns)
    else:
        write_file(given.path, format_name=given.format, size=given.size)


if __name__ == "__main__":
    main()
