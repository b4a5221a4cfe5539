"""The order in which the contents of one block are told: no state overtakes what it covers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.arrays import numbers_of, whole_numbers
from penstock.data.items import (
    Batch,
    Checkpoint,
    Claim,
    ConfigChange,
    ErrorTrace,
    EstimateChange,
    Item,
    LogLine,
    StatusChange,
    ToldState,
    Undeclared,
)
from penstock.data.lines import ReadBlock
from penstock.data.rows import RowsBuilder
from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.messages import Log, Message, StreamStatus, StreamStatusKind, Trace
from penstock.protocol.state import State


@dataclass(slots=True)
class RecordCounts:
    """Records since the last state of each stream, and since the last one of all."""

    by_stream: dict[StreamDescriptor, int] = field(default_factory=dict)
    since_global: int = 0


class _StreamRows:
    """The rows of one stream in one block, handed out up to a line at a time."""

    def __init__(
        self, stream: StreamDescriptor, block: ReadBlock, builder: RowsBuilder | None
    ) -> None:
        self.stream = stream
        records = block.records.get(stream)
        lines = records.lines if records else _no_lines()
        self.lines = numbers_of(lines)
        self._builder = builder
        self._bytes = numbers_of(pc.cumulative_sum(block.line_bytes.take(lines)))
        self._done = 0
        self._left: pa.RecordBatch | None = None
        self._batches: Iterator[pa.RecordBatch] = iter(())
        if builder is not None and records is not None:
            self._batches = builder.build(
                records.texts, records.emitted_at_ms, records.source_changes
            )
        self._told: list[ToldState] = []
        self._state_rows = 0
        self._claims: list[Claim] = []
        self.counted = 0
        """Rows that a state of this block already accounts for."""

    def rows_before(self, line: int) -> int:
        return bisect_left(self.lines, line)

    def remember(self, line: int, told: ToldState, claim: Claim | None) -> None:
        self._told.append(told)
        self._state_rows = self.rows_before(line)
        if claim is not None:
            self._claims.append(claim)

    def flush(self, line: int) -> Iterator[Item]:
        """Yields all that stands before a line: rows, the newest state, the rows after it."""
        if self._told:
            yield from self._until(self._state_rows)
            yield _checkpoint(self._told, self._claims)
            self._told, self._claims = [], []
        yield from self._until(self.rows_before(line))

    def _until(self, row: int) -> Iterator[Item]:
        if self._builder is None:
            return
        while self._done < row:
            batch = self._left if self._left is not None else next(self._batches)
            if names := self._builder.take_undeclared():
                yield Undeclared(stream=self.stream, properties=names)
            count = min(batch.num_rows, row - self._done)
            self._left = batch.slice(count) if count < batch.num_rows else None
            before = self._bytes[self._done - 1] if self._done else 0
            self._done += count
            size = self._bytes[self._done - 1] - before
            yield Batch(stream=self.stream, rows=batch.slice(0, count), wire_bytes=size)


class BlockSequence:
    """Yields the items of one block.

    Rows are regrouped by stream. What stays in place: a stream's last state between its rows, a
    global or legacy state between all rows, a stream's end after its rows, an error after
    everything before it, and the connector's other words relative to each other.
    """

    def __init__(
        self,
        block: ReadBlock,
        builders: Mapping[StreamDescriptor, RowsBuilder],
        counts: RecordCounts,
    ) -> None:
        self._block = block
        self._builders = builders
        self._counts = counts
        self._streams: dict[StreamDescriptor, _StreamRows] = {}
        for stream in block.records:
            self._rows_of(stream)
        lines = [records.lines for records in block.records.values()]
        together = pa.concat_arrays(lines or [_no_lines()])
        if len(lines) > 1:
            together = together.take(pc.array_sort_indices(together))
        self._all_lines = numbers_of(together)
        self._counted_global = 0

    def items(self) -> Iterator[Item]:
        """Yields the items and, when exhausted, carries the counts on to the next block."""
        messages = self._block.messages
        shared = [line for line, message in messages if _is_shared_state(message.state)]
        claims: list[Claim] = []
        told: list[ToldState] = []
        for line, message in messages:
            state = message.state
            if state is None:
                yield from self._said(line, message)
            elif state.descriptor is not None:
                rows = self._rows_of(_normal(state.descriptor))
                counted = self._counted(rows, line)
                rows.remember(line, ToldState(state=state, rows=counted), _claim(state, counted))
            else:
                counted = self._counted_of_all(line)
                told.append(ToldState(state=state, rows=counted))
                if (claim := _claim(state, counted)) is not None:
                    claims.append(claim)
                if line == shared[-1]:
                    yield from self._flush_all(line)
                    yield _checkpoint(told, claims)
        yield from self._flush_all(len(self._block.line_bytes))
        self._carry_counts()

    def _rows_of(self, stream: StreamDescriptor) -> _StreamRows:
        known = self._streams.get(stream)
        if known is None:
            known = _StreamRows(stream, self._block, self._builders.get(stream))
            self._streams[stream] = known
        return known

    def _flush_all(self, line: int) -> Iterator[Item]:
        for rows in list(self._streams.values()):
            yield from rows.flush(line)

    def _counted(self, rows: _StreamRows, line: int) -> int:
        """Returns the stream's records since its last state."""
        before = rows.rows_before(line)
        counted = self._counts.by_stream.pop(rows.stream, 0) + before - rows.counted
        rows.counted = before
        return counted

    def _counted_of_all(self, line: int) -> int:
        """Returns all records since the last state that covers all streams."""
        before = bisect_left(self._all_lines, line)
        counted = self._counts.since_global + before - self._counted_global
        self._counts.since_global, self._counted_global = 0, before
        return counted

    def _carry_counts(self) -> None:
        by_stream = self._counts.by_stream
        for stream, rows in self._streams.items():
            by_stream[stream] = by_stream.get(stream, 0) + len(rows.lines) - rows.counted
        self._counts.since_global += len(self._all_lines) - self._counted_global

    def _said(self, line: int, message: Message) -> Iterator[Item]:
        if message.log is not None:
            yield _log_line(message.log)
        elif message.trace is not None:
            yield from self._traced(line, message.trace)
        elif message.control is not None and message.control.connector_config is not None:
            yield ConfigChange(config=message.control.connector_config.config)

    def _traced(self, line: int, trace: Trace) -> Iterator[Item]:
        if trace.error is not None:
            yield from self._flush_all(line)
            yield ErrorTrace(error=trace.error)
        if trace.estimate is not None:
            yield EstimateChange(estimate=trace.estimate)
        if trace.stream_status is not None:
            status = trace.stream_status
            if status.status in (StreamStatusKind.COMPLETE, StreamStatusKind.INCOMPLETE):
                yield from self._rows_of(_normal(status.stream_descriptor)).flush(line)
            yield _status_change(status)


def _no_lines() -> pa.Array:
    return whole_numbers((), pa.int64())


def _is_shared_state(state: State | None) -> bool:
    return state is not None and state.descriptor is None


def _normal(stream: StreamDescriptor) -> StreamDescriptor:
    """Returns the descriptor as records have it: an empty namespace is none."""
    return stream if stream.namespace else StreamDescriptor(stream.name)


def _checkpoint(told: Sequence[ToldState], claims: Sequence[Claim]) -> Checkpoint:
    return Checkpoint(state=told[-1].state, claims=tuple(claims), told=tuple(told))


def _claim(state: State, counted: int) -> Claim | None:
    stats = state.source_stats
    if stats is None or stats.record_count is None:
        return None
    return Claim(claimed=stats.record_count, counted=counted)


def _log_line(log: Log) -> LogLine:
    text = f"{log.message}\n{log.stack_trace}" if log.stack_trace else log.message
    return LogLine(level=log.level, message=text)


def _status_change(status: StreamStatus) -> StatusChange:
    reason = status.reasons[0].type if status.reasons else None
    return StatusChange(
        stream=_normal(status.stream_descriptor), status=status.status, reason=reason
    )
