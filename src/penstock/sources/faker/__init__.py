"""The `faker` source: people, products and purchases that nobody has to be asked for."""

from __future__ import annotations

from penstock.sources.faker.source import FakerConfig, FakerSource

__all__ = ["FakerConfig", "FakerSource"]
