"""Configurations that sources asked to be kept: which one counts, and what stays on disk."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from penstock.engine.kept_config import KeptConfigs
from penstock.errors import AccessDenied, ConfigError

ONE, TWO, THREE = ({"refresh_token": name, "host": "h"} for name in ("one", "two", "three"))


@pytest.fixture
def kept(tmp_path: Path) -> KeptConfigs:
    return KeptConfigs(tmp_path)


def test_the_kept_configuration_takes_the_place_of_the_one_it_came_from(kept: KeptConfigs) -> None:
    kept.keep("source-x", ONE, TWO)
    assert kept.newest("source-x", ONE) == TWO
    assert kept.newest("x", ONE) == TWO
    assert kept.newest("source-x", TWO) == TWO


def test_what_the_user_gives_anew_they_get(kept: KeptConfigs) -> None:
    kept.keep("x", ONE, TWO)
    assert kept.newest("x", THREE) == THREE
    assert kept.newest("y", ONE) == ONE


def test_the_second_change_counts_for_who_gives_the_first_or_the_one_between(
    kept: KeptConfigs,
) -> None:
    kept.keep("x", ONE, TWO)
    kept.keep("x", TWO, THREE)
    assert kept.newest("x", ONE) == THREE
    assert kept.newest("x", TWO) == THREE


def test_two_changes_of_one_run_leave_the_last(kept: KeptConfigs) -> None:
    kept.keep("x", ONE, TWO)
    kept.keep("x", ONE, THREE)
    assert kept.newest("x", ONE) == THREE
    assert kept.newest("x", TWO) == THREE


def test_a_change_back_ends_no_reader_in_a_circle(kept: KeptConfigs) -> None:
    kept.keep("x", ONE, TWO)
    kept.keep("x", TWO, ONE)
    assert kept.newest("x", ONE) == ONE
    assert kept.newest("x", TWO) == ONE


def test_spent_tokens_are_not_on_disk_and_the_file_is_private(
    kept: KeptConfigs, tmp_path: Path
) -> None:
    kept.keep("x", ONE, TWO)
    kept.keep("x", ONE, THREE)
    (path,) = tmp_path.rglob("*.json")
    text = path.read_text()
    assert '"three"' in text
    assert '"one"' not in text
    assert '"two"' not in text
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_lines_of_two_accounts_stay_apart_when_written_at_once(kept: KeptConfigs) -> None:
    accounts = [{"refresh_token": f"a{n}"} for n in range(8)]
    threads = [
        threading.Thread(target=kept.keep, args=("x", given, {"refresh_token": f"b{n}"}))
        for n, given in enumerate(accounts)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [kept.newest("x", given)["refresh_token"] for given in accounts] == [
        f"b{n}" for n in range(8)
    ]


def test_nothing_is_made_by_asking(kept: KeptConfigs, tmp_path: Path) -> None:
    assert kept.newest("x", ONE) == ONE
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_told_with_its_path(kept: KeptConfigs, tmp_path: Path) -> None:
    kept.keep("x", ONE, TWO)
    (path,) = tmp_path.rglob("*.json")
    path.write_text("{")
    with pytest.raises(ConfigError, match=r"configs/x\.json is damaged"):
        kept.newest("x", ONE)


def test_a_folder_that_cannot_be_written_is_told_with_what_is_lost(tmp_path: Path) -> None:
    (tmp_path / "configs").write_text("a file where the folder would be")
    with pytest.raises(AccessDenied, match="replaced its own credentials") as caught:
        KeptConfigs(tmp_path).keep("x", ONE, TWO)
    assert "two" not in str(caught.value.as_document())
