"""Storage options for both drivers of a Delta destination, and names of folders."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.data.types import Kind
from penstock.destinations.delta.config import DeltaConfig, delta_storage_options
from penstock.destinations.delta.partitions import partition_columns
from penstock.errors import ConfigError
from penstock.sdk.config import parse_config
from penstock.sdk.destination import TableName
from penstock.sdk.files.folders import table_folder


@pytest.mark.parametrize(
    ("path", "options", "own", "expected"),
    [
        (
            "s3://b",
            {"key": "k", "secret": "s", "endpoint_url": "http://127.0.0.1:9000", "token": "t"},
            {},
            {
                "aws_access_key_id": "k",
                "aws_secret_access_key": "s",
                "aws_session_token": "t",
                "aws_endpoint_url": "http://127.0.0.1:9000",
                "aws_allow_http": "true",
            },
        ),
        (
            "s3://b",
            {"anon": True, "client_kwargs": {"region_name": "eu-west-1"}},
            {"aws_region": "eu-west-2"},
            {"aws_skip_signature": "true", "aws_region": "eu-west-2"},
        ),
        ("gs://b", {"token": "key.json"}, {}, {"google_service_account": "key.json"}),
        (
            "az://b",
            {"account_name": "a", "account_key": "k"},
            {},
            {"azure_storage_account_name": "a", "azure_storage_account_key": "k"},
        ),
        ("lake", {}, {}, {}),
    ],
    ids=["S3", "S3 without keys", "GCS", "Azure", "folder"],
)
def test_storage_options_reach_delta_rs_under_its_names(
    path: str, options: dict[str, Any], own: dict[str, str], expected: dict[str, str]
) -> None:
    config = DeltaConfig(path=path, storage_options=options, delta_options=own)
    patience = {"connect_timeout": "5s", "retry_timeout": "30s"}
    assert delta_storage_options(config) == patience | expected


@pytest.mark.parametrize(
    ("table", "folder"),
    [
        (TableName(schema=None, name="visits"), "visits"),
        (TableName(schema="clinic", name="visits_2"), "clinic/visits_2"),
        (TableName(schema=None, name="two words"), "two.20words"),
        (TableName(schema=None, name="a.b%~"), "a.2Eb.25.7E"),
        (TableName(schema="..", name="/"), ".2E.2E/.2F"),
    ],
)
def test_folders_are_read_alike_by_everybody(table: TableName, folder: str) -> None:
    assert table_folder(table) == folder


def test_settings_are_read_from_a_document() -> None:
    config = parse_config(DeltaConfig, {"path": "lake", "partition_by": ["country", "day"]})
    assert config.partition_by == ("country", "day")


def test_a_table_that_lacks_a_column_is_not_partitioned() -> None:
    kinds = {"country": Kind.STRING, "at": Kind.TIMESTAMP_TZ}
    assert partition_columns(("country",), kinds) == ("country",)
    assert partition_columns(("country", "city"), kinds) == ()
    with pytest.raises(ConfigError, match="timestamp_tz"):
        partition_columns(("at",), kinds)
