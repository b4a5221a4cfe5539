"""What others see of Delta tables that penstock wrote, and what others do to them meanwhile."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder, write_deltalake
from deltalake.exceptions import CommitFailedError

from penstock.data.types import Kind
from penstock.destinations.delta import DeltaConfig, DeltaDestination
from penstock.destinations.delta.table import Lake, Overtaken, commit, removed
from penstock.destinations.delta.writer import delta_writer
from penstock.errors import ConfigError, ConnectionFailed, DataError, PenstockError, ResourceBusy
from penstock.sdk.destination import StreamPlan, TableName, WriteMode
from penstock.sdk.files.store import LocalStore
from penstock.testing.cells import found_rows
from penstock.testing.feed import batch_of, page_of, state_at
from penstock.testing.lab import plan_for, simple_plan, simple_rows
from tests.servers.bucket import KEYS, bucket_served

VISITS = TableName(schema=None, name="visits")
APPEND = simple_plan(VISITS, WriteMode.APPEND)
MERGE = simple_plan(VISITS, WriteMode.APPEND_DEDUP)
OVERWRITE = simple_plan(VISITS, WriteMode.OVERWRITE, generation_id=1)


def into(folder: Path, **settings: Any) -> DeltaDestination:
    return DeltaDestination(DeltaConfig(path=str(folder), **settings))


def written(
    destination: DeltaDestination, plan: StreamPlan, *ids: int, page: int = 1, name: str = "row"
) -> None:
    with destination.open(plan) as writer:
        writer.write(batch_of(plan, simple_rows(*ids, name=name)))
        assert writer.finish(state_at(plan, page)) == len(ids)


def names_in(destination: DeltaDestination) -> list[Any]:
    return sorted(row["name"].cell for row in found_rows(destination.scan(VISITS).read_all()))


def pages_stored(destination: DeltaDestination) -> list[int]:
    return [page_of(each.state) for each in destination.stored_states(APPEND.connection)]


class Interrupting(LocalStore):
    """A folder where something happens once, when the next checkpoint has been prepared."""

    def __init__(self, root: Path, happens: Callable[[], None]) -> None:
        super().__init__(root)
        self._happens = happens
        self.is_due = False

    def create(self, path: str, content: bytes) -> bool:
        is_new = super().create(path, content)
        if self.is_due and "/versions/" in path:
            self.is_due = False
            self._happens()
        return is_new


def interrupted(folder: Path, plan: StreamPlan, happens: Callable[[], None]) -> Any:
    """Opens a writer between whose prepared checkpoint and whose commit something happens."""
    store = Interrupting(folder, happens)
    config = DeltaConfig(path=str(folder))
    return store, delta_writer(Lake(str(folder), {}), store, config, plan)


def test_readers_of_delta_lake_see_what_was_written(tmp_path: Path) -> None:
    written(into(tmp_path), APPEND, 1, 2)
    written(into(tmp_path), MERGE, 2, 3, name="new")
    table = DeltaTable(tmp_path / "visits")
    asked = QueryBuilder().register("visits", table)
    rows = asked.execute("SELECT id, name FROM visits ORDER BY id").read_all()
    expected = [(1, "row 1"), (2, "new 2"), (3, "new 3")]
    assert list(zip(*pa.table(rows).to_pydict().values(), strict=True)) == expected
    files = table.file_uris()
    by_duckdb = duckdb.sql(f"SELECT id, name FROM read_parquet({files}) ORDER BY id").fetchall()
    assert by_duckdb == expected


def test_what_was_replaced_can_still_be_read_as_of_then(tmp_path: Path) -> None:
    written(into(tmp_path), OVERWRITE, 1)
    before = DeltaTable(tmp_path / "visits").version()
    written(into(tmp_path), replace(OVERWRITE, generation_id=2), 2)
    older = DeltaTable(tmp_path / "visits", version=before).to_pyarrow_table()
    assert older["id"].to_pylist() == [1]
    assert names_in(into(tmp_path)) == ["row 2"]


def test_a_checkpoint_outlives_the_entries_of_the_log(tmp_path: Path) -> None:
    written(into(tmp_path), APPEND, 1, page=7)
    written(into(tmp_path), replace(APPEND, connection="other"), 3)
    DeltaTable(tmp_path / "visits").create_checkpoint()
    for entry in sorted((tmp_path / "visits/_delta_log").glob("*.json"))[:-1]:
        entry.unlink()
    assert pages_stored(into(tmp_path)) == [7]
    written(into(tmp_path), APPEND, 2, page=8)
    assert pages_stored(into(tmp_path)) == [8]
    assert names_in(into(tmp_path)) == ["row 1", "row 2", "row 3"]


def test_a_commit_that_never_reached_the_log_does_not_count(tmp_path: Path) -> None:
    plan = replace(APPEND, fence=1)
    with into(tmp_path).open(plan) as writer:
        for page in (1, 2):
            writer.write(batch_of(plan, simple_rows(page)))
            writer.commit(state_at(plan, page))
    log = tmp_path / "visits/_delta_log"
    max(log.glob("*.json")).unlink()
    assert pages_stored(into(tmp_path)) == [1]
    written(into(tmp_path), replace(APPEND, fence=2), 2, 3, page=3)
    assert names_in(into(tmp_path)) == ["row 1", "row 2", "row 3"]
    assert pages_stored(into(tmp_path)) == [3]


def test_a_dropped_table_takes_its_checkpoint_along(tmp_path: Path) -> None:
    written(into(tmp_path), APPEND, 1)
    shutil.rmtree(tmp_path / "visits")
    assert pages_stored(into(tmp_path)) == []
    written(into(tmp_path), APPEND, 5, page=2)
    assert names_in(into(tmp_path)) == ["row 5"]
    assert pages_stored(into(tmp_path)) == [2]


@pytest.mark.parametrize("plan", [APPEND, MERGE, OVERWRITE], ids=lambda plan: plan.mode)
def test_a_commit_on_its_way_when_a_newer_attempt_opens_fails(
    tmp_path: Path, plan: StreamPlan
) -> None:
    newer = replace(plan, fence=2)
    store, opening = interrupted(
        tmp_path, replace(plan, fence=1), lambda: written(into(tmp_path), newer, 2, page=2)
    )
    with opening as writer:
        writer.write(batch_of(plan, simple_rows(1)))
        store.is_due = True
        with pytest.raises(ResourceBusy, match="Another attempt"):
            writer.finish(state_at(plan, 1))
    assert names_in(into(tmp_path)) == ["row 2"]
    assert pages_stored(into(tmp_path)) == [2]


def test_rows_that_another_program_appends_meanwhile_stay(tmp_path: Path) -> None:
    written(into(tmp_path), APPEND, 1)
    theirs = DeltaTable(tmp_path / "visits").to_pyarrow_table()
    store, opening = interrupted(
        tmp_path, APPEND, lambda: write_deltalake(tmp_path / "visits", theirs, mode="append")
    )
    with opening as writer:
        writer.write(batch_of(APPEND, simple_rows(2)))
        store.is_due = True
        assert writer.finish(state_at(APPEND, 2)) == 1
    assert names_in(into(tmp_path)) == ["row 1", "row 1", "row 2"]


def test_a_compaction_in_the_middle_of_a_merge_loses_nothing(tmp_path: Path) -> None:
    written(into(tmp_path), MERGE, 1, 2)
    written(into(tmp_path), MERGE, 3)
    compacted: list[dict[str, Any]] = []
    store, opening = interrupted(
        tmp_path,
        MERGE,
        lambda: compacted.append(DeltaTable(tmp_path / "visits").optimize.compact()),
    )
    with opening as writer:
        writer.write(batch_of(MERGE, simple_rows(2, 4, name="new")))
        store.is_due = True
        assert writer.finish(state_at(MERGE, 3)) == 2
    assert [each["numFilesRemoved"] for each in compacted] == [2]
    assert names_in(into(tmp_path)) == ["new 2", "new 4", "row 1", "row 3"]


def test_a_compaction_just_before_an_overwrite_is_published_leaves_no_old_row(
    tmp_path: Path,
) -> None:
    written(into(tmp_path), APPEND, 1)
    written(into(tmp_path), APPEND, 2)
    store, opening = interrupted(
        tmp_path,
        replace(OVERWRITE, generation_id=2),
        DeltaTable(tmp_path / "visits").optimize.compact,
    )
    with opening as writer:
        writer.write(batch_of(OVERWRITE, simple_rows(3)))
        store.is_due = True
        assert writer.finish(state_at(OVERWRITE, 3)) == 1
    assert names_in(into(tmp_path)) == ["row 3"]


@pytest.mark.parametrize("is_overwrite", [False, True], ids=["merge", "overwrite"])
@pytest.mark.parametrize("is_compaction", [False, True], ids=["append", "compaction"])
def test_rows_are_replaced_in_the_version_that_was_read_or_not_at_all(
    tmp_path: Path, *, is_overwrite: bool, is_compaction: bool
) -> None:
    written(into(tmp_path), APPEND, 1)
    written(into(tmp_path), APPEND, 2)
    seen = Lake(str(tmp_path), {}).open(VISITS)
    [gone, _] = [path for path, _ in seen.fragments()]
    table = DeltaTable(tmp_path / "visits")
    if is_compaction:
        table.optimize.compact()
    else:
        write_deltalake(table, table.to_pyarrow_table(), mode="append")
    with pytest.raises(Overtaken):
        commit(
            seen,
            [] if is_overwrite else [removed(gone)],
            transaction=("somebody", 1),
            replace_with=seen.kinds if is_overwrite else None,
        )


def test_merges_and_compactions_all_the_time_lose_and_double_nothing(tmp_path: Path) -> None:
    written(into(tmp_path), MERGE, *range(20))
    is_over = threading.Event()
    compacted: list[int] = []

    def compact() -> None:
        while not is_over.is_set():
            with suppress(CommitFailedError):
                table = DeltaTable(tmp_path / "visits")
                compacted.append(table.optimize.compact()["numFilesRemoved"])
            time.sleep(0.05)

    with ThreadPoolExecutor(1) as pool:
        compacting = pool.submit(compact)
        try:
            with into(tmp_path).open(MERGE) as writer:
                for page in range(10):
                    ids = [page] if page % 2 else [20 + page]
                    writer.write(batch_of(MERGE, simple_rows(*ids, name="new")))
                    writer.commit(state_at(MERGE, page))
                writer.finish(state_at(MERGE, 10))
        finally:
            is_over.set()
        compacting.result()
    assert sum(compacted) > 0
    new = [1, 3, 5, 7, 9, 20, 22, 24, 26, 28]
    old = [number for number in range(20) if number not in new]
    expected = [*(f"row {number}" for number in old), *(f"new {number}" for number in new)]
    assert names_in(into(tmp_path)) == sorted(expected)


def test_two_connections_merge_into_one_table_at_once(tmp_path: Path) -> None:
    other = replace(MERGE, connection="other")
    store, opening = interrupted(
        tmp_path, MERGE, lambda: written(into(tmp_path), other, 1, 2, name="theirs")
    )
    with opening as writer:
        writer.write(batch_of(MERGE, simple_rows(2, 3, name="ours")))
        store.is_due = True
        writer.finish(state_at(MERGE, 1))
    assert names_in(into(tmp_path)) == ["ours 2", "ours 3", "theirs 1"]


def test_a_merge_writes_only_those_files_anew_that_lose_rows(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        written(into(tmp_path), MERGE, number)
    before = set(DeltaTable(tmp_path / "visits").file_uris())
    written(into(tmp_path), MERGE, 2, name="new")
    after = set(DeltaTable(tmp_path / "visits").file_uris())
    assert len(before & after) == 2
    assert names_in(into(tmp_path)) == ["new 2", "row 1", "row 3"]


def test_partitions_are_those_of_the_log(tmp_path: Path) -> None:
    kinds = {"id": Kind.INTEGER, "country": Kind.STRING, "day": Kind.DATE, "ok": Kind.BOOLEAN}
    plan = plan_for(VISITS, kinds, WriteMode.APPEND_DEDUP, key=["id", "country"])
    destination = into(tmp_path, partition_by=("country", "day", "ok"))
    rows = [
        {"id": 1, "country": "IN", "day": 19_000, "ok": True},
        {"id": 2, "country": "a b/ü=%", "day": -1, "ok": False},
        {"id": 3, "country": None, "day": None, "ok": None},
    ]
    for _ in range(2):
        with destination.open(plan) as writer:
            writer.write(batch_of(plan, rows))
            assert writer.finish(None) == 3
    found = found_rows(destination.scan(VISITS).read_all())
    cells = [{name: row[name].cell for name in kinds} for row in found]
    assert sorted(cells, key=lambda row: row["id"]) == rows
    table = DeltaTable(tmp_path / "visits")
    assert table.metadata().partition_columns == ["country", "day", "ok"]
    only = table.to_pyarrow_dataset(file_pruning_predicate=[("country", "=", "IN")])
    assert only.to_table()["id"].to_pylist() == [1]


def test_a_partition_never_turns_an_empty_text_into_null(tmp_path: Path) -> None:
    destination = into(tmp_path, partition_by=("name",))
    with destination.open(APPEND) as writer, pytest.raises(DataError, match="empty text"):
        writer.write(batch_of(APPEND, [{"id": 1, "name": ""}]))


def test_partitions_by_instants_are_refused(tmp_path: Path) -> None:
    destination = into(tmp_path, partition_by=("_airbyte_extracted_at",))
    with pytest.raises(ConfigError, match="partitioned"), destination.open(APPEND):
        pass


def test_a_table_that_only_grows_refuses_a_merge_and_says_so(tmp_path: Path) -> None:
    written(into(tmp_path), MERGE, 1)
    properties = {"delta.appendOnly": "true"}
    DeltaTable(tmp_path / "visits").alter.set_table_properties(properties)
    with pytest.raises(PenstockError, match="does not allow"):
        written(into(tmp_path), MERGE, 1, name="new")
    written(into(tmp_path), APPEND, 1)
    assert names_in(into(tmp_path)) == ["row 1", "row 1"]


def test_a_table_with_types_of_others_is_refused(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "visits", pa.table({"id": pa.array([1], pa.int32())}))
    with pytest.raises(ConfigError, match="int32"):
        written(into(tmp_path), APPEND, 1)


def test_nothing_but_tables_and_books_is_left(tmp_path: Path) -> None:
    written(into(tmp_path), OVERWRITE, 1)
    plan = replace(OVERWRITE, generation_id=2)
    with into(tmp_path).open(plan) as writer:
        writer.write(batch_of(plan, simple_rows(2)))
        writer.commit(state_at(plan, 1))
        writer.write(batch_of(plan, simple_rows(3)))
        writer.finish(state_at(plan, 2))
    left = {path.suffix for path in (tmp_path / "_penstock").rglob("*") if path.is_file()}
    assert left == {".json"}


def test_discarding_removes_the_folder_of_a_trial_alone(tmp_path: Path) -> None:
    written(into(tmp_path), APPEND, 1)
    config = DeltaDestination.apart(DeltaConfig(path=str(tmp_path)), "trial")
    written(DeltaDestination(config), APPEND, 2)
    DeltaDestination(config).discard()
    assert not [path for path in (tmp_path / "trial").rglob("*") if path.is_file()]
    assert names_in(into(tmp_path)) == ["row 1"]


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, Any]]:
    with bucket_served("lake") as address:
        yield {**KEYS, "endpoint_url": address}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_bucket_holds_tables_exactly_once(s3: dict[str, Any]) -> None:
    destination = DeltaDestination(DeltaConfig(path="s3://lake/a", storage_options=s3))
    destination.check()
    written(destination, APPEND, 1, 2)
    with destination.open(replace(APPEND, fence=1)) as writer:
        writer.write(batch_of(APPEND, simple_rows(3)))
        written(destination, replace(APPEND, fence=2), 4)
        with pytest.raises(ResourceBusy):
            writer.commit(state_at(APPEND, 9))
    assert names_in(destination) == ["row 1", "row 2", "row 4"]
    written(destination, replace(MERGE, fence=3), 2, 5, name="new", page=3)
    assert names_in(destination) == ["new 2", "new 5", "row 1", "row 4"]
    assert pages_stored(destination) == [3]
    written(destination, replace(OVERWRITE, fence=4), 8)
    assert names_in(destination) == ["row 8"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_endpoint_where_nobody_listens_is_told_within_seconds() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        options = {**KEYS, "endpoint_url": address}
        destination = DeltaDestination(DeltaConfig(path="s3://lake/a", storage_options=options))
        started = time.monotonic()
        with pytest.raises(ConnectionFailed, match="endpoint_url"):
            destination.check()
    assert time.monotonic() - started < 15


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_bucket_that_is_not_there_is_told(s3: dict[str, Any]) -> None:
    destination = DeltaDestination(DeltaConfig(path="s3://nowhere-here/a", storage_options=s3))
    with pytest.raises(PenstockError, match="nowhere-here"):
        destination.check()
