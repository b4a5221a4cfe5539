"""`penstock up` runs no more at a time than it is allowed to, and what waits starts later."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.acceptance.conftest import Terminal
from tests.servers.up import Up, running

LONG = {"rows": 20_000_000}


@pytest.mark.parametrize(
    "flags",
    [("--runs-at-once", "1"), ("--runs-per-workspace", "1"), ("--runs-per-connector", "1")],
    ids=["server", "workspace", "connector"],
)
def test_a_run_beyond_a_limit_waits_and_starts_when_there_is_room(
    flags: Sequence[str], tmp_path: Path
) -> None:
    with running(tmp_path, *flags) as up:
        source = up.connector("source-faker", LONG)
        first, second = (_asked(up, source["id"], tmp_path, number) for number in range(2))
        _until(up, first, "running")
        time.sleep(1.5)  # three looks for work
        assert up.get(f"/runs/{second}")["status"] == "queued"
        up.post(f"/runs/{first}/cancel", {}, status=200)
        _until(up, second, "running")
        up.post(f"/runs/{second}/cancel", {}, status=200)


def test_a_limit_of_nothing_is_refused(terminal: Terminal) -> None:
    done = terminal.run("up", "--port", "0", "--runs-at-once", "0")
    assert done.status == 2
    assert "runs-at-once" in done.err


def _asked(up: Up, source: str, folder: Path, number: int) -> int:
    target = up.connector("destination-duckdb", {"path": str(folder / f"{number}.duckdb")})
    made = up.post(
        "/connections",
        {
            "workspace_id": up.workspace,
            "name": f"c{number}",
            "source_id": source,
            "destination_id": target["id"],
            "streams": [{"name": "users", "mode": "full_refresh_append"}],
        },
    )
    return int(up.post(f"/connections/{made['id']}/runs", {})["id"])


def _until(up: Up, run: int, status: str) -> None:
    deadline = time.monotonic() + 60
    while (found := up.get(f"/runs/{run}"))["status"] != status:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
