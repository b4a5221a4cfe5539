"""The settings of the Iceberg destination, as pyiceberg names them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from penstock.errors import ConfigError
from penstock.sdk.config import setting

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

_SECRET_WORDS: Final = ("key", "secret", "token", "password", "credential")


@dataclass(frozen=True, slots=True, kw_only=True)
class IcebergConfig:
    """Which catalogue the tables are in, and how their files are cut."""

    catalog_uri: str = setting(
        title="Catalogue",
        description="http:// or https:// of a REST catalogue, or the SQLAlchemy URL of a database"
        " that is to be one.",
        examples=["sqlite:///catalog.db", "https://polaris.example.org/api/catalog"],
    )
    warehouse: str = setting(
        title="Warehouse",
        description="Where an SQL catalogue keeps its tables: a folder or s3://, gs://, abfs://."
        " For a REST catalogue, the name that it knows a warehouse by.",
        examples=["lake", "s3://bucket/lake"],
    )
    catalog_name: str = setting(
        default="default",
        title="Name of the catalogue",
        description="A database can hold several SQL catalogues, told apart by a name: other"
        " programs open it by the same one.",
        advanced=True,
    )
    namespace: str = setting(
        default="default",
        title="Namespace",
        description="Where streams without a namespace land.",
    )
    password: str | None = setting(
        default=None,
        title="Password",
        description="Of the user that the URL of a database names.",
        secret=True,
    )
    credential: str | None = setting(
        default=None,
        title="Credential",
        description="client-id:client-secret of a REST catalogue (OAuth2).",
        secret=True,
    )
    token: str | None = setting(
        default=None, title="Token", description="Bearer token of a REST catalogue.", secret=True
    )
    partition_by: tuple[str, ...] = setting(
        default=(),
        title="Partitions",
        description="What new tables are partitioned by: a column, or day, month or year of one."
        " Tables without such a column are not; tables that exist stay as they are.",
        examples=(["day(_airbyte_extracted_at)", "country"],),
    )
    file_megabytes: int = setting(
        default=128,
        title="File size",
        description="A file is closed once it is about as large. Commits close files, too.",
        minimum=1,
        advanced=True,
    )
    options: Mapping[str, str] = setting(
        default_factory=dict,
        title="Options of pyiceberg",
        description="Further settings of the catalogue and the storage, as pyiceberg names them"
        " (s3.endpoint, s3.access-key-id, s3.secret-access-key, s3.region, scope).",
        examples=({"s3.access-key-id": "${env:AWS_KEY}"},),
        secret=True,
    )


def is_rest(config: IcebergConfig) -> bool:
    """Tells a REST catalogue from a database."""
    return config.catalog_uri.lower().startswith(("http://", "https://"))


def warehouse_of(config: IcebergConfig) -> str:
    """Returns the address of the warehouse: of a folder, the absolute one, since tables note it."""
    if is_rest(config) or "://" in config.warehouse:
        return config.warehouse.rstrip("/")
    folder = Path(os.path.expandvars(config.warehouse)).expanduser().absolute()
    return f"file://{folder}"


def database_of(config: IcebergConfig) -> URL:
    """Returns the URL of the database that is the catalogue; ConfigError for what is none."""
    from sqlalchemy.engine import make_url  # noqa: PLC0415 - slow to load
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    try:
        url = make_url(config.catalog_uri)
    except ArgumentError as error:
        raise ConfigError(
            "`catalog_uri` is no URL of a database or a REST catalogue.",
            remedy="Write it like sqlite:///catalog.db or https://host/api/catalog.",
            field="catalog_uri",
        ) from error
    if url.password:
        raise ConfigError(
            "`catalog_uri` holds a password, and settings like it are shown.",
            remedy="Move the password to `password`.",
            field="catalog_uri",
        )
    return url.set(password=config.password) if config.password else url


def secrets_of(config: IcebergConfig) -> list[str]:
    """Returns what no message may show."""
    hidden = [config.password, config.credential, config.token]
    for name, value in config.options.items():
        if any(word in name for word in _SECRET_WORDS):
            hidden.append(value)
    return [secret for secret in hidden if secret]


def catalog_properties(config: IcebergConfig) -> dict[str, str]:
    """Returns the properties a catalogue is opened with."""
    if is_rest(config):
        given = {
            "py-catalog-impl": "penstock.destinations.iceberg.rest.PatientCatalog",
            "uri": config.catalog_uri,
            "credential": config.credential,
            "token": config.token,
        }
    else:
        database = database_of(config).render_as_string(hide_password=False)
        given = {"type": "sql", "uri": database}
    given["warehouse"] = warehouse_of(config)
    return {name: value for name, value in given.items() if value is not None} | dict(
        config.options
    )
