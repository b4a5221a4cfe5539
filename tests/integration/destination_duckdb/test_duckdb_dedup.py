"""Which row of a key stays, wherever batches, commits and syncs happen to fall."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.data.types import Kind
from penstock.destinations.duckdb import DuckDBDestination
from penstock.sdk.destination import WriteMode, Writer
from tests.integration.destination_duckdb.duckdb_landing import (
    AT,
    ID_NAME,
    KEYED,
    batch,
    destination,
    plan,
    query,
    state,
)

MODES = [WriteMode.APPEND_DEDUP, WriteMode.OVERWRITE_DEDUP]
WHERE = ["one batch", "two batches", "two commits"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


@pytest.fixture
def target(path: Path) -> DuckDBDestination:
    return destination(path)


def write_both(
    writer: Writer, where: str, columns: Sequence[Any], first: Sequence[Any], second: Sequence[Any]
) -> None:
    if where == "one batch":
        writer.write(batch(columns, [*first, *second]))
    else:
        writer.write(batch(columns, first))
        if where == "two commits":
            writer.commit(state(1))
        writer.write(batch(columns, second))
    writer.finish(state(2))


@pytest.mark.parametrize(("mode", "where"), list(product(MODES, WHERE)))
@pytest.mark.parametrize(
    ("rows", "stays"),
    [
        ([(1, 10, "old"), (1, 20, "new")], "new"),
        ([(1, 20, "new"), (1, 10, "late")], "new"),
        ([(1, 10, "first"), (1, 10, "second")], "second"),
        ([(1, None, "none"), (1, 10, "some")], "some"),
        ([(1, 10, "some"), (1, None, "none")], "some"),
        ([(1, None, "first"), (1, None, "second")], "second"),
        ([(None, 10, "old"), (None, 20, "new")], "new"),
    ],
    ids=["newer", "older", "equal", "after null", "before null", "both null", "null key"],
)
def test_the_largest_cursor_stays_then_the_last_to_arrive(  # noqa: PLR0917
    target: DuckDBDestination,
    path: Path,
    mode: WriteMode,
    where: str,
    rows: Sequence[Any],
    stays: str,
) -> None:
    with target.open(plan(KEYED, mode=mode, key=["id"], cursor="cursor")) as writer:
        write_both(writer, where, KEYED, rows[:1], rows[1:])

    assert query(path, "SELECT name FROM users") == [(stays,)]


@pytest.mark.parametrize("where", WHERE)
def test_a_clock_that_was_set_back_keeps_no_change_out(
    target: DuckDBDestination, path: Path, where: str
) -> None:
    with target.open(plan(mode=WriteMode.APPEND_DEDUP, key=["id"])) as writer:
        writer.write(batch(ID_NAME, [(1, "old")], at=AT + timedelta(hours=1)))
        if where == "two commits":
            writer.commit(state(1))
        writer.write(batch(ID_NAME, [(1, "new")], at=AT))
        writer.finish(state(2))

    assert query(path, "SELECT name FROM users") == [("new",)]


@pytest.mark.parametrize("where", WHERE)
def test_all_parts_of_a_key_count_and_null_equals_null(
    target: DuckDBDestination, path: Path, where: str
) -> None:
    rows = [(1, None, "a"), (1, 2, "b"), (None, None, "c"), (2, None, "d")]
    changed = [(1, None, "a2"), (None, None, "c2")]
    with target.open(plan(KEYED, mode=WriteMode.APPEND_DEDUP, key=["id", "cursor"])) as writer:
        write_both(writer, where, KEYED, rows, changed)

    found = query(path, "SELECT name FROM users ORDER BY 1")
    assert found == [("a2",), ("b",), ("c2",), ("d",)]


def test_the_count_is_of_rows_taken_also_of_those_superseded(target: DuckDBDestination) -> None:
    with target.open(plan(mode=WriteMode.APPEND_DEDUP, key=["id"])) as writer:
        writer.write(batch(ID_NAME, [(1, "a"), (1, "b"), (2, "c")]))
        assert writer.commit(state(1)) == 3
        writer.write(batch(ID_NAME, [(1, "d")]))
        assert writer.finish(state(2)) == 1


def test_duplicates_already_in_the_table_are_replaced_together(
    target: DuckDBDestination, path: Path
) -> None:
    with target.open(plan()) as writer:
        writer.write(batch(ID_NAME, [(1, "a"), (1, "b"), (2, "c")]))
        writer.finish(state(1))
    with target.open(plan(mode=WriteMode.APPEND_DEDUP, key=["id"])) as writer:
        writer.write(batch(ID_NAME, [(1, "new")]))
        writer.finish(state(2))

    assert query(path, "SELECT id, name FROM users ORDER BY 1") == [(1, "new"), (2, "c")]


CDC = [("id", Kind.INTEGER), ("lsn", Kind.INTEGER), ("_ab_cdc_deleted_at", Kind.STRING)]


@pytest.mark.parametrize("where", WHERE)
def test_a_row_deleted_at_the_source_is_removed(
    target: DuckDBDestination, path: Path, where: str
) -> None:
    kept = [(1, 1, None), (2, 1, None), (3, 9, None)]
    deleted = [(1, 2, "2024-01-01"), (3, 8, "2024-01-01"), (4, 2, "2024-01-01")]
    with target.open(plan(CDC, mode=WriteMode.APPEND_DEDUP, key=["id"], cursor="lsn")) as writer:
        write_both(writer, where, CDC, kept, deleted)

    assert query(path, "SELECT id FROM users ORDER BY 1") == [(2,), (3,)]


@pytest.mark.parametrize("where", WHERE)
def test_a_row_that_came_back_after_its_deletion_is_there(
    target: DuckDBDestination, path: Path, where: str
) -> None:
    with target.open(plan(CDC, mode=WriteMode.APPEND_DEDUP, key=["id"], cursor="lsn")) as writer:
        write_both(writer, where, CDC, [(1, 2, "2024-01-01")], [(1, 3, None)])

    assert query(path, "SELECT id, lsn FROM users") == [(1, 3)]


def test_in_append_mode_deletions_are_rows_like_others(
    target: DuckDBDestination, path: Path
) -> None:
    with target.open(plan(CDC)) as writer:
        write_both(writer, "one batch", CDC, [(1, 1, None)], [(1, 2, "2024-01-01")])

    assert query(path, "SELECT count(*) FROM users") == [(2,)]


rows = st.tuples(st.sampled_from([None, 1, 2, 3]), st.sampled_from([None, 1, 2]))
transactions = st.lists(st.lists(st.lists(rows, max_size=4), max_size=3), max_size=4)


@given(transactions)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_result_does_not_depend_on_where_commits_fall(
    tmp_path_factory: pytest.TempPathFactory, shape: list[list[list[tuple[Any, Any]]]]
) -> None:
    path = tmp_path_factory.mktemp("dedup") / "warehouse.duckdb"
    target = destination(path)
    expected: dict[Any, tuple[Any, str]] = {}
    arrived = 0
    with target.open(
        plan(KEYED, mode=WriteMode.APPEND_DEDUP, key=["id"], cursor="cursor")
    ) as writer:
        for transaction in shape:
            for part in transaction:
                numbered = []
                for key, cursor in part:
                    arrived += 1
                    numbered.append((key, cursor, f"row {arrived}"))
                    known = expected.get(key)
                    if known is None or (cursor or 0) >= (known[0] or 0):
                        expected[key] = (cursor, f"row {arrived}")
                writer.write(batch(KEYED, numbered))
            writer.commit(state(1))
        writer.finish(state(2))

    found = query(path, "SELECT id, cursor, name FROM users")
    assert {key: (cursor, name) for key, cursor, name in found} == expected
    assert len(found) == len(expected)
