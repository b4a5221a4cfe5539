from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from penstock.engine.identity import connection_name
from penstock.engine.settings import ConnectorRef
from penstock.protocol.spec import ConnectorSpec

SPEC = ConnectorSpec(
    connection_specification={
        "properties": {
            "account": {"type": "string"},
            "token": {"type": "string", "airbyte_secret": True},
            "path": {"type": "string"},
            "keys": {
                "type": "array",
                "items": {"properties": {"secret": {"airbyte_secret": True}}},
            },
        }
    }
)


def name(source: dict[str, Any], destination: dict[str, Any] | None = None, **more: Any) -> str:
    here = ConnectorRef(name=more.pop("source", "github"), config=source)
    there = ConnectorRef(name="duckdb", config=destination or {"path": "out.duckdb"})
    return connection_name((here, SPEC), (there, SPEC), **more)


def test_the_same_settings_have_the_same_name_in_any_order() -> None:
    one = name({"account": "a", "path": "x"})
    assert one == name({"path": "x", "account": "a"})
    assert one.startswith("github-to-duckdb-")


@pytest.mark.parametrize(
    "other",
    [
        {"source": {"account": "b"}},
        {"destination": {"path": "other.duckdb"}},
        {"namespace": "n"},
        {"prefix": "p_"},
    ],
    ids=str,
)
def test_another_account_file_or_table_has_another_name(other: dict[str, Any]) -> None:
    source = other.pop("source", {"account": "a"})
    assert name(source, **other) != name({"account": "a"})


def test_a_rotated_secret_keeps_the_name() -> None:
    one = name({"account": "a", "token": "old", "keys": [{"secret": "old"}]})
    assert one == name({"account": "a", "token": "new", "keys": [{"secret": "new"}]})


def test_how_the_connector_is_called_or_installed_keeps_the_name() -> None:
    here = ConnectorRef(name="source-github", version="1.2", config={"account": "a"})
    there = ConnectorRef(name="destination-duckdb", config={"path": "out.duckdb"})
    assert connection_name((here, SPEC), (there, SPEC)) == name({"account": "a"})


def test_a_relative_path_means_another_file_in_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    relative = name({"account": "a"})
    assert relative == name({"account": "a"}, {"path": str(tmp_path / "out.duckdb")})
    monkeypatch.chdir("/")
    assert relative != name({"account": "a"})


@pytest.mark.parametrize("path", ["s3://b/x", ":memory:", "${env:OUT}"])
def test_what_is_no_local_path_is_the_same_from_everywhere(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = name({"account": "a"}, {"path": path})
    monkeypatch.chdir(tmp_path)
    assert before == name({"account": "a"}, {"path": path})
