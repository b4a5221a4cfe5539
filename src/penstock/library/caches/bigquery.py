"""BigQuery datasets as caches; one that PyAirbyte filled is continued."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from penstock.data.types import JSON_TYPE
from penstock.destinations.bigquery import BigQueryDestination
from penstock.engine.references import resolve_references
from penstock.engine.settings import ConnectorRef
from penstock.library.caches.base import CacheBase
from penstock.library.caches.bookkeeping import Bookkeeping
from penstock.library.constants import DEFAULT_CACHE_ROOT
from penstock.library.secrets.lookup import hydrated
from penstock.library.secrets.values import SecretString
from penstock.sdk.config import parse_config

_CREATE_STREAMS: Final = (
    "CREATE TABLE IF NOT EXISTS {table} (stream_name STRING, source_name STRING,"
    " table_name STRING, catalog_metadata STRING)",
)


class BigQueryCache(CacheBase):
    """A dataset of BigQuery; needs `pip install 'penstock[bigquery]'`."""

    def __init__(  # noqa: PLR0913 (PyAirbyte's own fields)
        self,
        *,
        project_name: str,
        dataset_name: str = "airbyte_raw",
        credentials_path: str | None = None,
        dataset_location: str = "US",
        schema_name: str | None = None,
        table_prefix: str | None = None,
        endpoint: str | None = None,
        cache_dir: Path | str | None = None,
        cleanup: bool = True,
    ) -> None:
        """`credentials_path` is a service account's key file, or its JSON text.

        Without it the machine's application default credentials count. `schema_name` is another
        word for the dataset. Texts may hold references (`${env:X}`, `secret_reference::X`).
        `cleanup` is taken for compatibility: penstock leaves no files to clean up.
        """
        self.cleanup = cleanup
        dataset = schema_name or dataset_name
        given: dict[str, Any] = {
            "project_id": project_name,
            "dataset_id": dataset,
            "dataset_location": dataset_location,
            "credentials_json": credentials_path,
            "endpoint": endpoint,
        }
        settings = {name: value for name, value in hydrated(given).items() if value is not None}
        self._settings = resolve_references(settings)
        super().__init__(
            BigQueryDestination(parse_config(BigQueryDestination.Config, self._settings)),
            ConnectorRef(name="destination-bigquery", config=settings),
            schema_name=dataset,
            table_prefix=table_prefix,
            cache_dir=Path(cache_dir) if cache_dir else DEFAULT_CACHE_ROOT,
        )

    @property
    def bookkeeping(self) -> Bookkeeping:
        """PyAirbyte's own tables in this dataset, made in BigQuery's types."""
        return Bookkeeping(self.destination, self.schema_name, create=_CREATE_STREAMS)

    def json_columns_of(self, stream_name: str) -> set[str]:
        """Returns the columns of type JSON, which BigQuery's rows come with."""
        schema = self.destination.scan(self.table_of(stream_name), limit=0).schema
        return {field.name for field in schema if field.type == JSON_TYPE}

    def get_database_name(self) -> str:
        """Returns the name of the project."""
        return str(self._settings["project_id"])

    def get_sql_alchemy_url(self) -> SecretString:
        """Returns the address for the package `sqlalchemy-bigquery`; a key's path stands in it."""
        settings = self._settings
        tail = f"?location={quote(settings['dataset_location'], safe='')}"
        key = settings.get("credentials_json")
        if key and not key.lstrip().startswith("{"):
            tail += f"&credentials_path={quote(key, safe='')}"
        return SecretString(f"bigquery://{settings['project_id']}/{self.schema_name}{tail}")
