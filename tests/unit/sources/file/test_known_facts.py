"""A file that was not looked at again shows in one that was forged: other content, same marks."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import pytest

from penstock.sources.file import known_facts as known_facts_module
from penstock.sources.file import stream as stream_module
from tests.unit.sources.file.reading_files import kinds_of, rows_of, stream_of


def settled(path: Path, content: bytes, *, age_seconds: float = 3600.0) -> Path:
    path.write_bytes(content)
    at = round(time.time() - age_seconds)
    os.utime(path, (at, at))
    return path


def forged(path: Path, content: bytes) -> Path:
    """Changes a file as nobody can see from outside."""
    before = path.stat()
    assert before.st_size == len(content)
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return path


def as_another_process() -> None:
    stream_module._remembered.cache_clear()
    known_facts_module._made.cache_clear()


@pytest.mark.parametrize(
    ("name", "content", "other"),
    [
        ("a.csv", b"id,name\n1,x\n", b"id,name\nx,x\n"),
        ("a.jsonl", b'{"id": 1.5}\n', b'{"id": "x"}\n'),
        ("a.json", b'[{"id": [1]}]', b'[{"id": "x"}]'),
    ],
)
def test_a_file_is_looked_at_once_whatever_process_asks(
    tmp_path: Path, name: str, content: bytes, other: bytes
) -> None:
    path = settled(tmp_path / name, content)
    first = kinds_of(stream_of(path))
    rows = rows_of(stream_of(path))
    as_another_process()
    assert rows_of(stream_of(path)) == rows
    forged(path, other)
    as_another_process()
    assert kinds_of(stream_of(path)) == first


def test_a_file_that_changed_is_looked_at_again(tmp_path: Path) -> None:
    path = settled(tmp_path / "a.csv", b"id\n1\n")
    assert kinds_of(stream_of(path)) == {"id": "integer"}
    settled(path, b"id\nx\n", age_seconds=1800.0)
    assert kinds_of(stream_of(path)) == {"id": "string"}


def test_a_file_that_has_just_changed_is_not_kept(tmp_path: Path) -> None:
    path = settled(tmp_path / "a.csv", b"id\n1\n", age_seconds=0.0)
    assert kinds_of(stream_of(path)) == {"id": "integer"}
    forged(path, b"id\nx\n")
    as_another_process()
    assert kinds_of(stream_of(path)) == {"id": "string"}


def test_other_options_are_another_look(tmp_path: Path) -> None:
    path = settled(tmp_path / "a.csv", b"id;n\n1;2\n")
    assert kinds_of(stream_of(path)) == {"id": "integer", "n": "integer"}
    assert kinds_of(stream_of(path, options={"delimiter": ","})) == {"id;n": "string"}


def test_of_many_files_only_the_new_one_is_looked_at(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    old = [settled(folder / f"{number}.csv", b"id\n1\n") for number in range(3)]
    assert kinds_of(stream_of(folder))["id"] == "integer"
    for path in old:
        forged(path, b"id\nx\n")
    settled(folder / "new.csv", b"id\n1.5\n")
    as_another_process()
    assert kinds_of(stream_of(folder))["id"] == "number"


def test_a_cache_folder_that_cannot_be_used_only_costs_time(
    tmp_path: Path, own_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (own_cache / "penstock").write_text("a file where the folder should be")
    path = settled(tmp_path / "a.csv", b"id\n1\n")
    with caplog.at_level("INFO"):
        assert rows_of(stream_of(path)) == [{"id": 1}]
    assert "cannot be kept" in caplog.text


def test_what_was_not_used_for_months_is_forgotten(tmp_path: Path, own_cache: Path) -> None:
    kinds_of(stream_of(settled(tmp_path / "a.csv", b"id\n1\n")))
    with sqlite3.connect(own_cache / "penstock" / "file-facts.sqlite") as facts:
        assert facts.execute("UPDATE facts SET used = used - 86400 * 91").rowcount == 1
    as_another_process()
    kinds_of(stream_of(settled(tmp_path / "b.csv", b"id\n1\n")))
    assert facts.execute("SELECT count(*) FROM facts").fetchone() == (1,)
    facts.close()
