"""How one configured stream lands: its mode, table, columns, key and cursor in a destination."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.data.names import column_names, landing_name
from penstock.data.types import columns_of
from penstock.errors import ConfigError
from penstock.protocol.catalog import ConfiguredStream, PropertyPath, StreamDescriptor
from penstock.sdk.destination import Capabilities, ColumnPlan, TableName, WriteMode

_SHOWN_COLUMNS = 20


def mode_for(
    configured: ConfiguredStream, mode: WriteMode, capabilities: Capabilities
) -> WriteMode:
    """Returns the mode with what the generations ask for; raises ConfigError if it cannot be.

    A truncating refresh (minimum generation = generation) replaces what is there, whatever the
    mode says of rows with an equal key.
    """
    minimum = configured.minimum_generation_id
    if minimum and minimum == configured.generation_id and not mode.is_overwrite:
        mode = WriteMode.OVERWRITE_DEDUP if mode.is_dedup else WriteMode.OVERWRITE
    if mode not in capabilities.modes:
        raise ConfigError(
            f"The destination cannot write {configured.descriptor} in mode {mode}.",
            remedy="Choose one of: " + ", ".join(sorted(capabilities.modes)) + ".",
            stream=configured.descriptor,
        )
    return mode


def table_for(
    stream: StreamDescriptor,
    capabilities: Capabilities,
    *,
    namespace: str | None = None,
    prefix: str = "",
) -> TableName:
    """Returns the stream's table; `penstock.data.names.landing_name` says how it is made."""
    schema, name = landing_name(
        stream.name,
        stream.namespace,
        namespace=namespace,
        prefix=prefix,
        max_bytes=capabilities.max_identifier_bytes,
    )
    return TableName(schema=schema, name=name)


def columns_for(configured: ConfiguredStream, capabilities: Capabilities) -> tuple[ColumnPlan, ...]:
    """Returns a column a property, named as the destination can name it."""
    columns = columns_of(configured.stream.json_schema)
    names = column_names(
        [column.name for column in columns], max_bytes=capabilities.max_identifier_bytes
    )
    return tuple(
        ColumnPlan(source=column.name, name=name, kind=column.kind)
        for column, name in zip(columns, names, strict=True)
    )


def key_columns(configured: ConfiguredStream, columns: Sequence[ColumnPlan]) -> tuple[str, ...]:
    """Returns the columns that identify a row; raises ConfigError when there are none."""
    key = configured.effective_primary_key()
    if not key:
        raise ConfigError(
            f"Stream {configured.descriptor} is to be deduplicated, but has no primary key.",
            remedy=f"Name one: --primary-key {configured.descriptor}=COLUMN[,COLUMN]"
            " (primary_key in a configured catalogue).",
            stream=configured.descriptor,
        )
    return tuple(_key_column(configured, columns, path) for path in key)


def cursor_column(configured: ConfiguredStream, columns: Sequence[ColumnPlan]) -> str | None:
    """Returns the column whose largest value wins among rows with an equal key, if any."""
    cursor = configured.effective_cursor()
    if not cursor or len(cursor) > 1:
        return None
    return {column.source: column.name for column in columns}.get(cursor[0])


def _key_column(
    configured: ConfiguredStream, columns: Sequence[ColumnPlan], path: PropertyPath
) -> str:
    if len(path) == 1:
        for column in columns:
            if column.source == path[0]:
                return column.name
    raise ConfigError(
        f"The primary key {'.'.join(path)!r} of stream {configured.descriptor} is not one of its"
        " top-level properties.",
        remedy="Choose among: "
        + ", ".join(column.source for column in columns[:_SHOWN_COLUMNS])
        + ".",
        stream=configured.descriptor,
    )
