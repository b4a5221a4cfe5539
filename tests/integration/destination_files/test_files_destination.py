"""What others see of files that penstock wrote: plain readers, buckets, partitions, sizes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from penstock.data.types import Kind
from penstock.destinations.files import FilesConfig, FilesDestination
from penstock.errors import AccessDenied, ConfigError, ResourceBusy
from penstock.sdk.destination import StreamPlan, TableName, WriteMode
from penstock.sdk.files.store import store_of
from penstock.testing.cells import found_rows
from penstock.testing.feed import batch_of, page_of, state_at
from penstock.testing.lab import plan_for, simple_plan, simple_rows
from tests.servers.bucket import KEYS, bucket_served

VISITS = TableName(schema=None, name="visits")
APPEND = simple_plan(VISITS, WriteMode.APPEND)
OVERWRITE = simple_plan(VISITS, WriteMode.OVERWRITE, generation_id=1)


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, Any]]:
    with bucket_served("files") as address:
        yield {**KEYS, "endpoint_url": address}


def written(
    destination: FilesDestination, plan: StreamPlan, *ids: int, finish: bool = True
) -> None:
    with destination.open(plan) as writer:
        writer.write(batch_of(plan, simple_rows(*ids)))
        if finish:
            assert writer.finish(state_at(plan, 1)) == len(ids)
        else:
            assert writer.commit(state_at(plan, 1)) == len(ids)


def ids_in(destination: FilesDestination) -> list[Any]:
    return sorted(row["id"].cell for row in found_rows(destination.scan(VISITS).read_all()))


def ids_globbed(folder: Path) -> list[Any]:
    query = f"SELECT id FROM '{folder}/visits/**/*.parquet' ORDER BY id"
    return [row[0] for row in duckdb.sql(query).fetchall()]


def test_a_plain_glob_sees_the_table_after_each_sync(tmp_path: Path) -> None:
    destination = FilesDestination(FilesConfig(path=str(tmp_path)))
    written(destination, APPEND, 1, 2)
    written(destination, APPEND, 3)
    assert ids_globbed(tmp_path) == [1, 2, 3]
    written(destination, replace(OVERWRITE, fence=1), 8, finish=False)
    assert ids_globbed(tmp_path) == [1, 2, 3]
    written(destination, replace(OVERWRITE, generation_id=2, fence=2), 9)
    assert ids_globbed(tmp_path) == [9]
    left = {path.suffix for path in (tmp_path / "_penstock").rglob("*") if path.is_file()}
    assert left == {".json"}


def test_files_of_a_killed_sync_are_removed_by_the_next(tmp_path: Path) -> None:
    destination = FilesDestination(FilesConfig(path=str(tmp_path)))
    written(destination, APPEND, 1)
    name = next((tmp_path / "visits").glob("*.parquet")).name
    orphan = tmp_path / "visits" / f"{name.split('-', maxsplit=1)[0]}-{'0' * 32}.parquet"
    orphan.write_bytes(b"half a file")
    foreign = tmp_path / "visits" / "by-hand.parquet"
    foreign.write_bytes(b"somebody else's")
    written(destination, APPEND, 2)
    assert not orphan.exists()
    assert foreign.exists()
    assert ids_in(destination) == [1, 2]


def test_partitions_are_folders_that_other_readers_know(tmp_path: Path) -> None:
    plan = plan_for(VISITS, {"id": Kind.INTEGER, "day": Kind.TIMESTAMP_TZ}, WriteMode.APPEND)
    config = FilesConfig(path=str(tmp_path), partition_by="day", partition_unit="month")
    destination = FilesDestination(config)
    with destination.open(plan) as writer:
        days = [1_700_000_000_000_000, 1_702_600_000_000_000, None]
        writer.write(batch_of(plan, [{"id": n, "day": day} for n, day in enumerate(days)]))
        writer.finish(None)
    folders = sorted(path.name for path in (tmp_path / "visits").iterdir())
    assert folders == ["day=2023-11", "day=2023-12", "day=__HIVE_DEFAULT_PARTITION__"]
    assert ids_in(destination) == [0, 1, 2]


def test_a_file_is_closed_when_it_is_large_enough(tmp_path: Path) -> None:
    config = FilesConfig(path=str(tmp_path), format="csv", file_megabytes=1)
    destination = FilesDestination(config)
    rows = [{"id": n, "name": "x" * 1000} for n in range(1500)]
    with destination.open(APPEND) as writer:
        for start in range(0, 3000, 1500):
            writer.write(batch_of(APPEND, rows))
            del start
        assert writer.finish(None) == 3000
    assert len(list((tmp_path / "visits").glob("*.csv"))) == 2
    assert destination.count(VISITS) == 3000


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_bucket_holds_tables_exactly_once(s3: dict[str, Any]) -> None:
    destination = FilesDestination(FilesConfig(path="s3://files/a", storage_options=s3))
    destination.check()
    written(destination, APPEND, 1, 2)
    with destination.open(replace(APPEND, fence=1)) as writer:
        writer.write(batch_of(APPEND, simple_rows(3)))
        written(destination, replace(APPEND, fence=2), 4)
        with pytest.raises(ResourceBusy):
            writer.commit(state_at(APPEND, 9))
    assert ids_in(destination) == [1, 2, 4]
    stored = destination.stored_states(APPEND.connection)
    assert [(page_of(each.state), each.fence) for each in stored] == [(1, 2)]
    written(destination, replace(OVERWRITE, fence=3), 7, finish=False)
    assert ids_in(destination) == [1, 2, 4]
    written(destination, replace(OVERWRITE, fence=4, resumes=True), 8)
    assert ids_in(destination) == [7, 8]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_name_in_a_bucket_is_taken_once(s3: dict[str, Any]) -> None:
    store = store_of("s3://files/b", s3)
    assert store.create("x/v1.json", b"first")
    assert not store.create("x/v1.json", b"second")
    with store.open("x/v1.json") as source:
        assert source.read() == b"first"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_check_tells_a_bucket_that_is_not_there(s3: dict[str, Any]) -> None:
    destination = FilesDestination(FilesConfig(path="s3://nowhere-here/a", storage_options=s3))
    with pytest.raises((ConfigError, AccessDenied), match="nowhere-here"):
        destination.check()


def test_nothing_is_written_to_the_web() -> None:
    with pytest.raises(ConfigError, match="Nothing can be written"):
        FilesDestination(FilesConfig(path="https://example.org/x")).check()


def test_a_commit_after_another_connection_changed_the_columns_is_refused(tmp_path: Path) -> None:
    destination = FilesDestination(FilesConfig(path=str(tmp_path)))
    other = plan_for(VISITS, {"id": Kind.STRING}, WriteMode.APPEND)
    other = replace(other, connection="other")
    written(destination, APPEND, 1)
    with destination.open(APPEND) as writer:
        writer.write(batch_of(APPEND, simple_rows(2)))
        with destination.open(other) as second:
            second.write(batch_of(other, [{"id": "007"}]))
            second.finish(None)
        with pytest.raises(ResourceBusy, match="changed the columns"):
            writer.commit(state_at(APPEND, 2))
    written(destination, APPEND, 3)
    assert ids_in(destination) == ["007", "1", "3"]
