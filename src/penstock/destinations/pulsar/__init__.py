"""Apache Pulsar as a destination."""

from __future__ import annotations

from penstock.destinations.pulsar.config import PulsarConfig
from penstock.destinations.pulsar.destination import PulsarDestination

__all__ = ["PulsarConfig", "PulsarDestination"]
