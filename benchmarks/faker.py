"""`airbyte-source-faker` to /dev/null and through penstock: what penstock adds to a real source."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.contest import Attempt, Contender, Table, contest
from benchmarks.measure import Measurement
from benchmarks.ours import full_refresh, receipt_of, run_attempt, run_spec
from benchmarks.peers import install
from benchmarks.places import OUTPUT
from benchmarks.verify import Verdict

ALONE, OURS = "source-faker > /dev/null", "source-faker through penstock"


def tables(*, quick: bool) -> Iterator[Table]:
    """Measures one table: users, products and purchases of one seed."""
    users = 10_000 if quick else 100_000
    config = {"count": users, "seed": 1, "parallelism": 4, "always_updated": False}
    streams = [full_refresh(stream) for stream in _discover(config)]
    faker = install("source-faker")
    contenders = [
        Contender(label=ALONE, installed=faker, prepare=partial(_alone, config, streams), rounds=5),
        Contender(
            label=OURS,
            installed=install("penstock"),
            prepare=partial(_through, config, streams, users),
            rounds=5,
        ),
    ]
    yield contest(
        Table(path="faker", title=f"airbyte-source-faker, {users:,} users", rows=users), contenders
    )


def _discover(config: dict[str, Any]) -> list[dict[str, Any]]:
    folder = OUTPUT / "faker"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    said = subprocess.run(
        [install("source-faker").program("source-faker"), "discover", "--config", "config.json"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    messages = (json.loads(line) for line in said.splitlines() if line.startswith("{"))
    return next(m["catalog"]["streams"] for m in messages if m["type"] == "CATALOG")


def _alone(config: dict[str, Any], streams: list[dict[str, Any]], folder: Path) -> Attempt:
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "catalog.json").write_text(json.dumps({"streams": streams}))
    return Attempt(
        command=(
            *(install("source-faker").program("source-faker"), "read"),
            *("--config", str(folder / "config.json"), "--catalog", str(folder / "catalog.json")),
        ),
        discard_output=True,
    )


def _through(
    config: dict[str, Any], streams: list[dict[str, Any]], users: int, folder: Path
) -> Attempt:
    executable = install("source-faker").program("source-faker")
    spec = run_spec(
        source={"name": "source-faker", "executable": executable, "config": config},
        database=folder / "out.duckdb",
        streams=streams,
    )

    def judge(done: Measurement) -> Verdict:
        committed = {
            stream["stream"]["name"]: stream.get("rows_committed", 0)
            for stream in receipt_of(done)["streams"]
        }
        return Verdict(rows_expected=users, rows=committed["users"])

    return run_attempt(install("penstock"), folder, spec, judge=judge)
