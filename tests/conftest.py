"""Fixtures of every folder: the real servers, started when the first test asks for one."""

from __future__ import annotations

import gc
import os

from hypothesis import HealthCheck, settings

from tests.servers.bigquery import bigquery_server
from tests.servers.mariadb import mariadb, mariadb_server
from tests.servers.postgres import postgres, postgres_server
from tests.servers.pulsar import pulsar_broker, pulsar_server
from tests.servers.snowflake import snowflake_process, snowflake_server

__all__ = [
    "bigquery_server",
    "mariadb",
    "mariadb_server",
    "postgres",
    "postgres_server",
    "pulsar_broker",
    "pulsar_server",
    "snowflake_process",
    "snowflake_server",
]

# What a test of properties tries is the same again in CI; elsewhere it is always something new.
# How long it takes is no matter: the machine may be busy.
settings.register_profile(
    "penstock",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,
    print_blob=True,
)
settings.load_profile("penstock")

# Tests install penstock into environments of their own; only the browser's needs the pages, built.
os.environ["PENSTOCK_UI"] = "skip"


def pytest_collection_finish() -> None:
    """Ten thousand collected tests are no garbage: what collects does not look at them again."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    gc.unfreeze()
