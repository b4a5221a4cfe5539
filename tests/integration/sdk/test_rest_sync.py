"""REST streams through the whole engine into DuckDB: broken off, continued, exact."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pytest

from penstock.data.types import Kind
from penstock.engine.events import Receipt, SyncFinished
from penstock.engine.run import run
from penstock.engine.runners.in_process import InProcessRunner
from penstock.engine.settings import ConnectorRef, RunSpec
from penstock.protocol.catalog import (
    ConfiguredCatalog,
    ConfiguredStream,
    DestinationSyncMode,
    SyncMode,
)
from penstock.sdk.config import setting
from penstock.sdk.rest import Incremental, Keyset, Paginator, RestClient, RestStream, Retry, bearer
from penstock.sdk.rest import PageNumber as Pages
from penstock.sdk.stream import Stream, catalog_stream
from tests.doubles.rest_api import RestApi, rows_of, serving

COLUMNS = {
    "id": Kind.INTEGER,
    "name": Kind.STRING,
    "amount": Kind.DECIMAL,
    "updated_at": Kind.TIMESTAMP_TZ,
    "voided": Kind.BOOLEAN,
}
KEYSET = Keyset(param="since", by="updated_at", size=10, size_param="size", page_param="page")
WAYS: dict[str, tuple[str, Paginator, Incremental | None]] = {
    "page": ("page", Pages(size_param="size", size=10), None),
    "keyset": ("keyset", KEYSET, None),
    "windows": (
        "keyset",
        KEYSET,
        Incremental(
            field="updated_at",
            since="since",
            until="until",
            start=datetime(2024, 1, 1, tzinfo=UTC),
            step=timedelta(seconds=11),
        ),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleConfig:
    url: str = setting(title="Address", description="Of the API.")
    token: str = setting(title="Token", description="Of the user.", secret=True)
    way: str = setting(title="Way", description="How it pages.", default="page")


class PeopleSource:
    Config: ClassVar[type[Any]] = PeopleConfig
    title: ClassVar[str] = "People"
    documentation_url: ClassVar[str] = "https://docs.example.org/people"

    def __init__(self, config: PeopleConfig) -> None:
        path, paginate, incremental = WAYS[config.way]
        self._people = RestStream(
            client=RestClient(
                config.url,
                auth=bearer(config.token),
                retry=Retry(draw=lambda: 0.0),
                now=lambda: datetime(2024, 1, 1, 0, 1, tzinfo=UTC),
            ),
            name="people",
            path=path,
            records="items",
            key=("id",),
            columns=COLUMNS,
            paginate=paginate,
            incremental=incremental,
            is_resumable=True,
        )

    def check(self) -> None:
        self._people.first_record()

    def streams(self) -> Sequence[Stream]:
        return (self._people,)


@pytest.fixture
def api() -> Iterator[RestApi]:
    with serving(RestApi(rows=rows_of(60))) as served:
        yield served


def sync(
    api: RestApi, folder: Path, way: str, mode: SyncMode, write: DestinationSyncMode
) -> Receipt:
    config = {"url": api.url, "token": api.token, "way": way}
    (stream,) = PeopleSource(PeopleConfig(**config)).streams()
    configured = ConfiguredStream(
        stream=catalog_stream(stream), sync_mode=mode, destination_sync_mode=write
    )
    spec = RunSpec(
        connection="c",
        source=ConnectorRef(name="people", config=config),
        destination=ConnectorRef(name="duckdb", config={"path": str(folder / "out.duckdb")}),
        catalog=ConfiguredCatalog(streams=(configured,)),
    )
    *_, last = run(spec, data_dir=folder, runner=InProcessRunner("people", PeopleSource))
    assert isinstance(last, SyncFinished)
    return last.receipt


def landed(folder: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(folder / "out.duckdb"), read_only=True) as connection:
        return connection.execute(
            "SELECT id, name, amount::varchar, voided FROM people ORDER BY id, _airbyte_raw_id"
        ).fetchall()


def expected(api: RestApi) -> list[tuple[Any, ...]]:
    return [(r["id"], r["name"], f"{r['amount']}0000000", r["voided"]) for r in api.rows]


FULL = (SyncMode.FULL_REFRESH, DestinationSyncMode.OVERWRITE)


@pytest.mark.parametrize("way", WAYS)
def test_full_refresh_that_broke_goes_on_and_lands_each_row_once(
    api: RestApi, tmp_path: Path, way: str
) -> None:
    api.faults.extend([*[None] * 4, "400"])
    assert sync(api, tmp_path, way, *FULL).outcome == "failed"
    assert len(api.asked) == 5
    api.asked.clear()
    receipt = sync(api, tmp_path, way, *FULL)
    assert receipt.outcome == "succeeded", receipt.error
    assert landed(tmp_path) == expected(api)
    (stream,) = receipt.streams
    assert 0 < stream.rows_committed < 60
    assert stream.rows_read == stream.rows_sent == stream.rows_committed
    api.asked.clear()
    again = sync(api, tmp_path, way, *FULL)
    assert again.streams[0].rows_committed == 60
    assert landed(tmp_path) == expected(api)


@pytest.mark.parametrize("fault", ["429:0", "500", "html", "html200", "truncated", "reset"])
def test_faults_that_pass_are_not_seen_in_the_table(
    api: RestApi, tmp_path: Path, fault: str
) -> None:
    api.faults.extend([fault, None, fault, None, None, fault])
    receipt = sync(api, tmp_path, "keyset", *FULL)
    assert receipt.outcome == "succeeded", receipt.error
    assert landed(tmp_path) == expected(api)


def test_windows_are_committed_one_after_the_other_and_never_twice(
    api: RestApi, tmp_path: Path
) -> None:
    changes = (SyncMode.INCREMENTAL, DestinationSyncMode.APPEND)
    api.faults.extend([*[None] * 7, "400"])
    assert sync(api, tmp_path, "windows", *changes).outcome == "failed"
    receipt = sync(api, tmp_path, "windows", *changes)
    assert receipt.outcome == "succeeded", receipt.error
    assert landed(tmp_path) == expected(api)
