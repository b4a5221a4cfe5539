"""What a connector says when it runs as an Airbyte program: lines on standard output, in chunks."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO, Final

from penstock.errors import PenstockError
from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.codec import encode_message
from penstock.protocol.messages import (
    ConnectorConfig,
    Control,
    Log,
    Message,
    MessageType,
    StreamStatus,
    StreamStatusKind,
    Trace,
    TraceError,
)
from penstock.protocol.state import State
from penstock.sdk.config import masked_text

_CHUNK_BYTES: Final = 256 << 10
_SILENCE_SECONDS: Final = 1.0
"""Records wait in the buffer at most this long after the next ones have come."""

_LEVELS: Final = {
    logging.CRITICAL: "FATAL",
    logging.ERROR: "ERROR",
    logging.WARNING: "WARN",
    logging.INFO: "INFO",
    logging.DEBUG: "DEBUG",
}


class ProgramOutput:
    """Standard output of a connector program; secrets never get there in a log or an error.

    Any thread may write: what one call writes stays together.
    """

    def __init__(self, stream: BinaryIO, *, clock: Callable[[], float] = time.time) -> None:
        self._stream = stream
        self._clock = clock
        self._lock = threading.RLock()
        self._parts: list[bytes] = []
        self._bytes = 0
        self._flushed_at = clock()
        self.secrets: Callable[[], frozenset[str]] = frozenset
        """Returns what must not be shown, as far as it is known by now."""

    @property
    def now_ms(self) -> int:
        """The time for `emitted_at`."""
        return int(self._clock() * 1000)

    def lines(self, lines: bytes) -> None:
        """Takes whole lines of records; they are written in chunks or after a second."""
        with self._lock:
            self._parts.append(lines)
            self._bytes += len(lines)
            if self._bytes >= _CHUNK_BYTES or self._clock() - self._flushed_at >= _SILENCE_SECONDS:
                self.flush()

    def message(self, message: Message) -> None:
        """Writes one message now, after all records before it."""
        with self._lock:
            self._parts.append(encode_message(message) + b"\n")
            self.flush()

    def status(self, stream: StreamDescriptor, status: StreamStatusKind) -> None:
        """Writes one step of a stream's life."""
        step = StreamStatus(stream_descriptor=stream, status=status)
        trace = Trace(type="STREAM_STATUS", emitted_at=self.now_ms, stream_status=step)
        self.message(Message(type=MessageType.TRACE, trace=trace))

    def state(self, state: State) -> None:
        """Writes a state."""
        self.message(Message(type=MessageType.STATE, state=state))

    def changed_config(self, config: dict[str, Any]) -> None:
        """Writes a configuration that whoever runs the connector has to keep, secrets and all."""
        control = Control(
            type="CONNECTOR_CONFIG",
            emitted_at=self.now_ms,
            connector_config=ConnectorConfig(config=config),
        )
        self.message(Message(type=MessageType.CONTROL, control=control))

    def log(self, level: str, text: str) -> None:
        """Writes a log line."""
        log = Log(level=level, message=masked_text(text, self.secrets()))
        self.message(Message(type=MessageType.LOG, log=log))

    def failure(self, error: PenstockError) -> None:
        """Writes a failure the way Airbyte shows it: message, kind, and where it arose."""
        cause = error.__cause__
        trace_text = "".join(traceback.format_exception(error))
        told = TraceError(
            message=masked_text(str(error), self.secrets()),
            internal_message=masked_text(
                f"{error.code}: {type(cause).__name__}: {cause}" if cause else error.code,
                self.secrets(),
            ),
            stack_trace=masked_text(trace_text, self.secrets()),
            failure_type=error.failure_type,
        )
        trace = Trace(type="ERROR", emitted_at=self.now_ms, error=told)
        self.message(Message(type=MessageType.TRACE, trace=trace))

    def flush(self) -> None:
        """Writes out what is buffered."""
        with self._lock:
            if self._parts:
                self._stream.write(b"".join(self._parts))
                self._parts.clear()
                self._bytes = 0
            self._stream.flush()
            self._flushed_at = self._clock()


class LogMessages(logging.Handler):
    """Turns the process's log records into LOG messages."""

    def __init__(self, output: ProgramOutput, level: int) -> None:
        super().__init__(level)
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one log record, with its traceback if it has one."""
        level = _LEVELS.get(record.levelno, "INFO")
        text = record.getMessage()
        if record.exc_info and record.exc_info[1]:
            text += "\n" + "".join(traceback.format_exception(record.exc_info[1]))
        self._output.log(level, text)
