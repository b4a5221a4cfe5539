"""One gigabyte of CSV, JSONL or Parquet into DuckDB: penstock, DuckDB alone, and the peers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.adbc import duckdb_driver
from benchmarks.contest import Attempt, Contender, Table, contest
from benchmarks.datasets import file_data
from benchmarks.generate import load_facts
from benchmarks.measure import Measurement
from benchmarks.ours import home_in, proved
from benchmarks.peers import install
from benchmarks.places import PROGRAMS
from benchmarks.verify import Verdict, verify

TITLES = {"csv": "CSV", "jsonl": "JSONL", "parquet": "Parquet"}
OURS, DUCKDB, GIVEN = "penstock", "DuckDB alone", "DuckDB alone, types given"
PEER_SECONDS = 600


def tables(*, quick: bool) -> Iterator[Table]:
    """Measures one table a format."""
    size = 100_000_000 if quick else 1_000_000_000
    for format_name in TITLES:
        data = file_data(format_name, size)
        yield _contest(format_name, data)


def _contest(format_name: str, data: Path) -> Table:
    size = data.stat().st_size
    table = Table(
        path="files",
        title=f"{size / 1e9:.1f} GB {TITLES[format_name]}",
        rows=load_facts(data).rows,
        megabytes=size / 1e6,
    )
    contenders = [
        Contender(label=OURS, installed=install("penstock"), prepare=partial(_penstock, data)),
        Contender(
            label=DUCKDB,
            installed=install("duckdb"),
            prepare=partial(_duckdb, data, format_name, "guessed"),
        ),
        Contender(
            label="dlt",
            installed=install("dlt"),
            prepare=partial(_dlt, data, format_name),
            rounds=1,
            timeout_seconds=PEER_SECONDS,
        ),
        Contender(
            label="ingestr",
            installed=install("ingestr"),
            prepare=partial(_ingestr, data, format_name),
            rounds=1,
            timeout_seconds=PEER_SECONDS,
        ),
        Contender(
            label="sling",
            installed=install("sling"),
            prepare=partial(_sling, data),
            rounds=1,
            timeout_seconds=PEER_SECONDS,
        ),
    ]
    if format_name != "parquet":
        given = partial(_duckdb, data, format_name, "given")
        contenders.insert(2, Contender(label=GIVEN, installed=install("duckdb"), prepare=given))
    return contest(table, contenders)


def _penstock(data: Path, folder: Path) -> Attempt:
    """The command a user would type: it discovers the file's columns, then moves the rows."""
    database = folder / "out.duckdb"
    return Attempt(
        command=(
            *(install("penstock").program("penstock"), "sync", "file", "duckdb", "--json"),
            *("--source.path", str(data), "--destination.path", str(database)),
            *("--mode", "full_refresh_overwrite"),
        ),
        # With a cache of its own: each round looks at the file as the first one does.
        environment={**home_in(folder), "XDG_CACHE_HOME": str(folder / "cache")},
        judge=proved(_judge(database, data)),
    )


def _duckdb(data: Path, format_name: str, types: str, folder: Path) -> Attempt:
    database = folder / "out.duckdb"
    program = str(PROGRAMS / "duckdb_file.py")
    return Attempt(
        command=(install("duckdb").python, program, str(database), str(data), format_name, types),
        judge=_judge(database, data),
    )


def _dlt(data: Path, format_name: str, folder: Path) -> Attempt:
    database = folder / "out.duckdb"
    program = str(PROGRAMS / "dlt_file.py")
    arguments = (str(database), str(data), format_name, str(folder / "pipelines"))
    return Attempt(
        command=(install("dlt").python, program, *arguments),
        environment={"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": str(folder / "dlt")},
        judge=_judge(database, data),
    )


def _ingestr(data: Path, format_name: str, folder: Path) -> Attempt:
    database = folder / "out.duckdb"
    return Attempt(
        command=(
            *(install("ingestr").program("ingestr"), "ingest", "--yes", "--progress", "log"),
            *("--source-uri", f"{format_name}://{data}", "--source-table", "visits"),
            *("--dest-uri", f"duckdb:///{database}", "--dest-table", "main.visits"),
        ),
        environment=duckdb_driver(),
        judge=_judge(database, data),
    )


def _sling(data: Path, folder: Path) -> Attempt:
    database = folder / "out.duckdb"
    return Attempt(
        command=(
            *(install("sling").program("sling"), "run", "--src-stream", f"file://{data}"),
            *("--tgt-conn", "BENCH", "--tgt-object", "main.visits", "--mode", "full-refresh"),
        ),
        environment={"BENCH": f"duckdb://{database}"},
        judge=_judge(database, data),
    )


def _judge(database: Path, data: Path) -> Callable[[Measurement], Verdict]:
    return lambda _: verify(database, data)
