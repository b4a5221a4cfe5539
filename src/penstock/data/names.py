"""From names as sources write them to names of tables and columns, as PyAirbyte makes them.

A name is lower-cased, every character that is not an ASCII letter or digit becomes `_`, and a
leading digit gets a `_` before it. Three things PyAirbyte leaves broken are settled here: a name
that is too long is cut and ends in a hash of the whole; a name without any ASCII letter or digit
is transliterated where Unicode knows how and ends in a hash; two names that would become one stay
two, because the later one ends in a hash of its own spelling. Nothing depends on other syncs, on
columns that come later, or on the machine.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

SOURCE_NAMESPACE: Final = "${SOURCE_NAMESPACE}"
"""Airbyte API, `namespaceFormat`."""

RAW_ID: Final = "_airbyte_raw_id"
EXTRACTED_AT: Final = "_airbyte_extracted_at"
META: Final = "_airbyte_meta"
GENERATION_ID: Final = "_airbyte_generation_id"
DATA: Final = "_airbyte_data"
CHANGES: Final = "_airbyte_changes"
"""Column of a batch, never of a table: what `_airbyte_meta.changes` is made of."""

RESERVED_COLUMNS: Final = frozenset({RAW_ID, EXTRACTED_AT, META, GENERATION_ID, DATA, CHANGES})
"""Columns penstock writes itself; a property of this name gets a hash behind it."""

RESERVED_TABLES: Final = frozenset(
    {"_penstock_state", "_airbyte_state", "_airbyte_streams", "_airbyte_destination_state"}
)
"""Bookkeeping tables of penstock and PyAirbyte; a stream of this name gets a hash behind it."""

OWN_TABLES: Final = "_penstock_"
"""Begins the names of tables that penstock keeps for itself: no source lists them as streams."""

STAGING_COMMENT: Final = "penstock: rows of "
"""Begins the comment of a table whose rows are not published yet: no stream, either."""

_HASH_LENGTH: Final = 8
_UNLIKE_ASCII: Final = re.compile(r"[^a-z0-9]")
_SOUND_LENGTH: Final = 3


def identifier(name: str, max_bytes: int) -> str:
    """Returns one name as PyAirbyte writes it, at most `max_bytes` long (at least 16)."""
    plain = _UNLIKE_ASCII.sub("_", name.lower())
    if not plain.strip("_"):
        return _with_hash(_letter_first(_transliterated(name)) or "unnamed", name, max_bytes)
    plain = _letter_first(plain)
    return plain if len(plain) <= max_bytes else _with_hash(plain, name, max_bytes)


def table_name(name: str, max_bytes: int) -> str:
    """Returns the table of a stream; `name` is the prefix and the stream's name."""
    return table_names([name], max_bytes)[0]


def landing_name(
    stream: str,
    stream_namespace: str | None,
    *,
    namespace: str | None,
    prefix: str,
    max_bytes: int,
) -> tuple[str | None, str]:
    """Returns schema and table of a stream; a schema of None is the destination's default.

    `namespace` stands in for the stream's own, which it may hold as `${SOURCE_NAMESPACE}`; empty,
    it leaves the schema to the destination.
    """
    schema = stream_namespace
    if namespace is not None:
        schema = namespace.replace(SOURCE_NAMESPACE, stream_namespace or "")
    return (
        table_name(schema, max_bytes=max_bytes) if schema else None,
        table_name(prefix + stream, max_bytes=max_bytes),
    )


def table_names(names: Iterable[str], max_bytes: int) -> tuple[str, ...]:
    """Returns the tables of several streams that land in one schema; no two are equal."""
    return _distinct(names, RESERVED_TABLES, max_bytes)


def column_names(names: Iterable[str], max_bytes: int) -> tuple[str, ...]:
    """Returns the columns of one table, in the order of `names`; no two are equal.

    Of several properties that would become one column, the first keeps the plain name, so a
    property that is added at the end never renames an older column.
    """
    return _distinct(names, RESERVED_COLUMNS, max_bytes)


def staging_name(table: str, generation_id: int, max_bytes: int) -> str:
    """Returns the table beside `table` that collects a new generation until it is complete."""
    name = f"{table}__gen{generation_id}"
    return name if len(name.encode()) <= max_bytes else _with_hash(name, name, max_bytes)


def slug(text: str) -> str:
    """Returns a title as a part of a stream's name: lower case, its words joined by `_`.

    Letters and marks of every script stay; destinations make names of their own of them.
    """
    kept = (c if unicodedata.category(c)[0] in "LMN" else " " for c in text.lower())
    return "_".join("".join(kept).split()) or "unnamed"


def _letter_first(name: str) -> str:
    return f"_{name}" if name[:1].isdigit() else name


def _distinct(names: Iterable[str], reserved: frozenset[str], max_bytes: int) -> tuple[str, ...]:
    taken: set[str] = set(reserved)
    result: list[str] = []
    for name in names:
        chosen = identifier(name, max_bytes)
        length = _HASH_LENGTH
        while chosen in taken:
            chosen = _with_hash(identifier(name, max_bytes), f"{length}:{name}", max_bytes)
            length += 1
        taken.add(chosen)
        result.append(chosen)
    return tuple(result)


def _with_hash(stem: str, whole: str, max_bytes: int) -> str:
    digest = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_LENGTH]
    room = max_bytes - _HASH_LENGTH - 1
    cut = stem.encode("utf-8")[:room].decode("utf-8", "ignore").rstrip("_")
    return f"{cut}_{digest}"


def _transliterated(name: str) -> str:
    """Returns the sounds of letters whose Unicode names end in one: नाम gives naama.

    A vowel sign replaces the vowel that an Indic consonant carries, a virama removes it.
    Unicode never changes the name of a character, so the result is stable.
    """
    sounds = ""
    for character in unicodedata.normalize("NFKD", name):
        words = unicodedata.name(character, "").split()
        sound = words[-1].lower() if words and words[-1].isalpha() else ""
        if "VOWEL" in words[:-1] or "VIRAMA" in words:
            sounds = sounds.removesuffix("a")
        if unicodedata.category(character)[0] in "LM" and 0 < len(sound) <= _SOUND_LENGTH:
            sounds += sound
        elif character.isascii() and character.isalnum():
            sounds += character.lower()
        elif not unicodedata.category(character).startswith("M"):
            sounds += "_"
    return re.sub("_+", "_", sounds).strip("_")
