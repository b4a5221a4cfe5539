"""What a stream asks of a database it knows nothing about; SQLAlchemy and ADBC each answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from penstock.data.types import Kind

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A cursor's value as a state keeps it: its text, and what the driver gave it as."""

    text: str
    type: str
    """The name of a Python type, such as int; the driver gets the same type back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlColumn:
    """One column and the kind its values are read as."""

    name: str
    kind: Kind
    is_binary: bool = False
    """True where text stands for bytes, as base64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """One table or view."""

    schema: str | None
    """None in the schema that the user's names mean."""
    name: str
    columns: tuple[SqlColumn, ...]
    primary_key: tuple[str, ...]

    def __str__(self) -> str:
        return self.name if self.schema is None else f"{self.schema}.{self.name}"

    def column(self, name: str) -> SqlColumn | None:
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One SELECT: which columns, and by which order from where on."""

    columns: tuple[SqlColumn, ...]
    order: SqlColumn | None = None
    """Rows come in the order of this column, and those without a value do not."""
    since: Value | None = None
    """Only rows with this value of the order's column, or a larger one."""
    includes_since: bool = True
    wants_missing: SqlColumn | None = None
    """Only rows without a value in this column."""


class Database(Protocol):
    """One database, by whichever way it is read."""

    def relations(self, schemas: Sequence[str]) -> Sequence[Relation]:
        """Returns tables and views of the schemas, or of the default one."""
        ...

    def read(
        self, relation: Relation, question: Question
    ) -> Iterator[tuple[pa.RecordBatch | list[dict[str, Any]], Value | None]]:
        """Yields rows, each time with the value of the order's column in the last of them."""
        ...
