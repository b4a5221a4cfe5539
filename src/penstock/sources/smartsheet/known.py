"""Which rows of a sheet have been sent, and as what: the state of a stream, and its text."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import struct
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from penstock.errors import ConfigError
from penstock.sdk.rest.cursor import instant, iso

_ROW: Final = struct.Struct(">QQL")
"""A row's id, the digest of what was sent of it, and its sheet's place in `sheets`."""


def digest_of(record: Mapping[str, Any], fields: Collection[str] | None) -> int:
    """Returns what changes when a record does, as far as `fields` are wanted.

    Nulls do not count: an empty column more is no change.
    """
    names = record.keys() if fields is None else record.keys() & set(fields)
    filled = {name: record[name] for name in names if record[name] is not None}
    text = json.dumps(filled, sort_keys=True, default=str, ensure_ascii=False)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


@dataclass(slots=True, kw_only=True)
class KnownRows:
    """What a stream's state says: the rows sent, and the version they were whole at."""

    rows: dict[int, tuple[int, int]] = field(default_factory=dict)
    """By a row's id: its digest and its sheet's id."""
    version: int | None = None
    """Of the sheet, when it was last read to its end."""
    compared_at: datetime | None = None

    @classmethod
    def of(cls, state: Mapping[str, Any] | None, stream: str) -> KnownRows:
        """Returns what a state says. Raises ConfigError for one that is not ours."""
        if state is None:
            return cls()
        try:
            packed = base64.b64decode(state["rows"], validate=True)
            sheets = [int(text) for text in state["sheets"]]
            rows = {row: (digest, sheets[place]) for row, digest, place in _ROW.iter_unpack(packed)}
            version, compared_at = state.get("version"), state.get("compared_at")
            return cls(
                rows=rows,
                version=None if version is None else int(version),
                compared_at=None if compared_at is None else instant(compared_at),
            )
        except (KeyError, IndexError, TypeError, ValueError, binascii.Error, struct.error) as error:
            raise ConfigError(
                f"The state of the stream {stream} is not one that the Smartsheet source wrote.",
                remedy="Reset the stream's state, and the next sync begins anew.",
                stream=stream,
            ) from error

    @property
    def state(self) -> dict[str, Any]:
        """What is known, as a state."""
        sheets = sorted({sheet for _, sheet in self.rows.values()})
        places = {sheet: place for place, sheet in enumerate(sheets)}
        packed = b"".join(
            _ROW.pack(row, digest, places[sheet])
            for row, (digest, sheet) in sorted(self.rows.items())
        )
        state: dict[str, Any] = {
            # As text: many readers of JSON have no integers beyond 2^53.
            "sheets": [str(sheet) for sheet in sheets],
            "rows": base64.b64encode(packed).decode("ascii"),
        }
        if self.version is not None:
            state["version"] = self.version
        if self.compared_at is not None:
            state["compared_at"] = iso(self.compared_at)
        return state

    def is_news(self, row: int, digest: int) -> bool:
        """Tells whether a row was never sent, or as something else."""
        known = self.rows.get(row)
        return known is None or known[0] != digest

    def gone(self, present: Iterable[int]) -> list[tuple[int, int]]:
        """Returns the rows sent that are there no more, each with its sheet's id."""
        missing = self.rows.keys() - set(present)
        return sorted((row, self.rows[row][1]) for row in missing)
