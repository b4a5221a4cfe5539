"""Lists a person looks things up in: connectors, the settings of one, streams, columns."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.table import Table

from penstock.protocol.catalog import Catalog, CatalogStream, PropertyPath
from penstock.protocol.codec import encode
from penstock.protocol.spec import ConnectorSpec
from penstock.sdk.config import Flag, flags_of

if TYPE_CHECKING:
    from penstock.data.types import Column
    from penstock.engine.registry import Listed


def connectors_table(connectors: Iterable[Listed]) -> Table:
    """Returns one row a connector."""
    table = _table("name", "title", "how it runs")
    for each in connectors:
        table.add_row(each.name, each.title, each.runs)
    return table


def settings_table(spec: ConnectorSpec, *, side: str) -> Table:
    """Returns one row a setting: how it is written as a flag, and what it is."""
    table = _table("setting", "type", "default", "what it does")
    for flag in flags_of(spec.connection_specification):
        if not flag.hidden:
            table.add_row(f"--{side}.{flag.name}", _type_of(flag), _default_of(flag), _about(flag))
    return table


def spec_document(spec: ConnectorSpec) -> Any:
    """Returns the specification as JSON values, in the protocol's spelling."""
    return json.loads(encode(spec))


def streams_table(catalog: Catalog) -> Table:
    """Returns one row a stream: how it can be read, its key and cursor."""
    table = _table("stream", "read as", "cursor", "primary key", "columns")
    for stream in catalog.streams:
        table.add_row(
            str(stream.descriptor),
            ", ".join(stream.supported_sync_modes),
            _path(stream.default_cursor_field),
            ", ".join(_path(path) for path in stream.source_defined_primary_key or ()),
            str(len(stream.json_schema.get("properties", {}))),
        )
    return table


def columns_table(stream: CatalogStream, columns: Iterable[Column]) -> Table:
    """Returns one row a column of a stream."""
    table = _table("column", "type", "")
    key = {path[0] for path in stream.source_defined_primary_key or ()}
    cursor = (stream.default_cursor_field or ("",))[0]
    for column in columns:
        marks = ["primary key"] if column.name in key else []
        marks += ["cursor"] if column.name == cursor else []
        table.add_row(column.name, column.kind.value, ", ".join(marks))
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _type_of(flag: Flag) -> str:
    if flag.choices:
        return " | ".join(flag.choices)
    return f"list of {flag.item_kind}" if flag.kind == "list" else flag.kind


def _default_of(flag: Flag) -> str:
    if flag.required:
        return "required"
    return "" if flag.default is None else json.dumps(flag.default, ensure_ascii=False)


def _about(flag: Flag) -> str:
    text = " ".join((flag.help or flag.title).split())
    if flag.examples:
        text += f" For example {flag.examples[0]}."
    return f"{text} Secret." if flag.secret else text


def _path(path: PropertyPath | None) -> str:
    return ".".join(path or ())
