from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock.library import exceptions as exc
from penstock.library.registry import (
    InstallType,
    Language,
    get_available_connectors,
    get_connector_metadata,
)

LIST = {
    "sources": [
        {
            "dockerRepository": "airbyte/source-faker",
            "dockerImageTag": "7.2.1",
            "name": "Faker",
            "language": "python",
            "remoteRegistries": {"pypi": {"enabled": True, "packageName": "airbyte-source-faker"}},
        },
        {
            "dockerRepository": "airbyte/source-stripe",
            "dockerImageTag": "5.0.0",
            "name": "Stripe",
            "language": "manifest-only",
            "supportLevel": "certified",
        },
        {
            "dockerRepository": "airbyte/source-oracle",
            "dockerImageTag": "1.0.0",
            "name": "Oracle",
            "language": "java",
        },
    ],
    "destinations": [],
}


@pytest.fixture
def _listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "registry.json"
    path.write_text(json.dumps(LIST))
    monkeypatch.setenv("PENSTOCK_REGISTRY", str(path))


@pytest.mark.usefixtures("_listed")
def test_connectors_are_listed_by_how_they_run() -> None:
    assert "source-oracle" not in get_available_connectors()
    assert {"source-faker", "source-stripe", "destination-duckdb"} <= {*get_available_connectors()}
    assert get_available_connectors("yaml") == ["source-stripe"]
    assert get_available_connectors(InstallType.JAVA) == ["source-oracle"]
    assert "source-oracle" in get_available_connectors("any")


@pytest.mark.usefixtures("_listed")
def test_a_connector_is_described() -> None:
    stripe = get_connector_metadata("source-stripe")
    assert (stripe.language, stripe.latest_available_version) == (Language.MANIFEST_ONLY, "5.0.0")
    assert stripe.default_install_type is InstallType.YAML
    faker = get_connector_metadata("source-faker")
    assert faker.is_native
    assert faker.default_install_type is InstallType.NATIVE
    assert faker.pypi_package_name == "airbyte-source-faker"
    with pytest.raises(exc.AirbyteConnectorNotRegisteredError, match="source-stripe"):
        get_connector_metadata("source-strip")


def test_without_a_registry_the_native_connectors_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PENSTOCK_REGISTRY", "off")
    assert {"source-faker", "source-file"} <= {*get_available_connectors("native")}
