"""What all tables share: where they are collected, and the types of their columns."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, MetaData, String

from penstock.control.store.columns import Document

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = String(64)
Number = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts up by itself only in an INTEGER primary key (which holds 64 bits)."""
AnyDocument: Document[dict[str, Any]] = Document(dict[str, Any])


def id_column() -> Column[str]:
    """Returns the column of an id that we give."""
    return Column("id", Id, primary_key=True)


def reference(
    name: str, target: str, *, is_nullable: bool = False, is_indexed: bool = True
) -> Column[str]:
    """Returns a column that holds the id of a row of another table."""
    return Column(
        name, Id, ForeignKey(f"{target}.id"), nullable=is_nullable, index=is_indexed or None
    )
