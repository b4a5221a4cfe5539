"""The benchmarks' judge: a tool that loses or changes anything is found out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from benchmarks import generate
from benchmarks.connector import write_connector
from benchmarks.generate import load_facts, write_file, write_messages
from benchmarks.places import PROJECT
from benchmarks.verify import Verdict, examine

ROWS = 300
LOAD = """
    create table users as select unnest(record.data) from read_json($file,
        format = 'newline_delimited',
        columns = {'type': 'VARCHAR', 'record': 'STRUCT(data STRUCT(id BIGINT, big BIGINT,
            name VARCHAR, age BIGINT, active BOOLEAN, score DOUBLE, amount DOUBLE, address JSON,
            created_at TIMESTAMPTZ, updated_at TIMESTAMPTZ, note VARCHAR, country VARCHAR))'})
    where type = 'RECORD'
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "messages.jsonl"
    write_messages(path, rows=ROWS)
    return path


def judged(tmp_path: Path, data: Path, *, after: str = "select 1") -> Verdict:
    database = tmp_path / "out.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute(LOAD, {"file": str(data)})
        connection.execute(after)
    return examine(database, load_facts(data))


def test_a_faithful_table_is_exact(tmp_path: Path, data: Path) -> None:
    assert judged(tmp_path, data).is_exact


@pytest.mark.parametrize(
    ("damage", "changed"),
    [
        ("update users set score = score + 1e-9 where id = 7", ("score",)),
        ("update users set big = big::DOUBLE::BIGINT where id = 2", ("big",)),
        ("update users set updated_at = updated_at + interval 1 microsecond", ("updated_at",)),
        ("update users set note = '' where note is null", ("note",)),
        ("update users set name = upper(name) where id = 0", ("name",)),
        ("update users set address = '{}' where id = 0", ("address",)),
        ("update users set country = null where id = 299", ("country",)),
    ],
)
def test_one_changed_value_is_found(
    tmp_path: Path, data: Path, damage: str, changed: tuple[str, ...]
) -> None:
    verdict = judged(tmp_path, data, after=damage)

    assert verdict.is_whole
    assert verdict.changed == changed
    assert not verdict.is_exact


@pytest.mark.parametrize(
    ("damage", "rows"),
    [
        ("delete from users where id = 299", ROWS - 1),
        ("insert into users select * from users where id = 1", ROWS + 1),
    ],
    ids=["lost", "doubled"],
)
def test_a_lost_or_doubled_row_is_found(tmp_path: Path, data: Path, damage: str, rows: int) -> None:
    verdict = judged(tmp_path, data, after=damage)

    assert verdict.rows == rows
    assert not verdict.is_whole


def test_a_row_replaced_by_another_is_found(tmp_path: Path, data: Path) -> None:
    damage = "delete from users where id = 1; insert into users select * from users where id = 2"

    verdict = judged(tmp_path, data, after=damage)

    assert verdict.is_whole
    assert "id" in verdict.changed


def test_a_missing_column_is_named(tmp_path: Path, data: Path) -> None:
    assert judged(tmp_path, data, after="alter table users drop note").missing == ("note",)


@pytest.mark.parametrize("format_name", ["csv", "jsonl", "parquet"])
def test_every_format_holds_the_same_values(
    tmp_path: Path, format_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate, "BLOCK_ROWS", 500)
    data = tmp_path / f"visits.{format_name}"
    write_file(data, format_name=format_name, size=60_000)
    database = tmp_path / "out.duckdb"
    read = {"csv": "read_csv", "jsonl": "read_json", "parquet": "read_parquet"}[format_name]
    options = ", all_varchar = true" if format_name == "csv" else ""
    with duckdb.connect(str(database)) as connection:
        connection.execute(f"create table visits as from {read}('{data}'{options})")

    verdict = examine(database, load_facts(data))

    assert verdict.rows >= 500
    assert verdict.is_exact, verdict


def test_the_connector_sends_statuses_around_the_file(tmp_path: Path, data: Path) -> None:
    executable = write_connector(tmp_path / "connector", data, times=2)

    said = subprocess.run([executable, "read"], capture_output=True, text=True, check=True).stdout

    lines = said.splitlines()
    assert '"STARTED"' in lines[0]
    assert '"COMPLETE"' in lines[-1]
    assert sum(line.startswith('{"type":"RECORD"') for line in lines) == 2 * ROWS


MEASURED = """
import sys
from pathlib import Path
from benchmarks.measure import adopt_orphans, measure
adopt_orphans()
done = measure(
    ["sh", "-c", sys.argv[1]], scratch=Path(sys.argv[2]), timeout_seconds=float(sys.argv[3])
)
print(done.timed_out, done.exit_status, done.wall_seconds < 30, done.cpu_seconds > 0.2)
"""
"""In a process of its own: measuring adopts, and in the end kills, every orphan of its process."""


@pytest.mark.parametrize(
    ("command", "seconds", "said"),
    [
        ("sleep 60 & sleep 60", "0.1", "True -9 True False"),
        ("exit 3", "30", "False 3 True False"),
        ("(i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done) & wait", "60", "False 0 True True"),
    ],
    ids=["too slow", "failed", "CPU of a child"],
)
def test_a_measurement_covers_the_whole_tree(
    tmp_path: Path, command: str, seconds: str, said: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, command, str(tmp_path), seconds],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == said


FORKED = """
import os, sys, time
from pathlib import Path
from benchmarks.measure import adopt_orphans, measure
program = '''
import os, time
held = bytearray(200 << 20)
if os.fork() == 0:
    own = bytearray(30 << 20)
    time.sleep(0.3)
    os._exit(0)
os.wait()
'''
adopt_orphans()
print(measure([sys.executable, "-c", program], scratch=Path(sys.argv[1])).peak_mib)
"""


def test_memory_of_a_forked_child_counts_once(tmp_path: Path) -> None:
    # The least of three: on a busy machine a sample may fall into the fork itself, and see both.
    peaks = []
    for number in range(3):
        scratch = tmp_path / str(number)
        scratch.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", FORKED, str(scratch)],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(float(done.stdout))

    assert 230 < min(peaks) < 300
