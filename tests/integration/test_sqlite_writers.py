"""Writers of one SQLite file take turns: none waits for another that has not committed."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from penstock.data.types import Kind
from penstock.destinations.sqlite import SQLiteConfig, SQLiteDestination
from penstock.errors import ResourceBusy
from penstock.sdk.destination import StreamPlan, TableName, WriteMode
from penstock.testing.feed import batch_of, state_at
from penstock.testing.lab import plan_for

_ROWS = 2_000


def _plan(name: str, mode: WriteMode) -> StreamPlan:
    kinds = {"id": Kind.INTEGER, "name": Kind.STRING}
    return plan_for(TableName(schema=None, name=name), kinds, mode, key=["id"], generation_id=1)


@pytest.mark.parametrize("mode", WriteMode)
def test_writers_that_are_open_at_once_do_not_wait_for_each_other(
    tmp_path: Path, mode: WriteMode
) -> None:
    path = tmp_path / "w.sqlite"
    target = SQLiteDestination(SQLiteConfig(path=str(path), busy_seconds=1))
    plans = [_plan(f"t{n}", mode) for n in range(4)]
    with ExitStack() as stack:
        writers = [stack.enter_context(target.open(plan)) for plan in plans]
        for step in range(3):
            for plan, writer in zip(plans, writers, strict=True):
                writer.write(batch_of(plan, [{"id": step, "name": "x" * (17 << 20)}]))
            for plan, writer in zip(plans, writers, strict=True):
                assert writer.commit(state_at(plan, step)) == 1
        for writer in writers:
            writer.finish(None)
    assert [target.count(plan.table) for plan in plans] == [3] * 4


def test_streams_written_side_by_side_all_arrive(tmp_path: Path) -> None:
    target = SQLiteDestination(SQLiteConfig(path=str(tmp_path / "w.sqlite")))

    def write(name: str) -> int:
        plan = _plan(name, WriteMode.APPEND_DEDUP)
        with target.open(plan) as writer:
            for step in range(5):
                rows = [{"id": step * _ROWS + n, "name": str(n)} for n in range(_ROWS)]
                writer.write(batch_of(plan, rows))
                writer.commit(state_at(plan, step))
            writer.finish(None)
        return target.count(plan.table)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(write, [f"t{n}" for n in range(4)])) == [5 * _ROWS] * 4


def test_a_file_that_another_program_writes_the_old_way_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "w.sqlite"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE theirs (a)")
    other.execute("BEGIN IMMEDIATE")
    ending = threading.Timer(0.5, lambda: other.execute("COMMIT"))
    ending.start()
    target = SQLiteDestination(SQLiteConfig(path=str(path), busy_seconds=30))
    with target.open(_plan("t", WriteMode.APPEND)) as writer:
        assert writer.commit(None) == 0
    ending.join()
    other.close()


def test_a_file_that_another_program_keeps_locked_is_told_as_busy(tmp_path: Path) -> None:
    path = tmp_path / "w.sqlite"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    target = SQLiteDestination(SQLiteConfig(path=str(path), busy_seconds=1))
    with pytest.raises(ResourceBusy, match="locked"), target.open(_plan("t", WriteMode.APPEND)):
        pass
    other.close()
