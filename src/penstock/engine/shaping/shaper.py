"""One stream on its way: its configured stream as the destination sees it, and its batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import orjson
import pyarrow as pa

from penstock.data.types import columns_of, json_schema_of
from penstock.engine.references import resolve_references
from penstock.engine.shaping.documents import StreamShape
from penstock.engine.shaping.sql import RowSql
from penstock.engine.shaping.steps import Step, dropping_all_but, step_of
from penstock.errors import ConfigError, PenstockError
from penstock.protocol.catalog import CatalogStream, ConfiguredStream, PropertyPath

_CHANGES = "_airbyte_changes"


class StreamShaper:
    """Shapes the batches of one stream. Used by one thread; `close` frees its database."""

    def __init__(self, configured: ConfiguredStream, shape: StreamShape) -> None:
        """Raises ConfigError, with the stream and mapper, for one that does not fit."""
        self.configured = _pruned(configured, shape)
        """What the source is asked for: the chosen fields only."""
        self._steps: tuple[Step, ...] = ()
        self._sql = RowSql()
        columns = columns_of(self.configured.stream.json_schema)
        try:
            for number, mapper in enumerate(_resolved(shape).mappers, start=1):
                step = _placed(configured, number, lambda: step_of(mapper, columns, self._sql))  # noqa: B023 (called at once)
                columns = step.columns
                self._steps = (*self._steps, step)
            _refuse_lost(self.configured, self._steps)
        except BaseException:
            self._sql.close()
            raise
        self._columns = columns
        self._moves = tuple(step.move for step in self._steps if step.move)

    @property
    def landing(self) -> ConfiguredStream:
        """The stream as it lands: its schema, key and cursor after every mapper."""
        stream = self.configured.stream
        properties = stream.json_schema.get("properties")
        known: Mapping[str, Any] = properties if isinstance(properties, Mapping) else {}
        before = {column.name: column.kind for column in columns_of(stream.json_schema)}
        after = {
            # A schema says more than its kind; it stays where the column does.
            c.name: known[c.name] if before.get(c.name) is c.kind else json_schema_of(c.kind)
            for c in self._columns
        }
        changed = msgspec.structs.replace(
            stream,
            json_schema={**stream.json_schema, "properties": after},
            default_cursor_field=self._cursor(stream.default_cursor_field),
            source_defined_primary_key=self._key(stream.source_defined_primary_key),
        )
        return msgspec.structs.replace(
            self.configured,
            stream=changed,
            cursor_field=self._cursor(self.configured.cursor_field),
            primary_key=self._key(self.configured.primary_key),
        )

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Returns the rows as they land; fewer where a mapper filters."""
        for step in self._steps:
            batch = step.apply(batch)
        changes = batch.schema.get_field_index(_CHANGES)
        kept = [column.name for column in self._columns]
        others = [name for name in batch.schema.names if name not in set(kept)]
        batch = batch.select([*kept, *others])
        if self._moves and changes >= 0 and batch.column(_CHANGES).null_count < batch.num_rows:
            batch = self._with_new_names(batch)
        return batch

    def close(self) -> None:
        """Frees what the mappers hold."""
        self._sql.close()

    def _with_new_names(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Lets the record of changed values name fields as they are called now."""
        texts = [
            None if text is None else self._renamed_changes(text)
            for text in batch.column(_CHANGES).to_pylist()
        ]
        index = batch.schema.get_field_index(_CHANGES)
        return batch.set_column(index, batch.schema.field(index), pa.array(texts, pa.string()))

    def _renamed_changes(self, text: str) -> str | None:
        named = []
        for change in orjson.loads(text):
            name: str | None = change["field"]
            for move in self._moves:
                name = move.new if move.old == name else name
            if name is not None:
                named.append({**change, "field": name})
        return orjson.dumps(named).decode() if named else None

    def _key(self, paths: Sequence[PropertyPath] | None) -> tuple[PropertyPath, ...] | None:
        followed = [_followed(path, self._steps, as_cursor=False) for path in paths or ()]
        return tuple(path for path in followed if path) if all(followed) and followed else None

    def _cursor(self, path: PropertyPath | None) -> PropertyPath | None:
        return _followed(path, self._steps, as_cursor=True)


def _pruned(configured: ConfiguredStream, shape: StreamShape) -> ConfiguredStream:
    """Leaves out of the schema what was not chosen: it is not decoded either."""
    if shape.fields is None:
        return configured
    stream = configured.stream
    chosen = _placed(
        configured,
        0,
        lambda: dropping_all_but(columns_of(stream.json_schema), shape.fields or ()),
    )
    needed = {
        path[0]: what
        for what, paths in (
            ("primary key", configured.effective_primary_key() or ()),
            ("cursor", [configured.effective_cursor() or ()]),
        )
        for path in paths
        if path
    }
    names = {column.name for column in chosen}
    for name, what in needed.items():
        if name not in names:
            raise ConfigError(
                f"Field {name!r} of stream {configured.descriptor} is its {what} and not chosen.",
                remedy="Choose it too, or another mode.",
            )
    properties = stream.json_schema.get("properties", {})
    schema = {**stream.json_schema, "properties": {c.name: properties[c.name] for c in chosen}}
    pruned: CatalogStream = msgspec.structs.replace(stream, json_schema=schema)
    return msgspec.structs.replace(configured, stream=pruned)


def _resolved(shape: StreamShape) -> StreamShape:
    """Replaces references to keys; they are resolved only where the sync runs."""
    document = resolve_references(msgspec.to_builtins(shape))
    return msgspec.convert(document, StreamShape)


def _followed(
    path: PropertyPath | None, steps: Sequence[Step], *, as_cursor: bool
) -> PropertyPath | None:
    """Returns where a property is after the steps; None when what it was good for is lost."""
    if not path:
        return path
    first, *rest = path
    for step in steps:
        move = step.move
        if move is None or move.old != first:
            continue
        is_kept = move.keeps_order if as_cursor else move.keeps_identity
        if move.new is None or not is_kept:
            return None
        first = move.new
    return (first, *rest)


def _refuse_lost(configured: ConfiguredStream, steps: Sequence[Step]) -> None:
    """Raises ConfigError when rows could no longer be told apart or ordered."""
    if not configured.destination_sync_mode.value.endswith("dedup"):
        return
    needed = [(path, "primary key") for path in configured.effective_primary_key() or ()]
    if cursor := configured.effective_cursor():
        needed.append((cursor, "cursor"))
    for path, what in needed:
        if path and _followed(path, steps, as_cursor=what == "cursor") is None:
            raise ConfigError(
                f"The mappers of stream {configured.descriptor} take away the values of"
                f" {'.'.join(path)!r}, its {what}.",
                remedy="Leave the field as it is, or rename it; or choose a mode without dedup.",
                stream=configured.descriptor,
            )


def _placed(configured: ConfiguredStream, number: int, make: Any) -> Any:
    """Names the stream and mapper in what is wrong with it."""
    try:
        return make()
    except ConfigError as error:
        where = f"Mapper {number} of stream" if number else "The fields chosen of stream"
        kind: type[PenstockError] = type(error)
        raise kind(
            f"{where} {configured.descriptor}: {error.message}",
            remedy=error.remedy,
            stream=configured.descriptor,
            mapper=number or None,
        ) from error
