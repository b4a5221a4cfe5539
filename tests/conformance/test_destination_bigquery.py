"""BigQuery keeps every promise of a destination: Google's own client against a local double."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.destinations.bigquery import BigQueryConfig, BigQueryDestination
from penstock.testing.cases.identifiers import ODD_NAMES
from penstock.testing.destination_suite import DestinationSuite
from penstock.testing.gaps import never
from tests.servers.bigquery import access_near, discard

_REFUSED_IN_COLUMNS = frozenset('."`\\;{[?$🚰,\n')
_REFUSED_IN_TABLES = _REFUSED_IN_COLUMNS | frozenset("'%:")


def _has(name: str, signs: frozenset[str]) -> bool:
    return bool(signs & set(name))


@pytest.mark.some_cases(4)
@pytest.mark.usefixtures("bigquery_server")
class TestBigQuery(DestinationSuite):
    destination = BigQueryDestination
    loaded_once = ("penstock.destinations.bigquery.session", "google.cloud.bigquery")
    gaps = (
        *(
            never(
                "test_value_comes_back_exactly",
                case=f"{kind}: {name}",
                reason="BigQuery's dates are those of the years 1 to 9999; it becomes NULL, and"
                " that is recorded",
            )
            for kind, name in (
                ("date", "44 BC"),
                ("date", "year 12000"),
                ("timestamp_tz", "44 BC"),
                ("timestamp", "44 BC"),
            )
        ),
        *(
            never(
                "test_value_comes_back_exactly",
                case=f"json: {name}",
                reason="BigQuery's JSON holds numbers of 64 bits and doubles; it is rounded, and"
                " that is recorded",
            )
            for name in ("integer beyond 64 bits", "more digits than a double")
        ),
        *(
            never(
                "test_record_comes_back_whole_in_raw_form",
                case=mode,
                reason="BigQuery's JSON rounds a number of twenty digits, and that is recorded",
            )
            for mode in ("append", "overwrite")
        ),
        *(
            never(
                "test_odd_name_of_a_column_is_kept",
                case=f"{name}-append_dedup",
                reason="BigQuery refuses the sign in names of columns; penstock's engine makes"
                " none such",
            )
            for name in ODD_NAMES
            if _has(name, _REFUSED_IN_COLUMNS) or name != name.strip()
        ),
        *(
            never(
                "test_odd_name_of_a_table_is_kept",
                case=name,
                reason="BigQuery refuses the sign in names of tables; penstock's engine makes"
                " none such",
            )
            for name in ODD_NAMES
            if _has(name, _REFUSED_IN_TABLES)
        ),
    )

    def config(self, place: Path) -> BigQueryConfig:
        return access_near(place).config(place)

    def wrong_config(self, place: Path) -> BigQueryConfig:
        return access_near(place).config(place, key="{}")

    def discard(self, place: Path) -> None:
        discard(place)
