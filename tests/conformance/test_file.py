"""The file source keeps every promise of a source, for each format."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from penstock.sources.file import FileConfig, FileSource
from penstock.testing.gaps import not_done
from penstock.testing.source_suite import SourceSuite

ROWS = [
    {
        "id": number,
        "code": f"{number:05d}",
        "name": f"पुणे, {number}",
        "amount": number / 4,
        "visited": f"2024-02-{number % 28 + 1:02d}",
        "is_new": number % 3 == 0,
    }
    for number in range(300)
]


class FileSuite(SourceSuite):
    source = FileSource
    gaps = (
        not_done(
            "test_each_state_continues_with_exactly_the_rows_after_it",
            reason="the last state of a full refresh begins anew, though rows lie under it",
        ),
    )
    wrong_configs: ClassVar[dict[str, dict[str, Any]]] = {
        "path": {"path": "/nowhere/at/all.csv"},
        "format": {"path": "/nowhere/at/all.csv", "format": "papyrus"},
    }


class TestCsv(FileSuite):
    def config(self, place: Path) -> FileConfig:
        for part in range(3):
            with (place / f"visits_{part}.csv").open("w", newline="") as file:
                writer = csv.DictWriter(file, list(ROWS[0]))
                writer.writeheader()
                writer.writerows(ROWS[part * 100 : part * 100 + 100])
        return FileConfig(path=str(place / "visits_*.csv"))

    def empty_config(self, place: Path) -> FileConfig:
        (place / "empty.csv").write_text("id,name\n")
        return FileConfig(path=str(place / "empty.csv"))


class TestJsonLines(FileSuite):
    def config(self, place: Path) -> FileConfig:
        for part in range(3):
            rows = ROWS[part * 100 : part * 100 + 100]
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (place / f"visits_{part}.jsonl").write_text(text)
        return FileConfig(path=str(place / "visits_*.jsonl"))


class TestParquet(FileSuite):
    def config(self, place: Path) -> FileConfig:
        for part in range(3):
            rows = ROWS[part * 100 : part * 100 + 100]
            pq.write_table(pa.Table.from_pylist(rows), place / f"visits_{part}.parquet")
        return FileConfig(path=str(place / "visits_*.parquet"))

    def empty_config(self, place: Path) -> FileConfig:
        nothing = pa.Table.from_pylist(ROWS[:1]).slice(0, 0)
        pq.write_table(nothing, place / "empty.parquet")
        return FileConfig(path=str(place / "empty.parquet"))
