"""Smartsheet and Google Analytics by the library, under the names and settings Airbyte has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import penstock as ab
from penstock.library.caches import DuckDBCache
from tests.doubles.analytics_server import AnalyticsServer, events, key_file
from tests.doubles.smartsheet_server import FIRST_ID, Sheet, SmartsheetServer, columns_of
from tests.doubles.vendor import serving

ODD = ["Name", "name", "", "  ", "row id", "Größe (m²)", "🩺", "select", 'quo"te', "a" * 50]
TODAY = datetime.now(ZoneInfo("Asia/Kolkata")).date()


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PENSTOCK_REGISTRY", "off")


@pytest.fixture
def sheets() -> Iterator[SmartsheetServer]:
    """A sheet with odd titles: a row of values, a row of nothing."""
    sheet = Sheet(id=9, name="Odd", columns=columns_of(*((title, "TEXT_NUMBER") for title in ODD)))
    for row in (list(range(len(ODD))), []):
        added = sheet.add({})
        cells = zip(sheet.columns, row, strict=False)
        added["cells"] = {column["id"]: {"value": value} for column, value in cells}
    with serving(SmartsheetServer(sheets=[sheet])) as server:
        assert isinstance(server, SmartsheetServer)
        yield server


@pytest.fixture
def analytics() -> Iterator[AnalyticsServer]:
    now = datetime.now(ZoneInfo("UTC"))
    with serving(AnalyticsServer(events=events(20, last=TODAY), now=now)) as server:
        assert isinstance(server, AnalyticsServer)
        yield server


def smartsheet_config(server: SmartsheetServer) -> dict[str, Any]:
    return {
        "credentials": {"auth_type": "access_token", "access_token": server.token},
        "spreadsheet_id": "9",
        "base_url": f"{server.url}/2.0",
    }


def test_columns_of_odd_names_arrive_each_with_its_values(
    sheets: SmartsheetServer, tmp_path: Path
) -> None:
    source = ab.get_source("source-smartsheets", config=smartsheet_config(sheets))
    source.check()
    assert source.is_native
    source.select_all_streams()
    cache = DuckDBCache(tmp_path / "cache.duckdb")
    result = source.read(cache)
    assert result.processed_records == 2
    first, second = cache["Odd"].to_arrow().to_table().to_pylist()
    titles = [name for name in first if not name.startswith("_airbyte_")][-len(ODD) :]
    assert len(set(titles)) == len(ODD)
    assert [first[title] for title in titles] == [str(number) for number in range(len(ODD))]
    assert {second[title] for title in titles} == {None}
    assert [first["row_id"], second["row_id"]] == [FIRST_ID, FIRST_ID + 2]
    assert source.read(cache).processed_records == 0


def test_reports_are_read_under_airbytes_name(analytics: AnalyticsServer, tmp_path: Path) -> None:
    config = {
        "credentials": {"auth_type": "Service", "credentials_json": key_file(analytics)},
        "property_ids": [analytics.property_id],
        "date_ranges_start_date": TODAY.replace(day=1).isoformat(),
        "window_in_days": 30,
        "base_url": f"{analytics.url}/v1beta",
    }
    source = ab.get_source("source-google-analytics-data-api", config=config)
    source.check()
    source.select_streams(["daily_active_users", "monthly_events_report"])
    cache = DuckDBCache(tmp_path / "cache.duckdb")
    result = source.read(cache)
    days = {event.at.date() for event in analytics.events if event.at.month == TODAY.month}
    assert len(result["daily_active_users"]) == len(days)
    assert {row["yearmonth"] for row in cache["monthly_events_report"]} == {TODAY.strftime("%Y%m")}
