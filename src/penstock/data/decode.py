"""A connector's output, block by block, into items: batches, checkpoints and its other words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from penstock.data.items import Item
from penstock.data.lines import LineReader
from penstock.data.rows import RowsBuilder
from penstock.data.sequence import BlockSequence, RecordCounts
from penstock.data.types import Column
from penstock.data.vector import VectorSession
from penstock.errors import DataError
from penstock.protocol.catalog import StreamDescriptor

_BLOCK_BYTES: Final = ((64, 8 << 20), (512, 16 << 20))
"""Best size of the blocks, by the columns of the widest stream: each block costs a query, whose
fixed share grows with the columns (0.1 CPU seconds for a thousand), and memory."""
_WIDEST_BLOCK_BYTES: Final = 32 << 20
_MAX_BLOCK_BYTES: Final = 64 << 20
_LOOK_BYTES: Final = 64 << 10
_MAX_LINE_BYTES: Final = (1 << 31) - 1
"""Arrow's string views address their buffer with 31 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamShape:
    """What the rows of one stream become."""

    columns: tuple[Column, ...]
    is_raw: bool = False


class MessageDecoder:
    """Decodes one read of one connector. Not thread-safe; close it, or use it as a context.

    Records of streams without a shape are counted for claims and not yielded. Within one block
    rows are regrouped by stream: a stream's rows up to its last state, that state, then the rest.
    Every Claim is kept, and no checkpoint overtakes, or falls behind, a row it covers.
    """

    def __init__(
        self,
        shapes: Mapping[StreamDescriptor, StreamShape],
        *,
        threads: int | None = None,
        memory_limit: str = "512MB",
    ) -> None:
        self._session = VectorSession(threads=threads, memory_limit=memory_limit)
        self._builders = {
            stream: RowsBuilder(self._session, shape.columns, is_raw=shape.is_raw)
            for stream, shape in shapes.items()
        }
        widest = max((len(s.columns) for s in shapes.values() if not s.is_raw), default=0)
        self.block_bytes = next(
            (size for columns, size in _BLOCK_BYTES if widest <= columns), _WIDEST_BLOCK_BYTES
        )
        """Best size of the blocks given to `decode`."""
        self._reader = LineReader()
        self._rest: list[bytes] = []
        self._counts = RecordCounts()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Frees the parser's memory; items already yielded stay valid."""
        self._session.close()

    def decode(self, block: bytes | memoryview) -> Iterator[Item]:
        """Yields the items of the complete lines so far; an incomplete last line is kept.

        Blocks may be cut anywhere, and are not looked at again afterwards. Exhaust one iterator
        before asking for the next. Raises ProtocolError for a broken record or state, DataError
        for a line of 2 GiB.
        """
        view = memoryview(block)
        end = _end_of_lines(view)
        whole, rest = view[:end], bytes(view[end:])
        if end:
            lines = b"".join([*self._rest, whole]) if self._rest else whole
            self._rest = []
            yield from self._decode_lines(lines)
        if rest:
            self._rest.append(rest)

    def finish(self) -> Iterator[Item]:
        """Yields the items of a last line that did not end with a newline."""
        line, self._rest = b"".join(self._rest), []
        if line.strip():
            yield from self._decode_lines(line + b"\n")

    def _decode_lines(self, lines: bytes | memoryview) -> Iterator[Item]:
        start = 0
        while start < len(lines):
            end = len(lines)
            if end - start > _MAX_BLOCK_BYTES:
                end = start + _end_of_lines(memoryview(lines)[start : start + _MAX_BLOCK_BYTES])
                end = end if end > start else _end_of_line(lines, start)
            if end - start > _MAX_LINE_BYTES:
                raise DataError(
                    f"The connector sent a line of {end - start} bytes; 2 GiB is the limit.",
                    remedy="Leave the large field out of the stream, or split the record.",
                )
            part = lines if (start, end) == (0, len(lines)) else lines[start:end]
            read = self._reader.read(part)
            yield from BlockSequence(read, self._builders, self._counts).items()
            start = end


def _end_of_lines(view: memoryview) -> int:
    """Returns where the last line that is whole ends; 0 when there is none."""
    end = len(view)
    while end:
        start = max(0, end - _LOOK_BYTES)
        found = bytes(view[start:end]).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _end_of_line(lines: bytes | memoryview, start: int) -> int:
    """Returns where the line that begins at `start` ends."""
    view = memoryview(lines)
    while True:
        found = bytes(view[start : start + _LOOK_BYTES]).find(b"\n")
        if found >= 0:
            return start + found + 1
        start += _LOOK_BYTES
