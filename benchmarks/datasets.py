"""Generated data sets on disk: made once by a process of its own, found again afterwards."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.contest import say
from benchmarks.generate import facts_path
from benchmarks.places import DATA, PROJECT


def messages_data(rows: int, columns: int | None = None) -> Path:
    """Returns a file of Airbyte messages: the usual twelve properties, or `columns`."""
    data = DATA / f"messages-{rows}x{columns or 'usual'}.jsonl"
    wide = ("--columns", str(columns)) if columns else ()
    return _made(data, "messages", str(data), "--rows", str(rows), *wide)


def file_data(format_name: str, size: int) -> Path:
    """Returns a CSV, JSONL or Parquet file of at least `size` bytes."""
    data = DATA / f"visits-{size // 10**6}MB.{format_name}"
    return _made(data, "file", str(data), "--format", format_name, "--size", str(size))


def _made(data: Path, *arguments: str) -> Path:
    if not (data.exists() and facts_path(data).exists()):
        say(f"generating {data.name}")
        subprocess.run(
            [sys.executable, "-m", "benchmarks.generate", *arguments], cwd=PROJECT, check=True
        )
    with data.open("rb") as file:
        while file.read(16 << 20):
            pass
    return data
