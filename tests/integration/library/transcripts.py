"""Transcripts of small Airbyte sources, and the sources that replay them."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.library.sources import Source, get_source

PROGRAM = Path(__file__).with_name("replayed_source.py")


def stream(
    name: str = "items",
    *,
    properties: dict[str, Any] | None = None,
    key: list[list[str]] | None = None,
    cursor: str | None = None,
    modes: tuple[str, ...] = ("full_refresh", "incremental"),
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": name,
        "json_schema": {
            "type": "object",
            "properties": properties or {"id": {"type": "integer"}, "v": {"type": "string"}},
        },
        "supported_sync_modes": list(modes),
    }
    if key is not None:
        described["source_defined_primary_key"] = key
    if cursor is not None:
        described |= {"source_defined_cursor": True, "default_cursor_field": [cursor]}
    return described


def record(
    stream: str = "items", emitted_at: int = 1_700_000_000_000, **data: Any
) -> dict[str, Any]:
    return {
        "type": "RECORD",
        "record": {"stream": stream, "data": data, "emitted_at": emitted_at},
    }


def state(stream: str = "items", **value: Any) -> dict[str, Any]:
    return {
        "type": "STATE",
        "state": {
            "type": "STREAM",
            "stream": {"stream_descriptor": {"name": stream}, "stream_state": value},
        },
    }


def global_state(*streams: str, **value: Any) -> dict[str, Any]:
    parts = [{"stream_descriptor": {"name": each}, "stream_state": {"seen": 1}} for each in streams]
    shared = {"shared_state": value, "stream_states": parts}
    return {"type": "STATE", "state": {"type": "GLOBAL", "global": shared}}


def status(word: str, stream: str = "items") -> dict[str, Any]:
    about = {"stream_descriptor": {"name": stream}, "status": word}
    return {
        "type": "TRACE",
        "trace": {"type": "STREAM_STATUS", "emitted_at": 1, "stream_status": about},
    }


def trace_error(message: str) -> dict[str, Any]:
    error = {"message": message, "failure_type": "system_error"}
    return {"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": 1, "error": error}}


@dataclass
class Replayed:
    """Writes transcripts into a folder, and makes sources of them."""

    folder: Path
    calls_path: Path = field(init=False)

    def __post_init__(self) -> None:
        self.calls_path = self.folder / "calls.jsonl"

    def write(
        self,
        streams: list[dict[str, Any]],
        lines: list[dict[str, Any]],
        *,
        exit: int = 0,
        name: str = "t",
    ) -> Path:
        path = self.folder / f"{name}.json"
        script = {
            "streams": streams,
            "lines": lines,
            "exit": exit,
            "records_calls": str(self.calls_path),
        }
        path.write_text(json.dumps(script))
        return path

    def source(self, path: Path, name: str = "source-replayed", **settings: Any) -> Source:
        source = get_source(
            name,
            config={"transcript": str(path), **settings},
            local_executable=f"{sys.executable} {PROGRAM}",
        )
        source.select_all_streams()
        return source

    def calls(self, verb: str) -> list[dict[str, Any]]:
        if not self.calls_path.exists():
            return []
        told = [json.loads(line) for line in self.calls_path.read_text().splitlines()]
        return [call for call in told if call["verb"] == verb]
