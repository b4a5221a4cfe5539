"""What starting costs: help, import, a sync with nothing to do, and what an install weighs."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.contest import Attempt, Contender, Table, contest
from benchmarks.measure import Measurement
from benchmarks.ours import receipt_of, run_attempt, run_spec
from benchmarks.peers import install
from benchmarks.verify import Verdict

HELP, IMPORT, NOTHING = "penstock --help", "import penstock", "penstock, nothing new to sync"
ROUNDS = 11


def tables(*, quick: bool) -> Iterator[Table]:
    """Measures one table; the interpreter alone is the floor under each figure."""
    ours = install("penstock")
    rounds = 3 if quick else ROUNDS
    contenders = [
        Contender(
            label="python, nothing",
            installed=ours,
            prepare=partial(_python, ours.python, "pass"),
            rounds=rounds,
        ),
        Contender(
            label=IMPORT,
            installed=ours,
            prepare=partial(_python, ours.python, "import penstock"),
            rounds=rounds,
        ),
        Contender(label=HELP, installed=ours, prepare=_help, rounds=rounds),
        Contender(label=NOTHING, installed=ours, prepare=_nothing, rounds=rounds),
    ]
    for label, peer, code in (
        ("import dlt", "dlt", "import dlt"),
        ("import airbyte (PyAirbyte)", "pyairbyte", "import airbyte"),
    ):
        there = install(peer)
        contenders.append(
            Contender(
                label=label,
                installed=there,
                prepare=partial(_python, there.python, code),
                rounds=min(rounds, 3),
            )
        )
    yield contest(Table(path="startup", title="start"), contenders)


def _python(python: str, code: str, _: Path) -> Attempt:
    return Attempt(command=(python, "-c", code))


def _help(_: Path) -> Attempt:
    return Attempt(command=(install("penstock").program("penstock"), "--help"))


def _nothing(folder: Path) -> Attempt:
    """Syncs once, unmeasured; the measured sync continues from that state and finds no row."""
    (folder / "visits.csv").write_text("id,name\n1,Asha\n2,Ravi\n")
    text = {"type": ["null", "string"]}
    properties = {"id": {"type": ["null", "integer"]}, "name": text}
    properties |= {
        "_ab_source_file_url": text,
        "_ab_source_file_last_modified": text,
    }
    stream = {
        "stream": {
            "name": "visits",
            "json_schema": {"type": "object", "properties": properties},
            "supported_sync_modes": ["full_refresh", "incremental"],
            "source_defined_cursor": True,
            "default_cursor_field": ["_ab_source_file_last_modified"],
        },
        "sync_mode": "incremental",
        "destination_sync_mode": "append",
    }
    spec = run_spec(
        source={"name": "file", "config": {"path": str(folder / "visits*.csv"), "name": "visits"}},
        database=folder / "out.duckdb",
        streams=[stream],
    )

    def judge(done: Measurement) -> Verdict:
        read = sum(stream.get("rows_read", 0) for stream in receipt_of(done)["streams"])
        return Verdict(rows_expected=0, rows=read)

    attempt = run_attempt(install("penstock"), folder, spec, judge=judge)
    subprocess.run(
        attempt.command,
        input=json.dumps(spec).encode(),
        env={**os.environ, **attempt.environment},
        capture_output=True,
        check=True,
    )
    return attempt
