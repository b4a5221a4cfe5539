from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.events import Receipt
from penstock.engine.home import data_home
from penstock.engine.receipts import find_receipt, load_receipts, save_receipt
from penstock.errors import DataError, UnknownName


def receipt(run_id: str, connection: str = "a-to-b", started_at: str = "2026-01-01") -> Receipt:
    return Receipt(
        run_id=run_id,
        connection=connection,
        source="a",
        destination="b",
        outcome="succeeded",
        started_at=started_at,
        ended_at=started_at,
        seconds=1.5,
    )


def test_a_saved_receipt_is_loaded_as_it_was(tmp_path: Path) -> None:
    path = save_receipt(receipt("r1"), tmp_path)
    assert load_receipts(tmp_path, "a-to-b") == (receipt("r1"),)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_newest_receipt_comes_first(tmp_path: Path) -> None:
    for run, day in (("r1", "2026-01-02"), ("r2", "2026-01-03"), ("r3", "2026-01-01")):
        save_receipt(receipt(run, started_at=day), tmp_path)
    assert [each.run_id for each in load_receipts(tmp_path)] == ["r2", "r1", "r3"]


@given(names=st.sets(st.text(min_size=1, max_size=30), min_size=1, max_size=4))
def test_connections_of_any_name_keep_their_receipts_apart(
    names: set[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("receipts")
    for name in names:
        save_receipt(receipt("r1", connection=name), folder)
    for name in names:
        assert load_receipts(folder, name) == (receipt("r1", connection=name),)
    inside = folder.resolve()
    assert all(inside in path.resolve().parents for path in folder.rglob("*.json"))


def test_a_receipt_is_found_by_connection_by_run_and_by_the_start_of_a_run(tmp_path: Path) -> None:
    save_receipt(receipt("abc1", connection="one", started_at="2026-01-01"), tmp_path)
    save_receipt(receipt("abd2", connection="two", started_at="2026-01-02"), tmp_path)
    assert find_receipt(tmp_path).run_id == "abd2"
    assert find_receipt(tmp_path, "one").run_id == "abc1"
    assert find_receipt(tmp_path, "abc1").run_id == "abc1"
    assert find_receipt(tmp_path, "abd").run_id == "abd2"


def test_a_start_that_fits_two_runs_is_refused(tmp_path: Path) -> None:
    for run in ("abc1", "abd2"):
        save_receipt(receipt(run), tmp_path)
    with pytest.raises(UnknownName, match="beginning of 2 runs"):
        find_receipt(tmp_path, "ab")


def test_an_unknown_name_is_told_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="No sync has left a receipt"):
        find_receipt(tmp_path)
    save_receipt(receipt("r1"), tmp_path)
    with pytest.raises(UnknownName, match="Choose from: a-to-b"):
        find_receipt(tmp_path, "zzz")


def test_a_damaged_receipt_is_named(tmp_path: Path) -> None:
    path = save_receipt(receipt("r1"), tmp_path)
    path.write_text('{"run_id": "r1"')
    with pytest.raises(DataError, match=str(path)):
        load_receipts(tmp_path)


def test_the_data_directory_is_made_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "deep" / "home"))
    home = data_home()
    assert home == tmp_path / "deep" / "home"
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
