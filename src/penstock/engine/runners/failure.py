"""A connector's own words on its failure, gathered while it runs, made one of our errors."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec

from penstock.data.items import LogLine
from penstock.engine.runners.child import Exit
from penstock.engine.runners.masking import Masker
from penstock.errors import ConfigError, ConnectorFailed, PenstockError, TransientError
from penstock.protocol.codec import decode_line
from penstock.protocol.messages import MessageType, TraceError

KEPT_LINES = 20
QUOTED_LINES = 5
QUOTED_CHARACTERS = 2_000
_LEVEL = re.compile(r"\b(FATAL|CRITICAL|ERROR|WARN(?:ING)?|INFO|DEBUG|TRACE)\b")
_LEVELS = {"CRITICAL": "FATAL", "WARNING": "WARN"}
_TRACEBACK = re.compile(r"^(Traceback \(most recent call last\)|[\w.]+(Error|Exception)\b)")


class Account:
    """What a connector said of its failure: traces first, else its log, else its stderr."""

    def __init__(self, name: str, masker: Masker) -> None:
        self._name = name
        self.masker = masker
        self._traces: list[TraceError] = []
        self._logged: deque[str] = deque(maxlen=KEPT_LINES)

    @property
    def has_traces(self) -> bool:
        """True when the connector sent an error trace."""
        return bool(self._traces)

    def note_trace(self, error: TraceError) -> TraceError:
        """Keeps an error trace; returns it with secrets masked."""
        masked = msgspec.structs.replace(
            error,
            message=self.masker(error.message),
            internal_message=self.masker(error.internal_message or "") or None,
            stack_trace=self.masker(error.stack_trace or "") or None,
        )
        self._traces.append(masked)
        return masked

    def note_log(self, level: str, message: str) -> LogLine:
        """Keeps a LOG message if it may explain a failure; returns it with secrets masked."""
        line = LogLine(level=level, message=self.masker(message))
        if level in ("FATAL", "ERROR"):
            self._logged.append(line.message)
        return line

    def stderr_line(self, line: str) -> LogLine:
        """Returns a line of stderr as a log line, with secrets masked."""
        level, message = parse_stderr_line(line)
        return LogLine(level=level, message=self.masker(message))

    def failure(
        self, verb: str, exit_: Exit, tail: Sequence[str], *, cause: str = ""
    ) -> PenstockError:
        """Returns the error that says how `verb` failed, in the connector's own words.

        `cause` says what went wrong where the exit status does not.
        """
        words = self._words(tail)
        message = f"{self._name} {verb} {cause or exit_.describe()}"
        message += f": {words}" if words else ", and said nothing."
        context: dict[str, Any] = {
            "connector": self._name,
            "verb": verb,
            "exit_code": exit_.code,
            "signal": exit_.signal,
            "stack_trace": next((t.stack_trace for t in self._traces if t.stack_trace), None),
            "stderr": "\n".join(self.masker(line) for line in list(tail)[-KEPT_LINES:]) or None,
        }
        match self._failure_type():
            case "config_error":
                return ConfigError(
                    message,
                    remedy=f"Correct the configuration of {self._name} as it says, and repeat.",
                    **context,
                )
            case "transient_error":
                return TransientError(
                    message, remedy="Repeat it later; committed rows stay.", **context
                )
            case _:
                return ConnectorFailed(message, remedy=self._remedy(exit_), **context)

    def _words(self, tail: Sequence[str]) -> str:
        if self._traces:
            told = list(dict.fromkeys(_trace_text(trace) for trace in self._telling_traces()))
        elif self._logged:
            told = list(dict.fromkeys(self._logged))[-QUOTED_LINES:]
        else:
            told = [self.masker(line) for line in tail if line.strip()][-QUOTED_LINES:]
        text = " | ".join(part.strip() for part in told)
        return text if len(text) <= QUOTED_CHARACTERS else text[:QUOTED_CHARACTERS] + "…"

    def _telling_traces(self) -> list[TraceError]:
        """Returns the traces of streams where there are any, else all.

        The closing trace of airbyte-cdk only sums up, and is a config_error whatever happened.
        """
        of_streams = [trace for trace in self._traces if trace.stream_descriptor]
        return of_streams or self._traces

    def _failure_type(self) -> str | None:
        types = {trace.failure_type for trace in self._telling_traces()}
        if "config_error" in types:
            return "config_error"
        return "transient_error" if types == {"transient_error"} else None

    def _remedy(self, exit_: Exit) -> str:
        if exit_.start_error is not None:
            return "Check that the program exists and may be executed."
        if exit_.signal == 9:
            return "Free memory or give the machine more, then repeat; committed rows stay."
        return f"See the log lines of {self._name} above; repeat, or pin another version of it."


def _trace_text(trace: TraceError) -> str:
    text = trace.message or trace.internal_message or "an error without a message"
    if trace.internal_message and trace.internal_message not in text:
        text = f"{text} ({trace.internal_message})"
    stream = trace.stream_descriptor
    return f"stream {stream}: {text}" if stream and str(stream) not in text else text


def parse_stderr_line(line: str) -> tuple[str, str]:
    """Returns the level and the text of one line of stderr, an Airbyte LOG message or any text."""
    if line.lstrip().startswith("{"):
        message = decode_line(line.encode()) if '"LOG"' in line else None
        if message is not None and message.type is MessageType.LOG and message.log is not None:
            return message.log.level, message.log.message
    found = _LEVEL.search(line[:120])
    if found:
        return _LEVELS.get(found[1], found[1]), line
    return ("ERROR" if _TRACEBACK.match(line) else "INFO"), line
