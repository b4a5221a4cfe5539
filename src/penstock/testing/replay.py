"""Recorded conversations: stored Airbyte messages as a source, in process or as a program.

A transcript is a file of JSON lines, one message a line, as a connector writes them. As a
`TranscriptSource` it feeds destination tests; written by `write_program` it is an executable
Airbyte source that can crash after any line, stall, or end with any exit status.
"""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import orjson

from penstock.errors import ConfigError, DataError
from penstock.protocol.catalog import (
    Catalog,
    CatalogStream,
    ConfiguredCatalog,
    ConfiguredStream,
    PropertyPath,
    StreamDescriptor,
    SyncMode,
)
from penstock.protocol.codec import decode_line, encode
from penstock.protocol.messages import Message, MessageType, StreamStatusKind
from penstock.sdk.config import setting
from penstock.sdk.stream import ReadRequest, State, Stream

_PAGE_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Transcript:
    """The lines a connector wrote, without their newlines."""

    lines: tuple[bytes, ...]

    @classmethod
    def load(cls, path: Path) -> Transcript:
        """Reads a transcript; empty lines are left out."""
        try:
            text = path.read_bytes()
        except FileNotFoundError as error:
            raise ConfigError(
                f"There is no transcript {path}.", remedy="Record it, or correct the path."
            ) from error
        return cls(tuple(line for line in text.split(b"\n") if line.strip()))

    @classmethod
    def of(cls, messages: Sequence[dict[str, Any]]) -> Transcript:
        """Makes a transcript of messages written as plain values."""
        return cls(tuple(orjson.dumps(message) for message in messages))

    def save(self, path: Path) -> None:
        """Writes the transcript, a line a message."""
        path.write_bytes(b"".join(line + b"\n" for line in self.lines))

    def messages(self) -> Iterator[Message]:
        """Yields every line as a message; what is none comes as a LOG, as from a connector."""
        for line in self.lines:
            yield decode_line(line)

    def streams(self) -> tuple[StreamDescriptor, ...]:
        """Returns the streams that have a record, a state or a status, in order of appearance."""
        found: dict[StreamDescriptor, None] = {}
        for message in self.messages():
            if message.record is not None:
                found[message.record.descriptor] = None
            elif message.state is not None and message.state.descriptor is not None:
                found[message.state.descriptor] = None
            elif message.trace is not None and message.trace.stream_status is not None:
                found[message.trace.stream_status.stream_descriptor] = None
        return tuple(found)

    def records(self, stream: StreamDescriptor) -> list[dict[str, Any]]:
        """Returns the data of a stream's records, in order."""
        return [
            msgspec.json.decode(message.record.data, type=dict[str, Any])
            for message in self.messages()
            if message.record is not None and message.record.descriptor == stream
        ]

    def catalog(self) -> Catalog:
        """Returns the catalogue in the transcript, else one of its streams without a schema."""
        for message in self.messages():
            if message.catalog is not None:
                return message.catalog
        both = (SyncMode.FULL_REFRESH, SyncMode.INCREMENTAL)
        return Catalog(
            streams=tuple(
                CatalogStream(name=s.name, namespace=s.namespace, supported_sync_modes=both)
                for s in self.streams()
            )
        )

    def configured_catalog(self, **choices: Any) -> ConfiguredCatalog:
        """Returns every stream chosen; `choices` are fields of ConfiguredStream."""
        return ConfiguredCatalog(
            streams=tuple(ConfiguredStream(stream=s, **choices) for s in self.catalog().streams)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptConfig:
    """Where the recording lies."""

    path: str = setting(title="Transcript", description="A file of Airbyte messages, one a line.")


class TranscriptSource:
    """Plays a transcript to the engine: its records in pages, its states where they stood."""

    Config = TranscriptConfig
    title: ClassVar[str] = "Transcript"
    documentation_url: ClassVar[str] = (
        "https://github.com/penstock-data/penstock/tree/main/docs/how-to/test-a-connector.md"
    )

    def __init__(self, config: TranscriptConfig) -> None:
        self._transcript = Transcript.load(Path(config.path))

    def check(self) -> None:
        """Decodes every line."""
        if not list(self._transcript.messages()):
            raise ConfigError("The transcript is empty.", remedy="Correct `path`.")

    def streams(self) -> Sequence[Stream]:
        return [
            TranscriptStream(transcript=self._transcript, described=described)
            for described in self._transcript.catalog().streams
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptStream:
    """One stream of a transcript. A state continues after the place where it stood.

    Only the stream's own states count. Where a blob is found twice, the last place is meant.
    """

    transcript: Transcript
    described: CatalogStream

    @property
    def name(self) -> str:
        return self.described.name

    @property
    def namespace(self) -> str | None:
        return self.described.namespace

    @property
    def json_schema(self) -> dict[str, Any]:
        return self.described.json_schema

    @property
    def primary_key(self) -> tuple[PropertyPath, ...]:
        return self.described.source_defined_primary_key or ()

    @property
    def cursor(self) -> PropertyPath | None:
        return self.described.default_cursor_field

    @property
    def modes(self) -> tuple[SyncMode, ...]:
        return self.described.supported_sync_modes

    @property
    def is_resumable(self) -> bool:
        return bool(self.described.is_resumable)

    def read(self, request: ReadRequest) -> Iterator[list[dict[str, Any]] | State]:
        """Yields the pages and states after the one asked for; an error trace is raised."""
        rows: list[dict[str, Any]] = []
        for message in self._own()[self._start(request) :]:
            if message.record is not None:
                rows.append(msgspec.json.decode(message.record.data, type=dict[str, Any]))
            if rows and (message.state is not None or len(rows) == _PAGE_ROWS):
                yield rows
                rows = []
            if message.state is not None:
                yield State(self._blob(message))
            if message.trace is not None and message.trace.error is not None:
                raise DataError(
                    message.trace.error.message, remedy="The recorded connector failed here."
                )
        if rows:
            yield rows

    def _own(self) -> list[Message]:
        own = self.described.descriptor
        return [message for message in self.transcript.messages() if _is_about(message, own)]

    def _start(self, request: ReadRequest) -> int:
        if request.state is None:
            return 0
        wanted = dict(request.state)
        places = [
            place
            for place, message in enumerate(self._own(), start=1)
            if message.state is not None and self._blob(message) == wanted
        ]
        if not places:
            raise ConfigError(
                f"The state of {self.name} is none of this transcript's.",
                remedy="Reset the stream's state.",
            )
        return places[-1]

    def _blob(self, message: Message) -> dict[str, Any]:
        own = message.state.stream if message.state else None
        return msgspec.json.decode(own.stream_state, type=dict[str, Any]) if own else {}


def _is_about(message: Message, stream: StreamDescriptor) -> bool:
    match message.type:
        case MessageType.RECORD:
            return message.record is not None and message.record.descriptor == stream
        case MessageType.STATE:
            return message.state is not None and message.state.descriptor == stream
        case MessageType.TRACE:
            error = message.trace.error if message.trace else None
            return error is not None and error.stream_descriptor in (None, stream)
        case _:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How a program plays its transcript, and how it ends."""

    crash_after_lines: int | None = None
    """Ends with SIGKILL after that many lines of `read`, the last of them whole."""
    tear_last_line: bool = False
    """With a crash: the line after them is begun and not ended."""
    delay_seconds: float = 0.0
    """Waits so long before each line of `read`."""
    stall_after_lines: int | None = None
    """Says nothing more after that many lines of `read`, and does not end."""
    ignores_sigterm: bool = False
    exit_status: int = 0
    stderr: str = ""
    """Written before the end."""
    spec: dict[str, Any] = field(
        default_factory=lambda: {"connectionSpecification": {"type": "object", "properties": {}}}
    )
    check: dict[str, Any] = field(default_factory=lambda: {"status": "SUCCEEDED"})


_PROGRAM = '''\
#!{python}
"""An Airbyte source that plays a recording."""
import json, os, signal, sys, time
behaviour = json.loads({behaviour!r})
out = sys.stdout.buffer
verb = sys.argv[1] if len(sys.argv) > 1 else ""

def say(message):
    out.write(json.dumps(message).encode() + b"\\n")

def end():
    out.flush()
    sys.stderr.write(behaviour["stderr"])
    sys.stderr.flush()
    if behaviour["crash_after_lines"] is not None and verb == "read":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.exit(behaviour["exit_status"])

if behaviour["ignores_sigterm"]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if verb == "spec":
    say({{"type": "SPEC", "spec": behaviour["spec"]}})
elif verb == "check":
    say({{"type": "CONNECTION_STATUS", "connectionStatus": behaviour["check"]}})
elif verb == "discover":
    out.write(open({catalog!r}, "rb").read())
elif verb == "read":
    for number, line in enumerate(open({transcript!r}, "rb")):
        if number == behaviour["stall_after_lines"]:
            out.flush()
            while True:
                time.sleep(60)
        if number == behaviour["crash_after_lines"]:
            if behaviour["tear_last_line"]:
                out.write(line[: len(line) // 2])
            end()
        if behaviour["delay_seconds"]:
            out.flush()
            time.sleep(behaviour["delay_seconds"])
        out.write(line)
else:
    sys.stderr.write("usage: spec | check | discover | read\\n")
    sys.exit(2)
end()
'''


def write_program(
    folder: Path,
    transcript: Transcript,
    *,
    name: str = "source-recorded",
    behaviour: Behaviour | None = None,
) -> Path:
    """Writes an executable Airbyte source that plays the transcript, and returns its path."""
    how = behaviour or Behaviour()
    lines, catalog = folder / f"{name}.jsonl", folder / f"{name}.catalog.json"
    transcript.save(lines)
    answer = b'{"type":"CATALOG","catalog":%b}\n' % encode(transcript.catalog())
    catalog.write_bytes(answer)
    program = folder / name
    program.write_text(
        _PROGRAM.format(
            python=sys.executable,
            behaviour=msgspec.json.encode(how).decode(),
            catalog=str(catalog),
            transcript=str(lines),
        )
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def status_line(stream: StreamDescriptor, status: StreamStatusKind) -> dict[str, Any]:
    """Returns a stream status as a message of a transcript."""
    described = msgspec.to_builtins(stream)
    return {
        "type": "TRACE",
        "trace": {
            "type": "STREAM_STATUS",
            "emitted_at": 0,
            "stream_status": {"stream_descriptor": described, "status": status.value},
        },
    }


def record_line(stream: StreamDescriptor, data: dict[str, Any]) -> dict[str, Any]:
    """Returns a record as a message of a transcript."""
    record: dict[str, Any] = {"stream": stream.name, "data": data, "emitted_at": 1_700_000_000_000}
    if stream.namespace:
        record["namespace"] = stream.namespace
    return {"type": "RECORD", "record": record}


def state_line(
    stream: StreamDescriptor, blob: dict[str, Any], *, records: int | None = None
) -> dict[str, Any]:
    """Returns a stream state as a message of a transcript; `records` is the source's own count."""
    inner = {"stream_descriptor": msgspec.to_builtins(stream), "stream_state": blob}
    state: dict[str, Any] = {"type": "STREAM", "stream": inner}
    if records is not None:
        state["sourceStats"] = {"recordCount": float(records)}
    return {"type": "STATE", "state": state}
