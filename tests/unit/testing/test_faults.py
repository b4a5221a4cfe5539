from __future__ import annotations

import io
from typing import Any

import pytest

from penstock.protocol.catalog import SyncMode
from penstock.sdk.destination import TableName, WriteMode
from penstock.sdk.stream import ReadRequest, State
from penstock.testing.faults import (
    FailingReader,
    Faults,
    FaultyStream,
    Injected,
    Moment,
    every_call,
)
from penstock.testing.feed import batch_of
from penstock.testing.lab import simple_plan, simple_rows
from penstock.testing.memory import MemoryConfig, MemoryDestination

PLAN = simple_plan(TableName(schema=None, name="t"), WriteMode.APPEND)
CALLS = ["enter open", "open", "write", "commit", "finish", "leave", "left"]


class Pages:
    """A stream of two pages of three rows."""

    name = "pages"

    def read(self, request: ReadRequest) -> Any:
        yield [{"n": 1}, {"n": 2}, {"n": 3}]
        yield State({"next": 3})
        yield [{"n": 4}, {"n": 5}, {"n": 6}]


def _load(faults: Faults, memory: MemoryDestination) -> None:
    with faults.destination(memory).open(PLAN) as writer:
        writer.write(batch_of(PLAN, simple_rows(1)))
        writer.commit(None)
        writer.finish(None)


def test_every_call_of_a_run_fails_once_before_and_once_after_its_effect() -> None:
    failed = []
    for faults in every_call(lambda f: _load(f, MemoryDestination(MemoryConfig()))):
        with pytest.raises(Injected):
            _load(faults, MemoryDestination(MemoryConfig()))
        failed.append((faults.calls[-1], faults.moment))
    assert failed == [(call, moment) for call in CALLS for moment in Moment]


@pytest.mark.parametrize(("moment", "rows"), [(Moment.BEFORE, 0), (Moment.AFTER, 1)])
def test_a_commit_has_had_its_effect_only_when_it_fails_afterwards(
    moment: Moment, rows: int
) -> None:
    memory = MemoryDestination(MemoryConfig())
    with pytest.raises(Injected):
        _load(Faults(at=CALLS.index("commit") + 1, moment=moment), memory)
    assert memory.count(PLAN.table) == rows


@pytest.mark.parametrize("rows", range(7))
def test_a_stream_fails_after_exactly_the_rows_asked_for(rows: int) -> None:
    stream = FaultyStream(Pages(), Faults(), rows_before_failure=rows)  # type: ignore[arg-type]
    read: list[dict[str, Any]] = []

    def run() -> None:
        for item in stream.read(ReadRequest(mode=SyncMode.FULL_REFRESH)):
            if not isinstance(item, State):
                read.extend(item)  # type: ignore[arg-type]

    if rows == 6:
        run()
    else:
        with pytest.raises(Injected):
            run()
    assert [row["n"] for row in read] == list(range(1, rows + 1))


@pytest.mark.parametrize("after", [0, 1, 4, 9])
def test_a_reader_fails_after_exactly_the_bytes_asked_for(after: int) -> None:
    reader = FailingReader(io.BytesIO(b"0123456789"), after_bytes=after)
    got = [reader.read(1) for _ in range(after)]
    with reader, pytest.raises(Injected):
        reader.read(1)
    assert b"".join(got) == b"0123456789"[:after]
