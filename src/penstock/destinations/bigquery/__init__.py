"""BigQuery as a destination."""

from __future__ import annotations

from penstock.destinations.bigquery.destination import BigQueryConfig, BigQueryDestination

__all__ = ["BigQueryConfig", "BigQueryDestination"]
