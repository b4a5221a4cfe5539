"""Streams of cases: all of them, one a case type with its properties, and the links between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from penstock.data.names import slug
from penstock.data.types import Kind
from penstock.sdk.rest import RestStream
from penstock.sources.commcare.answers import utc
from penstock.sources.commcare.design import distinct
from penstock.sources.commcare.forms import EXTRA, beside

Row = dict[str, Any]

COLUMNS: Final[Mapping[str, Kind]] = {
    "case_id": Kind.STRING,
    "case_type": Kind.STRING,
    "case_name": Kind.STRING,
    "external_id": Kind.STRING,
    "owner_id": Kind.STRING,
    "domain": Kind.STRING,
    "closed": Kind.BOOLEAN,
    "date_opened": Kind.TIMESTAMP_TZ,
    "date_closed": Kind.TIMESTAMP_TZ,
    "last_modified": Kind.TIMESTAMP_TZ,
    "server_last_modified": Kind.TIMESTAMP_TZ,
    "indexed_on": Kind.TIMESTAMP_TZ,
    "indices": Kind.JSON,
}
_INSTANTS: Final = tuple(name for name, kind in COLUMNS.items() if kind is Kind.TIMESTAMP_TZ)
_KNOWN: Final = frozenset({*COLUMNS, "properties"})
_LINKS: Final[Mapping[str, Kind]] = {
    "case_id": Kind.STRING,
    "identifier": Kind.STRING,
    "parent_case_id": Kind.STRING,
    "parent_case_type": Kind.STRING,
    "relationship": Kind.STRING,
    "indexed_on": Kind.TIMESTAMP_TZ,
}


def case_streams(
    base: RestStream, case_types: Mapping[str, tuple[str, ...]]
) -> Iterator[RestStream]:
    """Yields `cases`, `case_indices`, and a stream for each case type.

    `base` is how cases are read: its client, paging, cursor and parameters.
    """
    columns = {**COLUMNS, "properties": Kind.JSON, EXTRA: Kind.JSON}
    yield replace(base, name="cases", columns=columns, key=("case_id",), transform=_whole)
    yield replace(
        base,
        name="case_indices",
        columns=_LINKS,
        key=("case_id", "identifier"),
        identity=(("case_id",),),
        expand=_links,
    )
    names = distinct((f"case_{slug(kind)}", kind) for kind in case_types)
    for name, (kind, properties) in zip(names, case_types.items(), strict=True):
        # The name of a case has a column of its own, under each of the names modules use for it.
        typed = {f"properties.{one}": Kind.STRING for one in properties if one != "case_name"}
        yield replace(
            base,
            name=name,
            columns={**COLUMNS, **typed, EXTRA: Kind.JSON},
            key=("case_id",),
            params={**base.params, "case_type": kind},
            transform=partial(_typed, names=tuple(typed)),
        )


def _head(row: Row) -> Row:
    head = {name: row.get(name) for name in COLUMNS}
    return head | {name: utc(row.get(name)) for name in _INSTANTS}


def _whole(row: Row) -> Row:
    extra = beside(row, _KNOWN)
    return {**_head(row), "properties": row.get("properties"), EXTRA: extra}


def _typed(row: Row, *, names: tuple[str, ...]) -> Row:
    rest = dict(row.get("properties") or {})
    typed: Row = {}
    for name in names:
        key = name.removeprefix("properties.")
        is_text = isinstance(rest.get(key), str)
        typed[name] = rest.pop(key) if is_text else None
    rest |= beside(row, _KNOWN) or {}
    return {**_head(row), **typed, EXTRA: rest or None}


def _links(row: Row) -> Iterator[Row]:
    for identifier, link in (row.get("indices") or {}).items():
        yield {
            "case_id": row["case_id"],
            "identifier": identifier,
            "parent_case_id": link.get("case_id"),
            "parent_case_type": link.get("case_type"),
            "relationship": link.get("relationship"),
            "indexed_on": utc(row.get("indexed_on")),
        }
