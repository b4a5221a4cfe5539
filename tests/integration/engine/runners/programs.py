"""Small programs that speak the Airbyte protocol, and a decoder that needs no other module."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from penstock.data.items import (
    Checkpoint,
    ConfigChange,
    ErrorTrace,
    Item,
    LogLine,
    StatusChange,
)
from penstock.engine.kept_config import KeptConfigs
from penstock.engine.runners.program import Limits, Program, ProgramRunner, RunOptions
from penstock.protocol import codec
from penstock.protocol.catalog import CatalogStream, ConfiguredCatalog, ConfiguredStream
from penstock.protocol.messages import Message, Record

HEADER = r"""
import json, os, signal, subprocess, sys, time
from sys import exit
VERB = sys.argv[1]
FILES = dict(zip(sys.argv[2::2], sys.argv[3::2]))
def load(kind): return json.load(open(FILES["--" + kind]))
def say(**message): os.write(1, (json.dumps(message) + "\n").encode())
def record(n): say(type="RECORD", record={"stream": "s", "data": {"n": n}, "emitted_at": 1})
def state(n): say(type="STATE", state={"type": "STREAM", "stream": {
    "stream_descriptor": {"name": "s"}, "stream_state": {"n": n}}})
def trace(message, **more): say(type="TRACE", trace={"type": "ERROR", "emitted_at": 1.5,
    "error": {"message": message, **more}})
def log(level, message): say(type="LOG", log={"level": level, "message": message})
"""

CATALOG = ConfiguredCatalog(streams=(ConfiguredStream(stream=CatalogStream(name="s")),))


@dataclass(frozen=True, slots=True)
class Row:
    """A record, as it came."""

    record: Record


class LineDecoder:
    """Decodes line by line: what the fast decoder does, without its batches."""

    block_bytes = 1 << 20

    def __init__(self, catalog: ConfiguredCatalog, *, is_raw: bool) -> None:
        self.rest = b""

    def decode(self, block: bytes) -> Iterator[Item]:
        *lines, self.rest = (self.rest + block).split(b"\n")
        for line in lines:
            if line.strip():
                yield from as_items(codec.decode_line(line))

    def finish(self) -> Iterator[Item]:
        if self.rest.strip():
            yield from as_items(codec.decode_line(self.rest))

    def close(self) -> None:
        self.rest = b""


def as_items(message: Message) -> Iterator[Item]:
    if message.record is not None:
        yield Row(message.record)  # type: ignore[misc]
    elif message.state is not None:
        yield Checkpoint(state=message.state)
    elif message.log is not None:
        yield LogLine(level=message.log.level, message=message.log.message)
    elif message.control is not None and message.control.connector_config is not None:
        yield ConfigChange(config=message.control.connector_config.config)
    elif message.trace is not None and message.trace.error is not None:
        yield ErrorTrace(error=message.trace.error)
    elif message.trace is not None and message.trace.stream_status is not None:
        status = message.trace.stream_status
        yield StatusChange(stream=status.stream_descriptor, status=status.status)


@dataclass
class Scripted:
    """Makes runners of small Python programs; keeps the log lines of their short verbs."""

    folder: Path
    logs: list[LogLine] = field(default_factory=list)

    def options(self, **limits: float) -> RunOptions:
        return RunOptions(
            limits=Limits(**{"grace": 2.0, "close": 5.0, **limits}),
            on_log=self.logs.append,
            decoder_factory=LineDecoder,
            kept=KeptConfigs(self.folder.parent / "data"),
        )

    def write(self, body: str) -> Path:
        path = self.folder / f"program{len(list(self.folder.iterdir()))}.py"
        path.write_text(HEADER + textwrap.dedent(body))
        return path

    def __call__(self, body: str, **limits: float) -> ProgramRunner:
        program = Program(argv=(sys.executable, "-S", str(self.write(body))))
        return ProgramRunner("source-x", program, "a test", options=self.options(**limits))


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    private = tmp_path / "tmp"
    private.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(private))
    programs = tmp_path / "programs"
    programs.mkdir()
    return Scripted(programs)


@pytest.fixture
def private_folder(tmp_path: Path) -> Path:
    """Where the runner puts its private folders: empty before and after."""
    return tmp_path / "tmp"


@pytest.fixture
def without_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """No name is looked up elsewhere."""
    monkeypatch.setenv("PENSTOCK_REGISTRY", "off")


def wait_until(is_so: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_alive(process: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False
