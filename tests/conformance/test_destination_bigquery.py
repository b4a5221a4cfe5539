"""BigQuery keeps every promise of a destination: Google's own client against a local double."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.destinations.bigquery import BigQueryConfig, BigQueryDestination
from penstock.testing.destination_suite import DestinationSuite
from penstock.testing.gaps import never
from tests.servers.bigquery import access_near


@pytest.mark.usefixtures("bigquery_server")
class TestBigQuery(DestinationSuite):
    destination = BigQueryDestination

    def config(self, place: Path) -> BigQueryConfig:
        return access_near(place).config(place)

    def wrong_config(self, place: Path) -> BigQueryConfig:
        return access_near(place).config(place, key="{}")
