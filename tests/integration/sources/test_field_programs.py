"""Avni and CommCare as whole processes: killed syncs that lose nothing, Airbyte programs."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pytest

from penstock.engine.registry import load_source_class
from penstock.protocol.codec import decode_line
from penstock.sdk.entrypoint import run_source
from tests.doubles.avni_server import Avni
from tests.doubles.commcare_server import CommCare
from tests.doubles.vendor import Vendor, serving

SECRET = "canary-"
KINDS = {
    "avni": ("subjects", "program_encounters", "encounters", "group_subjects", "tasks"),
    "commcare": ("forms", "cases", "case_mother", "form_registration_4281eb62", "users"),
}


@pytest.fixture(params=sorted(KINDS))
def served(request: pytest.FixtureRequest) -> Iterator[tuple[str, Vendor]]:
    vendor: Vendor = CommCare.of(120) if request.param == "commcare" else Avni.of(120, idp="both")
    with serving(vendor):
        yield request.param, vendor


def settings(vendor: Vendor) -> dict[str, Any]:
    if isinstance(vendor, CommCare):
        return {
            "base_url": vendor.url,
            "project_space": vendor.domain,
            "username": vendor.username,
            "api_key": vendor.api_key,
            "page_size": 10,
            "lookback_minutes": 0.1,
        }
    assert isinstance(vendor, Avni)
    return {
        "base_url": vendor.url,
        "username": vendor.user,
        "password": vendor.password,
        "cognito_url": f"{vendor.url}/cognito/",
        "page_size": 10,
        "lookback_seconds": 5,
    }


def command(name: str, folder: Path) -> list[str]:
    return [
        str(Path(sys.executable).with_name("penstock")),
        "sync",
        name,
        "duckdb",
        f"--source-config={folder / 'source.json'}",
        f"--destination.path={folder / 'out.duckdb'}",
        "--connection=field",
        "--commit-seconds=0",
        *(f"--streams={stream}" for stream in KINDS[name]),
    ]


def test_sync_killed_again_and_again_loses_nothing(
    served: tuple[str, Vendor], tmp_path: Path
) -> None:
    name, vendor = served
    (tmp_path / "source.json").write_text(json.dumps(settings(vendor)))
    chance, kills = random.Random(7), 0
    # Slow pages: the kills fall between them, and between records and checkpoints.
    vendor.after_page = lambda: time.sleep(0.03)
    output = ""
    while True:
        child = subprocess.Popen(
            command(name, tmp_path),
            env={**os.environ, "PENSTOCK_HOME": str(tmp_path / "home")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        time.sleep(chance.uniform(1.0, 3.0))
        if kills < 2 and child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            output += child.communicate()[0]
            kills += 1
            continue
        output += child.communicate(timeout=120)[0]
        assert child.returncode == 0, output
        break
    assert kills
    assert SECRET not in output
    with duckdb.connect(str(tmp_path / "out.duckdb"), read_only=True) as database:
        counts = {
            table: database.execute(f"SELECT count(*) FROM {table}").fetchone()
            for table in KINDS[name]
        }
    assert expected(vendor) == {table: count for table, (count,) in counts.items() if count}


def expected(vendor: Vendor) -> dict[str, int]:
    """Rows that a deduplicated table has: deleted ones are not in it."""
    if isinstance(vendor, CommCare):
        return {
            "forms": 120,
            "cases": 120,
            "case_mother": sum(case["case_type"] == "mother" for case in vendor.cases),
            "form_registration_4281eb62": 96,
            "users": 5,
        }
    assert isinstance(vendor, Avni)
    lists = {
        "subjects": "subjects",
        "program_encounters": "programEncounters",
        "encounters": "encounters",
        "group_subjects": "groupSubjects",
    }
    counts = {
        stream: sum(not one.body["Voided"] for one in vendor.data[name])
        for stream, name in lists.items()
    }
    return {**counts, "tasks": len(vendor.tasks)}


def answers(name: str, verb: str, folder: Path, **files: Any) -> list[dict[str, Any]]:
    """Runs a connector as an Airbyte program, and returns its messages."""
    arguments = [verb]
    for key, value in files.items():
        path = folder / f"{key}.json"
        path.write_text(json.dumps(value))
        arguments += [f"--{key}", str(path)]
    out = io.BytesIO()
    assert run_source(load_source_class(name), arguments, out) == 0, out.getvalue()[-2000:]
    for line in out.getvalue().splitlines():
        decode_line(line)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_the_source_is_an_airbyte_program(served: tuple[str, Vendor], tmp_path: Path) -> None:
    name, vendor = served
    config = settings(vendor)
    (spec,) = answers(name, "spec", tmp_path)
    schema = spec["spec"]["connectionSpecification"]
    jsonschema.validate(config, schema)
    (status,) = answers(name, "check", tmp_path, config=config)
    assert status["connectionStatus"] == {"status": "SUCCEEDED"}
    (found,) = answers(name, "discover", tmp_path, config=config)
    streams = {stream["name"]: stream for stream in found["catalog"]["streams"]}
    assert set(KINDS[name]) <= set(streams)
    chosen = {
        "streams": [
            {
                "stream": streams[stream],
                "sync_mode": streams[stream]["supported_sync_modes"][-1],
                "destination_sync_mode": "append",
            }
            for stream in KINDS[name]
        ]
    }
    messages = answers(name, "read", tmp_path, config=config, catalog=chosen)
    counts = Counter(m["record"]["stream"] for m in messages if m["type"] == "RECORD")
    states = [m["state"] for m in messages if m["type"] == "STATE"]
    claimed: Counter[str] = Counter()
    for state in states:
        stream = state["stream"]["stream_descriptor"]["name"]
        claimed[stream] += int(state["sourceStats"]["recordCount"])
    assert counts == claimed
    assert set(counts) == set(KINDS[name])
    newest = {state["stream"]["stream_descriptor"]["name"]: state for state in states}
    given = [{"type": "STREAM", **state} for state in newest.values()]
    again = answers(name, "read", tmp_path, config=config, catalog=chosen, state=given)
    rest = Counter(m["record"]["stream"] for m in again if m["type"] == "RECORD")
    whole = {stream for stream in KINDS[name] if streams[stream]["supported_sync_modes"][1:] == []}
    assert set(rest) == whole


def test_wrong_secret_fails_the_check_and_is_not_shown(
    served: tuple[str, Vendor], tmp_path: Path
) -> None:
    name, vendor = served
    secret = "api_key" if name == "commcare" else "password"
    config = {**settings(vendor), secret: "canary-wrong"}
    messages = answers(name, "check", tmp_path, config=config)
    status = messages[-1]["connectionStatus"]
    assert status["status"] == "FAILED"
    assert secret in status["message"]
    assert SECRET not in json.dumps(messages)
