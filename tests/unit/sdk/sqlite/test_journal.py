"""A file gets its write-ahead log although others are at it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.sdk.sqlite import journal
from penstock.sdk.sqlite.journal import use_wal


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "some.db"


@pytest.fixture
def other(file: Path) -> Iterator[sqlite3.Connection]:
    """Another program, in the middle of writing to a file without a write-ahead log."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("CREATE TABLE t (a)")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO t VALUES (1)")
    yield connection
    connection.close()


def test_it_waits_for_another_that_writes(
    file: Path, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            other.execute("COMMIT")

    monkeypatch.setattr(journal.time, "sleep", pause)
    mine = sqlite3.connect(file, timeout=0, isolation_level=None)
    use_wal(mine, busy_seconds=60)
    assert len(pauses) == 3
    assert mine.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert mine.execute("SELECT a FROM t").fetchall() == [(1,)]
    mine.close()


def test_it_gives_up_when_its_patience_is_over(file: Path, other: sqlite3.Connection) -> None:
    mine = sqlite3.connect(file, timeout=0, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        use_wal(mine, busy_seconds=0)
    other.execute("COMMIT")
    mine.close()


def test_what_is_no_database_is_told_at_once(file: Path) -> None:
    file.write_bytes(b"This is a text, and long enough to be taken for the head of a file.")
    mine = sqlite3.connect(file, isolation_level=None)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        use_wal(mine, busy_seconds=60)
    mine.close()
