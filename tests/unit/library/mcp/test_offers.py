from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock.errors import ConfigError, UnknownName
from penstock.library.mcp.offers import Shelf, offers_of


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"source": {}}, "source"),
        ({"sources": {"a": {}}}, "connector"),
        ({"sources": {"a": {"connector": "source-faker", "confg": {}}}}, "confg"),
        ({"sources": {"a": {"connector": "source-faker", "config": []}}}, "config"),
        ({"caches": {"a": {"type": "oracle"}}}, "oracle"),
    ],
    ids=["top", "missing", "unknown", "type", "cache"],
)
def test_a_wrong_file_is_told_by_its_place(document: dict[str, Any], place: str) -> None:
    with pytest.raises(ConfigError, match=place):
        offers_of(document)


def test_the_file_of_the_how_to_page_is_right() -> None:
    page = Path(__file__).resolve().parents[4] / "docs/how-to/use-with-an-assistant.md"
    (text,) = re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
    offers = offers_of(yaml.safe_load(text))
    assert list(offers.sources) == ["shop", "crm"]
    assert Shelf(offers, may_install=False).cache_names == ["main", "team"]


def test_an_unknown_source_is_told_with_the_nearest() -> None:
    shelf = Shelf(offers_of({"sources": {"shop": {"connector": "faker"}}}), may_install=False)
    with pytest.raises(UnknownName, match=r"Did you mean shop\?"):
        shelf.source("shpo")


def test_without_caches_the_default_one_is_offered() -> None:
    assert Shelf(offers_of({}), may_install=False).cache_names == ["default"]


def test_what_a_reference_brings_is_hidden_whatever_its_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CANARY", "canary-7f3a")
    source = {"connector": "faker", "config": {"list": [{"host": "${env:CANARY}"}]}}
    shelf = Shelf(offers_of({"sources": {"a": source}}), may_install=False)
    assert shelf.masked("at canary-7f3a, plainly") == "at ****, plainly"


def test_settings_of_a_cache_that_do_not_fit_are_told() -> None:
    cache = {"type": "duckdb", "config": {"pth": "x.duckdb"}}
    shelf = Shelf(offers_of({"caches": {"main": cache}}), may_install=False)
    with pytest.raises(ConfigError, match="pth"), shelf.cache("main"):
        pass
