"""The CommCare source keeps every promise of a source, against a project space on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from penstock.sources.commcare import CommCareConfig, CommCareSource
from penstock.testing.source_suite import SourceSuite
from tests.doubles.commcare_server import CommCare
from tests.doubles.vendor import serving


class TestCommCare(SourceSuite):
    source = CommCareSource
    lookback_rows = 40
    wrong_configs: ClassVar[dict[str, dict[str, Any]]] = {
        name: {} for name in ("project_space", "api_key", "username", "app_id", "start_date")
    }
    future_states: ClassVar[dict[str, dict[str, Any]]] = {
        name: {"cursor": "2099-01-01T00:00:00.000000Z"} for name in ("forms", "cases", "locations")
    }

    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        with serving(CommCare.of(120)) as served, serving(CommCare(apps=[])) as empty:
            self.address, self.empty_address = served.url, empty.url
            right = self.settings()
            wrong = {
                "project_space": "demo2",
                "api_key": "canary-wrong",
                "username": "bob@example.org",
                "app_id": "00000000",
                "start_date": "yesterday",
            }
            self.wrong_configs = {name: {**right, name: value} for name, value in wrong.items()}
            yield

    def settings(self) -> dict[str, Any]:
        return {
            "base_url": self.address,
            "project_space": "demo",
            "username": "ann@example.org",
            "api_key": "canary-api-key-1",
            "page_size": 25,
            # A second is a form: the look-back is twelve of them.
            "lookback_minutes": 0.2,
        }

    def config(self, place: Path) -> CommCareConfig:
        return CommCareConfig(**self.settings())

    def empty_config(self, place: Path) -> CommCareConfig:
        return CommCareConfig(**{**self.settings(), "base_url": self.empty_address})
