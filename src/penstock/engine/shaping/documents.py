"""How a stream is to be shaped, as a document: its table, its fields, its mappers in order.

Mappers are written as Airbyte's API writes them (`{"type", "mapperConfiguration"}`, its
`MapperName` and configuration fields), and two of penstock's own take SQL.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from penstock.protocol.catalog import StreamDescriptor


class Equal(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag="EQUAL", tag_field="type"
):
    """True for rows whose field, as text, is this value; a null equals nothing."""

    field_name: str
    comparison_value: str


class Not(msgspec.Struct, frozen=True, kw_only=True, tag="NOT", tag_field="type"):
    """True for rows for which none of the conditions is."""

    conditions: tuple[Condition, ...]


Condition = Equal | Not


class HashingConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which field is replaced by the hexadecimal digest of its text."""

    target_field: str
    method: str = "SHA-256"
    field_name_suffix: str = "_hashed"


class RenamingConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which field goes by another name from here on."""

    original_field_name: str
    new_field_name: str


class FieldFilteringConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which field is left out."""

    target_field: str


class RowFilteringConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which rows are loaded."""

    conditions: Condition


class RsaConfig(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag="RSA", tag_field="algorithm"
):
    """Which field is replaced by what only the holder of the private key can read."""

    target_field: str
    public_key: str
    """PEM, or the hexadecimal DER form."""
    field_name_suffix: str = "_encrypted"


class AesConfig(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag="AES", tag_field="algorithm"
):
    """Which field is replaced by what only the holder of the key can read."""

    target_field: str
    key: str
    """Hexadecimal, 16, 24 or 32 bytes; best a reference: `${env:NAME}`."""
    mode: Literal["GCM", "CBC", "CTR"] = "GCM"
    padding: Literal["NoPadding", "PKCS5Padding"] = "NoPadding"
    field_name_suffix: str = "_encrypted"


class SqlFieldConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which field becomes, or is added as, the value of an SQL expression over the row."""

    target_field: str
    expression: str
    """DuckDB's SQL; the row's fields by their names."""


class SqlFilterConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which rows are loaded: those for which the expression is true."""

    expression: str


class _Mapper(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="type"):
    id: str | None = None


class Hashing(_Mapper, frozen=True, kw_only=True, rename="camel", tag="hashing"):
    """Replaces a field by a digest."""

    mapper_configuration: HashingConfig


class Renaming(_Mapper, frozen=True, kw_only=True, rename="camel", tag="field-renaming"):
    """Gives a field another name."""

    mapper_configuration: RenamingConfig


class FieldFiltering(_Mapper, frozen=True, kw_only=True, rename="camel", tag="field-filtering"):
    """Leaves a field out."""

    mapper_configuration: FieldFilteringConfig


class RowFiltering(_Mapper, frozen=True, kw_only=True, rename="camel", tag="row-filtering"):
    """Leaves rows out."""

    mapper_configuration: RowFilteringConfig


class Encryption(_Mapper, frozen=True, kw_only=True, rename="camel", tag="encryption"):
    """Replaces a field by its encrypted text."""

    mapper_configuration: RsaConfig | AesConfig


class SqlField(_Mapper, frozen=True, kw_only=True, rename="camel", tag="sql-field"):
    """Computes a field."""

    mapper_configuration: SqlFieldConfig


class SqlFilter(_Mapper, frozen=True, kw_only=True, rename="camel", tag="sql-filter"):
    """Leaves rows out by an SQL condition."""

    mapper_configuration: SqlFilterConfig


Mapper = Hashing | Renaming | FieldFiltering | RowFiltering | Encryption | SqlField | SqlFilter


class StreamShape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is special about one stream of a sync on its way."""

    name: str
    namespace: str | None = None
    table: str | None = None
    """Name of its table instead of the stream's own; a prefix still comes before it."""
    fields: tuple[str, ...] | None = None
    """The top-level properties to load; None loads all."""
    mappers: tuple[Mapper, ...] = ()

    @property
    def stream(self) -> StreamDescriptor:
        return StreamDescriptor(self.name, self.namespace or None)
