"""Write strategies, and what each means for one stream: how it is read and how it is written."""

from __future__ import annotations

from enum import StrEnum

from penstock.library.exceptions import PyAirbyteInputError
from penstock.protocol.catalog import CatalogStream, DestinationSyncMode, SyncMode

__all__ = [
    "WriteMethod",
    "WriteStrategy",
]


class WriteStrategy(StrEnum):
    """What becomes of the rows that are already in the table."""

    MERGE = "merge"
    APPEND = "append"
    REPLACE = "replace"
    AUTO = "auto"
    """Merge where there is a primary key, else append what is read incrementally, else replace."""


class WriteMethod(StrEnum):
    """A strategy decided for one stream."""

    MERGE = "merge"
    APPEND = "append"
    REPLACE = "replace"

    @property
    def destination_sync_mode(self) -> DestinationSyncMode:
        """The protocol's word for it."""
        return {
            WriteMethod.MERGE: DestinationSyncMode.APPEND_DEDUP,
            WriteMethod.APPEND: DestinationSyncMode.APPEND,
            WriteMethod.REPLACE: DestinationSyncMode.OVERWRITE,
        }[self]


def parse_strategy(given: str | WriteStrategy) -> WriteStrategy:
    """Returns the strategy of this name; raises PyAirbyteInputError when there is none."""
    try:
        return WriteStrategy(str(given).lower())
    except ValueError as error:
        raise PyAirbyteInputError(
            f"There is no write strategy {given!r}.",
            remedy="Use auto, merge, append or replace.",
            write_strategy=given,
        ) from error


def method_for(
    stream: CatalogStream, strategy: WriteStrategy, *, has_key: bool, is_incremental: bool
) -> WriteMethod:
    """Returns how a stream is written; raises PyAirbyteInputError for merge without a key."""
    match strategy:
        case WriteStrategy.REPLACE:
            return WriteMethod.REPLACE
        case WriteStrategy.APPEND:
            return WriteMethod.APPEND
        case WriteStrategy.MERGE:
            if has_key:
                return WriteMethod.MERGE
            raise PyAirbyteInputError(
                f"Stream {stream.name} cannot be merged: it has no primary key.",
                remedy=f'Name one with source.set_primary_key("{stream.name}", "COLUMN"), '
                "or use append or replace.",
                stream=stream.name,
            )
        case WriteStrategy.AUTO:
            if has_key:
                return WriteMethod.MERGE
            return WriteMethod.APPEND if is_incremental else WriteMethod.REPLACE


def is_read_incrementally(stream: CatalogStream, *, has_cursor: bool) -> bool:
    """Tells whether the stream can continue from a state."""
    if SyncMode.INCREMENTAL not in stream.supported_sync_modes:
        return False
    return has_cursor or bool(stream.source_defined_cursor)
