"""Kills whole `penstock sync` processes at random moments until one is left to finish."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

COLUMNS = "* EXCLUDE (_airbyte_raw_id, _airbyte_extracted_at, _airbyte_generation_id)"


@dataclass(frozen=True, slots=True)
class Story:
    """What happened on the way to the end."""

    kills: int
    output: str


def command(destination: Path, *options: str) -> list[str]:
    return [
        str(Path(sys.executable).with_name("penstock")),
        "sync",
        "faker",
        "duckdb",
        "--source.rows=40000",
        "--source.batch-rows=1000",
        "--source.state-every=2000",
        f"--destination.path={destination}",
        "--connection=killed",
        *options,
    ]


def run_until_done(
    home: Path, argv: Sequence[str], chance: random.Random, *, most_seconds: float, kills: int
) -> Story:
    """Runs the command, killing it up to `kills` times, then lets it finish.

    The moments are spread over `most_seconds`, about the time of an undisturbed run.
    """
    done = 0
    while done < kills:
        child = _start(home, argv)
        time.sleep(chance.uniform(0.0, most_seconds))
        if child.poll() is not None:
            output = _output(child)
            assert child.returncode == 0, output
            return Story(kills=done, output=output)
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        done += 1
    child = _start(home, argv)
    output = _output(child)
    assert child.returncode == 0, output
    return Story(kills=done, output=output)


def table_of(path: Path, table: str) -> list[tuple[object, ...]]:
    """Returns every row of a table, sorted, without what differs from run to run."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(f"SELECT {COLUMNS} FROM {table} ORDER BY ALL").fetchall()


def tables_of(path: Path) -> list[str]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return sorted(name for (name,) in connection.execute("SHOW TABLES").fetchall())


def _start(home: Path, argv: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        argv,
        env={**os.environ, "PENSTOCK_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _output(child: subprocess.Popen[str]) -> str:
    output, _ = child.communicate(timeout=300)
    return output
