"""Dagster, Prefect and Airflow run our syncs by their own, unchanged Airbyte integrations."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.airbyte_clients.conftest import Served, venv_of

PROGRAMS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "dagster": (
        ("dagster-airbyte==0.29.27",),
        {"assets": ["products", "users"], "job": "succeeded", "connection": True},
    ),
    "prefect": (
        # The newest that prefect-airbyte can be imported with.
        ("prefect-airbyte==0.3.2", "prefect<3", "pydantic<2", "setuptools<81"),
        {"job": "succeeded", "records": 120},
    ),
    "airflow": (
        ("apache-airflow-providers-airbyte==6.2.0",),
        {
            "tested": [True, "Connection successfully tested"],
            "job": "succeeded",
            "again": "succeeded",
        },
    ),
}


def connection(served: Served, folder: Path, name: str) -> str:
    """Makes a connection of a faker by our own API, and returns its id."""
    ends = []
    for kind, connector, config in (
        ("source", "faker", {"rows": 20}),
        ("destination", "duckdb", {"path": str(folder / "out.duckdb")}),
    ):
        listed = served.client.get("/definitions", params={"kind": kind, "limit": 500}).json()
        (definition,) = [e for e in listed["items"] if e["name"] == f"{kind}-{connector}"]
        body = {
            "workspace_id": served.workspace,
            "definition_id": definition["id"],
            "name": name,
            "config": config,
        }
        ends.append(served.client.post(f"/{kind}s", json=body).raise_for_status().json()["id"])
    body = {
        "workspace_id": served.workspace,
        "source_id": ends[0],
        "destination_id": ends[1],
        "name": name,
        "streams": [{"name": "users"}, {"name": "products"}],
    }
    made = served.client.post("/connections", json=body).raise_for_status().json()
    return str(made["id"])


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_an_orchestrator_runs_a_sync_unchanged(served: Served, tmp_path: Path, name: str) -> None:
    packages, expected = PROGRAMS[name]
    python = venv_of(name, packages)
    id_ = connection(served, tmp_path, name)
    given = (served.address, served.client_id, served.client_secret, served.token)
    script = Path(__file__).with_name(f"drive_{name}.py")
    homes = {each: str(tmp_path / each) for each in ("HOME", "AIRFLOW_HOME", "DAGSTER_HOME")}
    (tmp_path / "DAGSTER_HOME").mkdir()
    done = subprocess.run(
        [str(python), str(script), *given, served.workspace, id_],
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, **homes},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == expected
    served.client.delete(f"/connections/{id_}").raise_for_status()
