"""The settings of the Delta Lake destination, and storage options as each driver names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from penstock.sdk.config import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaConfig:
    """Where the tables are, and how their files are cut."""

    path: str = setting(
        title="Folder or bucket",
        description="Where tables are kept, a folder each: a path, s3://, gs:// or az://.",
        examples=["lake", "s3://bucket/lake"],
        alias=["destination_path"],
    )
    partition_by: tuple[str, ...] = setting(
        default=(),
        title="Partition columns",
        description="Columns of the table that new tables are partitioned by. Tables without one"
        " of them are not; tables that exist stay as they are.",
        examples=(["country"],),
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
    delta_options: Mapping[str, str] = setting(
        default_factory=dict,
        title="Options of delta-rs",
        description="Settings of the storage that only delta-rs knows, as it names them.",
        examples=({"aws_region": "eu-west-1"},),
        secret=True,
        advanced=True,
    )


_AS_DELTA_RS_NAMES_IT: Final[Mapping[str, str]] = {
    "key": "aws_access_key_id",
    "secret": "aws_secret_access_key",
    "endpoint_url": "aws_endpoint_url",
    "anon": "aws_skip_signature",
    "account_name": "azure_storage_account_name",
    "account_key": "azure_storage_account_key",
    "sas_token": "azure_storage_sas_token",
    "tenant_id": "azure_storage_tenant_id",
    "client_id": "azure_storage_client_id",
    "client_secret": "azure_storage_client_secret",
}
"""fsspec's s3fs and adlfs, and object_store's configuration keys (docs.rs/object_store)."""
_PATIENCE: Final[Mapping[str, str]] = {"connect_timeout": "5s", "retry_timeout": "30s"}
"""object_store's own would ask for three minutes where nobody answers."""


def delta_storage_options(config: DeltaConfig) -> dict[str, str]:
    """Returns the storage options as delta-rs takes them."""
    options = dict(config.storage_options)
    made = dict(_PATIENCE)
    for name, own in _AS_DELTA_RS_NAMES_IT.items():
        if options.get(name) is not None:
            value = options[name]
            made[own] = str(value).lower() if isinstance(value, bool) else str(value)
    if options.get("token") is not None:
        is_google = config.path.lower().startswith(("gs://", "gcs://"))
        made["google_service_account" if is_google else "aws_session_token"] = str(options["token"])
    region = (options.get("client_kwargs") or {}).get("region_name")
    if region:
        made["aws_region"] = str(region)
    if made.get("aws_endpoint_url", "").startswith("http://"):
        made["aws_allow_http"] = "true"
    return made | dict(config.delta_options)
