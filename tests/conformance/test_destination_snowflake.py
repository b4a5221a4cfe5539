"""Snowflake keeps the promises of a destination, by the real client against fakesnow."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from penstock.destinations.snowflake import SnowflakeConfig, SnowflakeDestination
from penstock.testing.destination_suite import DestinationSuite
from penstock.testing.known_gaps import KNOWN_GAPS
from tests.servers.snowflake import snowflake_near

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")  # fakesnow's own


@pytest.mark.some_cases(2)
@pytest.mark.usefixtures("snowflake_server")
class TestSnowflake(DestinationSuite):
    destination = SnowflakeDestination
    loaded_once = ("penstock.destinations.snowflake.session",)
    gaps = KNOWN_GAPS["destination-snowflake"]

    def config(self, place: Path) -> SnowflakeConfig:
        server = snowflake_near(place)
        return SnowflakeConfig(
            account=server.account,
            username=server.user,
            password=server.password,
            host=server.host,
            port=server.port,
            is_plain_http=True,
            database="DB",
            schema="P" + hashlib.sha256(str(place).encode()).hexdigest()[:12].upper(),
        )

    def wrong_config(self, place: Path) -> SnowflakeConfig:
        return replace(self.config(place), password="wrong")
