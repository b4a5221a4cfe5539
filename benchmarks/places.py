"""Where benchmarks keep venvs, generated data and outputs, and where results go."""

from __future__ import annotations

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
PROGRAMS = Path(__file__).resolve().parent / "programs"
RESULTS = Path(__file__).resolve().parent / "results"
CACHE = Path(os.environ.get("PENSTOCK_BENCH_DIR") or PROJECT / ".cache" / "benchmarks")
"""Outside git; some gigabytes after a full run. Removing it costs only time."""
DATA = CACHE / "data"
OUTPUT = CACHE / "output"
VENVS = CACHE / "venvs"


def shown(command: str) -> str:
    """Returns a command as results show it: without the machine's own paths."""
    return command.replace(f"{CACHE}/", ".cache/benchmarks/").replace(f"{PROJECT}/", "")
