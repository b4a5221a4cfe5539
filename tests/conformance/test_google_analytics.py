"""The Google Analytics source keeps every promise of a source, against a property on localhost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import pytest

from penstock.sources.google_analytics import GoogleAnalyticsConfig, GoogleAnalyticsSource
from penstock.sources.google_analytics.config import ReportConfig, ServiceAccountKey
from penstock.testing.source_suite import SourceSuite
from tests.doubles.analytics_server import NOW, AnalyticsServer, events, key_file
from tests.doubles.vendor import serving

KEY = '{"client_email": "a@b.example", "private_key": "none"}'
CREDENTIALS = {"auth_type": "Service", "credentials_json": KEY}


@pytest.fixture(scope="module")
def server() -> Iterator[AnalyticsServer]:
    """A property with 25 days of events; the months before had none."""
    double = AnalyticsServer(events=events(25))
    with serving(double):
        yield double


class SourceToday(GoogleAnalyticsSource):
    """The source on the day the property's events end."""

    def __init__(self, config: GoogleAnalyticsConfig) -> None:
        super().__init__(config, now=lambda: NOW)


class TestGoogleAnalytics(SourceSuite):
    """Every promise of a source."""

    source = SourceToday
    lookback_rows = 4 * 12
    wrong_configs: ClassVar[dict[str, dict[str, Any]]] = {
        "property_ids": {"credentials": CREDENTIALS, "property_ids": ["G-ABC"]},
        "start_date": {
            "credentials": CREDENTIALS, "property_ids": ["1"], "start_date": "01/02/2024"
        },
        "credentials_json": {
            "credentials": {"auth_type": "Service", "credentials_json": "{}"},
            "property_ids": ["1"],
        },
    }  # fmt: skip
    future_states: ClassVar[dict[str, dict[str, Any]]] = {
        "events_report": {"properties": {"123456789": {"next": "2099-01-01", "rows": {}}}}
    }

    @pytest.fixture(autouse=True)
    def _server(self, server: AnalyticsServer) -> None:
        self.server = server

    def config(self, place: Path) -> GoogleAnalyticsConfig:
        del place
        return self._config(date(2024, 6, 1))

    def empty_config(self, place: Path) -> GoogleAnalyticsConfig:
        del place
        return self._config(date(2024, 4, 1), date(2024, 4, 20))

    def _config(self, start: date, end: date | None = None) -> GoogleAnalyticsConfig:
        return GoogleAnalyticsConfig(
            credentials=ServiceAccountKey(credentials_json=key_file(self.server)),
            property_ids=(self.server.property_id,),
            base_url=f"{self.server.url}/v1beta",
            start_date=start,
            end_date=end,
            page_rows=5,
            custom_reports=(
                ReportConfig(name="by_hour", dimensions=("dateHour",), metrics=("sessions",)),
                ReportConfig(name="by_country", dimensions=("country",), metrics=("totalUsers",)),
                ReportConfig(name="in_all", dimensions=(), metrics=("totalUsers",)),
            ),
        )
