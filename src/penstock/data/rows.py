"""Records of one stream to canonical batches: vectors where proved, value by value elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.arrays import flags, of_values, whole_numbers
from penstock.data.careful import CarefulRows, batch_schema, output_columns
from penstock.data.json_text import has_lone_surrogate, is_json, split_object
from penstock.data.lines import Indexes, Slices, merge_changes
from penstock.data.types import JSON_TYPE, Column, Kind
from penstock.data.vector import Parsed, VectorParser, VectorSession

_MAX_ORDERS: Final = 4
_MAX_EXTRA_KEYS: Final = 256
_MIN_VECTOR_ROWS: Final = 64
"""Fewer leftover rows than this are read value by value: a query costs more."""
_MAX_LESSONS: Final = 64
"""Distinct key orders studied in one block."""

Keys = tuple[str, ...]


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
        self._undeclared: dict[str, None] = {}
        self._new_undeclared: list[str] = []

    def take_undeclared(self) -> tuple[str, ...]:
        """Returns properties seen for the first time that no column takes."""
        names, self._new_undeclared = tuple(self._new_undeclared), []
        return names

    def build(
        self, texts: Slices, emitted_at_ms: Indexes, source_changes: dict[int, str]
    ) -> Iterator[pa.RecordBatch]:
        """Yields the records as canonical batches, in order. Raises ProtocolError."""
        extracted = whole_numbers(emitted_at_ms * 1000, pa.timestamp("us", tz="UTC"))
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

    def _parts(self, texts: Slices) -> Iterable[tuple[list[pa.Array], pa.Array]]:
        if not len(texts):
            return ()
        if self._is_raw:
            return self._spliced(texts, [_raw_rows(texts)], 0)
        if not self._parsers:
            self._learn([_keys_of(texts)])
        return self._parsed(texts, 0)

    def _parsed(self, texts: Slices, level: int) -> list[tuple[list[pa.Array], pa.Array]]:
        if level >= len(self._parsers) or (level and len(texts) < _MIN_VECTOR_ROWS):
            return [self._careful(texts)]
        parser = self._parsers[level][1]
        parts = list(parser.parse(texts))
        odd = sum(int(np.count_nonzero(~part.is_proved)) for part in parts)
        if odd >= _MIN_VECTOR_ROWS and not parser.is_sparse:
            parser.is_sparse = True
            return self._spliced(texts, parts, level)
        return self._spliced(texts, parts, level + 1)

    def _spliced(
        self, texts: Slices, parts: list[Parsed], level: int
    ) -> list[tuple[list[pa.Array], pa.Array]]:
        """Replaces the rows that were not proved by their reading on the next level."""
        is_proved = np.concatenate([part.is_proved for part in parts])
        odd = np.flatnonzero(~is_proved)
        if not len(odd):
            return [(part.columns, pa.nulls(len(part.is_proved), pa.string())) for part in parts]
        if self._is_raw:
            others = [self._careful(texts.take(odd))]
        else:
            others = self._parsed(texts.take(odd), level)
        columns = [pa.concat_arrays(arrays) for arrays in zip(*(c for c, _ in others), strict=True)]
        changes = pa.concat_arrays([part for _, part in others])
        spliced = []
        used = 0
        for part in parts:
            mask = flags(~part.is_proved)
            count = int(np.count_nonzero(~part.is_proved))
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

    def _careful(self, texts: Slices) -> tuple[list[pa.Array], pa.Array]:
        rows = CarefulRows(self._columns, is_raw=self._is_raw)
        for text in texts:
            rows.add(text)
        if not self._is_raw:
            self._note(rows.undeclared)
            self._learn(rows.keys)
        return rows.arrays(), of_values(rows.changes, pa.string())

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
            parser = (order, VectorParser(self._session, self._columns, order))
            self._parsers[place : place + 1] = [parser]

    def _is_readable(self, order: Keys) -> bool:
        extra = [key for key in order if key not in self._declared]
        names = [*self._declared, *extra]
        return len(extra) <= _MAX_EXTRA_KEYS and VectorParser.can_read(names)


def _keys_of(texts: Slices) -> Keys:
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


def _raw_rows(texts: Slices) -> Parsed:
    """Takes records as they are, after proving in one reading that each is one JSON object."""
    pieces = list(texts)
    is_proved = np.ones(len(pieces), np.bool_)
    if not _are_objects(pieces):
        is_proved[:] = [piece[:1] == b"{" and is_json(piece) for piece in pieces]
    kept = [
        piece.decode() if good else None
        for piece, good in zip(pieces, is_proved.tolist(), strict=True)
    ]
    column = of_values(kept, pa.string())
    return Parsed([column], is_proved)


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
