"""Records of one stream to canonical batches: vectors where proved, value by value elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.arrays import flags, number, of_values, rows_where
from penstock.data.careful import CarefulRows, batch_schema, output_columns
from penstock.data.json_text import has_lone_surrogate, is_json, plain, split_object
from penstock.data.lines import RecordTexts, merge_changes
from penstock.data.types import JSON_TYPE, Column, Kind
from penstock.data.vector import Parsed, VectorParser, VectorSession

_MAX_ORDERS: Final = 4
_MAX_EXTRA_KEYS: Final = 256
_MIN_VECTOR_ROWS: Final = 64
"""Fewer leftover rows than this are read value by value: a query costs more."""
_MAX_LESSONS: Final = 64
"""Distinct key orders learned from at a time."""
_STUDIED_ROWS: Final = 64
_MAX_STUDIES: Final = 3
"""How often the same rows may be parsed again because a study taught something."""

Keys = tuple[str, ...]
Part = tuple[list[pa.Array], pa.Array]
"""Rows in order: an array a column, and what was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How far the reading of some rows has come."""

    level: int
    """The next parser to try."""
    studies: int
    """How often more they may be studied."""
    is_plain: bool
    """Whether their texts have penstock's own spelling."""


class RowsBuilder:
    """Builds the batches of one stream; remembers in which order its records write their keys."""

    def __init__(
        self, session: VectorSession, columns: tuple[Column, ...], *, is_raw: bool
    ) -> None:
        self._session = session
        self._columns = columns
        self._outputs = output_columns(columns, is_raw=is_raw)
        self._is_raw = is_raw
        self._schema = batch_schema(columns, is_raw=is_raw)
        self._declared = frozenset(column.name for column in columns)
        self._parsers: list[tuple[Keys, VectorParser]] = []
        self._mixed: frozenset[str] = frozenset()
        self._is_spelled_freely = False
        """Whether records usually have white space or needless escapes."""
        self._undeclared: dict[str, None] = {}
        self._new_undeclared: list[str] = []

    def take_undeclared(self) -> tuple[str, ...]:
        """Returns properties seen for the first time that no column takes."""
        names, self._new_undeclared = tuple(self._new_undeclared), []
        return names

    def build(
        self, texts: RecordTexts, emitted_at_ms: pa.Array, source_changes: dict[int, str]
    ) -> Iterator[pa.RecordBatch]:
        """Yields the records as canonical batches, in order. Raises ProtocolError."""
        extracted = pc.multiply(emitted_at_ms, number(1000)).view(pa.timestamp("us", tz="UTC"))
        first = 0
        for columns, own_changes in self._parts(texts):
            count = len(own_changes)
            own = {row - first: text for row, text in source_changes.items() if row >= first}
            changes = _merged(own_changes, own) if own else own_changes
            arrays = [
                pa.ExtensionArray.from_storage(JSON_TYPE, array)
                if column.kind is Kind.JSON
                else array
                for column, array in zip(self._outputs, columns, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(
                [*arrays, extracted.slice(first, count), changes], schema=self._schema
            )
            first += count

    def _parts(self, texts: RecordTexts) -> Iterable[Part]:
        if not len(texts):
            return ()
        if self._is_raw:
            return self._spliced(texts, [_raw_rows(texts)], lambda odd: [self._careful(odd)])
        if not self._parsers:
            self._learn([_keys_of(texts)])
            self._is_spelled_freely = _is_spelled_freely(texts)
        return self._parsed(texts, _Way(level=0, studies=_MAX_STUDIES, is_plain=False))

    def _parsed(self, texts: RecordTexts, way: _Way) -> list[Part]:
        """Reads rows by the parser at hand, those it leaves unproved by the next, and so on."""
        if len(texts) < _MIN_VECTOR_ROWS and (way.level or way.is_plain):
            return [self._careful(texts)]
        if self._is_spelled_freely and not way.is_plain:
            texts, way = texts.plain(), replace(way, is_plain=True)
        if way.level >= len(self._parsers):
            if len(texts) >= _MIN_VECTOR_ROWS and way.studies and self._study(texts):
                return self._parsed(texts, replace(way, level=0, studies=way.studies - 1))
            return [self._careful(texts)]
        parser = self._parsers[way.level][1]
        parts = list(parser.parse(texts))
        return self._spliced(texts, parts, lambda odd: self._retried(odd, parser, way, len(texts)))

    def _retried(self, odd: RecordTexts, parser: VectorParser, way: _Way, rows: int) -> list[Part]:
        """Reads rows that a parser left unproved, first by removing what may have hindered it."""
        if len(odd) >= _MIN_VECTOR_ROWS:
            if not way.is_plain and _is_spelled_freely(odd):
                self._is_spelled_freely |= len(odd) * 2 > rows
                return self._parsed(odd.plain(), replace(way, is_plain=True))
            if not parser.is_sparse and parser.learn(odd.sample(_STUDIED_ROWS)):
                return self._parsed(odd, way)
            if not parser.is_sparse:
                parser.is_sparse = True
                return self._parsed(odd, way)
        return self._parsed(odd, replace(way, level=way.level + 1))

    def _spliced(
        self, texts: RecordTexts, parts: list[Parsed], read: Callable[[RecordTexts], list[Part]]
    ) -> list[Part]:
        """Replaces the rows that were not proved by another reading of them."""
        odd = rows_where(pc.invert(pa.concat_arrays([part.is_proved for part in parts])))
        if not len(odd):
            return [(part.columns, pa.nulls(len(part.is_proved), pa.string())) for part in parts]
        others = read(texts.take(odd))
        columns = [pa.concat_arrays(arrays) for arrays in zip(*(c for c, _ in others), strict=True)]
        changes = pa.concat_arrays([part for _, part in others])
        spliced = []
        used = 0
        for part in parts:
            mask = pc.invert(part.is_proved)
            count = mask.true_count
            nothing = pa.nulls(len(mask), pa.string())
            spliced.append(
                (
                    [
                        pc.replace_with_mask(array, mask, other.slice(used, count))
                        for array, other in zip(part.columns, columns, strict=True)
                    ],
                    pc.replace_with_mask(nothing, mask, changes.slice(used, count)),
                )
            )
            used += count
        return spliced

    def _careful(self, texts: RecordTexts) -> Part:
        rows = CarefulRows(self._columns, is_raw=self._is_raw)
        for text in texts:
            rows.add(text)
        if not self._is_raw:
            self._note(rows.undeclared)
            self._learn(rows.keys)
        return rows.arrays(), of_values(rows.changes, pa.string())

    def _study(self, texts: RecordTexts) -> bool:
        """Learns from some of the rows that no parser proved; tells whether there is news."""
        known = list(self._parsers)
        rows = CarefulRows(self._columns, is_raw=False)
        for text in texts.sample(_STUDIED_ROWS):
            rows.add(text)
        self._learn(rows.keys)
        if not rows.mixed <= self._mixed:
            self._mixed |= rows.mixed
            self._parsers = [(order, self._parser(order, old)) for order, old in self._parsers]
        return self._parsers != known

    def _parser(self, order: Keys, old: VectorParser | None) -> VectorParser:
        parser = VectorParser(self._session, self._columns, order, mixed=self._mixed)
        if old is not None:
            parser.is_sparse, parser.habits = old.is_sparse, old.habits
        return parser

    def _note(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self._undeclared:
                self._undeclared[name] = None
                self._new_undeclared.append(name)

    def _learn(self, met: list[Keys]) -> None:
        """Widens a known order of keys, or adds one, so that such records are proved next time."""
        for keys in list(dict.fromkeys(met))[:_MAX_LESSONS]:
            known = [order for order, _ in self._parsers]
            if any(_is_within(keys, order) for order in known):
                continue
            merged = [_merge(order, keys) for order in known]
            place = next((n for n, order in enumerate(merged) if order is not None), len(known))
            if place >= _MAX_ORDERS:
                continue
            order = merged[place] if place < len(known) else keys
            if order is None or not self._is_readable(order):
                continue
            self._note(key for key in keys if key not in self._declared)
            old = self._parsers[place][1] if place < len(known) else None
            self._parsers[place : place + 1] = [(order, self._parser(order, old))]

    def _is_readable(self, order: Keys) -> bool:
        return sum(key not in self._declared for key in order) <= _MAX_EXTRA_KEYS


def _is_spelled_freely(texts: RecordTexts) -> bool:
    return any(plain(text) != text for text in texts.sample(_STUDIED_ROWS))


def _keys_of(texts: RecordTexts) -> Keys:
    try:
        return tuple(split_object(next(iter(texts))))
    except ValueError:
        return ()


def _is_within(keys: Keys, order: Keys) -> bool:
    rest = iter(order)
    return all(key in rest for key in keys)


def _merge(order: Keys, keys: Keys) -> Keys | None:
    """Returns an order of which both are parts; None where they contradict each other."""
    known = set(order)
    if not _is_within(tuple(key for key in keys if key in known), order):
        return None
    merged = list(order)
    place = 0
    for key in keys:
        if key in known:
            place = merged.index(key) + 1
        else:
            merged.insert(place, key)
            place += 1
    return tuple(merged)


def _merged(changes: pa.Array, own: dict[int, str]) -> pa.Array:
    texts: list[str | None] = changes.to_pylist()
    for row, text in own.items():
        if row < len(texts):
            texts[row] = merge_changes(text, texts[row])
    return of_values(texts, pa.string())


def _raw_rows(texts: RecordTexts) -> Parsed:
    """Takes records as they are, after proving in one reading that each is one JSON object."""
    pieces = list(texts)
    if _are_objects(pieces):
        return Parsed([texts.array], flags([True] * len(pieces)))
    is_proved = [piece[:1] == b"{" and is_json(piece) for piece in pieces]
    kept = [piece.decode() if good else None for piece, good in zip(pieces, is_proved, strict=True)]
    return Parsed([of_values(kept, pa.string())], flags(is_proved))


def _are_objects(pieces: list[bytes]) -> bool:
    """Reads the records as one JSON list: equal lengths prove that each item is one record."""
    joined = b",".join(pieces)
    try:
        joined.decode()
        items = msgspec.json.decode(b"[" + joined + b"]", type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    if b"\\u" in joined and has_lone_surrogate(joined):
        return False
    return [len(bytes(item)) for item in items] == [len(piece) for piece in pieces] and all(
        piece[:1] == b"{" for piece in pieces
    )
