"""The settings of the file source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from penstock.sdk.config import setting

FormatName = Literal["auto", "csv", "tsv", "jsonl", "json", "parquet", "excel"]
CompressionName = Literal["auto", "none", "gzip", "zstd", "bz2", "xz", "zip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """How to read files whose name and content do not say it."""

    delimiter: str | None = setting(
        default=None,
        title="Delimiter",
        description="CSV: the character between cells; found among comma, semicolon, tab and bar"
        " when left out.",
        examples=(",", ";", "\t"),
    )
    quote: str = setting(
        default='"', title="Quote", description="CSV: the quote character; empty for none."
    )
    escape: str | None = setting(
        default=None,
        title="Escape",
        description="CSV: what stands before a quote within quotes; a second quote when left out.",
        advanced=True,
    )
    header: bool = setting(
        default=True,
        title="Header",
        description="CSV, Excel: the first row holds the column names; else they are f0, f1, …",
    )
    column_names: tuple[str, ...] = setting(
        default=(),
        title="Column names",
        description="CSV, Excel: names to use in place of the file's own, one for every column.",
        advanced=True,
    )
    encoding: str = setting(
        default="utf-8",
        title="Encoding",
        description="CSV, JSON: the text encoding.",
        examples=("utf-8", "utf-16", "cp1252", "latin-1"),
    )
    nulls: tuple[str, ...] = setting(
        default=(),
        title="Null texts",
        description="CSV: unquoted cells with one of these texts are null, as empty ones are.",
        examples=("NA", "NULL", "\\N"),
    )
    skip_rows: int = setting(
        default=0,
        title="Rows to skip",
        description="CSV, Excel: rows above the header.",
        minimum=0,
        advanced=True,
    )
    sheet: str | None = setting(
        default=None,
        title="Sheet",
        description="Excel: the sheet's name or number from 1; the first when left out.",
    )
    compression: CompressionName = setting(
        default="auto",
        title="Compression",
        description="How the file is packed; found from its first bytes by default.",
        advanced=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStreamConfig:
    """One stream: the files that a path or pattern names, read as one table."""

    path: str = setting(
        title="Path",
        description="A local path, a glob, a folder, or an http(s)://, s3://, gs:// or az:// URL.",
        examples=("data/visits.csv", "s3://bucket/2025/**/*.parquet"),
    )
    name: str | None = setting(
        default=None, title="Name", description="The stream's name; from the path when left out."
    )
    format: FormatName = setting(
        default="auto", title="Format", description="Found from the name or content by default."
    )
    columns: Mapping[str, str] = setting(
        default_factory=dict,
        title="Column kinds",
        description="Column name → string, boolean, integer, big_integer, number, decimal, date,"
        " timestamp, timestamp_tz, time or json, in place of what the values say.",
        examples=({"pin_code": "string", "amount": "decimal"},),
    )
    json_schema: str | None = setting(
        default=None,
        title="JSON Schema",
        description="JSON text of the stream's whole schema; the files are then not looked at to"
        " find one, and columns it does not name are not read.",
        advanced=True,
    )
    file_columns: bool | None = setting(
        default=None,
        title="File columns",
        description="Add _ab_source_file_url and _ab_source_file_last_modified, and offer"
        " incremental reading. By default for globs and folders only.",
    )
    options: FileOptions = setting(
        default=FileOptions(), title="Options", description="Details of the format."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FileConfig:
    """A short form for one path, and a list for more streams; either or both."""

    path: str | None = setting(
        default=None,
        title="Path",
        description="Short form of one stream: a local path, a glob, a folder, or an http(s)://,"
        " s3://, gs:// or az:// URL.",
        examples=("examples/health_visits.csv",),
    )
    name: str | None = setting(
        default=None,
        title="Name",
        description="Short form: the stream's name; from the path when left out.",
    )
    format: FormatName = setting(
        default="auto", title="Format", description="Short form: the format of the files."
    )
    options: FileOptions = setting(
        default=FileOptions(), title="Options", description="Short form: details of the format."
    )
    streams: tuple[FileStreamConfig, ...] = setting(
        default=(), title="Streams", description="Several streams, each from its own files."
    )
    storage_options: Mapping[str, Any] = setting(
        default_factory=dict,
        title="Storage options",
        description="Credentials and settings of the storage, as fsspec's drivers name them"
        " (s3: key, secret, endpoint_url, anon; http: headers).",
        examples=({"key": "${env:AWS_KEY}", "secret": "${env:AWS_SECRET}"},),
        secret=True,
    )
