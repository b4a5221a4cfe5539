"""The Google Analytics 4 source: reports of a property, day by day, every row of each."""

from __future__ import annotations

from penstock.sources.google_analytics.config import GoogleAnalyticsConfig
from penstock.sources.google_analytics.source import GoogleAnalyticsSource

__all__ = ["GoogleAnalyticsConfig", "GoogleAnalyticsSource"]
