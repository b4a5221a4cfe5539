"""The presets keep the API's limits, and the page names each of them as it is."""

from __future__ import annotations

from pathlib import Path

from penstock.sources.google_analytics.config import MOST_DIMENSIONS, MOST_METRICS
from penstock.sources.google_analytics.presets import PRESETS

PAGE = Path(__file__).parents[4] / "docs/connectors/source-google-analytics.md"


def test_presets_have_names_of_their_own() -> None:
    names = [preset.name for preset in PRESETS]
    assert len(set(names)) == len(names)


def test_presets_keep_the_limits_of_a_report() -> None:
    for preset in PRESETS:
        assert 0 < len(preset.metrics) <= MOST_METRICS
        assert len(preset.dimensions) <= MOST_DIMENSIONS
        assert len(set(preset.dimensions + preset.metrics)) == len(
            preset.dimensions + preset.metrics
        )


def test_page_lists_every_preset() -> None:
    rows = [
        f"| `{one.name}` | {', '.join(one.dimensions)} | {', '.join(one.metrics)} |"
        for one in PRESETS
    ]
    listed = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert [row for row in rows if row not in listed] == []
