"""What others see of Iceberg tables that penstock wrote, and what others do to them meanwhile."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier, local
from typing import Any

import polars as pl
import pytest
from pyiceberg.catalog import load_catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table

from penstock.data.types import Kind
from penstock.destinations.iceberg import IcebergConfig, IcebergDestination
from penstock.destinations.iceberg.table import Lake
from penstock.errors import AccessDenied, ConfigError, ConnectionFailed, DataError, ResourceBusy
from penstock.sdk.destination import StreamPlan, TableName, WriteMode
from penstock.testing.cells import found_rows
from penstock.testing.feed import batch_of, page_of, state_at
from penstock.testing.lab import plan_for, simple_plan, simple_rows
from tests.servers.bucket import KEYS, bucket_served
from tests.servers.iceberg_catalog import TOKEN, catalog_served

VISITS = TableName(schema=None, name="visits")
APPEND = simple_plan(VISITS, WriteMode.APPEND)
MERGE = simple_plan(VISITS, WriteMode.APPEND_DEDUP)
OVERWRITE = simple_plan(VISITS, WriteMode.OVERWRITE, generation_id=1)


def in_folder(folder: Path, **settings: Any) -> IcebergDestination:
    return IcebergDestination(
        IcebergConfig(
            catalog_uri=f"sqlite:///{folder / 'catalog.db'}",
            warehouse=f"file://{folder / 'lake'}",
            **settings,
        )
    )


def as_others_see(folder: Path, name: str = "visits") -> Table:
    catalog = load_catalog(
        "default",
        type="sql",
        uri=f"sqlite:///{folder / 'catalog.db'}",
        warehouse=f"file://{folder / 'lake'}",
    )
    return catalog.load_table(("default", name))


def written(
    destination: IcebergDestination, plan: StreamPlan, *ids: int, page: int = 1, name: str = "row"
) -> None:
    with destination.open(plan) as writer:
        writer.write(batch_of(plan, simple_rows(*ids, name=name)))
        assert writer.finish(state_at(plan, page)) == len(ids)


def names_in(destination: IcebergDestination) -> list[Any]:
    return sorted(row["name"].cell for row in found_rows(destination.scan(VISITS).read_all()))


def pages_stored(destination: IcebergDestination) -> list[int]:
    return [page_of(each.state) for each in destination.stored_states(APPEND.connection)]


def test_readers_of_iceberg_see_what_was_written(tmp_path: Path) -> None:
    written(in_folder(tmp_path), APPEND, 1, 2)
    written(in_folder(tmp_path), MERGE, 2, 3, name="new")
    rows = as_others_see(tmp_path).scan(selected_fields=("id", "name")).to_arrow()
    expected = [(1, "row 1"), (2, "new 2"), (3, "new 3")]
    assert sorted(zip(*rows.to_pydict().values(), strict=True)) == expected


def test_what_was_replaced_can_still_be_read_as_of_then(tmp_path: Path) -> None:
    written(in_folder(tmp_path), OVERWRITE, 1)
    before = as_others_see(tmp_path).current_snapshot()
    assert before is not None
    other = plan_for(VISITS, {"id": Kind.STRING, "more": Kind.DATE}, WriteMode.OVERWRITE)
    with in_folder(tmp_path).open(replace(other, generation_id=2)) as writer:
        writer.write(batch_of(other, [{"id": "007", "more": 1}]))
        writer.finish(None)
    older = as_others_see(tmp_path).scan(snapshot_id=before.snapshot_id).to_arrow()
    assert older["id"].to_pylist() == [1]
    newer = as_others_see(tmp_path).scan().to_arrow()
    assert newer["id"].to_pylist() == ["007"]


def test_the_state_lies_in_the_table_and_goes_with_it(tmp_path: Path) -> None:
    written(in_folder(tmp_path), APPEND, 1, page=7)
    table = as_others_see(tmp_path)
    assert any(name.startswith("penstock.stream.") for name in table.properties)
    table.catalog.drop_table(("default", "visits"))
    assert pages_stored(in_folder(tmp_path)) == []


def test_rows_that_another_program_appends_meanwhile_stay(tmp_path: Path) -> None:
    written(in_folder(tmp_path), APPEND, 1)
    with in_folder(tmp_path).open(MERGE) as writer:
        writer.write(batch_of(MERGE, simple_rows(2)))
        table = as_others_see(tmp_path)
        table.append(table.scan().to_arrow())
        assert writer.finish(state_at(MERGE, 2)) == 1
    assert names_in(in_folder(tmp_path)) == ["row 1", "row 1", "row 2"]


def test_a_snapshot_of_an_attempt_that_was_overtaken_is_refused(tmp_path: Path) -> None:
    with in_folder(tmp_path).open(replace(APPEND, fence=1)) as writer:
        writer.write(batch_of(APPEND, simple_rows(1)))
        written(in_folder(tmp_path), replace(APPEND, fence=2), 2, page=2)
        with pytest.raises(ResourceBusy):
            writer.commit(state_at(APPEND, 1))
    assert names_in(in_folder(tmp_path)) == ["row 2"]
    assert pages_stored(in_folder(tmp_path)) == [2]


def test_partitions_hold_what_belongs_there(tmp_path: Path) -> None:
    kinds = {
        "id": Kind.INTEGER,
        "country": Kind.STRING,
        "at": Kind.TIMESTAMP_TZ,
        "ok": Kind.BOOLEAN,
    }
    plan = plan_for(VISITS, kinds, WriteMode.APPEND_DEDUP, key=["id"])
    destination = in_folder(tmp_path, partition_by=("country", "day(at)", "ok"))
    rows = [
        {"id": 1, "country": "IN", "at": 1_700_000_000_000_000, "ok": True},
        {"id": 2, "country": "", "at": 0, "ok": False},
        {"id": 3, "country": None, "at": None, "ok": None},
        {"id": 4, "country": "IN", "at": 1_700_000_000_000_001, "ok": True},
    ]
    for _ in range(2):
        with destination.open(plan) as writer:
            writer.write(batch_of(plan, rows))
            assert writer.finish(None) == 4
    found = found_rows(destination.scan(VISITS).read_all())
    cells = [{name: row[name].cell for name in kinds} for row in found]
    assert sorted(cells, key=lambda row: row["id"]) == rows
    table = as_others_see(tmp_path)
    assert table.scan(row_filter="country = 'IN'").to_arrow().num_rows == 2
    assert len(list(table.scan().plan_files())) == 3


def test_a_partition_of_a_very_long_text_is_refused(tmp_path: Path) -> None:
    destination = in_folder(tmp_path, partition_by=("name",))
    with destination.open(APPEND) as writer, pytest.raises(DataError, match="1001 bytes"):
        writer.write(batch_of(APPEND, [{"id": 1, "name": "x" * 1001}]))


def test_a_partition_by_an_odd_unit_is_refused(tmp_path: Path) -> None:
    destination = in_folder(tmp_path, partition_by=("day(name)",))
    with pytest.raises(ConfigError, match="day of 'name'"), destination.open(APPEND):
        pass


def test_days_that_python_has_not_are_kept_and_partition_nothing(tmp_path: Path) -> None:
    plan = plan_for(VISITS, {"id": Kind.INTEGER, "day": Kind.DATE}, WriteMode.APPEND)
    rows = [{"id": 1, "day": 12_000 * 366}, {"id": 2, "day": 0}]
    destination = in_folder(tmp_path)
    with destination.open(plan) as writer:
        writer.write(batch_of(plan, rows))
        writer.finish(None)
    found = as_others_see(tmp_path).scan(row_filter="id = 1").to_arrow()["day"]
    assert found.cast("int32").to_pylist() == [12_000 * 366]
    by_day = in_folder(tmp_path, partition_by=("day(day)",), namespace="other")
    with by_day.open(plan) as writer:
        writer.write(batch_of(plan, rows))
        with pytest.raises(DataError, match="9999"):
            writer.finish(None)


def test_shared_states_leave_one_snapshot_however_many_there_were(tmp_path: Path) -> None:
    destination = in_folder(tmp_path)
    for page in range(4):
        destination.store_global_state("c", state_at(APPEND, page), fence=0)
    table = as_others_see(tmp_path, "_penstock_state")
    assert len(table.metadata.snapshots) == 1
    [kept] = destination.stored_states("c")
    assert page_of(kept.state) == 3


def test_a_folder_is_noted_by_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = IcebergConfig(catalog_uri="sqlite:///catalog.db", warehouse="lake")
    IcebergDestination(config).check()
    assert not list(tmp_path.iterdir())
    written(IcebergDestination(config), APPEND, 1)
    assert as_others_see(tmp_path).location() == f"file://{tmp_path}/lake/default/visits"


def test_polars_reads_what_was_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")
    written(in_folder(tmp_path), APPEND, 1, 2)
    written(in_folder(tmp_path), MERGE, 2, name="new")
    table = pl.scan_iceberg(as_others_see(tmp_path)).select("id", "name").sort("id").collect()
    assert table.rows() == [(1, "row 1"), (2, "new 2")]


def test_discarding_removes_the_namespace_of_a_trial_alone(tmp_path: Path) -> None:
    written(in_folder(tmp_path), APPEND, 1)
    here = set(tmp_path.rglob("*.*"))
    config = IcebergDestination.apart(
        IcebergConfig(
            catalog_uri=f"sqlite:///{tmp_path / 'catalog.db'}", warehouse=str(tmp_path / "lake")
        ),
        "trial",
    )
    written(IcebergDestination(config), APPEND, 2)
    written(IcebergDestination(config), MERGE, 2)
    IcebergDestination(config).discard()
    assert set(tmp_path.rglob("*.*")) == here
    assert names_in(in_folder(tmp_path)) == ["row 1"]


def test_files_of_a_finished_overwrite_alone_are_left(tmp_path: Path) -> None:
    plan = replace(OVERWRITE, generation_id=2)
    with in_folder(tmp_path).open(plan) as writer:
        writer.write(batch_of(plan, simple_rows(2)))
        writer.commit(state_at(plan, 1))
        writer.write(batch_of(plan, simple_rows(3)))
        assert writer.finish(state_at(plan, 2)) == 1
    assert names_in(in_folder(tmp_path)) == ["row 2", "row 3"]
    assert len(list((tmp_path / "lake").rglob("*.parquet"))) == 1


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with catalog_served(tmp_path_factory.mktemp("rest")) as address:
        yield address


def test_a_rest_catalogue_holds_tables_exactly_once(rest: str) -> None:
    destination = IcebergDestination(
        IcebergConfig(catalog_uri=rest, warehouse="stand-in", token=TOKEN)
    )
    destination.check()
    written(destination, APPEND, 1, 2)
    with destination.open(replace(APPEND, fence=1)) as writer:
        writer.write(batch_of(APPEND, simple_rows(3)))
        written(destination, replace(APPEND, fence=2), 4)
        with pytest.raises(ResourceBusy):
            writer.commit(state_at(APPEND, 9))
    written(destination, replace(MERGE, fence=3), 2, 5, name="new", page=3)
    assert names_in(destination) == ["new 2", "new 5", "row 1", "row 4"]
    assert pages_stored(destination) == [3]
    written(destination, replace(OVERWRITE, fence=4), 8)
    assert names_in(destination) == ["row 8"]


def test_a_catalogue_that_does_not_answer_is_told_within_seconds() -> None:
    with contextlib.ExitStack() as sockets:
        deaf = sockets.enter_context(socket.socket())
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(3):  # a full queue: further connections get no answer at all
            caller = sockets.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(deaf.getsockname())
        address = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        config = IcebergConfig(catalog_uri=address, warehouse="stand-in", token=TOKEN)
        started = time.monotonic()
        with pytest.raises(ConnectionFailed, match="catalogue"):
            IcebergDestination(config).check()
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    ("uri", "remedy"),
    [
        ("lake/catalog.db", "sqlite:///catalog.db"),
        ("nothing://host/db", "catalog_uri"),
        ("postgresql://u:canary@host/db", "`password`"),
    ],
)
def test_a_catalogue_that_is_none_is_a_wrong_setting(uri: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as raised:
        IcebergDestination(IcebergConfig(catalog_uri=uri, warehouse="lake")).check()
    assert remedy in raised.value.remedy
    assert "canary" not in str(raised.value)


def test_a_wrong_token_is_told_and_not_shown(rest: str) -> None:
    config = IcebergConfig(catalog_uri=rest, warehouse="stand-in", token="canary-token")
    with pytest.raises(AccessDenied) as raised:
        IcebergDestination(config).check()
    assert "canary" not in str(raised.value)


def test_a_bucket_holds_tables(tmp_path: Path) -> None:
    with bucket_served("iceberg") as address:
        options = {
            "s3.endpoint": address,
            "s3.access-key-id": KEYS["key"],
            "s3.secret-access-key": KEYS["secret"],
            "s3.region": "us-east-1",
        }
        config = IcebergConfig(
            catalog_uri=f"sqlite:///{tmp_path / 'catalog.db'}",
            warehouse="s3://iceberg/warehouse",
            options=options,
        )
        destination = IcebergDestination(config)
        destination.check()
        written(destination, MERGE, 1, 2)
        written(destination, MERGE, 2, name="new")
        assert names_in(destination) == ["new 2", "row 1"]


@pytest.mark.parametrize("step", ["create_tables", "namespace_exists"])
def test_two_that_find_nothing_at_once_both_make_their_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Each has looked before either makes what it has not found."""
    together, looked = Barrier(2, timeout=30), local()
    real = getattr(SqlCatalog, step)

    def at_once(*given: Any) -> Any:
        found = real(*given) if step == "namespace_exists" else None
        if not getattr(looked, "once", False):
            looked.once = True
            together.wait()
        return found if step == "namespace_exists" else real(*given)

    def make(name: str) -> None:
        config = IcebergConfig(
            catalog_uri=f"sqlite:///{tmp_path / 'catalog.db'}",
            warehouse=f"file://{tmp_path / 'lake'}",
        )
        Lake(config).make(TableName(schema=None, name=name), {"id": Kind.INTEGER})

    with monkeypatch.context() as patched, ThreadPoolExecutor(2) as pool:
        patched.setattr(SqlCatalog, step, at_once)
        list(pool.map(make, ("a", "b")))
    assert as_others_see(tmp_path, "a").name() == ("default", "a")
    assert as_others_see(tmp_path, "b").name() == ("default", "b")
