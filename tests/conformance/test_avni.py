"""The Avni source keeps every promise of a source, against a server on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from penstock.sources.avni import AvniConfig, AvniSource
from penstock.testing.source_suite import SourceSuite
from tests.doubles.avni_server import Avni
from tests.doubles.vendor import serving

STREAMS = ("subjects", "program_enrolments", "program_encounters", "encounters", "locations")


class TestAvni(SourceSuite):
    source = AvniSource
    # Twelve seconds, and a record a second.
    lookback_rows = 13
    wrong_configs: ClassVar[dict[str, dict[str, Any]]] = {
        name: {} for name in ("username", "base_url", "start_date", "login")
    }
    future_states: ClassVar[dict[str, dict[str, Any]]] = {
        name: {"cursor": "2099-01-01T00:00:00.000000Z"} for name in STREAMS
    }

    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        with serving(Avni.of(100)) as served, serving(Avni.of(0)) as empty:
            self.address, self.empty_address = served.url, empty.url
            right = self.settings()
            wrong = {
                "username": "nobody@demo",
                "base_url": "not an address",
                "start_date": "1960-01-01T00:00:00Z",
                "login": "automatic",
            }
            self.wrong_configs = {
                name: {**right, "password": "canary", name: value} for name, value in wrong.items()
            }
            yield

    def settings(self) -> dict[str, Any]:
        return {
            "base_url": self.address,
            "username": "ann@demo",
            "login": "none",
            "page_size": 20,
            "lookback_seconds": 12,
            "streams_per_type": True,
        }

    def config(self, place: Path) -> AvniConfig:
        return AvniConfig(**self.settings())

    def empty_config(self, place: Path) -> AvniConfig:
        return AvniConfig(**{**self.settings(), "base_url": self.empty_address})
