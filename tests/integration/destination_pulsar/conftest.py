"""A gate of each test's own before the session's broker, and what tests do with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from penstock.destinations.pulsar import PulsarConfig
from penstock.sdk.destination import Destination, StreamPlan, TableName, WriteMode
from penstock.testing.cells import Row
from penstock.testing.feed import batch_of
from penstock.testing.lab import simple_plan
from tests.doubles.pulsar_gate import Gate, pulsar_gate
from tests.servers.pulsar import Read, read_topic, topic_prefix, url_of


@dataclass(frozen=True)
class Place:
    """Topics of one test, behind a gate and as they lie in the broker."""

    gate: Gate
    prefix: str

    def config(self, **settings: Any) -> PulsarConfig:
        """Returns settings by which a test that cannot connect fails within seconds."""
        quick = {"operation_seconds": 3, "send_seconds": 20, "topic": f"{self.prefix}.{{stream}}"}
        return PulsarConfig(**{"service_url": url_of(self.gate), **quick, **settings})

    def topic(self, stream: str) -> str:
        return f"persistent://public/default/{self.prefix}.{stream}"

    def behind(self, stream: str) -> list[Read]:
        """Returns what the broker has of a topic, past any gate; without schemas."""
        url = f"pulsar://127.0.0.1:{self.gate.broker}"
        return read_topic(url, self.topic(stream), has_schemas=False)

    def read(self, stream: str) -> list[Read]:
        """Returns what a consumer has of a topic, by the gate."""
        return read_topic(url_of(self.gate), self.topic(stream))


@pytest.fixture
def opened(pulsar_broker: int, tmp_path: Path) -> Iterator[Callable[..., Place]]:
    """Opens a gate of the test's own."""
    with ExitStack() as gates:

        def open_gate(*, certificate: Any = None, **settings: Any) -> Place:
            gate = pulsar_gate(Gate(broker=pulsar_broker, **settings), certificate=certificate)
            return Place(gates.enter_context(gate), topic_prefix(tmp_path))

        yield open_gate


@pytest.fixture
def place(opened: Callable[..., Place]) -> Place:
    """A gate that lets everybody in."""
    return opened()


def plan_of(stream: str, mode: WriteMode = WriteMode.APPEND) -> StreamPlan:
    """Returns a plan of two columns, `id` and `name`."""
    return simple_plan(TableName(schema=None, name=stream), mode)


def load(destination: Destination, plan: StreamPlan, rows: list[Row]) -> int:
    """Writes and commits; returns what the commit counted."""
    with destination.open(plan) as writer:
        writer.write(batch_of(plan, rows))
        return writer.finish(None)
