"""Every argument of `get_source` that says how a connector is had, as the engine's reference."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from penstock.engine.runners.manifest import manifest_url
from penstock.engine.settings import ConnectorRef
from penstock.library.connectors import InstallOptions, reference_of
from penstock.library.exceptions import PyAirbyteInputError

X = "source-x"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"version": "1.2.3"}, {"version": "1.2.3"}),
        ({"pip_url": "git+https://x/y"}, {"pip_url": "git+https://x/y"}),
        ({"use_python": True}, {"pip_url": "airbyte-source-x"}),
        ({"use_python": True, "version": "1.2"}, {"version": "1.2"}),
        ({"use_python": "3.11"}, {"python": "3.11"}),
        ({"use_python": Path("/py/bin/python")}, {"python": "/py/bin/python"}),
        ({"use_python": False}, {"image": "airbyte/source-x:latest"}),
        ({"docker_image": True}, {"image": "airbyte/source-x:latest"}),
        ({"docker_image": True, "version": "2.0"}, {"image": "airbyte/source-x:2.0"}),
        ({"docker_image": "own/x"}, {"image": "own/x"}),
        ({"docker_image": "own/x", "version": "3"}, {"image": "own/x:3"}),
        (
            {"docker_image": "own/x:1", "use_host_network": True},
            {"image": "own/x:1", "network": "host"},
        ),
        (
            {"source_manifest": "type: DeclarativeSource\n"},
            {"manifest": "type: DeclarativeSource\n"},
        ),
        ({"source_manifest": "https://x/m.yaml"}, {"manifest": "https://x/m.yaml"}),
        ({"source_manifest": Path("m.yaml")}, {"manifest": "m.yaml"}),
        ({"source_manifest": {"version": "6"}}, {"manifest": json.dumps({"version": "6"})}),
        ({"source_manifest": True}, {"manifest": manifest_url(X, None)}),
        ({"source_manifest": True, "version": "4"}, {"manifest": manifest_url(X, "4")}),
        ({"source_manifest": False}, {}),
        (
            {"local_executable": "source-x-elsewhere --flag"},
            {"executable": "source-x-elsewhere --flag"},
        ),
    ],
    ids=str,
)
def test_an_argument_says_how_the_connector_runs(
    given: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert reference_of(X, InstallOptions(**given)) == ConnectorRef(name=X, **expected)


def test_a_prefix_may_be_left_out() -> None:
    assert reference_of("faker", InstallOptions()).name == "source-faker"


def test_a_program_on_the_path_is_found_unless_the_connector_is_native(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (X, "source-faker"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert reference_of(X, InstallOptions()).executable == str(tmp_path / X)
    assert reference_of("source-faker", InstallOptions()).executable is None
    assert reference_of(X, InstallOptions(version="1")).executable is None


def test_a_file_given_as_executable_is_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").write_text("")
    monkeypatch.chdir(tmp_path)
    found = reference_of(X, InstallOptions(local_executable="mine"))
    assert found.executable == str(tmp_path / "mine")


@pytest.mark.parametrize(
    "given",
    [
        {"pip_url": "a", "docker_image": "b"},
        {"local_executable": "a", "source_manifest": True},
        {"version": "1", "pip_url": "a"},
        {"version": "1", "local_executable": "a"},
    ],
    ids=str,
)
def test_contradicting_arguments_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(PyAirbyteInputError):
        reference_of(X, InstallOptions(**given))
