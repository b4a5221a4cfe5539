"""Finds, in a block of a connector's output, each record's text, by shapes learned from lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

import msgspec
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.arrays import Ascending, cut, number, numbers_of, of_texts, whole_numbers
from penstock.data.careful import changes_text
from penstock.data.json_text import plain, split_object
from penstock.errors import DataError, PenstockError, ProtocolError
from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.codec import decode_line
from penstock.protocol.messages import Message, MessageType, Record

_MAX_SHAPES: Final = 256
_MAX_LESSONS: Final = 1024
"""Lines that may be studied before penstock stops looking for further shapes."""
_MAX_DIGITS: Final = 15
"""Of `emitted_at` in a shape: as microseconds it still fits 64 bits."""
_MAX_BYTES: Final = 1 << 31
_PART_BYTES: Final = 256 << 10
_LOOK_BYTES: Final = 64 << 10
_SENTINEL: Final = b'{"\\u0000":1}'


@dataclass(frozen=True, slots=True)
class RecordTexts:
    """The JSON texts of records of one stream, in order; nobody has proved them yet."""

    array: pa.Array
    """Strings without nulls; their bytes may not be UTF-8."""

    @classmethod
    def of(cls, texts: list[bytes]) -> RecordTexts:
        """Takes texts from memory; raises DataError beyond 2 GiB."""
        array = of_texts(texts)
        if array is None:
            raise _too_large()
        return cls(array)

    @classmethod
    def within(cls, text: bytes, items: Sequence[msgspec.Raw]) -> RecordTexts:
        """Takes the items of a JSON list; all at once where nothing but a comma is between them."""
        lengths = list(map(len, items))
        if not lengths or len(text) != sum(lengths) + len(lengths) + 1 or len(text) >= _MAX_BYTES:
            return cls.of(list(map(bytes, items)))
        with_comma = cut(text, accumulate((length + 1 for length in lengths), initial=1))
        return cls(pc.binary_slice(with_comma.view(pa.binary()), 0, -1).view(pa.string()))

    @classmethod
    def joined(cls, parts: Sequence[RecordTexts]) -> RecordTexts:
        """Returns the texts of several parts, in order; raises DataError beyond 2 GiB."""
        try:
            return cls(pa.concat_arrays([part.array for part in parts])) if parts else cls.of([])
        except pa.ArrowInvalid as error:
            raise _too_large() from error

    def __len__(self) -> int:
        return len(self.array)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.array.view(pa.binary()).to_pylist())

    def __getitem__(self, rows: slice) -> RecordTexts:
        start, stop, step = rows.indices(len(self))
        if step != 1:
            return self.take(whole_numbers(range(start, stop, step), pa.int64()))
        return RecordTexts(self.array.slice(start, max(0, stop - start)))

    def take(self, rows: pa.Array) -> RecordTexts:
        """Returns some of the texts, in the order asked for."""
        return RecordTexts(self.array.take(rows))

    def plain(self) -> RecordTexts:
        """Returns the texts as `penstock.data.json_text.plain` spells them."""
        return RecordTexts.of(list(map(plain, self)))

    def sample(self, count: int) -> RecordTexts:
        """Returns some of the texts, evenly spaced."""
        step = max(1, len(self) // count)
        return self.take(whole_numbers(range(0, len(self), step)[:count], pa.int64()))

    def byte_lengths(self) -> pa.Array:
        return pc.binary_length(self.array).cast(pa.int64())

    @property
    def byte_count(self) -> int:
        """Bytes of all texts."""
        return pc.sum(self.byte_lengths()).as_py() or 0


def _too_large() -> DataError:
    return DataError(
        "A batch of records is larger than 2 GiB.", remedy="Hand on fewer rows at a time."
    )


@dataclass(frozen=True, slots=True)
class StreamRecords:
    """The records of one stream in a block, in order."""

    lines: pa.Array
    """Which line of the block each record stands on; int64."""
    texts: RecordTexts
    emitted_at_ms: pa.Array
    """int64"""
    source_changes: dict[int, str]
    """Changes the source itself recorded, as JSON text, by row."""


@dataclass(frozen=True, slots=True)
class ReadBlock:
    """A block taken apart: records by stream, and all other messages by line."""

    records: dict[StreamDescriptor, StreamRecords]
    messages: list[tuple[int, Message]]
    line_bytes: pa.Array
    """int64, the newline included."""


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

    def matches(self, lines: pa.Array) -> pa.Array:
        """Tells for each line whether it has this shape."""
        size = len(self.head) + len(self.tail) + len(b"{}")
        is_match = pc.greater_equal(pc.binary_length(lines), number(size))
        if self.digits_at >= 0:
            before, after = self.head[: self.digits_at], self.head[self.digits_at + self.digits :]
            is_match = pc.and_(is_match, pc.starts_with(lines, before))
            part = pc.binary_slice(lines, len(self.head) - len(after), len(self.head))
            is_match = pc.and_(is_match, pc.equal(part, _bytes(after)))
            is_match = pc.and_(is_match, pc.ends_with(lines, self.tail))
        else:
            cut = len(self.tail) + self.digits_at
            before, after = self.tail[:cut], self.tail[cut + self.digits :]
            is_match = pc.and_(is_match, pc.starts_with(lines, self.head))
            part = pc.binary_slice(lines, -len(self.tail), self.digits_at)
            is_match = pc.and_(is_match, pc.equal(part, _bytes(before)))
            is_match = pc.and_(is_match, pc.ends_with(lines, after))
        digits = self._digits_of(lines)
        is_number = pc.and_(pc.ascii_is_decimal(digits), pc.invert(pc.starts_with(digits, "0")))
        return pc.and_(is_match, is_number)

    def texts(self, lines: pa.Array) -> pa.Array:
        """Returns the records' texts of lines that match."""
        return pc.binary_slice(lines, len(self.head), -len(self.tail)).view(pa.string())

    def emitted_at_ms(self, lines: pa.Array) -> pa.Array:
        """Returns when the records of lines that match were emitted."""
        return self._digits_of(lines).cast(pa.int64())

    def _digits_of(self, lines: pa.Array) -> pa.Array:
        stop = self.digits_at + self.digits
        return pc.binary_slice(lines, self.digits_at, stop or None).view(pa.string())


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some of one stream's records in order, from one shape or one slow line."""

    lines: pa.Array
    texts: pa.Array
    emitted: pa.Array


@dataclass(slots=True)
class _Found:
    """One stream's records in a block."""

    pieces: list[_Piece] = field(default_factory=list)
    changes: dict[int, str] = field(default_factory=dict)
    """By line."""

    @property
    def count(self) -> int:
        return sum(len(piece.lines) for piece in self.pieces)

    def in_order(self) -> StreamRecords:
        if len(self.pieces) == 1 and not self.changes:
            only = self.pieces[0]
            return StreamRecords(only.lines, RecordTexts(only.texts), only.emitted, {})
        pieces = sorted(self.pieces, key=lambda piece: piece.lines[0].as_py())
        lines = pa.concat_arrays([piece.lines for piece in pieces])
        texts = pa.concat_arrays([piece.texts for piece in pieces])
        emitted = pa.concat_arrays([piece.emitted for piece in pieces])
        ends = [piece.lines[-1].as_py() for piece in pieces[:-1]]
        starts = [piece.lines[0].as_py() for piece in pieces[1:]]
        if any(end > start for end, start in zip(ends, starts, strict=True)):
            order = pc.array_sort_indices(lines)
            lines, texts, emitted = lines.take(order), texts.take(order), emitted.take(order)
        changes = {}
        if self.changes:
            changes = {
                row: self.changes[line]
                for row, line in enumerate(numbers_of(lines))
                if line in self.changes
            }
        return StreamRecords(lines, RecordTexts(texts), emitted, changes)


@dataclass(slots=True)
class _Rest:
    """The lines of a block that nobody has read yet."""

    lines: pa.Array
    numbers: pa.Array
    """Which line of the block each is; int64."""

    def without(self, is_taken: pa.Array) -> _Rest:
        is_left = pc.invert(is_taken)
        return _Rest(self.lines.filter(is_left), self.numbers.filter(is_left))


class LineReader:
    """Takes blocks of whole lines apart, remembering the shapes it has met."""

    def __init__(self) -> None:
        self._shapes: list[LineShape] = []
        self._lessons = 0
        self._ascending = Ascending(pa.int64())

    def read(self, block: bytes | memoryview) -> ReadBlock:
        """Returns the block's records and messages, copied; every line ends with a newline.

        Raises ProtocolError for a broken record or state.
        """
        found: dict[StreamDescriptor, _Found] = {}
        messages: list[tuple[int, Message]] = []
        lengths: list[pa.Array] = []
        first = 0
        for part in _parts(block):
            lines = _split(part)
            lengths.append(pc.binary_length(lines))
            numbers = self._ascending.first(first + len(lines))[first:]
            self._read_part(_Rest(lines, numbers), found, messages)
            first += len(lines)
        self._put_the_usual_first(found)
        return ReadBlock(
            {stream: pieces.in_order() for stream, pieces in found.items()},
            messages,
            pc.add(pa.concat_arrays(lengths), number(1)).cast(pa.int64()),
        )

    def _read_part(
        self,
        rest: _Rest,
        found: dict[StreamDescriptor, _Found],
        messages: list[tuple[int, Message]],
    ) -> None:
        for shape in list(self._shapes):
            rest = self._take(shape, rest, found)
            if not len(rest.lines):
                return
        while len(rest.lines):
            line, text = rest.numbers[0].as_py(), rest.lines[0].as_py()
            rest = _Rest(rest.lines[1:], rest.numbers[1:])
            if not text.strip():
                continue
            message = _read_line(text)
            record = message.record
            if message.type is not MessageType.RECORD or record is None:
                messages.append((line, message))
                continue
            self._add(record, line, found)
            learned = self._learn(text, message)
            if learned is not None:
                rest = self._take(learned, rest, found)

    def _put_the_usual_first(self, found: dict[StreamDescriptor, _Found]) -> None:
        counts = {stream: pieces.count for stream, pieces in found.items()}
        self._shapes.sort(key=lambda shape: -counts.get(shape.stream, 0))

    def _take(self, shape: LineShape, rest: _Rest, found: dict[StreamDescriptor, _Found]) -> _Rest:
        """Moves the lines of one shape from `rest` to `found` and returns the others."""
        is_match = shape.matches(rest.lines)
        count = is_match.true_count
        if not count:
            return rest
        is_all = count == len(is_match)
        lines = rest.lines if is_all else rest.lines.filter(is_match)
        numbers = rest.numbers if is_all else rest.numbers.filter(is_match)
        pieces = found.setdefault(shape.stream, _Found())
        pieces.pieces.append(_Piece(numbers, shape.texts(lines), shape.emitted_at_ms(lines)))
        if shape.changes is not None:
            pieces.changes.update(dict.fromkeys(numbers_of(numbers), shape.changes))
        return _Rest(rest.lines[:0], rest.numbers[:0]) if is_all else rest.without(is_match)

    def _add(self, record: Record, line: int, found: dict[StreamDescriptor, _Found]) -> None:
        pieces = found.setdefault(record.descriptor, _Found())
        piece = _Piece(
            whole_numbers([line], pa.int64()),
            RecordTexts.of([bytes(record.data)]).array,
            whole_numbers([int(record.emitted_at)], pa.int64()),
        )
        pieces.pieces.append(piece)
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


def _bytes(text: bytes) -> pa.Scalar:
    return RecordTexts.of([text]).array.view(pa.binary())[0]


def _parts(block: bytes | memoryview) -> Iterator[memoryview]:
    """Cuts a block after lines into parts that stay in a processor's cache from step to step."""
    view = memoryview(block)
    start = 0
    while start < len(view):
        end = start + _PART_BYTES
        if end < len(view):
            window = bytes(view[end : end + _LOOK_BYTES])
            newline = window.find(b"\n")
            # A line longer than the window is rare and left to the last part.
            end = end + newline + 1 if newline >= 0 else len(view)
        yield view[start:end]
        start = end


def _split(block: bytes | memoryview) -> pa.Array:
    """Returns the lines of a block as an array of bytes, without their newlines."""
    size = len(block) - 1
    if size < 0:
        return pa.nulls(0, pa.binary())
    whole = whole_numbers([0, size], pa.int32()).buffers()[1]
    text = pa.Array.from_buffers(pa.binary(), 1, [None, whole, pa.py_buffer(block)])
    return pc.split_pattern(text, b"\n").values


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
    if len(digits) > _MAX_DIGITS:
        return None
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
