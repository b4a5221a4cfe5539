"""Names: topics of streams, and fields of records as Avro allows them."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from penstock.sdk.destination import TableName

_TOPIC_CHARACTER: Final = re.compile(r"[^A-Za-z0-9=:._-]")
"""Pulsar's `NamedEntity`: letters, digits, - = : . _"""
_AVRO_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
"""Apache Avro 1.12, "Names"."""
_NO_NAMESPACE: Final = re.compile(r"\{namespace\}[=:._-]?")
_HASH_LENGTH: Final = 8


def topic_of(table: TableName, pattern: str) -> str:
    """Returns the local name of a stream's topic; equal only for equal tables.

    A character that a topic cannot have becomes `_`, and a hash of the whole name goes behind.
    """
    if table.schema is None:
        pattern = _NO_NAMESPACE.sub("", pattern)
    name = pattern.replace("{namespace}", table.schema or "").replace("{stream}", table.name)
    plain = _TOPIC_CHARACTER.sub("_", name)
    return plain if plain == name else f"{plain}_{_hash(name)}"


def avro_name(name: str) -> str:
    """Returns a name as Avro allows it; one that it does not allow is mended and gets a hash."""
    if _AVRO_NAME.fullmatch(name):
        return name
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
    first = "_" if plain[:1].isdigit() else ""
    return f"{first}{plain}_{_hash(name)}"


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:_HASH_LENGTH]
