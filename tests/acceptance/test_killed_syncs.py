"""A sync killed with SIGKILL, and run again, leaves what one clean run leaves."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from tests.acceptance.kills import command, run_until_done, table_of, tables_of

ROUNDS = int(os.environ.get("PENSTOCK_CHAOS_ROUNDS", "1"))
"""`make chaos` sets 50: two hundred syncs, each killed several times."""
MODES = (
    "incremental_append",
    "incremental_append_dedup",
    "full_refresh_overwrite",
    "full_refresh_overwrite_dedup",
)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_killed_at_random_and_repeated_equals_one_clean_run(
    tmp_path: Path, mode: str, seed: int
) -> None:
    options = (f"--mode={mode}", "--commit-bytes=200000")
    clean, killed = tmp_path / "clean.duckdb", tmp_path / "killed.duckdb"
    never = random.Random(0)
    started = time.monotonic()
    run_until_done(tmp_path / "a", command(clean, *options), never, most_seconds=0, kills=0)
    chance = random.Random(f"{mode}{seed}")
    run_until_done(
        tmp_path / "b",
        command(killed, *options),
        chance,
        most_seconds=time.monotonic() - started,
        kills=4,
    )
    assert tables_of(killed) == tables_of(clean)
    for table in ("users", "products", "purchases"):
        assert table_of(killed, table) == table_of(clean, table)
