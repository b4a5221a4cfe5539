"""The faker source: same seed, same rows, from any state, in any batches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.data.types import Kind, columns_of
from penstock.errors import ConfigError
from penstock.protocol.catalog import SyncMode
from penstock.sdk.config import parse_config, settings_table
from penstock.sdk.stream import ReadRequest, State
from penstock.sources.faker import FakerConfig, FakerSource
from penstock.sources.faker.source import FakerStream

NAMES = ("users", "products", "purchases")


def stream(name: str, config: FakerConfig) -> FakerStream:
    return next(each for each in FakerSource(config).streams() if each.name == name)


def items(
    name: str, config: FakerConfig, state: Any = None, mode: SyncMode = SyncMode.INCREMENTAL
) -> Iterator[Any]:
    return stream(name, config).read(ReadRequest(mode=mode, state=state))


def rows_and_state(
    name: str, config: FakerConfig, state: Any = None, mode: SyncMode = SyncMode.INCREMENTAL
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    last: dict[str, Any] = {}
    for item in items(name, config, state, mode):
        if isinstance(item, State):
            last = dict(item.value)
        else:
            rows += item.to_pylist()
    return rows, last


SMALL = FakerConfig(rows=50, products=20, batch_rows=7, state_every=10)


def test_the_first_user_of_seed_0_is_the_same_in_every_release() -> None:
    rows, _ = rows_and_state("users", FakerConfig(rows=1))
    user = {key: str(value) for key, value in rows[0].items()}
    assert user == {
        "id": "1",
        "account_number": "396546008595186876",
        "ledger_units": "-56449913285827716588951294118124742290",
        "code": "0088620396",
        "first_name": "Saoirse",
        "last_name": "Kowalski",
        "email": "wanjiru.1@example.org",
        "is_active": "True",
        "born_on": "1970-03-03",
        "height_cm": "193.6",
        "wakes_at": "07:20:11.261838",
        "address": '{"street":"Ørstedsvej 48","city":"Bengaluru","postcode":"088858"}',
        "note": "1e5",
        "last_seen_at": "2020-02-08 05:50:08.079895",
        "created_at": "2020-01-01 00:00:00.097151+00:00",
        "updated_at": "2020-01-01 00:00:00.097151+00:00",
    }


@pytest.mark.parametrize("name", NAMES)
def test_columns_are_as_declared(name: str) -> None:
    each = stream(name, SMALL)
    declared = columns_of(each.json_schema)
    batch = next(items(name, SMALL))
    batch.validate(full=True)
    assert declared == each.table.columns
    assert batch.schema.names == [column.name for column in declared]
    assert batch.schema.types == [column.arrow_type for column in declared]


def test_every_kind_is_in_some_column() -> None:
    kinds = {
        column.kind for name in NAMES for column in columns_of(stream(name, SMALL).json_schema)
    }
    assert kinds == set(Kind)


@pytest.mark.parametrize("name", NAMES)
def test_batches_and_checkpoints_do_not_change_the_rows(name: str) -> None:
    other = replace(SMALL, batch_rows=50, state_every=1000)
    assert rows_and_state(name, SMALL)[0] == rows_and_state(name, other)[0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", SyncMode)
def test_resuming_from_any_state_gives_exactly_the_rest(name: str, mode: SyncMode) -> None:
    whole, _ = rows_and_state(name, SMALL, mode=mode)
    read = 0
    for item in items(name, SMALL, mode=mode):
        if not isinstance(item, State):
            read += item.num_rows
        else:
            assert rows_and_state(name, SMALL, item.value, mode)[0] == whole[read:]
    assert read == len(whole)


@pytest.mark.parametrize("name", NAMES)
def test_an_incremental_sync_of_nothing_new_is_empty_but_for_its_state(name: str) -> None:
    _, state = rows_and_state(name, SMALL)
    rows, later = rows_and_state(name, SMALL, state)
    assert rows == []
    assert later["next"] == state["next"]


def test_a_complete_full_refresh_has_nothing_left() -> None:
    whole, state = rows_and_state("users", SMALL, mode=SyncMode.FULL_REFRESH)
    assert len(whole) == 50
    assert rows_and_state("users", SMALL, state, SyncMode.FULL_REFRESH)[0] == []


def test_more_rows_later_continue_where_the_last_sync_ended() -> None:
    more = replace(SMALL, rows=80)
    first, state = rows_and_state("users", SMALL)
    rest, _ = rows_and_state("users", more, state)
    assert first + rest == rows_and_state("users", more)[0]


def test_a_changed_row_keeps_its_keys_and_gets_a_later_cursor() -> None:
    config = replace(SMALL, updates=20)
    before, state = rows_and_state("users", config)
    by_id = {row["id"]: row for row in before}
    for _ in range(3):
        changed, state = rows_and_state("users", config, state)
        assert len({row["id"] for row in changed}) == 20
        old_rows = [by_id[row["id"]] for row in changed]
        for row, old in zip(changed, old_rows, strict=True):
            assert row["updated_at"] > old["updated_at"]
            assert (row["email"], row["created_at"]) == (old["email"], old["created_at"])
            by_id[row["id"]] = row
        assert [row["last_seen_at"] for row in changed] != [row["last_seen_at"] for row in old_rows]


def test_a_round_of_changes_resumes_in_its_middle() -> None:
    config = replace(SMALL, updates=25)
    _, state = rows_and_state("users", config)
    later = replace(config, rows=60)
    whole, _ = rows_and_state("users", later, state)
    assert len(whole) == 25 + 10
    read = 0
    for item in items("users", later, state):
        if not isinstance(item, State):
            read += item.num_rows
        elif not item.value["complete"]:
            assert rows_and_state("users", later, item.value)[0] == whole[read:]


def test_purchases_refer_to_users_and_products_that_exist() -> None:
    config = FakerConfig(rows=3000, products=30)
    rows, _ = rows_and_state("purchases", config)
    assert all(1 <= row["user_id"] <= row["id"] for row in rows)
    assert {row["product_id"] for row in rows} == set(range(1, 31))


def test_values_test_what_gets_lost_on_the_way() -> None:
    rows, _ = rows_and_state("users", FakerConfig(rows=2000))
    assert all(row["account_number"] > 2**53 for row in rows)
    assert max(abs(row["ledger_units"]) for row in rows) > 2**64
    assert min(row["ledger_units"] for row in rows) < 0
    assert any(row["code"].startswith("00") for row in rows)
    assert any("\n" in (row["note"] or "") for row in rows)
    assert any(row["is_active"] is None for row in rows)
    assert any(row["born_on"].year < 1970 for row in rows)
    assert {len(json.loads(row["address"])) for row in rows} == {3}
    created = [row["created_at"] for row in rows]
    assert created == sorted(set(created))


def test_only_the_wanted_columns_are_made() -> None:
    request = ReadRequest(mode=SyncMode.FULL_REFRESH, fields=("email", "id", "unknown"))
    batch = next(iter(stream("users", SMALL).read(request)))
    assert isinstance(batch, pa.RecordBatch)
    assert batch.schema.names == ["id", "email"]


def test_no_wanted_column_still_counts_the_rows() -> None:
    request = ReadRequest(mode=SyncMode.FULL_REFRESH, fields=())
    batches = [b for b in stream("users", SMALL).read(request) if isinstance(b, pa.RecordBatch)]
    assert sum(batch.num_rows for batch in batches) == 50


def test_zero_rows_give_a_state_only() -> None:
    config = FakerConfig(rows=0)
    assert [type(item) for item in items("users", config)] == [State]


@pytest.mark.parametrize(
    "state", [{"cursor": "2024"}, {"next": "3"}, {"next": -1}, {"next": True}, {"next": 1.5}]
)
def test_a_foreign_state_is_refused(state: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="not one that the faker source wrote"):
        list(items("users", SMALL, state))


def test_far_rows_are_made_without_the_ones_before() -> None:
    config = FakerConfig(rows=10**9)
    state = {"next": 10**9 - 2, "round": 0, "updated": 0, "complete": False}
    rows, _ = rows_and_state("users", config, state)
    assert [row["id"] for row in rows] == [10**9 - 1, 10**9]


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**63 - 1),
    start=st.integers(0, 10**12 - 100),
    cut=st.integers(1, 40),
    name=st.sampled_from(("users", "purchases")),
)
def test_a_row_depends_on_seed_and_number_only(seed: int, start: int, cut: int, name: str) -> None:
    def read(batch_rows: int) -> list[dict[str, Any]]:
        config = FakerConfig(rows=start + 40, seed=seed, batch_rows=batch_rows)
        state = {"next": start, "round": 0, "updated": 0, "complete": False}
        return rows_and_state(name, config, state)[0]

    assert read(cut) == read(40)


def test_airbytes_name_for_rows_is_read() -> None:
    assert parse_config(FakerConfig, {"count": 7}).rows == 7


def test_seeds_give_other_rows() -> None:
    one, _ = rows_and_state("users", replace(SMALL, seed=1))
    two, _ = rows_and_state("users", replace(SMALL, seed=2))
    assert not {row["account_number"] for row in one} & {row["account_number"] for row in two}


def test_the_page_shows_the_settings_as_they_are() -> None:
    page = Path(__file__).parents[3] / "docs/connectors/source-faker.md"
    assert settings_table(FakerConfig) in page.read_text(encoding="utf-8")


def test_the_page_shows_the_columns_as_they_are() -> None:
    page = (Path(__file__).parents[3] / "docs/connectors/source-faker.md").read_text("utf-8")
    for name in NAMES:
        columns = columns_of(stream(name, SMALL).json_schema)
        listed = ", ".join(f"`{column.name}` {column.kind}" for column in columns)
        assert f"| `{name}` | {listed} |" in page
