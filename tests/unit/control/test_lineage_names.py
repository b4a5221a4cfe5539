"""Datasets are named as OpenLineage's "Naming" has it, so that they meet those of other tools."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from penstock.control.model import Connector, ConnectorKind, Definition
from penstock.control.observing.lineage import dataset
from penstock.control.observing.watchers import End

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("system", "config", "name", "namespace", "full"),
    [
        (
            "postgres",
            {"host": "db", "port": 5433, "database": "shop", "schema": "public"},
            "users",
            "postgres://db:5433",
            "shop.public.users",
        ),
        (
            "postgres",
            {"host": "db", "database": "shop", "schema": "public"},
            "sales.users",
            "postgres://db:5432",
            "shop.sales.users",
        ),
        ("mysql", {"host": "db", "database": "shop"}, "users", "mysql://db:3306", "shop.users"),
        (
            "snowflake",
            {"account": "org-a", "database": "D", "schema": "S"},
            "USERS",
            "snowflake://org-a",
            "D.S.USERS",
        ),
        ("bigquery", {"project_id": "p", "dataset_id": "d"}, "users", "bigquery", "p.d.users"),
        ("duckdb", {"path": "/data/a.duckdb"}, "users", "file", "/data/a.duckdb/users"),
        ("files", {"path": "s3://bucket/raw"}, "users", "s3://bucket", "raw/users"),
        ("faker", {"rows": 1}, "users", "faker://people", "users"),
    ],
)
def test_a_table_has_the_name_that_other_tools_give_it(
    system: str, config: dict[str, Any], name: str, namespace: str, full: str
) -> None:
    connector = Connector(
        id="c",
        workspace_id="w",
        kind=ConnectorKind.DESTINATION,
        definition_id="d",
        name="people",
        config=config,
        created_at=NOW,
        updated_at=NOW,
    )
    definition = Definition(
        id="d",
        kind=ConnectorKind.DESTINATION,
        name=f"destination-{system}",
        title="",
        created_at=NOW,
    )
    assert dataset(End(connector=connector, definition=definition), name) == (namespace, full)
