"""Every question an assistant may ask, answered in plain JSON values; knows no protocol."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final

from penstock.engine.airbyte_registry import nearest
from penstock.errors import ConfigError, ResourceBusy
from penstock.library.caches.base import CacheBase
from penstock.library.destinations import get_destination
from penstock.library.mcp.answers import table
from penstock.library.mcp.offers import Shelf
from penstock.library.progress import Progress
from penstock.library.registry import (
    ConnectorMetadata,
    InstallType,
    get_available_connectors,
    get_connector_metadata,
)
from penstock.protocol.catalog import CatalogStream
from penstock.sdk.destination import ConfinesSql

PREVIEW_ROWS: Final = 100
QUERY_ROWS: Final = 1_000
_QUERY_SECONDS: Final = 30.0
_LISTED: Final = 200
_COLUMNS_SHOWN: Final = 40
_LISTING_SECONDS: Final = 2.0
"""How long a list of caches waits for one that a sync is filling."""


class Desk:
    """Answers about what is on one shelf; raises penstock's own errors."""

    def __init__(self, shelf: Shelf, *, query_seconds: float = _QUERY_SECONDS) -> None:
        self._shelf = shelf
        self._query_seconds = query_seconds

    def connectors(self, search: str) -> dict[str, Any]:
        """Returns connectors whose name or title contains a text."""
        wanted = search.strip().lower()
        names = get_available_connectors(InstallType.ANY)
        known = [get_connector_metadata(name) for name in names]
        found = [one for one in known if wanted in one.name or wanted in one.title.lower()]
        answer: dict[str, Any] = {"connectors": [_described(one) for one in found[:_LISTED]]}
        if len(found) > _LISTED:
            answer["left_out"] = f"{len(found) - _LISTED} more: search for a part of the name."
        if not found:
            answer["nearest"] = nearest(search, names)
        return answer

    def spec(self, connector: str) -> dict[str, Any]:
        """Returns what a connector wants to be configured with."""
        is_destination = connector.startswith("destination-")
        found = get_destination(connector) if is_destination else self._shelf.connector(connector)
        return {
            "connector": found.name,
            "documentation": found.docs_url,
            "json_schema": found.config_spec,
        }

    def sources(self) -> dict[str, Any]:
        """Returns the offered sources: the names of their settings, never a value."""
        return {
            "sources": [
                {
                    "name": name,
                    "connector": offered.connector,
                    "settings": sorted(offered.config),
                    "streams": offered.streams,
                }
                for name, offered in self._shelf.sources.items()
            ]
        }

    def check(self, source: str) -> dict[str, Any]:
        """Returns when the source can be read."""
        self._shelf.source(source).check()
        return {"source": source, "status": "succeeded"}

    def streams(self, source: str) -> dict[str, Any]:
        """Returns the streams of a source."""
        catalog = self._shelf.source(source).discovered_catalog
        return {"source": source, "streams": [_stream(each) for each in catalog.streams]}

    def columns(self, source: str, stream: str) -> dict[str, Any]:
        """Returns a stream's JSON Schema."""
        schema = self._shelf.source(source).get_stream_json_schema(stream)
        return {"source": source, "stream": stream, "json_schema": schema}

    def preview(self, source: str, stream: str, limit: int) -> dict[str, Any]:
        """Returns the first rows of a stream, straight from the source."""
        _require("limit", limit, PREVIEW_ROWS)
        dataset = self._shelf.source(source).get_records(stream, limit=limit).fetch_all()
        rows = [record.without_internal_columns() for record in dataset]
        columns = list(dict.fromkeys(key for row in rows for key in row))
        return {
            "source": source,
            "stream": stream,
            **table(columns, ([row.get(name) for name in columns] for row in rows)),
        }

    def caches(self) -> dict[str, Any]:
        """Returns the caches, and the tables in each."""
        return {"caches": [self._described(name) for name in self._shelf.cache_names]}

    def query(self, cache: str, sql: str, limit: int) -> dict[str, Any]:
        """Returns rows of one SELECT, which can change and reach nothing."""
        _require("limit", limit, QUERY_ROWS)
        with self._shelf.cache(cache) as found:
            rows = self._confined(found).query_confined(
                sql, seconds=self._query_seconds, rows=limit + 1
            )
        columns = [rows.column(number).to_pylist() for number in range(rows.num_columns)]
        answer = table(rows.schema.names, list(zip(*columns, strict=True))[:limit])
        if rows.num_rows > limit:
            answer["rows_left_out"] = f"There are more than {limit}."
        return {"cache": cache, **answer}

    def sync(
        self,
        source: str,
        cache: str,
        *,
        streams: list[str] | None,
        full_refresh: bool,
        progress: Progress,
        stop: threading.Event,
    ) -> dict[str, Any]:
        """Reads a source into a cache and returns what was proved; setting `stop` ends it."""
        with self._shelf.cache(cache) as found:
            result = self._shelf.source(source).read(
                found,
                streams=streams,
                force_full_refresh=full_refresh,
                progress=progress,
                stop_event=stop,
            )
        return {
            "source": source,
            "cache": cache,
            "rows_committed": result.processed_records,
            "run": result.receipt.run_id,
            "streams": [
                {
                    "stream": str(each.stream),
                    "table": each.table,
                    "rows_read": each.rows_read,
                    "rows_committed": each.rows_committed,
                    "values_changed": each.values_changed,
                }
                for each in result.receipt.streams
            ],
        }

    def _described(self, name: str) -> dict[str, Any]:
        try:
            return self._tables(name)
        except ResourceBusy as error:
            return {"name": name, "busy": str(error)}

    def _tables(self, name: str) -> dict[str, Any]:
        with self._shelf.cache(name, wait_seconds=_LISTING_SECONDS) as cache:
            tables = list(cache.streams)
            counts = cache.fetch_table_statistics(tables)
            return {
                "name": name,
                "kind": cache.name,
                "database": cache.get_database_name(),
                "tables": [
                    {
                        "stream": stream,
                        "table": str(cache.table_of(stream)),
                        "rows": counts[stream]["num_rows"],
                        "columns": cache[stream].column_names,
                    }
                    for stream in tables
                ],
            }

    def _confined(self, cache: CacheBase) -> ConfinesSql:
        if not isinstance(cache.destination, ConfinesSql):
            raise ConfigError(
                f"{cache.name} cannot keep SQL from changing something, so none is run there.",
                remedy="Preview a stream instead, or sync it into a DuckDB cache.",
            )
        return cache.destination


def _described(one: ConnectorMetadata) -> dict[str, Any]:
    return {
        "name": one.name,
        "title": one.title,
        "runs": one.default_install_type.value,
        "documentation": one.documentation_url,
    }


def _stream(stream: CatalogStream) -> dict[str, Any]:
    properties = stream.json_schema.get("properties")
    names = list(properties) if isinstance(properties, Mapping) else []
    left_out = len(names) - _COLUMNS_SHOWN
    return {
        "name": stream.name,
        "namespace": stream.namespace,
        "primary_key": [".".join(path) for path in stream.source_defined_primary_key or ()],
        "cursor": ".".join(stream.default_cursor_field or ()) or None,
        "modes": [mode.value for mode in stream.supported_sync_modes],
        "columns": names[:_COLUMNS_SHOWN],
    } | ({"columns_left_out": left_out} if left_out > 0 else {})


def _require(what: str, given: int, most: int) -> None:
    if not 1 <= given <= most:
        raise ConfigError(f"{what} is {given}.", remedy=f"Give a number from 1 to {most}.")
