"""The Smartsheet source keeps every promise of a source, against an account on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from penstock.sdk.rest import RateLimiter
from penstock.sources.smartsheet import SmartsheetConfig, SmartsheetSource
from penstock.sources.smartsheet.config import AccessToken
from penstock.testing.source_suite import SourceSuite
from tests.doubles.smartsheet_server import Report, SmartsheetServer, visits
from tests.doubles.vendor import serving

TOKEN = {"auth_type": "access_token", "access_token": "canary-access-1"}
NOWHERE = "http://127.0.0.1:1/2.0"


@pytest.fixture(scope="module")
def account() -> Iterator[SmartsheetServer]:
    """An account with two sheets and a report over both; pages of forty rows."""
    first, second = visits(130), visits(70, id=1330000000000004, name="Other visits")
    nothing = visits(0, id=1440000000000004, name="Nothing")
    report = Report(id=55, name="All visits", sheets=[first, second], titles=["Patient", "Paid"])
    server = SmartsheetServer(sheets=[first, second, nothing], reports=[report], largest_page=40)
    with serving(server):
        yield server


class UnhurriedSource(SmartsheetSource):
    """The source for a server that counts no requests."""

    def __init__(self, config: SmartsheetConfig) -> None:
        super().__init__(config, limiter=RateLimiter(per_second=10_000))


class TestSmartsheet(SourceSuite):
    """Every promise of a source."""

    source = UnhurriedSource
    wrong_configs: ClassVar[dict[str, dict[str, Any]]] = {
        "sheets": {"credentials": TOKEN, "sheets": ["My sheet"], "base_url": NOWHERE},
        "region": {"credentials": TOKEN, "region": "moon"},
        "credentials": {"credentials": {"auth_type": "access_token"}},
    }

    @pytest.fixture(autouse=True)
    def _account(self, account: SmartsheetServer) -> None:
        self.url = f"{account.url}/2.0"

    def config(self, place: Path) -> SmartsheetConfig:
        del place
        credentials = AccessToken(access_token="canary-access-1")
        return SmartsheetConfig(
            credentials=credentials,
            base_url=self.url,
            sheets=("1220000000000004", "1330000000000004"),
            reports=("55",),
        )

    def empty_config(self, place: Path) -> SmartsheetConfig:
        del place
        credentials = AccessToken(access_token="canary-access-1")
        return SmartsheetConfig(
            credentials=credentials, base_url=self.url, sheets=("1440000000000004",)
        )
