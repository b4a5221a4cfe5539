"""What happens after a run: real syncs, real programs, a real HTTP server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from penstock.control.history import HookRun, HookStatus
from penstock.control.hooks.documents import checked
from penstock.control.service import ControlPlane
from penstock.control.store import Store, connections, events, hook_runs, runs
from penstock.control.store.rows import Window
from penstock.errors import ConfigError
from tests.integration.control.plane import Site, connect, ended
from tests.integration.control.samples import NOW, a_run, later, world
from tests.servers.taking import Taking, taking

SECRET = "canary-hook-secret"


@pytest.fixture(scope="module")
def server() -> Iterator[Taking]:
    with taking() as found:
        yield found


def after(plane: ControlPlane, run_id: int) -> tuple[HookRun, ...]:
    until = time.monotonic() + 90
    while True:
        with plane.store.read() as tx:
            found = hook_runs.of_run(tx, run_id)
        if all(each.ended_at is not None for each in found):
            return found
        assert time.monotonic() < until, found
        time.sleep(0.05)


def test_hooks_follow_a_sync_in_order_and_the_run_tells_what_came_of_them(
    tmp_path: Path, server: Taking
) -> None:
    site = Site(tmp_path)
    hooks: tuple[dict[str, Any], ...] = (
        {"type": "sql", "statements": ["CREATE TABLE report AS SELECT count(*) n FROM users"]},
        {"type": "command", "command": 'echo "$PENSTOCK_RUN_STATUS $PENSTOCK_ROWS_COMMITTED"'},
        {"type": "webhook", "url": f"{server.url}/after", "secret": SECRET},
        {"type": "command", "name": "broken", "command": "echo oh no; exit 3"},
        {"type": "sql", "statements": ["DROP TABLE report"]},
        {"type": "command", "when": "failed", "command": "echo never"},
    )
    with site.running(allows_commands=True) as plane:
        connection = connect(site, plane, hooks=hooks)
        run = ended(plane, plane.request_run(connection.id))
        found = after(plane, run.id)
        with plane.store.read() as tx:
            kept = repr(connections.get(tx, connection.id))
            told = events.timeline(tx, Window(), kinds=("hook.succeeded", "hook.failed")).items
    assert [each.status.value for each in found] == [
        "succeeded", "succeeded", "succeeded", "failed", "skipped",
    ]  # fmt: skip
    assert site.rows("SELECT n FROM report") == [(1000,)]
    assert found[1].output == "succeeded 1000"
    (posted,) = server.posted
    assert json.loads(posted.body)["rows_committed"] == 1000
    assert posted.headers["webhook-signature"].startswith("v1,")
    failure = found[3].failure
    assert failure is not None
    assert "status 3" in failure.message
    assert "oh no" in failure.message
    assert SECRET not in kept + repr(found)
    assert [each.kind for each in reversed(told)] == ["hook.succeeded"] * 3 + ["hook.failed"]


def test_commands_are_refused_unless_the_server_allows_them(tmp_path: Path) -> None:
    site = Site(tmp_path)
    mark = tmp_path / "mark"
    with site.running() as plane:
        hook = {"type": "command", "command": f"touch {mark}"}
        connection = connect(site, plane, hooks=(hook,))
        run = ended(plane, plane.request_run(connection.id))
        (found,) = after(plane, run.id)
    assert run.status.value == "succeeded", "a hook that fails leaves the run as it is"
    assert found.status is HookStatus.FAILED
    assert found.failure is not None
    assert "--allow-commands" in found.failure.remedy
    assert not mark.exists()


def test_a_program_that_takes_too_long_is_ended_with_all_it_started(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with site.running(allows_commands=True) as plane:
        command = "sleep 300 & echo $!; wait"
        hook = {"type": "command", "command": command, "timeout_seconds": 1}
        connection = connect(site, plane, hooks=(hook,))
        run = ended(plane, plane.request_run(connection.id))
        (found,) = after(plane, run.id)
    assert found.failure is not None
    assert "longer than 1 s" in found.failure.message
    child = Path("/proc", found.failure.message.rpartition(" ")[2], "stat")
    assert not child.exists() or child.read_text().split()[2] == "Z"


def test_dbt_that_is_not_there_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    site = Site(tmp_path)
    with site.running(allows_commands=True) as plane:
        hook = {"type": "dbt", "project_dir": str(tmp_path)}
        connection = connect(site, plane, hooks=(hook,))
        run = ended(plane, plane.request_run(connection.id))
        (found,) = after(plane, run.id)
    assert found.failure is not None
    assert "pip install dbt-core" in found.failure.remedy


@pytest.mark.parametrize(
    "hook",
    [
        {"type": "magic"},
        {"type": "sql", "statements": [" "]},
        {"type": "sql", "statements": ["SELECT 1"], "typo": 1},
        {"type": "webhook", "url": "ftp://x"},
        {"type": "dbt", "project_dir": "/p", "select": "--profiles-dir=/etc"},
        {"type": "dbt", "project_dir": "/p", "command": "run-operation"},
        {"type": "command", "command": "true", "timeout_seconds": 1e9},
    ],
)
def test_a_hook_that_is_wrong_is_refused_when_it_is_written(hook: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="Hook 1 is wrong"):
        checked([hook])


def planned(store: Store, count: int) -> int:
    world(store)
    with store.write() as tx:
        run = runs.enqueue(tx, a_run(connections.get(tx, "c1")))
        hook_runs.plan(
            tx,
            [
                HookRun(
                    run_id=run.id, number=number, connection_id="c1", hook={"type": "sql"},
                    next_at=NOW, created_at=NOW,
                )
                for number in range(1, count + 1)
            ],
        )  # fmt: skip
    return run.id


def taken(store: Store, at: float, owner: str = "s1") -> list[tuple[int, str]]:
    with store.write() as tx:
        found = hook_runs.take(tx, later(at), until=later(at + 60), owner=owner, limit=10)
    return [(each.number, each.status.value) for each in found]


def test_of_a_runs_hooks_one_is_done_at_a_time_and_each_by_one_server(store: Store) -> None:
    run_id = planned(store, 2)
    assert taken(store, 0) == [(1, "pending")]
    assert taken(store, 1, "s2") == []
    with store.write() as tx:
        first = hook_runs.of_run(tx, run_id)[0]
        hook_runs.save(tx, replace(first, status=HookStatus.SUCCEEDED, ended_at=NOW))
    assert taken(store, 2, "s2") == [(2, "pending")]


def test_a_hook_whose_server_is_gone_is_found_as_running_and_those_after_it_left_out(
    store: Store,
) -> None:
    run_id = planned(store, 3)
    taken(store, 0)
    assert taken(store, 61, "s2") == [(1, "running")]
    with store.write() as tx:
        hook_runs.skip_after(tx, hook_runs.of_run(tx, run_id)[0], now=NOW)
        states = [each.status.value for each in hook_runs.of_run(tx, run_id)]
        runs.delete_(tx, [run_id])
        assert hook_runs.of_run(tx, run_id) == ()
    assert states == ["running", "skipped", "skipped"]
