"""Airbyte messages from `cat` into a typed DuckDB table: penstock, PyAirbyte, DuckDB alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.connector import catalog_stream, write_connector
from benchmarks.contest import Attempt, Contender, Table, contest
from benchmarks.datasets import messages_data
from benchmarks.generate import facts_path
from benchmarks.measure import Measurement
from benchmarks.ours import full_refresh, run_attempt, run_spec
from benchmarks.peers import install
from benchmarks.places import PROGRAMS
from benchmarks.verify import Verdict, verify

OURS, PYAIRBYTE, DUCKDB = "penstock", "PyAirbyte", "DuckDB alone"
MAIN = "1,000,000 records"
ROWS = (100_000, 1_000_000, 10_000_000)
WIDTHS = ((10, 1_000_000), (200, 50_000), (1000, 10_000))
"""Columns and rows: ten million values each time."""


def tables(*, quick: bool) -> Iterator[Table]:
    """Measures the usual record at growing numbers of rows, then ever wider records."""
    scale = 10 if quick else 1
    stored = 1_000_000 // scale
    for rows in ROWS:
        data = messages_data(min(rows // scale, stored))
        times = max(1, rows // scale // stored)
        title = f"{rows // scale:,} records"
        peers = {DUCKDB, PYAIRBYTE} if times == 1 else {DUCKDB}
        yield _contest(title, data, times=times, rows=rows // scale, peers=peers)
    for columns, rows in WIDTHS:
        data = messages_data(rows // scale, columns)
        title = f"{columns:,} columns x {rows // scale:,} records"
        yield _contest(title, data, times=1, rows=rows // scale, peers={DUCKDB, PYAIRBYTE})


def _contest(title: str, data: Path, *, times: int, rows: int, peers: set[str]) -> Table:
    table = Table(
        path="messages", title=title, rows=rows, megabytes=data.stat().st_size * times / 1e6
    )
    contenders = [
        Contender(
            label=OURS,
            installed=install("penstock"),
            prepare=partial(_penstock, data, times),
            rounds=3 if times == 1 else 1,
        ),
        Contender(
            label=DUCKDB,
            installed=install("duckdb"),
            prepare=partial(_duckdb, data, times),
            rounds=3 if times == 1 else 1,
        ),
        Contender(
            label=PYAIRBYTE,
            installed=install("pyairbyte"),
            prepare=partial(_pyairbyte, data, times),
            rounds=1,
            timeout_seconds=900,
        ),
    ]
    return contest(table, [c for c in contenders if c.label in peers or c.label == OURS])


def _penstock(data: Path, times: int, folder: Path) -> Attempt:
    executable = write_connector(folder / "connector", data, times=times)
    database = folder / "out.duckdb"
    spec = run_spec(
        source={"name": "bench", "executable": str(executable)},
        database=database,
        streams=[full_refresh(catalog_stream(data))],
    )
    return run_attempt(install("penstock"), folder, spec, judge=_judge(database, data, times))


def _duckdb(data: Path, times: int, folder: Path) -> Attempt:
    database = folder / "out.duckdb"
    program = str(PROGRAMS / "duckdb_messages.py")
    arguments = (str(database), str(data), str(facts_path(data)), str(times))
    return Attempt(
        command=(install("duckdb").python, program, *arguments),
        judge=_judge(database, data, times),
    )


def _pyairbyte(data: Path, times: int, folder: Path) -> Attempt:
    executable = write_connector(folder / "connector", data, times=times)
    database = folder / "out.duckdb"
    program = str(PROGRAMS / "pyairbyte_messages.py")
    return Attempt(
        command=(install("pyairbyte").python, program, str(database), str(executable)),
        environment={"AIRBYTE_OFFLINE_MODE": "1"},
        judge=_judge(database, data, times),
    )


def _judge(database: Path, data: Path, times: int) -> Callable[[Measurement], Verdict]:
    return lambda _: verify(database, data, times=times)
