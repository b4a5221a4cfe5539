"""The `commcare` source: forms, cases and people of a CommCare HQ project space."""

from __future__ import annotations

from penstock.sources.commcare.config import CommCareConfig
from penstock.sources.commcare.source import CommCareSource

__all__ = ["CommCareConfig", "CommCareSource"]
