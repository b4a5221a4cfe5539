"""The faker keeps every promise of a source."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from penstock.sources.faker import FakerConfig, FakerSource
from penstock.testing.source_suite import SourceSuite


class TestFaker(SourceSuite):
    source = FakerSource
    wrong_configs: ClassVar[dict[str, dict[str, Any]]] = {
        "rows": {"rows": -1},
        "seed": {"seed": "abc"},
        "products": {"products": 0},
    }
    future_states: ClassVar[dict[str, dict[str, Any]]] = {
        name: {"next": 10**9} for name in ("users", "products", "purchases")
    }

    def config(self, place: Path) -> FakerConfig:
        return FakerConfig(rows=200, products=60, seed=7, batch_rows=25, state_every=50)
