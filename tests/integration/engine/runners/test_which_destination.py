"""By which runner a destination is had: our own first, then in every way a source is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock.engine.registry import destination_runner
from penstock.engine.runners.destinations import NativeDestinationRunner
from penstock.engine.settings import ConnectorRef
from penstock.errors import ConfigError, UnknownName

pytestmark = pytest.mark.usefixtures("without_registry")


@pytest.mark.parametrize("name", ["duckdb", "destination-duckdb", "airbyte-destination-duckdb"])
def test_a_native_destination_wins_without_a_method(name: str) -> None:
    assert isinstance(destination_runner(ConnectorRef(name=name)), NativeDestinationRunner)


@pytest.mark.parametrize(
    ("how", "description"),
    [
        ({"version": "0.1.4"}, "airbyte-destination-pgvector==0.1.4 (to install)"),
        ({"image": "airbyte/destination-x:1"}, "image airbyte/destination-x:1"),
        ({}, "airbyte-destination-pgvector (to install)"),
    ],
)
def test_a_destination_is_had_in_every_way_a_source_is(
    how: dict[str, str], description: str, tmp_path: Path
) -> None:
    ref = ConnectorRef(name="destination-pgvector", **how)
    assert destination_runner(ref, install_root=str(tmp_path)).description == description


def test_a_manifest_makes_no_destination() -> None:
    with pytest.raises(ConfigError, match="only a source"):
        destination_runner(ConnectorRef(name="destination-x", manifest="m.yaml"))


def test_an_unknown_destination_offers_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = tmp_path / "registry.json"
    entry = {"dockerRepository": "airbyte/destination-pgvector", "name": "PGVector"}
    registry.write_text(json.dumps({"sources": [], "destinations": [entry]}))
    monkeypatch.setenv("PENSTOCK_REGISTRY", str(registry))
    with pytest.raises(UnknownName) as caught:
        destination_runner(ConnectorRef(name="destination-pgvektor"))
    assert "destination-pgvector" in caught.value.remedy
