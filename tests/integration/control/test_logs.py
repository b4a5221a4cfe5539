"""Logs of attempts: read from anywhere, searched, and followed while they grow."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from penstock.control.logs import AttemptLog, LogRecord, read_log

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def written(path: Path, *messages: str, level: str = "INFO") -> None:
    with AttemptLog(path, secrets=frozenset()) as log:
        for message in messages:
            log.write(AT, level, message, origin="source")


def test_each_line_tells_where_it_begins_and_is_found_again_there(tmp_path: Path) -> None:
    path = tmp_path / "1" / "1.jsonl"
    written(path, "one", "two äöü", "three")
    whole = read_log(path)
    assert [each.message for each in whole.records] == ["one", "two äöü", "three"]
    assert whole.next_offset == whole.size == path.stat().st_size
    for offset, record in zip(whole.offsets, whole.records, strict=True):
        assert read_log(path, offset=offset).records[0] == record


@pytest.mark.parametrize("inside", [1, 5, 20])
def test_an_offset_within_a_line_begins_with_the_next_one(tmp_path: Path, inside: int) -> None:
    path = tmp_path / "1" / "1.jsonl"
    written(path, "one", "two")
    assert [each.message for each in read_log(path, offset=inside).records] == ["two"]


@pytest.mark.parametrize("beyond", [0, 7, 2**53])
def test_beyond_the_end_there_is_nothing_yet(tmp_path: Path, beyond: int) -> None:
    path = tmp_path / "1" / "1.jsonl"
    written(path, "one", "two")
    offset = path.stat().st_size + beyond
    part = read_log(path, offset=offset)
    assert (part.records, part.next_offset, part.size) == ((), offset, path.stat().st_size)


def test_a_search_looks_through_megabytes_and_says_how_far_it_came(tmp_path: Path) -> None:
    path = tmp_path / "1" / "1.jsonl"
    written(path, *[f"{'x' * 900} {number}" for number in range(3000)], "needle")

    def is_wanted(record: LogRecord) -> bool:
        return "needle" in record.message

    found = read_log(path, wanted=is_wanted)
    assert [each.message for each in found.records] == ["needle"]
    assert found.next_offset == found.size
