"""The switch table and the namespace agree, name by name, in both directions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import penstock as ab

PAGE = Path(__file__).resolve().parents[3] / "docs/how-to/switch-from-pyairbyte.md"
MODULES = [
    "caches",
    "callbacks",
    "constants",
    "datasets",
    "destinations",
    "documents",
    "exceptions",
    "progress",
    "records",
    "registry",
    "results",
    "secrets",
    "sources",
    "strategies",
]
CLASSES = [
    "sources.Source",
    "destinations.Destination",
    "results.ReadResult",
    "results.WriteResult",
    "caches.CacheBase",
    "caches.DuckDBCache",
    "caches.PostgresCache",
    "caches.BigQueryCache",
    "caches.MotherDuckCache",
    "caches.SnowflakeCache",
    "datasets.SQLDataset",
    "datasets.CachedDataset",
    "datasets.LazyDataset",
    "datasets.InMemoryDataset",
    "records.StreamRecord",
    "documents.Document",
    "strategies.WriteMethod",
]
VERDICTS = {"same", "better", "new", "not offered"}


def table() -> dict[str, str]:
    """Returns the verdict of every name in the page's tables."""
    verdicts: dict[str, str] = {}
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| `"):
            continue
        for name in re.findall(r"`([\w.]+)`", cells[0]):
            assert name not in verdicts, f"{name} is in two rows"
            verdicts[name] = cells[1]
    return verdicts


TABLE = table()


def public_names() -> Iterator[str]:
    yield from ab.__all__
    for module in MODULES:
        yield from (
            f"{module}.{name}" for name in import_module(f"penstock.library.{module}").__all__
        )
    listed = {name.split(".")[1] for name in CLASSES}
    for path in CLASSES:
        module, name = path.split(".")
        kind = getattr(import_module(f"penstock.library.{module}"), name)
        for owner in kind.__mro__:
            if owner.__name__ in listed and owner.__module__.startswith("penstock"):
                yield from (
                    f"{owner.__name__}.{member}"
                    for member in vars(owner)
                    if not member.startswith("_") and not member.isupper()
                )


def found(name: str) -> Any:
    """Returns what a name stands for; raises AttributeError or ImportError."""
    first, *rest = name.split(".")
    owner = next((path for path in CLASSES if path.endswith(f".{first}")), None)
    if owner and rest:
        thing = getattr(import_module(f"penstock.library.{owner.split('.')[0]}"), first)
        if rest[0] in getattr(thing, "__dataclass_fields__", {}):
            return thing
    elif first in ab.__all__ and first not in MODULES:
        thing = getattr(ab, first)
    else:
        thing = import_module(f"penstock.library.{first}")
    for part in rest:
        thing = getattr(thing, part)
    return thing


def test_every_public_name_is_in_the_table() -> None:
    inherited = {
        f"{kind}.{member}"
        for kind in (
            "DuckDBCache",
            "PostgresCache",
            "MotherDuckCache",
            "SnowflakeCache",
            "BigQueryCache",
            "CachedDataset",
        )
        for member in (
            *("data_dir", "close", "get_database_name", "get_sql_alchemy_url", "column_names"),
            *("bookkeeping", "json_columns_of"),
        )
    }
    missing = sorted(set(public_names()) - TABLE.keys() - inherited)
    assert missing == []


def test_every_verdict_is_one_of_four() -> None:
    assert set(TABLE.values()) == VERDICTS


@pytest.mark.parametrize("name", [n for n, v in TABLE.items() if v != "not offered"])
def test_an_offered_name_is_there(name: str) -> None:
    assert found(name) is not None


@pytest.mark.parametrize("name", [n for n, v in TABLE.items() if v == "not offered"])
def test_a_name_that_is_not_offered_is_not_there(name: str) -> None:
    with pytest.raises((AttributeError, ImportError)):
        found(name)


def test_a_package_name_of_ours_is_listed_by_dir() -> None:
    assert set(ab.__all__) <= set(dir(ab))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ab.nothing


def test_type_checkers_see_the_names_that_are_loaded_lazily() -> None:
    stub = Path(ab.__file__).with_suffix(".pyi").read_text()
    assert {*re.findall(r" as (\w+)", stub), "__version__"} == set(ab.__all__)
