from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from penstock.engine.fetch import fetch, write_whole
from penstock.errors import ConfigError, ConnectionFailed, UnknownName
from tests.integration.engine.web import serving

DAY = 24 * 3600.0


def test_a_document_is_fetched_once_while_it_is_young(tmp_path: Path) -> None:
    with serving({"/a.yaml": b"one"}) as web:
        first = fetch(f"{web.address}/a.yaml", tmp_path, max_age_seconds=DAY)
        second = fetch(f"{web.address}/a.yaml", tmp_path, max_age_seconds=DAY)
        assert web.asked == ["/a.yaml"]
    assert first == second
    assert first.path.read_bytes() == b"one"
    assert first.path.suffix == ".yaml"


def test_an_old_copy_is_replaced(tmp_path: Path) -> None:
    with serving({"/a": b"one"}) as web:
        path = fetch(f"{web.address}/a", tmp_path, max_age_seconds=DAY).path
        web.pages["/a"] = b"two"
        os.utime(path, (time.time() - 2 * DAY,) * 2)
        assert fetch(f"{web.address}/a", tmp_path, max_age_seconds=DAY).path.read_bytes() == b"two"


def test_an_old_copy_serves_when_nothing_answers_and_says_so(tmp_path: Path) -> None:
    with serving({"/a": b"one"}) as web:
        path = fetch(f"{web.address}/a", tmp_path, max_age_seconds=DAY).path
    os.utime(path, (time.time() - 2 * DAY,) * 2)
    found = fetch(f"{web.address}/a", tmp_path, max_age_seconds=DAY)
    assert found.is_stale
    assert found.path.read_bytes() == b"one"


@pytest.mark.parametrize("status", [403, 404, 410])
def test_what_is_not_there_is_an_unknown_name(tmp_path: Path, status: int) -> None:
    with serving({"/a": status}) as web, pytest.raises(UnknownName, match=str(status)):
        fetch(f"{web.address}/a", tmp_path, max_age_seconds=DAY)


def test_a_broken_server_is_a_failed_connection(tmp_path: Path) -> None:
    with serving({"/a": 500}) as web, pytest.raises(ConnectionFailed, match="500"):
        fetch(f"{web.address}/a", tmp_path, max_age_seconds=DAY)


def test_no_answer_and_no_copy_is_a_failed_connection(tmp_path: Path) -> None:
    with pytest.raises(ConnectionFailed, match="could not be fetched"):
        fetch("http://127.0.0.1:9/a", tmp_path, max_age_seconds=DAY)


def test_a_cache_folder_that_cannot_be_made_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_whole(tmp_path / "file" / "x", b"1")
