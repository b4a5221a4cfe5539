"""Records as documents for language models: a text, its metadata, an id."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from penstock.library.exceptions import PyAirbyteInputError

__all__ = [
    "Document",
]


@dataclass(frozen=True, kw_only=True)
class Document:
    """One record as text; `page_content` and `metadata` are what LangChain looks for."""

    content: str
    id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    last_modified: dt.datetime | None = None

    def __str__(self) -> str:
        return self.content

    @property
    def page_content(self) -> str:
        """The text, under LangChain's name."""
        return self.content


def documents_of(
    records: Iterable[Mapping[str, Any]],
    *,
    title_property: str | None = None,
    content_properties: Sequence[str] | None = None,
    metadata_properties: Sequence[str] | None = None,
    render_metadata: bool = False,
    primary_key: Sequence[str] = (),
    cursor: str | None = None,
) -> Iterator[Document]:
    """Yields one document a record, lazily.

    Without `content_properties` everything that is neither title nor metadata is content.
    Raises PyAirbyteInputError for a property that no record can have.
    """
    for record in records:
        for name in (title_property, *(content_properties or ()), *(metadata_properties or ())):
            if name is not None and name not in record:
                raise PyAirbyteInputError(
                    f"Records have no property {name!r}.",
                    remedy=f"Choose among: {', '.join(list(record)[:20])}.",
                    property=name,
                )
        metadata = {name: record[name] for name in metadata_properties or ()}
        chosen = content_properties
        if chosen is None:
            apart = {title_property, *(metadata_properties or ())}
            chosen = [n for n in record if n not in apart and not n.startswith("_airbyte_")]
        yield Document(
            id=_id_of(record, primary_key),
            content=_text(record, title_property, chosen, metadata if render_metadata else {}),
            metadata=metadata,
            last_modified=_moment(record.get(cursor)) if cursor else None,
        )


def _text(
    record: Mapping[str, Any],
    title: str | None,
    content: Sequence[str],
    shown_metadata: Mapping[str, Any],
) -> str:
    parts = [f"# {record[title]}"] if title else []
    if shown_metadata:
        listed = yaml.safe_dump(_plain(shown_metadata), sort_keys=False, allow_unicode=True)
        parts.append(f"```yaml\n{listed}```")
    if len(content) == 1:
        parts.append(str(record[content[0]]))
    else:
        parts += [f"## {_heading(name)}\n\n{record[name]}" for name in content]
    return "\n\n".join(parts) + "\n"


def _heading(name: str) -> str:
    return name.replace("_", " ").strip().title()


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    known = (str, int, float, bool, type(None), list, dict, dt.date)
    return {
        name: value if isinstance(value, known) else str(value) for name, value in values.items()
    }


def _id_of(record: Mapping[str, Any], key: Sequence[str]) -> str | None:
    if not key or any(record.get(name) is None for name in key):
        return None
    return ":".join(str(record[name]) for name in key)


def _moment(value: Any) -> dt.datetime | None:
    if isinstance(value, dt.datetime):
        return value
    if isinstance(value, str):
        try:
            return dt.datetime.fromisoformat(value)
        except ValueError:
            return None
    return None
