"""The log of an attempt is read from any place, downwards and upwards, in whole lines."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from penstock.control.logs import AttemptLog, read_log

LINES = 500


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "attempt.jsonl"
    with AttemptLog(path, secrets=frozenset()) as log:
        for number in range(LINES):
            log.write(datetime(2026, 1, 1, tzinfo=UTC), "INFO", f"line {number} ü")
    return path


def test_reading_on_gives_every_line_once(path: Path) -> None:
    found, offset = [], 0
    while (part := read_log(path, offset=offset, limit_bytes=1000)).records:
        found += [record.message for record in part.records]
        offset = part.next_offset
    assert [f"line {number} ü" for number in range(LINES)] == found
    assert offset == part.size == path.stat().st_size


def test_reading_upwards_gives_every_line_once(path: Path) -> None:
    found: list[str] = []
    before = path.stat().st_size
    while before > 0:
        part = read_log(path, before=before, limit_bytes=1000)
        found = [record.message for record in part.records] + found
        assert part.next_offset == before
        before = part.offset
    assert [f"line {number} ü" for number in range(LINES)] == found


def test_a_line_is_found_again_at_its_offset(path: Path) -> None:
    part = read_log(path)
    again = read_log(path, offset=part.offsets[123])
    assert again.records[0].message == "line 123 ü"
    assert again.offset == part.offsets[123]


def test_an_offset_within_a_line_begins_with_the_next(path: Path) -> None:
    second = read_log(path).offsets[1]
    assert read_log(path, offset=second - 3).records[0].message == "line 1 ü"


def test_beyond_the_end_there_is_nothing_yet(path: Path) -> None:
    size = path.stat().st_size
    part = read_log(path, offset=size)
    assert (part.records, part.next_offset) == ((), size)
