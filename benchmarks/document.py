"""Pastes a report into `docs/explanation/performance.md`, between its two marks.

`python -m benchmarks.document [results/….json]` repeats it; without a path the newest full report.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.places import PROJECT, RESULTS
from benchmarks.results import Report, load, markdown

PAGE = PROJECT / "docs" / "explanation" / "performance.md"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def paste(report: Report) -> None:
    """Replaces what stands between the marks by the report's tables."""
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise RuntimeError(f"{PAGE} has lost its marks {BEGIN} … {END}")
    PAGE.write_text(f"{before}{BEGIN}\n{markdown(report)}{END}{after}")


def newest() -> Path:
    """Returns the newest full report."""
    found = [p for p in RESULTS.glob("*.json") if not p.stem.endswith("-quick")]
    if not found:
        raise RuntimeError("no full report yet: run `python -m benchmarks`")
    return max(found, key=lambda path: load(path).started_at)


if __name__ == "__main__":
    paste(load(Path(sys.argv[1]) if len(sys.argv) > 1 else newest()))
