"""The settings of the files destination."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from penstock.sdk.config import setting

Format = Literal["parquet", "jsonl", "csv"]
Unit = Literal["value", "day", "month", "year"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesConfig:
    """Where files go, what they are, and how they are cut."""

    path: str = setting(
        title="Folder or bucket",
        description="Where tables are kept, a folder each: a path, s3://, gs:// or az://.",
        examples=["lake", "s3://bucket/lake"],
        alias=["destination_path"],
    )
    format: Format = setting(
        default="parquet",
        title="Format",
        description="Parquet keeps every type; in JSON lines and CSV instants and decimals are"
        " text.",
    )
    compression: Literal["auto", "none", "gzip", "zstd"] = setting(
        default="auto",
        title="Compression",
        description="auto: zstd inside Parquet, none for text.",
    )
    partition_by: str | None = setting(
        default=None,
        title="Partition column",
        description="Column of the table whose value names a subfolder (column=value); for the"
        " day of the sync, _airbyte_extracted_at. Tables without it are not partitioned.",
        examples=["_airbyte_extracted_at", "country"],
    )
    partition_unit: Unit = setting(
        default="day",
        title="Partition unit",
        description="How far a date or instant (in UTC) is cut; other columns go by value.",
    )
    file_megabytes: int = setting(
        default=128,
        title="File size",
        description="A file is closed once it is about as large. Commits close files, too.",
        minimum=1,
        advanced=True,
    )
    storage_options: Mapping[str, Any] = setting(
        default_factory=dict,
        title="Storage options",
        description="Credentials and settings of the storage, as fsspec's drivers name them"
        " (s3: key, secret, endpoint_url).",
        examples=({"key": "${env:AWS_KEY}", "secret": "${env:AWS_SECRET}"},),
        secret=True,
    )
