"""How penstock does a job: `penstock run` with a RunSpec; its own receipt is judged, too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.contest import Attempt
from benchmarks.measure import Measurement
from benchmarks.peers import Installed
from benchmarks.verify import Verdict


def run_spec(
    *, source: dict[str, Any], database: Path, streams: list[dict[str, Any]]
) -> dict[str, Any]:
    """Returns the RunSpec of one sync into a DuckDB file."""
    return {
        "connection": "bench",
        "source": source,
        "destination": {"name": "duckdb", "config": {"path": str(database)}},
        "catalog": {"streams": streams},
    }


def full_refresh(stream: dict[str, Any]) -> dict[str, Any]:
    """Returns a catalogue's stream as configured for full refresh, overwrite."""
    return {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}


def run_attempt(
    installed: Installed,
    folder: Path,
    spec: dict[str, Any],
    *,
    judge: Callable[[Measurement], Verdict | None] = lambda _: None,
) -> Attempt:
    """Returns `penstock run` of this spec, with state and receipts in the round's own folder."""
    return Attempt(
        command=(installed.program("penstock"), "run"),
        stdin=json.dumps(spec).encode(),
        environment=home_in(folder),
        judge=proved(judge),
    )


def home_in(folder: Path) -> dict[str, str]:
    """Returns the environment that keeps penstock's state in the round's own folder."""
    return {"PENSTOCK_HOME": str(folder / "home")}


def proved(
    judge: Callable[[Measurement], Verdict | None],
) -> Callable[[Measurement], Verdict | None]:
    """Returns a judge that asks for a receipt of success without changed values first."""

    def checked(done: Measurement) -> Verdict | None:
        receipt = receipt_of(done)
        if receipt["outcome"] != "succeeded":
            raise RuntimeError(f"the sync {receipt['outcome']}: {receipt.get('error')}")
        changed = sum(stream.get("values_changed", 0) for stream in receipt["streams"])
        if changed:
            raise RuntimeError(f"{changed:,} values did not fit and were changed")
        return judge(done)

    return checked


def receipt_of(done: Measurement) -> dict[str, Any]:
    """Returns the receipt: the last event on stdout."""
    try:
        last = json.loads(done.stdout.strip().splitlines()[-1])
        receipt: dict[str, Any] = last["receipt"]
    except (IndexError, KeyError, ValueError) as error:
        raise RuntimeError(f"no receipt on stdout: {done.stderr_tail[-300:]}") from error
    return receipt
