"""Files keep every promise of a destination, in each format, in a folder and in a bucket."""

from __future__ import annotations

from pathlib import Path

from penstock.destinations.files import FilesConfig, FilesDestination
from penstock.testing.destination_suite import DestinationSuite


class _Files(DestinationSuite):
    destination = FilesDestination
    loaded_once = ("penstock.destinations.files.writer",)

    def wrong_config(self, place: Path) -> FilesConfig:
        letter = place / "letter.txt"
        letter.write_text("not a folder")
        return FilesConfig(path=str(letter))


class TestParquet(_Files):
    def config(self, place: Path) -> FilesConfig:
        return FilesConfig(path=str(place / "lake"))


class TestJsonl(_Files):
    def config(self, place: Path) -> FilesConfig:
        return FilesConfig(path=str(place / "lake"), format="jsonl", compression="zstd")


class TestCsv(_Files):
    def config(self, place: Path) -> FilesConfig:
        return FilesConfig(
            path=str(place / "lake"),
            format="csv",
            compression="gzip",
            partition_by="_airbyte_extracted_at",
        )
