"""The Smartsheet source: sheets and reports, whole or what changed."""

from __future__ import annotations

from penstock.sources.smartsheet.config import SmartsheetConfig
from penstock.sources.smartsheet.source import SmartsheetSource

__all__ = ["SmartsheetConfig", "SmartsheetSource"]
