"""Runs of real connectors by a real control plane: what is asked for happens, once, provably."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock.control.history import AttemptStatus, RunStatus
from penstock.control.store import connections, runs, states
from tests.integration.control.plane import Site, connect, ended, log_text


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    if request.param == "sqlite":
        return Site(tmp_path)
    monkeypatch.setenv("PENSTOCK_SECRET_KEY", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
    return Site(tmp_path, request.getfixturevalue("postgres").url)


def test_a_run_moves_every_row_and_leaves_proof(site: Site) -> None:
    with site.running() as plane:
        connection = connect(site, plane)
        run = ended(plane, plane.request_run(connection.id))
        assert run.status is RunStatus.SUCCEEDED, log_text(plane, run)
        with plane.store.read() as tx:
            (attempt,) = runs.attempts_of(tx, [run.id])
            receipt = json.loads(runs.receipt(tx, run.id) or "")
            (state,) = states.of_connection(tx, connection.id)
            kept = connections.get(tx, connection.id)
    assert attempt.status is AttemptStatus.SUCCEEDED
    assert [each.status for each in attempt.streams] == ["complete"]
    assert receipt["outcome"] == "succeeded"
    assert (run.rows_committed, receipt["streams"][0]["rows_committed"]) == (1000, 1000)
    assert run.bytes_committed > 0
    assert (state.name, state.run_id, state.fence) == ("users", run.id, run.fence)
    assert json.loads(state.state)
    assert kept.last_succeeded_at is not None
    assert site.count("users") == 1000


def test_a_second_run_continues_where_the_first_ended(site: Site) -> None:
    with site.running() as plane:
        connection = connect(site, plane)
        ended(plane, plane.request_run(connection.id))
        again = ended(plane, plane.request_run(connection.id))
    assert (again.status, again.rows_committed) == (RunStatus.SUCCEEDED, 0)
