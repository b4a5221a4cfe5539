"""A source of a few rows in memory, right by default, and wrong in one way when asked."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from penstock.errors import ConfigError
from penstock.protocol.catalog import SyncMode
from penstock.sdk.config import setting
from penstock.sdk.stream import ReadRequest, State

Flaw = Literal[
    "none",
    "skips a row when it resumes",
    "repeats a row when it resumes",
    "yields the state before its rows",
    "leaves out the last state",
    "reads other rows each time",
    "declares an integer and sends text",
    "sends a property it does not declare",
    "has a key outside of the schema",
    "has equal primary keys",
    "leaves a thread running",
    "leaves a file open",
    "takes a broken state for none",
    "state of tuples",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallConfig:
    rows: int = setting(title="Rows", description="How many.", minimum=0, default=20)
    password: str = setting(title="Password", description="None.", secret=True, default="x")
    as_arrow: bool = setting(title="Arrow", description="Arrow pages.", default=False)
    flaw: str = setting(title="Flaw", description="What is wrong.", default="none")


class SmallSource:
    Config = SmallConfig
    title = "Small"
    documentation_url = "https://example.com/small"

    def __init__(self, config: SmallConfig) -> None:
        self.config = config

    def check(self) -> None:
        if self.config.rows > 1000:
            raise ConfigError("rows is too large.", remedy="Use 1000 rows at most.")

    def streams(self) -> list[SmallStream]:
        return [SmallStream(self.config)]


class SmallStream:
    name = "people"
    namespace = None
    is_resumable = True
    modes = (SyncMode.FULL_REFRESH, SyncMode.INCREMENTAL)
    cursor = ("id",)

    def __init__(self, config: SmallConfig) -> None:
        self.config = config

    @property
    def primary_key(self) -> tuple[tuple[str, ...], ...]:
        return (("uid",),) if self.config.flaw == "has a key outside of the schema" else (("id",),)

    @property
    def json_schema(self) -> Mapping[str, Any]:
        return {
            "type": "object",
            "properties": {
                "id": {"type": ["null", "integer"]},
                "name": {"type": ["null", "string"]},
                "born": {"type": ["null", "string"], "format": "date"},
            },
        }

    def read(self, request: ReadRequest) -> Iterator[Any]:
        flaw = self.config.flaw
        start = self._start(request)
        self._leak(flaw)
        for first in range(start, self.config.rows, 5):
            last = min(first + 5, self.config.rows)
            page = [self._row(number, flaw) for number in range(first, last)]
            state = State({"next": (last,) if flaw == "state of tuples" else last})
            if flaw == "yields the state before its rows":
                yield state
            if self.config.as_arrow:
                born = pa.array([row["born"] for row in page]).cast(pa.date32())
                plain = [pa.array([row[name] for row in page]) for name in ("id", "name")]
                yield pa.RecordBatch.from_arrays([*plain, born], names=["id", "name", "born"])
            else:
                yield page
            is_last = last == self.config.rows
            if flaw != "yields the state before its rows" and not (
                flaw == "leaves out the last state" and is_last
            ):
                yield state

    def _start(self, request: ReadRequest) -> int:
        if request.state is None:
            return 0
        start = request.state.get("next")
        if isinstance(start, list):
            (start,) = start
        if not isinstance(start, int):
            if self.config.flaw == "takes a broken state for none":
                return 0
            raise ConfigError("The state is not ours.", remedy="Reset the stream.")
        if self.config.flaw == "skips a row when it resumes":
            return start + 1
        if self.config.flaw == "repeats a row when it resumes":
            return start - 1
        return start

    def _leak(self, flaw: str) -> None:
        if flaw == "leaves a thread running":
            threading.Thread(target=time.sleep, args=(15,), daemon=True).start()
        if flaw == "leaves a file open":
            os.open(__file__, os.O_RDONLY)

    def _row(self, number: int, flaw: str) -> dict[str, Any]:
        row: dict[str, Any] = {"id": number, "name": f"person {number}", "born": "2024-02-29"}
        if flaw == "reads other rows each time":
            row["name"] = f"person {time.perf_counter_ns()}"
        if flaw == "declares an integer and sends text":
            row["id"] = f"no. {number}"
        if flaw == "sends a property it does not declare":
            row["surprise"] = 1
        if flaw == "has equal primary keys":
            row["id"] = number // 2
        return row
