"""The library in a script: records read into a cache, and a cached table as Arrow and pandas."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.connector import write_connector
from benchmarks.contest import Attempt, Contender, Table, contest, say
from benchmarks.datasets import messages_data
from benchmarks.measure import Measurement
from benchmarks.ours import home_in
from benchmarks.peers import install
from benchmarks.places import OUTPUT, PROGRAMS
from benchmarks.verify import Verdict, verify

OURS, PYAIRBYTE, DUCKDB = "penstock as a library", "PyAirbyte", "DuckDB alone"
NARROW, WIDE = "10 columns through the library", "200 columns through the library"
FORMS = {"arrow": "to_arrow", "pandas": "to_pandas"}
CONVERSIONS = 10
"""A table is handed out so often by each process, so that starting it does not decide."""


def tables(*, quick: bool) -> Iterator[Table]:
    """Measures reading, then equally many values in few and many columns, then handing out."""
    scale = 10 if quick else 1
    rows = 1_000_000 // scale
    data = messages_data(rows)
    yield _reading(f"{rows:,} records through the library", data, rows=rows, has_peer=True)
    for title, columns, count in ((NARROW, 10, 1_000_000), (WIDE, 200, 50_000)):
        yield _reading(title, messages_data(count // scale, columns), rows=count // scale)
    database = _cached(data)
    for form, name in FORMS.items():
        yield _handing_out(f"{name} of {rows:,} rows", form, database, rows)
    database.unlink()


def _reading(title: str, data: Path, *, rows: int, has_peer: bool = False) -> Table:
    table = Table(path="library", title=title, rows=rows, megabytes=data.stat().st_size / 1e6)
    ours = Contender(
        label=OURS,
        installed=install("penstock-library"),
        prepare=partial(_read, "penstock-library", "penstock_library.py", data),
    )
    theirs = Contender(
        label=PYAIRBYTE,
        installed=install("pyairbyte"),
        prepare=partial(_read, "pyairbyte", "pyairbyte_messages.py", data),
        rounds=1,
        timeout_seconds=900,
    )
    return contest(table, [ours, theirs] if has_peer else [ours])


def _read(peer: str, program: str, data: Path, folder: Path) -> Attempt:
    executable = write_connector(folder / "connector", data)
    database = folder / "out.duckdb"
    return Attempt(
        command=(install(peer).python, str(PROGRAMS / program), str(database), str(executable)),
        environment={"AIRBYTE_OFFLINE_MODE": "1", **home_in(folder)},
        judge=lambda _: verify(database, data),
    )


def _cached(data: Path) -> Path:
    """Returns a cache that penstock has filled, outside all measured time."""
    say("library: filling a cache")
    folder = OUTPUT / "library"
    folder.mkdir(parents=True, exist_ok=True)
    database = folder / "cache.duckdb"
    database.unlink(missing_ok=True)
    attempt = _read("penstock-library", "penstock_library.py", data, folder)
    command = [*attempt.command[:2], str(database), attempt.command[3]]
    subprocess.run(command, check=True, capture_output=True)
    return database


def _handing_out(title: str, form: str, database: Path, rows: int) -> Table:
    contenders = [
        Contender(
            label=label,
            installed=install(peer),
            prepare=partial(_hand_out, peer, (str(PROGRAMS / program), str(database), form), rows),
            rounds=5,
        )
        for label, peer, program in (
            (OURS, "penstock-library", "penstock_frames.py"),
            (DUCKDB, "duckdb-frames", "duckdb_frames.py"),
        )
    ]
    return contest(Table(path="library", title=title, rows=rows * CONVERSIONS), contenders)


def _hand_out(peer: str, program: tuple[str, ...], rows: int, folder: Path) -> Attempt:
    return Attempt(
        command=(install(peer).python, *program, str(CONVERSIONS)),
        environment=home_in(folder),
        judge=_counted(rows),
    )


def _counted(rows: int) -> Callable[[Measurement], Verdict]:
    def judge(done: Measurement) -> Verdict:
        counts = [int(word) for word in done.stdout.split()]
        is_whole = counts == [rows] * CONVERSIONS
        return Verdict(rows_expected=rows, rows=rows if is_whole else sum(counts))

    return judge
