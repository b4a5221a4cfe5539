"""Which streams are read, by which keys: chosen by name, checked against the catalogue."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import msgspec

from penstock.engine.catalog import nearest
from penstock.library.exceptions import AirbyteStreamNotFoundError, PyAirbyteInputError
from penstock.library.strategies import (
    WriteMethod,
    WriteStrategy,
    is_read_incrementally,
    method_for,
)
from penstock.protocol.catalog import (
    Catalog,
    CatalogStream,
    ConfiguredCatalog,
    ConfiguredStream,
    DestinationSyncMode,
    PropertyPath,
    StreamDescriptor,
    SyncMode,
)

_Key = TypeVar("_Key")
Names = str | Sequence[str] | Literal["*"] | None


@dataclass(slots=True)
class KeyOverrides:
    """Cursors and primary keys set by hand, by lower-cased name or namespace and name."""

    cursors: dict[str, str] = field(default_factory=dict)
    primary_keys: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def set_cursor(self, stream: str, column: str) -> None:
        """Sets the column that grows with every change."""
        self.cursors[stream.lower()] = column

    def set_primary_key(self, stream: str, columns: str | Sequence[str]) -> None:
        """Sets the columns that together identify a row."""
        names = (columns,) if isinstance(columns, str) else tuple(columns)
        if not names or not all(isinstance(name, str) and name for name in names):
            raise PyAirbyteInputError(
                f"The primary key of {stream!r} is {columns!r}.",
                remedy='Name one column, or several in a list: ["tenant", "id"].',
                stream=stream,
            )
        self.primary_keys[stream.lower()] = names

    def applied(self, stream: CatalogStream) -> CatalogStream:
        """Returns the stream with the user's keys in the place of its own.

        Raises PyAirbyteInputError for a column the stream does not have.
        """
        key = _of(self.primary_keys, stream)
        if key is not None:
            _require_columns(stream, key, "primary key")
            paths = tuple((name,) for name in key)
            stream = msgspec.structs.replace(stream, source_defined_primary_key=paths)
        return stream

    def cursor_of(self, stream: CatalogStream) -> PropertyPath | None:
        """Returns the cursor to read by, the user's or the stream's own."""
        column = _of(self.cursors, stream)
        if column is None:
            return stream.default_cursor_field or None
        _require_columns(stream, (column,), "cursor")
        return (column,)


def labels(catalog: Catalog) -> dict[StreamDescriptor, str]:
    """Returns what each stream is called: "users"; "sales.users" where there are several users."""
    counts = Counter(stream.name for stream in catalog.streams)
    return {
        each.descriptor: each.name if counts[each.name] == 1 else str(each.descriptor)
        for each in catalog.streams
    }


def pick(catalog: Catalog, names: Names) -> tuple[CatalogStream, ...]:
    """Returns the streams named, in the source's order; "*" and None are all of them.

    "users" and "sales.users" are both names of one stream; a name that several streams have is
    refused. Every wrong name is told at once, each with the nearest ones.
    """
    if names is None or names == "*":
        return catalog.streams
    wanted = [names] if isinstance(names, str) else list(names)
    known: dict[str, list[StreamDescriptor]] = {}
    for stream in catalog.streams:
        for name in {stream.name, str(stream.descriptor)}:
            known.setdefault(name, []).append(stream.descriptor)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        offers = [nearest(name, list(labels(catalog).values())) for name in unknown]
        shown = ", ".join(repr(name) for name in unknown)
        are = "are no streams" if len(unknown) > 1 else "is no stream"
        raise AirbyteStreamNotFoundError(
            f"There {are} {shown}.",
            remedy=" ".join(dict.fromkeys(offers)),
            stream_name=unknown[0],
        )
    _refuse_ambiguous({name: known[name] for name in wanted})
    chosen = {known[name][0] for name in wanted}
    return tuple(stream for stream in catalog.streams if stream.descriptor in chosen)


def _refuse_ambiguous(meant: Mapping[str, Sequence[StreamDescriptor]]) -> None:
    several = {name: streams for name, streams in meant.items() if len(streams) > 1}
    if several:
        offers = [", ".join(map(str, streams)) for streams in several.values()]
        raise PyAirbyteInputError(
            f"Several streams are called {', '.join(map(repr, several))}.",
            remedy=f"Name the one you mean with its namespace: {'; '.join(offers)}.",
            stream_name=next(iter(several)),
        )


def _of(overrides: Mapping[str, _Key], stream: CatalogStream) -> _Key | None:
    whole = str(stream.descriptor).lower()
    return overrides.get(whole, overrides.get(stream.name.lower()))


def configured(
    streams: Iterable[CatalogStream], keys: KeyOverrides, strategy: WriteStrategy
) -> ConfiguredCatalog:
    """Returns the catalogue that `read` sends: a mode, a cursor and a key for each stream."""
    return ConfiguredCatalog(streams=tuple(_configured(each, keys, strategy) for each in streams))


def _configured(
    stream: CatalogStream, keys: KeyOverrides, strategy: WriteStrategy
) -> ConfiguredStream:
    stream = keys.applied(stream)
    cursor = keys.cursor_of(stream)
    is_incremental = is_read_incrementally(stream, has_cursor=cursor is not None)
    key = _usable_key(stream)
    method = method_for(stream, strategy, has_key=bool(key), is_incremental=is_incremental)
    mode = method.destination_sync_mode
    generation = None
    if method is WriteMethod.REPLACE and is_incremental:
        # Read as incremental from the beginning, so that a state is left to continue from; rows
        # of older generations go when the stream is complete.
        mode, generation = DestinationSyncMode.APPEND, int(time.time())
    return ConfiguredStream(
        stream=stream,
        sync_mode=SyncMode.INCREMENTAL if is_incremental else SyncMode.FULL_REFRESH,
        destination_sync_mode=mode,
        cursor_field=cursor,
        primary_key=key or stream.source_defined_primary_key,
        generation_id=generation,
        minimum_generation_id=generation,
    )


def configured_for_preview(stream: CatalogStream, keys: KeyOverrides) -> ConfiguredStream:
    """Returns how a stream is read from its beginning, to be looked at."""
    is_full = SyncMode.FULL_REFRESH in stream.supported_sync_modes
    return ConfiguredStream(
        stream=stream,
        sync_mode=SyncMode.FULL_REFRESH if is_full else SyncMode.INCREMENTAL,
        destination_sync_mode=DestinationSyncMode.OVERWRITE
        if is_full
        else DestinationSyncMode.APPEND,
        cursor_field=keys.cursor_of(stream),
        primary_key=stream.source_defined_primary_key,
        generation_id=1,
        minimum_generation_id=1,
        sync_id=1,
    )


def _usable_key(stream: CatalogStream) -> tuple[PropertyPath, ...]:
    """Returns the primary key when its columns are top-level ones the stream has."""
    key = stream.source_defined_primary_key or ()
    known = _properties(stream)
    return key if all(len(path) == 1 and path[0] in known for path in key) else ()


def _require_columns(stream: CatalogStream, columns: Sequence[str], what: str) -> None:
    known = _properties(stream)
    for name in columns:
        if known and name not in known:
            raise PyAirbyteInputError(
                f"Stream {stream.name} has no column {name!r} for its {what}.",
                remedy=nearest(name, known),
                stream=stream.name,
            )


def _properties(stream: CatalogStream) -> Mapping[str, object]:
    properties = stream.json_schema.get("properties")
    return properties if isinstance(properties, Mapping) else {}
