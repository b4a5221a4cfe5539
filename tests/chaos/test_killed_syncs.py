"""A sync killed with SIGKILL, and run again, leaves what one clean run leaves."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.testing.pytest_plugin import seed_of
from tests.chaos.syncs import DuckDBTarget, PostgresTarget, Sync, Target, faker, plain
from tests.servers.postgres import PostgresDatabase

MODES = (
    "incremental_append",
    "incremental_append_dedup",
    "full_refresh_overwrite",
    "full_refresh_overwrite_dedup",
)

Place = Callable[[str], Target]


@pytest.fixture(params=["duckdb", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Gives a new, empty place in the destination under test, by a name."""
    if request.param == "duckdb":
        return lambda name: DuckDBTarget(tmp_path / f"{name}.duckdb")
    database: PostgresDatabase = request.getfixturevalue("postgres")
    return lambda name: PostgresTarget(database, name)


@pytest.mark.parametrize("mode", MODES)
def test_killed_at_random_and_repeated_equals_one_clean_run(
    tmp_path: Path, request: pytest.FixtureRequest, place: Place, mode: str
) -> None:
    """Of all rounds, each of the four modes takes a quarter; a round is a kill."""
    rounds: int = request.config.getoption("--penstock-rounds")
    seed = seed_of(request.config)
    left = max(2, rounds // len(MODES))
    chance = random.Random(f"{seed} {mode}")

    def sync(name: str) -> Sync:
        options = (f"--mode={mode}", "--commit-bytes=200000")
        return Sync(home=tmp_path / name, source=faker(20_000), target=place(name), options=options)

    clean = sync("clean")
    seconds = clean.run()
    expected = clean.target.tables()
    number = 0
    while left > 0:
        number += 1
        killed = sync(f"killed_{number}")
        left -= max(1, killed.run_killed(chance, seconds, left))
        found = killed.target.tables()
        what = f"seed {seed}, sync {number}: {plain(found)} instead of {plain(expected)}"
        assert found == expected, what
