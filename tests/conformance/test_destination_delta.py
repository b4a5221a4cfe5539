"""Delta tables keep every promise of a destination."""

from __future__ import annotations

from pathlib import Path

import penstock.destinations.delta.writer  # noqa: F401 - loaded once, not in every killed child
from penstock.destinations.delta import DeltaConfig, DeltaDestination
from penstock.testing.destination_suite import DestinationSuite


class TestDelta(DestinationSuite):
    destination = DeltaDestination

    def config(self, place: Path) -> DeltaConfig:
        return DeltaConfig(path=str(place / "lake"))

    def wrong_config(self, place: Path) -> DeltaConfig:
        letter = place / "letter.txt"
        letter.write_text("not a folder")
        return DeltaConfig(path=str(letter))
