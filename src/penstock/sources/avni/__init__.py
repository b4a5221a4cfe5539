"""The `avni` source: subjects, enrolments and encounters of an Avni organisation."""

from __future__ import annotations

from penstock.sources.avni.config import AvniConfig
from penstock.sources.avni.source import AvniSource

__all__ = ["AvniConfig", "AvniSource"]
