"""`penstock certify`: what holds is told, what does not fails the command, nothing is left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.conftest import Terminal

_QUICK = "number or counts_zero or capabilities or commit_and_finish"
_BROKEN = '''\
"""A destination that loses the last row of every batch."""

from contextlib import contextmanager

from penstock.destinations.duckdb import DuckDBDestination


class Losing(DuckDBDestination):
    @contextmanager
    def open(self, plan):
        with super().open(plan) as writer:
            yield Writing(writer)


class Writing:
    def __init__(self, writer):
        self._writer = writer

    def write(self, batch):
        self._writer.write(batch.slice(0, max(0, batch.num_rows - 1)))

    def commit(self, state):
        return self._writer.commit(state)

    def finish(self, state):
        return self._writer.finish(state)
'''


def _config(folder: Path, path: str) -> str:
    config = folder / "config.json"
    config.write_text(json.dumps({"path": path}))
    return str(config)


@pytest.mark.parametrize(("name", "known"), [("duckdb", 0), ("sqlite", 1)])
def test_a_destination_that_keeps_its_promises_passes(
    terminal: Terminal, name: str, known: int
) -> None:
    config = _config(terminal.folder, "mine.db")
    done = terminal.run(
        "certify", "destination", name, "--config", config, "--only", _QUICK, "--json"
    )
    assert (done.status, done.err) == (0, "")
    told = json.loads(done.out)
    assert (told["name"], told["fails"], told["known"]) == (f"destination-{name}", 0, known)
    assert told["holds"] > 10
    promises = {each["promise"]: each for each in told["promises"]}
    assert promises["a table that never was counts zero rows"]["holds"] == 1
    assert not list(terminal.folder.glob("mine.db*"))


def test_a_table_of_promises_is_shown(terminal: Terminal) -> None:
    config = _config(terminal.folder, "mine.db")
    done = terminal.run("certify", "destination", "sqlite", "--config", config, "--only", "number")
    assert done.status == 0, done.err
    assert "✓  value comes back exactly" in done.out
    assert "known [number: -0]: SQLite writes minus zero into its files as zero" in done.out


def test_kills_are_tried_in_processes_of_their_own(terminal: Terminal) -> None:
    config = _config(terminal.folder, "mine.db")
    words = ("--only", "killed and append_dedup", "--rounds", "1", "--json")
    done = terminal.run("certify", "destination", "duckdb", "--config", config, *words)
    assert (done.status, json.loads(done.out)["holds"]) == (0, 1), done.out + done.err
    assert not list(terminal.folder.glob("mine.db*"))


def test_a_destination_that_loses_rows_fails(terminal: Terminal) -> None:
    site = terminal.folder / "site"
    package = site / "losing-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: losing\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[penstock.destinations]\nlosing = losing:Losing\n")
    (site / "losing.py").write_text(_BROKEN)
    terminal.environment["PYTHONPATH"] = str(site)
    config = _config(terminal.folder, "mine.db")
    words = ("--only", "counts_zero or commit_and_finish", "--json")
    done = terminal.run("certify", "destination", "losing", "--config", config, *words)
    assert done.status == 7
    told = json.loads(done.out)
    assert (told["holds"], told["fails"]) == (1, 4)
    assert "rows counted by the first commit: expected 5, got 3" in told["cases"][0]["reason"]
    error = json.loads(done.err.splitlines()[-1])["error"]
    assert error["code"] == "protocol"
    assert "does not keep 1 of 2 promises: 4 of 5 cases fail" in error["message"]


def test_a_source_is_certified(terminal: Terminal) -> None:
    config = terminal.folder / "config.json"
    config.write_text(json.dumps({"rows": 20, "seed": 1, "state_every": 10}))
    words = ("--only", "spec", "--json")
    done = terminal.run("certify", "source", "faker", "--config", str(config), *words)
    assert done.status == 0, done.err
    assert json.loads(done.out)["holds"] > 0


def test_a_name_of_no_test_is_refused(terminal: Terminal) -> None:
    config = _config(terminal.folder, "mine.db")
    done = terminal.run("certify", "destination", "duckdb", "--config", config, "--only", "xyz")
    assert done.status == 2
    assert "No test of the suite is called 'xyz'" in done.err
