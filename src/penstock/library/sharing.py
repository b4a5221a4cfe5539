"""Tables that several streams would fill: refused within a source, warned of between sources."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from penstock.library.exceptions import PyAirbyteDataLossWarning, PyAirbyteInputError
from penstock.protocol.catalog import ConfiguredCatalog, ConfiguredStream, DestinationSyncMode

if TYPE_CHECKING:
    from penstock.library.caches.base import CacheBase


def refuse_shared_tables(connection: str, cache: CacheBase, catalog: ConfiguredCatalog) -> None:
    """Raises PyAirbyteInputError where two streams of the source would fill one table.

    A table is named after the stream alone, as in PyAirbyte: "public.users" and "sales.users" have
    the same, also when they are read one after the other. So have "My Items" and "my_items".
    """
    filled = cache.bookkeeping.filled_tables(connection)
    for each in catalog.streams:
        stream = each.stream.descriptor
        table = cache.table_of(stream.name)
        streams = filled.setdefault(str(table), [])
        other = next((one for one in streams if one != stream), None)
        if other is not None:
            raise PyAirbyteInputError(
                f"Streams {other} and {stream} would both land in table {table}.",
                remedy="Read them one by one (streams=), each into a cache with a table_prefix of"
                f' its own: table_prefix="{stream.namespace or "other"}_".',
                stream=str(stream),
            )
        streams.append(stream)


def warn_of_other_source(source: str, cache: CacheBase, catalog: ConfiguredCatalog) -> None:
    """Warns when rows of another source may go from a table that is about to be filled."""
    owners = {
        entry.table_name: entry.source_name
        for entry in cache.bookkeeping.streams()
        if entry.source_name.startswith("source-")
    }
    for stream in catalog.streams:
        owner = owners.get(f"{cache.table_prefix}{stream.stream.name}", source)
        loss = _loss(stream)
        if loss and owner != source:
            warnings.warn(
                f"Table {cache.table_of(stream.stream.name)} holds rows of {owner}; {source}"
                f" {loss}. Give one of them a cache with its own table_prefix.",
                PyAirbyteDataLossWarning,
                stacklevel=4,
            )


def _loss(stream: ConfiguredStream) -> str | None:
    mode = stream.destination_sync_mode
    if mode is DestinationSyncMode.OVERWRITE or stream.generation_id is not None:
        return "replaces them"
    if mode is DestinationSyncMode.APPEND_DEDUP:
        return "replaces those with equal keys"
    return None
