"""The pages of Avni and CommCare show their settings and streams as they are."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from penstock.sdk.config import settings_table
from penstock.sdk.rest import RestClient
from penstock.sources.avni import AvniConfig
from penstock.sources.avni.records import CHANGING, TASKS
from penstock.sources.commcare import CommCareConfig
from penstock.sources.commcare.lists import list_streams

PAGES = Path(__file__).parents[3] / "docs/connectors"


@pytest.mark.parametrize(
    ("page", "config"), [("source-avni.md", AvniConfig), ("source-commcare.md", CommCareConfig)]
)
def test_the_page_shows_the_settings_as_they_are(page: str, config: Any) -> None:
    assert settings_table(config) in (PAGES / page).read_text(encoding="utf-8")


def test_the_page_names_every_list_of_avni_with_its_key() -> None:
    text = (PAGES / "source-avni.md").read_text(encoding="utf-8")
    for listing in (*CHANGING, TASKS):
        key = ", ".join(f"`{name}`" for name in listing.key)
        assert f"| `{listing.name}` | {key} |" in text


def test_the_page_names_every_list_of_commcare() -> None:
    text = (PAGES / "source-commcare.md").read_text(encoding="utf-8")

    streams = list_streams(
        RestClient("https://x.example"),
        size=10,
        start=None,
        lookback=timedelta(0),
        settle=timedelta(0),
    )
    for stream in streams:
        assert f"`{stream.name}`" in text
