"""What a request asks of a table: which of its columns, and which of them is the cursor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from penstock.errors import ConfigError
from penstock.protocol.catalog import PropertyPath


class Named(Protocol):
    """A column of any database."""

    @property
    def name(self) -> str: ...


Asked = TypeVar("Asked", bound=Named)


def wanted(columns: Sequence[Asked], fields: Sequence[str] | None) -> tuple[Asked, ...]:
    """Returns the columns asked for in the table's order; the first one where none is."""
    if fields is None:
        return tuple(columns)
    return tuple(column for column in columns if column.name in fields) or tuple(columns[:1])


def cursor_of(
    columns: Sequence[Asked],
    path: PropertyPath,
    relation: object,
    *,
    is_ordered: Callable[[Asked], bool],
) -> Asked:
    """Returns the column that a path names; ConfigError where it cannot be read in order."""
    choices = [column for column in columns if is_ordered(column)]
    found = next((each for each in choices if (each.name,) == tuple(path)), None)
    if found is None:
        raise ConfigError(
            f"{relation} has no cursor {'.'.join(path)!r} that can be read in order.",
            remedy="Choose one of: " + ", ".join(column.name for column in choices),
            stream=str(relation),
        )
    return found
