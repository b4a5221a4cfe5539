from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from penstock.engine import registry
from penstock.engine.airbyte_registry import URL, load_registry
from penstock.engine.runners.runner import SourceRunner
from penstock.engine.settings import ConnectorRef
from penstock.errors import ConfigError, UnknownName
from penstock.sdk.config import config_schema
from tests.integration.engine.web import serving

ENTRIES = {
    "sources": [
        {
            "name": "Stripe",
            "dockerRepository": "airbyte/source-stripe",
            "dockerImageTag": "5.15.22",
            "language": "manifest-only",
            "remoteRegistries": {
                "pypi": {"enabled": False, "packageName": "airbyte-source-stripe"}
            },
        },
        {
            "name": "GitHub",
            "dockerRepository": "airbyte/source-github",
            "dockerImageTag": "2.7.1",
            "tags": ["language:python", "cdk:python"],
            "remoteRegistries": {"pypi": {"enabled": True, "packageName": "airbyte-source-github"}},
        },
        {
            "name": "Oracle DB",
            "dockerRepository": "airbyte/source-oracle",
            "dockerImageTag": "3.7.2",
            "language": "java",
        },
    ],
    "destinations": [{"name": "X", "dockerRepository": "airbyte/destination-x", "extra": [1]}],
}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PENSTOCK_REGISTRY", "off")


@pytest.fixture
def airbyte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "registry.json"
    path.write_text(json.dumps(ENTRIES))
    monkeypatch.setenv("PENSTOCK_REGISTRY", str(path))


def runner_of(name: str, tmp_path: Path, **how: Any) -> SourceRunner:
    return registry.source_runner(ConnectorRef(name=name, **how), install_root=str(tmp_path))


def test_the_list_is_read_from_a_path(airbyte: None) -> None:
    found = load_registry()
    assert found is not None
    assert [(e.name, e.language, e.package) for e in found.sources] == [
        ("source-stripe", "manifest-only", None),
        ("source-github", "python", "airbyte-source-github"),
        ("source-oracle", "java", None),
    ]
    assert found.destinations[0].name == "destination-x"


def test_the_list_is_fetched_once_and_then_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving({"/r.json": json.dumps(ENTRIES).encode()}) as web:
        monkeypatch.setenv("PENSTOCK_REGISTRY", f"{web.address}/r.json")
        first = load_registry()
        assert load_registry() == first
        assert web.asked == ["/r.json"]
    assert load_registry() == first


def test_an_unreachable_registry_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_REGISTRY", "http://127.0.0.1:9/r.json")
    assert load_registry() is None


def test_a_registry_of_ones_own_that_is_none_is_told_and_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving({"/r.json": b"<html>log in</html>"}) as web:
        monkeypatch.setenv("PENSTOCK_REGISTRY", f"{web.address}/r.json")
        with pytest.raises(ConfigError, match="cannot be read"):
            load_registry()
        web.pages["/r.json"] = json.dumps(ENTRIES).encode()
        assert load_registry() is not None


def test_the_address_of_airbyte_is_the_default() -> None:
    assert URL.startswith("https://connectors.airbyte.com/")


@pytest.mark.parametrize("name", ["faker", "source-faker"])
def test_a_native_source_wins_without_a_method(name: str, tmp_path: Path) -> None:
    runner = runner_of(name, tmp_path)
    assert runner.name == "source-faker"
    assert runner.resumes_full_refresh


@pytest.mark.parametrize("name", registry.AIRBYTE_NAMES)
def test_a_native_source_goes_by_airbytes_name_too(name: str, tmp_path: Path) -> None:
    runner = runner_of(f"source-{name}", tmp_path)
    assert runner.name == f"source-{name}"
    assert registry.load_source_class(name) is registry.load_source_class(
        registry.AIRBYTE_NAMES[name]
    )


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"version": "7.2.1"}, "airbyte-source-faker==7.2.1 (to install)"),
        ({"python": "3.11"}, "airbyte-source-faker (to install)"),
        ({"pip_url": "git+https://t0k3n@x.io/a.git"}, "git+https://****@x.io/a.git (to install)"),
        ({"manifest": "https://x.io/manifest.yaml"}, "https://x.io/manifest.yaml"),
        ({"image": "me/mine:1"}, "image me/mine:1"),
        ({"executable": sys.executable}, sys.executable),
        ({"executable": f"{sys.executable} -S main.py"}, f"{sys.executable} -S main.py"),
    ],
    ids=["version", "python", "pip_url", "manifest", "image", "executable", "command"],
)
def test_a_method_that_is_named_wins(how: dict, expected: str, tmp_path: Path) -> None:
    assert runner_of("faker", tmp_path, **how).description == expected


@pytest.mark.parametrize(
    ("name", "how", "expected"),
    [
        (
            "stripe",
            {},
            "https://connectors.airbyte.com/files/metadata/airbyte/source-stripe/latest/manifest.yaml",
        ),
        (
            "source-stripe",
            {"version": "5.0.1"},
            "https://connectors.airbyte.com/files/metadata/airbyte/source-stripe/5.0.1/manifest.yaml",
        ),
        ("source-github", {}, "airbyte-source-github (to install)"),
        ("source-oracle", {}, "image airbyte/source-oracle:3.7.2"),
        ("source-oracle", {"version": "3.0.0"}, "image airbyte/source-oracle:3.0.0"),
    ],
    ids=["manifest", "manifest of a version", "package", "image", "image of a version"],
)
def test_airbytes_registry_says_how_its_connectors_run(
    airbyte: None, name: str, how: dict, expected: str, tmp_path: Path
) -> None:
    assert runner_of(name, tmp_path, **how).description == expected


def test_without_a_registry_the_package_is_taken_and_the_risk_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert runner_of("stripe", tmp_path).description == "airbyte-source-stripe (to install)"
    assert "out of date" in caplog.text


def test_an_unknown_name_offers_the_nearest(airbyte: None, tmp_path: Path) -> None:
    with pytest.raises(UnknownName) as caught:
        runner_of("source-strip", tmp_path)
    assert "Did you mean source-stripe?" in caught.value.remedy


@pytest.mark.parametrize("name", ["../x", "Source Faker", "", "faker;rm -rf ~"])
def test_a_name_that_cannot_be_one_goes_no_further(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownName):
        runner_of(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "how",
    [
        {"manifest": "m.yaml", "image": "i"},
        {"executable": "x", "pip_url": "y"},
        {"version": "1", "image": "i"},
    ],
)
def test_a_contradiction_is_told(how: dict, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        runner_of("faker", tmp_path, **how)


def test_an_executable_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="may not be executed"):
        runner_of("x", tmp_path, executable="/no/such/program")


@pytest.mark.parametrize(
    ("listed", "load", "native"),
    [
        (registry.list_sources, registry.load_source_class, registry.NATIVE_SOURCES),
        (
            registry.list_destinations,
            registry.load_destination_class,
            registry.NATIVE_DESTINATIONS,
        ),
    ],
    ids=["sources", "destinations"],
)
def test_the_table_of_titles_is_that_of_the_classes(listed: Any, load: Any, native: Any) -> None:
    found = {one.name: one.title for one in listed() if one.runs == "native"}
    assert len(found) == len(native)
    assert found == {name: load(name).title for name in found}


def defaults_in(schema: Any) -> Iterator[tuple[Any, Any]]:
    """Yields every part of a schema that has a default, with it."""
    if isinstance(schema, dict):
        if "default" in schema:
            yield schema, schema["default"]
        for name, inner in schema.items():
            if name != "default":
                yield from defaults_in(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from defaults_in(inner)


@pytest.mark.parametrize(
    ("load", "name"),
    [(registry.load_source_class, name) for name in registry.NATIVE_SOURCES]
    + [(registry.load_destination_class, name) for name in registry.NATIVE_DESTINATIONS],
)
def test_what_a_specification_offers_as_a_default_fits_it(load: Any, name: str) -> None:
    schema = config_schema(load(name).Config)
    for part, default in defaults_in(schema):
        assert not list(Draft7Validator(part).iter_errors(default)), part


def test_airbytes_sources_are_listed_on_request(airbyte: None) -> None:
    listed = {one.name: one.runs for one in registry.list_sources(airbyte=True)}
    assert listed["source-stripe"] == "manifest"
    assert listed["source-github"] == "python"
    assert listed["source-oracle"] == "image"
    assert listed["source-faker"] == "native"


@pytest.mark.parametrize("name", ["duckdb", "destination-duckdb"])
def test_a_destination_is_loaded_by_either_name(name: str) -> None:
    assert registry.load_destination_class(name).__name__ == "DuckDBDestination"


def test_an_unknown_destination_offers_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean duckdb"):
        registry.load_destination_class("duckbd")


def test_a_third_partys_source_is_found_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "acme-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[penstock.sources]\nacme = acme_source:Acme\n")
    (tmp_path / "site" / "acme_source.py").write_text("class Acme:\n    title = 'Acme'\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert (
        registry.Listed(name="source-acme", title="acme", runs="plugin") in registry.list_sources()
    )
    assert registry.load_source_class("source-acme").title == "Acme"
    assert runner_of("acme", tmp_path).name == "source-acme"
