"""Pulsar keeps the promises of a destination, by the real client on a real broker.

What lies in a topic is read by a consumer of its own; of equal keys it keeps the last, as
compaction does.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from penstock.destinations.pulsar import PulsarConfig, PulsarDestination
from penstock.destinations.pulsar.topics import topic_of
from penstock.sdk.destination import TableName
from penstock.testing.cells import Found
from penstock.testing.destination_suite import DestinationSuite
from penstock.testing.known_gaps import KNOWN_GAPS
from tests.servers.pulsar import compacted, found_in, pulsar_near, read_topic, topic_prefix


@pytest.mark.usefixtures("pulsar_server")
class TestPulsar(DestinationSuite):
    destination = PulsarDestination
    gaps = KNOWN_GAPS["destination-pulsar"]

    def config(self, place: Path) -> PulsarConfig:
        return PulsarConfig(
            service_url=pulsar_near(place), topic=f"{topic_prefix(place)}.{{stream}}"
        )

    def wrong_config(self, place: Path) -> PulsarConfig:
        return replace(self.config(place), service_url="pulsar://127.0.0.1:1")

    def read_table(self, place: Path, table: TableName) -> list[dict[str, Found]] | None:
        """A topic that is not there reads as an empty one."""
        config = self.config(place)
        topic = f"persistent://public/default/{topic_of(table, config.topic)}"
        return found_in(compacted(read_topic(config.service_url, topic)))
