"""What a table's own properties keep of each stream: its checkpoint, and rows of an overwrite."""

from __future__ import annotations

import msgspec
from pyiceberg.table import Table

from penstock.errors import DataError
from penstock.sdk.files.manifest import Manifest

_STREAM = "penstock.stream."
_SHARED = "penstock.shared."
_TABLE = "penstock.table."


def stream_property(owner: str) -> str:
    """Returns the property that keeps a stream's checkpoint."""
    return f"{_STREAM}{owner}"


def shared_property(owner: str) -> str:
    """Returns the property of the state table that keeps a connection's shared state."""
    return f"{_SHARED}{owner}"


def table_property(connection: str, owner: str) -> str:
    """Returns the property of the state table that says where a stream lands."""
    return f"{_TABLE}{connection}.{owner}"


def kept_in(table: Table, name: str) -> Manifest:
    """Returns what a property keeps; an empty manifest when there is none."""
    text = table.properties.get(name)
    if text is None:
        return Manifest()
    try:
        return msgspec.json.decode(text, type=Manifest)
    except msgspec.DecodeError as error:
        raise DataError(
            f"Property {name} of {'.'.join(table.name())} is not what penstock writes: {error}.",
            remedy="Remove the property to read the stream anew, or upgrade penstock.",
        ) from error


def as_property(manifest: Manifest) -> str:
    """Returns a manifest as the value of a property."""
    return msgspec.json.encode(manifest).decode()
