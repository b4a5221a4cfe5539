"""Finds, in a block of a connector's output, each record's slice, by shapes learned from lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
import orjson
import pyarrow as pa

from penstock.data.careful import changes_text
from penstock.data.json_text import plain, split_object
from penstock.errors import PenstockError, ProtocolError
from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.codec import decode_line
from penstock.protocol.messages import Message, MessageType, Record

Indexes = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]

_MAX_SHAPES: Final = 256
_MAX_LESSONS: Final = 1024
"""Lines that may be studied before penstock stops looking for further shapes."""
_SENTINEL: Final = b'{"\\u0000":1}'


@dataclass(frozen=True, slots=True)
class Slices:
    """Texts of records inside one buffer, in order."""

    buffer: bytes
    starts: Indexes
    ends: Indexes

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[bytes]:
        buffer = self.buffer
        for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True):
            yield buffer[start:end]

    def take(self, rows: Indexes) -> Slices:
        """Returns some of the texts, in the order asked for."""
        return Slices(self.buffer, self.starts[rows], self.ends[rows])

    def plain(self) -> Slices:
        """Returns the texts as `penstock.data.json_text.plain` spells them."""
        return slices_of(list(map(plain, self)))

    def sample(self, count: int) -> Slices:
        """Returns some of the texts, evenly spaced."""
        return self.take(np.arange(0, len(self), max(1, len(self) // count))[:count])

    def views(self, *, max_bytes: int) -> pa.Array:
        """Returns the texts as Arrow string views into the buffer, without copying them.

        Texts longer than `max_bytes` are left null.

        A view is length, first four bytes, buffer and offset; up to twelve bytes stand in it
        whole (Apache Arrow columnar format, "Variable-size Binary View Layout").
        """
        count = len(self.starts)
        lengths = self.ends - self.starts
        views = np.zeros((count, 16), dtype=np.uint8)
        views[:, 0:4] = lengths.astype("<i4").view(np.uint8).reshape(count, 4)
        is_short = lengths <= 12
        starts = self.starts
        if is_short.any():
            for row in np.flatnonzero(is_short).tolist():
                text = self.buffer[starts[row] : self.ends[row]]
                views[row, 4 : 4 + len(text)] = np.frombuffer(text, np.uint8)
        rows = ~is_short if is_short.any() else slice(None)
        far = starts[rows]
        views[rows, 4:8] = _gather(self.buffer, far, 4)
        views[rows, 12:16] = far.astype("<i4").view(np.uint8).reshape(len(far), 4)
        is_fit = lengths <= max_bytes
        valid = None if is_fit.all() else pa.py_buffer(np.packbits(is_fit, bitorder="little"))
        buffers = [valid, pa.py_buffer(views), pa.py_buffer(self.buffer)]
        return pa.Array.from_buffers(pa.string_view(), count, buffers)


def slices_of(texts: Sequence[bytes]) -> Slices:
    """Returns texts in one buffer."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    ends = np.cumsum(lengths)
    return Slices(b"".join(texts), ends - lengths, ends)


@dataclass(frozen=True, slots=True)
class StreamRecords:
    """The records of one stream in a block, in order."""

    lines: Indexes
    """Which line of the block each record stands on."""
    texts: Slices
    emitted_at_ms: Indexes
    source_changes: dict[int, str]
    """Changes the source itself recorded, as JSON text, by row."""


@dataclass(frozen=True, slots=True)
class ReadBlock:
    """A block taken apart: records by stream, and all other messages by line."""

    records: dict[StreamDescriptor, StreamRecords]
    messages: list[tuple[int, Message]]
    line_bytes: Indexes


@dataclass(frozen=True, slots=True, kw_only=True)
class LineShape:
    """All bytes of a RECORD line but its data and the digits of `emitted_at`.

    A line of this shape whose middle is one valid JSON object can only be read one way: up to
    the middle the text is the same, the object ends where it ends, and what follows is the same.
    """

    stream: StreamDescriptor
    head: bytes
    tail: bytes
    digits_at: int
    """Where `emitted_at` stands: from the line's start, or if negative from its end."""
    digits: int
    changes: str | None

    def matches(self, buffer: bytes, starts: Indexes, ends: Indexes) -> tuple[Flags, Indexes]:
        """Tells for each line whether it has this shape, and when its record was emitted."""
        is_match = ends - starts >= len(self.head) + len(self.tail) + 2
        emitted = np.zeros(len(starts), np.int64)
        rows = np.flatnonzero(is_match)
        for literal, origin in self._literals(starts, ends):
            if not len(rows):
                break
            rows = rows[_is_at(buffer, origin[rows], literal)]
        is_match[:] = False
        if len(rows):
            origin = starts if self.digits_at >= 0 else ends
            values = _gather(buffer, origin[rows] + self.digits_at, self.digits) - np.uint8(48)
            is_number = (values < 10).all(axis=1) & (values[:, 0] > 0)
            rows, values = rows[is_number], values[is_number]
            for digit in range(self.digits):
                emitted[rows] = emitted[rows] * 10 + values[:, digit]
            is_match[rows] = True
        return is_match, emitted

    def _literals(self, starts: Indexes, ends: Indexes) -> Iterator[tuple[bytes, Indexes]]:
        if self.digits_at >= 0:
            cut = self.digits_at
            yield self.head[:cut], starts
            yield self.head[cut + self.digits :], starts + (cut + self.digits)
            yield self.tail, ends - len(self.tail)
        else:
            cut = len(self.tail) + self.digits_at
            yield self.head, starts
            yield self.tail[:cut], ends - len(self.tail)
            yield self.tail[cut + self.digits :], ends + (self.digits_at + self.digits)


def _is_at(buffer: bytes, positions: Indexes, literal: bytes) -> Flags:
    """Compares eight bytes at a time: words first, then the last eight, which may overlap."""
    size = len(literal)
    if size < 8:
        wanted = np.frombuffer(literal, np.uint8)
        short: Flags = (_gather(buffer, positions, size) == wanted).all(axis=1)
        return short
    whole = size & ~7
    found = _gather(buffer, positions, whole).view(np.uint64)
    wanted_words = np.frombuffer(literal[:whole], np.uint64)
    is_equal: Flags = found[:, 0] == wanted_words[0]
    for word in range(1, whole // 8):
        is_equal &= found[:, word] == wanted_words[word]
    if size > whole:
        last = _gather(buffer, positions + (size - 8), 8).view(np.uint64)[:, 0]
        is_equal &= last == np.frombuffer(literal[-8:], np.uint64)[0]
    return is_equal


def _gather(buffer: bytes, positions: Indexes, width: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Returns `width` bytes from each position as a matrix."""
    if width == 0 or not len(positions):
        return np.empty((len(positions), width), np.uint8)
    windows = np.lib.stride_tricks.as_strided(
        np.frombuffer(buffer, f"V{width}", count=1),
        shape=(len(buffer) - width + 1,),
        strides=(1,),
    )
    return windows[positions].view(np.uint8).reshape(len(positions), width)


@dataclass(slots=True)
class _Found:
    """Pieces of one stream's records, each from one shape or one slow line."""

    lines: list[Indexes] = field(default_factory=list)
    starts: list[Indexes] = field(default_factory=list)
    ends: list[Indexes] = field(default_factory=list)
    emitted: list[Indexes] = field(default_factory=list)
    changes: dict[int, str] = field(default_factory=dict)
    """By line."""

    def add(self, lines: Indexes, starts: Indexes, ends: Indexes, emitted: Indexes) -> None:
        self.lines.append(lines)
        self.starts.append(starts)
        self.ends.append(ends)
        self.emitted.append(emitted)

    def in_order(self, buffer: bytes) -> StreamRecords:
        lines = np.concatenate(self.lines)
        order = np.argsort(lines, kind="stable") if len(self.lines) > 1 else slice(None)
        lines = lines[order]
        changes = {}
        if self.changes:
            changes = {
                row: self.changes[line]
                for row, line in enumerate(lines.tolist())
                if line in self.changes
            }
        texts = Slices(buffer, np.concatenate(self.starts)[order], np.concatenate(self.ends)[order])
        return StreamRecords(lines, texts, np.concatenate(self.emitted)[order], changes)


class LineReader:
    """Takes blocks of whole lines apart, remembering the shapes it has met."""

    def __init__(self) -> None:
        self._shapes: list[LineShape] = []
        self._lessons = 0

    def read(self, block: bytes) -> ReadBlock:
        """Returns the block's records and messages; every line ends with a newline.

        Raises ProtocolError for a broken record or state.
        """
        ends: Indexes = np.flatnonzero(np.frombuffer(block, np.uint8) == 10)
        starts = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
        found: dict[StreamDescriptor, _Found] = {}
        rest = np.arange(len(ends))
        for shape in list(self._shapes):
            rest = self._take(shape, block, (starts, ends), rest, found)
            if not len(rest):
                break
        messages: list[tuple[int, Message]] = []
        while len(rest):
            line, rest = int(rest[0]), rest[1:]
            start, end = int(starts[line]), int(ends[line])
            text = block[start:end]
            if not text.strip():
                continue
            message = _read_line(text)
            record = message.record
            if message.type is not MessageType.RECORD or record is None:
                messages.append((line, message))
                continue
            data = bytes(record.data)
            at = text.index(data)
            self._add(record, line, (start + at, start + at + len(data)), found)
            learned = self._learn(text, message)
            if learned is not None:
                rest = self._take(learned, block, (starts, ends), rest, found)
        self._put_the_usual_first(found)
        return ReadBlock(
            {stream: pieces.in_order(block) for stream, pieces in found.items()},
            messages,
            ends - starts + 1,
        )

    def _put_the_usual_first(self, found: dict[StreamDescriptor, _Found]) -> None:
        counts = {stream: sum(map(len, pieces.lines)) for stream, pieces in found.items()}
        self._shapes.sort(key=lambda shape: -counts.get(shape.stream, 0))

    def _take(
        self,
        shape: LineShape,
        block: bytes,
        bounds: tuple[Indexes, Indexes],
        rest: Indexes,
        found: dict[StreamDescriptor, _Found],
    ) -> Indexes:
        """Moves the lines of one shape from `rest` to `found` and returns the others."""
        starts, ends = bounds[0][rest], bounds[1][rest]
        is_match, emitted = shape.matches(block, starts, ends)
        if not is_match.any():
            return rest
        pieces = found.setdefault(shape.stream, _Found())
        is_all = bool(is_match.all())
        rows: Any = slice(None) if is_all else is_match
        lines = rest[rows]
        pieces.add(
            lines, starts[rows] + len(shape.head), ends[rows] - len(shape.tail), emitted[rows]
        )
        if shape.changes is not None:
            pieces.changes.update(dict.fromkeys(lines.tolist(), shape.changes))
        return rest[:0] if is_all else rest[~is_match]

    def _add(
        self,
        record: Record,
        line: int,
        bounds: tuple[int, int],
        found: dict[StreamDescriptor, _Found],
    ) -> None:
        pieces = found.setdefault(record.descriptor, _Found())
        one = np.ones(1, np.int64)
        pieces.add(one * line, one * bounds[0], one * bounds[1], one * int(record.emitted_at))
        if record.meta is not None and record.meta.changes:
            pieces.changes[line] = changes_text(record.meta.changes) or "[]"

    def _learn(self, text: bytes, message: Message) -> LineShape | None:
        if len(self._shapes) >= _MAX_SHAPES or self._lessons >= _MAX_LESSONS:
            return None
        self._lessons += 1
        shape = shape_of(text, message)
        if shape is not None:
            self._shapes.append(shape)
        return shape


def _read_line(text: bytes) -> Message:
    try:
        return decode_line(text)
    except ProtocolError:
        message = _almost_json(text)
        if message is None:
            raise
        return message


def _almost_json(text: bytes) -> Message | None:
    """Returns a RECORD whose line is JSON but for NaN, lone surrogates or invalid UTF-8."""
    try:
        outer = split_object(text)
        inner = split_object(outer["record"])
        data = inner.pop("data")
    except (ValueError, KeyError):
        return None
    hollow = b"{" + b",".join(b"%b:%b" % (orjson.dumps(key), value) for key, value in inner.items())
    hollow += (b"," if inner else b"") + b'"data":{}}'
    try:
        message = decode_line(b'{"type":"RECORD","record":' + hollow + b"}")
    except PenstockError:
        return None
    record = message.record
    if outer.get("type") != b'"RECORD"' or record is None:
        return None
    whole = Record(
        stream=record.stream,
        data=msgspec.Raw(data),
        emitted_at=record.emitted_at,
        namespace=record.namespace,
        meta=record.meta,
        file_reference=record.file_reference,
    )
    return Message(type=MessageType.RECORD, record=whole)


def shape_of(text: bytes, message: Message) -> LineShape | None:
    """Returns the shape of a RECORD line, or None where none can be proved.

    The places of data and `emitted_at` are proved by putting other values there: decoding must
    give exactly these back, and everything else unchanged.
    """
    record = message.record
    if record is None or not isinstance(record.emitted_at, int) or record.emitted_at <= 0:
        return None
    data = bytes(record.data)
    at = text.find(data)
    while at >= 0:
        head, tail = text[:at], text[at + len(data) :]
        if _reads_as(head + _SENTINEL + tail, record, emitted_at=record.emitted_at):
            return _with_digits(head, tail, record)
        at = text.find(data, at + 1)
    return None


def _with_digits(head: bytes, tail: bytes, record: Record) -> LineShape | None:
    digits = str(int(record.emitted_at)).encode()
    other = b"1" * len(digits) if digits != b"1" * len(digits) else b"2" * len(digits)
    for part, is_head in ((tail, False), (head, True)):
        at = part.find(digits)
        while at >= 0:
            changed = part[:at] + other + part[at + len(digits) :]
            line = changed + _SENTINEL + tail if is_head else head + _SENTINEL + changed
            if _reads_as(line, record, emitted_at=int(other)):
                return LineShape(
                    stream=record.descriptor,
                    head=head,
                    tail=tail,
                    digits_at=at if is_head else at - len(tail),
                    digits=len(digits),
                    changes=changes_text(record.meta.changes) if record.meta else None,
                )
            at = part.find(digits, at + 1)
    return None


def _reads_as(line: bytes, record: Record, *, emitted_at: int | float) -> bool:
    try:
        message = decode_line(line)
    except ProtocolError:
        return False
    other = message.record
    return (
        message.type is MessageType.RECORD
        and other is not None
        and bytes(other.data) == _SENTINEL
        and other.emitted_at == emitted_at
        and (other.descriptor, other.meta) == (record.descriptor, record.meta)
    )


def merge_changes(first: str, second: str | None) -> str:
    """Returns one JSON list of two."""
    return first if not second else f"{first[:-1]},{second[1:]}"
