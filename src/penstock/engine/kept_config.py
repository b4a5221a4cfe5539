"""Configurations that sources asked to be kept (CONTROL messages: single-use refresh tokens).

A kept configuration replaces the given one as long as the given one stays as it was; when the
user changes theirs, it wins and the kept one is dropped. Files are readable by their owner only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from penstock.engine.state_store import file_name_of, write_durably


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    given_digest: str
    config: dict[str, Any]


def keep_config(
    data_dir: Path, connection: str, given: Mapping[str, Any], changed: Mapping[str, Any]
) -> None:
    """Makes the changed configuration durable; the next sync of the connection uses it."""
    kept = _Kept(given_digest=_digest(given), config=dict(changed))
    write_durably(_path(data_dir, connection), msgspec.json.encode(kept))


def kept_config(data_dir: Path, connection: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the configuration to use: the kept one if it came from the given one, else given."""
    try:
        kept = msgspec.json.decode(_path(data_dir, connection).read_bytes(), type=_Kept)
    except FileNotFoundError:
        return given
    return kept.config if kept.given_digest == _digest(given) else given


def written_with(
    written: Mapping[str, Any], given: Mapping[str, Any], changed: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns a changed configuration as it was written: references stay where nothing changed.

    `given` is `written` with its references resolved; `changed` is what the source made of it.
    """
    return {
        key: _written(written.get(key), given.get(key), value) for key, value in changed.items()
    }


def _written(written: Any, given: Any, changed: Any) -> Any:
    if changed == given and type(changed) is type(given):
        return written
    if isinstance(changed, Mapping) and isinstance(given, Mapping) and isinstance(written, Mapping):
        return written_with(written, given, changed)
    return changed


def _path(data_dir: Path, connection: str) -> Path:
    return data_dir / "configs" / f"{file_name_of(connection)}.json"


def _digest(config: Mapping[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(config, order="sorted")).hexdigest()
