"""Killed at any moment and run again, a load ends as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from penstock.sdk.destination import TableName, WriteMode
from penstock.sdk.duckdb.connection import connect
from penstock.sdk.duckdb.place import place_of
from tests.integration.destination_duckdb.duckdb_landing import destination, position, query

HERE = Path(__file__).parent
ROWS = 60_000
STEP = 2_000

LOAD = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
from pathlib import Path
from duckdb_landing import KEYED, batch, destination, plan, position, state
from penstock.sdk.destination import WriteMode

target, mode = destination(Path(sys.argv[1])), WriteMode(sys.argv[2])
done = position(target) or 0
key = ["id"] if mode.is_dedup else []
stored = target.stored_states("c1")
if stored and stored[0].is_complete:  # killed after it had published: nothing is left to do
    print("open", flush=True)
    sys.exit(0)
resumes = bool(stored)
wanted = plan(KEYED, mode=mode, key=key, cursor="cursor" if key else None,
              generation_id=1, resumes=resumes)
with target.open(wanted) as writer:
    print("open", flush=True)
    for start in range(done, {ROWS}, {STEP}):
        rows = [(i, i, f"name {{i}}") for i in range(start, start + {STEP})]
        writer.write(batch(KEYED, rows))
        if key:
            writer.write(batch(KEYED, [(i, -1, "older") for i in range(start)][-{STEP}:]))
        writer.commit(state(start + {STEP}))
    writer.finish(None)
"""


@pytest.mark.parametrize("mode", WriteMode)
def test_a_load_killed_at_random_and_repeated_equals_one_clean_run(
    tmp_path: Path, mode: WriteMode
) -> None:
    path = tmp_path / "warehouse.duckdb"
    chance = random.Random(f"{mode}")
    kills = 0
    while True:
        with subprocess.Popen(
            [sys.executable, "-c", LOAD, str(path), mode], stdout=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"open\n"
            if kills < 4:
                # At once the first time: a fast machine would be done before any pause.
                time.sleep(chance.uniform(0, 0.1) if kills else 0)
                os.kill(child.pid, signal.SIGKILL)
        if child.returncode == 0:
            break
        assert child.returncode == -signal.SIGKILL
        kills += 1

    assert kills > 0
    assert position(destination(path)) == ROWS
    expected = (ROWS, ROWS, ROWS * (ROWS - 1) // 2, 0)
    counted = "count(*), count(DISTINCT id), sum(cursor)::BIGINT"
    older = "count(*) FILTER (name <> 'name ' || id)"
    assert query(path, f"SELECT {counted}, {older} FROM users") == [expected]
    assert destination(path).count(TableName(schema=None, name="users__gen1")) == 0


MAKE = """
import os, signal, sys
from penstock.sdk.duckdb.connection import connect
from penstock.sdk.duckdb.place import place_of

os.link = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
connect(place_of(sys.argv[1]))
"""


def test_killed_while_its_file_is_made_there_is_none_yet(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    words = [sys.executable, "-c", MAKE, str(path)]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    assert not path.exists()
    connect(place_of(str(path))).close()
    assert path.stat().st_size
