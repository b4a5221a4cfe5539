"""The reference destination keeps the contract it specifies."""

from __future__ import annotations

from pathlib import Path

from penstock.testing.destination_suite import DestinationSuite
from penstock.testing.memory import MemoryConfig, MemoryDestination


class TestMemory(DestinationSuite):
    destination = MemoryDestination

    def config(self, place: Path) -> MemoryConfig:
        return MemoryConfig(path=str(place / "memory.bin"))

    def wrong_config(self, place: Path) -> MemoryConfig:
        path = place / "letter.txt"
        path.write_text("not ours")
        return MemoryConfig(path=str(path))
