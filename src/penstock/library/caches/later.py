"""Caches whose destinations penstock does not have yet: their names say so when called."""

from __future__ import annotations

from typing import Any

from penstock.errors import MissingDriver


class _NotYet:
    """Refuses to be made, with what to use meanwhile."""

    product = ""

    def __init__(self, **_settings: Any) -> None:
        raise MissingDriver(
            f"penstock has no {self.product} destination yet, so it cannot cache there.",
            remedy="Use another cache meanwhile: DuckDB, Postgres, MotherDuck or Snowflake.",
            cache=type(self).__name__,
        )


class BigQueryCache(_NotYet):
    """A cache in BigQuery; not there yet."""

    product = "BigQuery"
