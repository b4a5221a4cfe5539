"""`penstock run` as the control plane uses it: questions, clearing, and a lifeline."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

from tests.acceptance.conftest import PENSTOCK, SCRIPTED, Terminal

STREAM = {
    "name": "items",
    "json_schema": {
        "type": "object",
        "properties": {"id": {"type": "integer"}, "code": {"type": "string"}},
    },
    "supported_sync_modes": ["full_refresh", "incremental"],
    "source_defined_cursor": True,
    "default_cursor_field": ["id"],
    "source_defined_primary_key": [["id"]],
}


def document(terminal: Terminal, *, config: dict[str, Any], **more: Any) -> str:
    configured = {"stream": STREAM, "sync_mode": "incremental", "destination_sync_mode": "append"}
    run = {
        "connection": "c",
        "source": {
            "name": "scripted",
            "executable": f"{sys.executable} {SCRIPTED}",
            "config": config,
        },
        "destination": {
            "name": "duckdb",
            "config": {"path": str(terminal.folder / "out.duckdb")},
        },
        "catalog": {"streams": [configured]},
        "settings": {"commit_seconds": 0.1},
        **more,
    }
    return json.dumps(run)


def events(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def probe(terminal: Terminal, question: str, **ends: Any) -> dict[str, Any]:
    done = terminal.run("run", stdin=json.dumps({"probe": question, **ends}))
    last = events(done.out)[-1]
    assert last["event"] == "ProbeFinished"
    assert (done.status == 0) == (last["outcome"] == "succeeded")
    return last


def test_a_probe_answers_with_spec_streams_or_what_is_wrong(terminal: Terminal) -> None:
    faker = {"name": "faker", "config": {"rows": 5}}
    spec = probe(terminal, "spec", source=faker)["spec"]
    assert "rows" in spec["connectionSpecification"]["properties"]
    streams = probe(terminal, "discover", source=faker)["catalog"]["streams"]
    assert "users" in [each["name"] for each in streams]
    assert probe(terminal, "check", source=faker)["outcome"] == "succeeded"
    wrong = probe(terminal, "check", source={"name": "faker", "config": {"rows": "many"}})
    assert wrong["error"]["code"] == "config"
    assert wrong["error"]["remedy"]
    refused = probe(terminal, "check", source=faker, destination={"name": "duckdb"})
    assert "one connector" in refused["error"]["message"]


def test_a_checkpoint_tells_its_state_and_clearing_empties_the_table(terminal: Terminal) -> None:
    done = terminal.run("run", stdin=document(terminal, config={"rows": 25}))
    assert done.status == 0, done.err
    committed = [each for each in events(done.out) if each["event"] == "CheckpointCommitted"]
    assert committed[-1]["state"]["stream"]["stream_state"] == {"at": 25}
    assert terminal.query("SELECT count(*) FROM items") == [(25,)]
    cleared = terminal.run("run", stdin=document(terminal, config={}, job="clear"))
    assert cleared.status == 0, cleared.err
    assert terminal.query("SELECT count(*) FROM items") == [(0,)]
    again = terminal.run("run", stdin=document(terminal, config={"rows": 25}))
    assert again.status == 0, again.err
    assert terminal.query("SELECT count(*) FROM items") == [(25,)]


def test_an_attended_run_gives_way_and_stops_when_its_asker_is_gone(terminal: Terminal) -> None:
    process = subprocess.Popen(
        [PENSTOCK, "run", "--attended"],
        env=terminal.env(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    config = {"rows": 5000, "seconds_a_row": 0.01}
    process.stdin.write(document(terminal, config=config) + "\n")
    process.stdin.flush()
    for line in process.stdout:
        if json.loads(line)["event"] == "CheckpointCommitted":
            break
    command = ["pgrep", "-P", str(process.pid)]
    connectors = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    for pid in (process.pid, *map(int, connectors)):
        assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, os.nice(0) + 10)
    process.stdin.close()
    rest = process.stdout.read()
    process.stdout.close()
    assert process.stderr is not None
    process.stderr.close()
    assert process.wait(timeout=60) == 128 + signal.SIGINT
    receipt = events(rest)[-1]["receipt"]
    assert receipt["outcome"] == "cancelled"
    (kept,) = terminal.query("SELECT count(*), count(DISTINCT id) FROM items")
    assert kept[0] == kept[1] == receipt["streams"][0]["rows_committed"] > 0
