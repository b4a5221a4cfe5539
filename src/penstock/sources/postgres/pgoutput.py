"""The messages of pgoutput, protocol version 1, as values.

Source: PostgreSQL 15 documentation, 55.9 "Logical Replication Message Formats".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Literal

from penstock.errors import ProtocolError

EPOCH_MICROS: Final = 946_684_800_000_000
"""From 1970-01-01 to 2000-01-01, from which PostgreSQL counts."""


class Unsent:
    """Stands for a value that the log does not hold: unchanged, and stored out of line."""


UNSENT: Final = Unsent()

Value = bytes | None | Unsent
Tuple = list[Value]


@dataclass(frozen=True, slots=True)
class Begin:
    """A transaction begins; it is committed already."""

    lsn: int
    micros: int
    """Of its commit, since 1970."""


@dataclass(frozen=True, slots=True)
class Commit:
    """The transaction ends; `end` is where the next reading begins."""

    lsn: int
    end: int


@dataclass(frozen=True, slots=True)
class Described:
    """A table as it was when the changes behind this message were made."""

    oid: int
    schema: str
    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One row inserted, updated or deleted; what a deletion leaves is the row's identity."""

    oid: int
    kind: Literal["I", "U", "D"]
    old: Tuple | None
    is_whole: bool
    """True when `old` is the whole row (REPLICA IDENTITY FULL), not its key."""
    new: Tuple | None


@dataclass(frozen=True, slots=True)
class Truncation:
    """Tables lost all their rows."""

    oids: tuple[int, ...]


Decoded = Begin | Commit | Described | Change | Truncation

_TUPLE_SIZES = struct.Struct(">i").unpack_from
_COUNT = struct.Struct(">H").unpack_from
_OID = struct.Struct(">I").unpack_from
_NULL, _UNCHANGED, _TEXT = b"nut"


def decoded(message: bytes) -> Decoded | None:
    """Returns a message's meaning; None for those that change no row (origin, type)."""
    match message[:1]:
        case b"I" | b"U" | b"D":
            return _change(message)
        case b"B":
            lsn, micros = struct.unpack_from(">Qq", message, 1)
            return Begin(lsn, micros + EPOCH_MICROS)
        case b"C":
            lsn, end = struct.unpack_from(">QQ", message, 2)
            return Commit(lsn, end)
        case b"R":
            return _described(message)
        case b"T":
            (count,) = _OID(message, 1)
            return Truncation(struct.unpack_from(f">{count}I", message, 6))
        case b"O" | b"Y" | b"M":
            return None
        case kind:
            raise ProtocolError(
                f"pgoutput sent a message of an unknown kind: {kind!r}.",
                remedy="Report it with the version of the server (SELECT version()).",
            )


def _change(message: bytes) -> Change:
    kind = chr(message[0])
    (oid,) = _OID(message, 1)
    place, old, is_whole = 5, None, False
    if message[place] in b"KO":
        is_whole = message[place] == ord("O")
        old, place = _tuple(message, place + 1)
    new = _tuple(message, place + 1)[0] if kind != "D" else None
    return Change(oid, kind, old, is_whole, new)  # type: ignore[arg-type]  # checked by decoded()


def _tuple(message: bytes, place: int) -> tuple[Tuple, int]:
    (count,) = _COUNT(message, place)
    place += 2
    values: Tuple = []
    for _ in range(count):
        sort = message[place]
        place += 1
        if sort == _TEXT:
            (size,) = _TUPLE_SIZES(message, place)
            place += 4
            values.append(message[place : place + size])
            place += size
        elif sort == _NULL:
            values.append(None)
        elif sort == _UNCHANGED:
            values.append(UNSENT)
        else:
            raise ProtocolError(
                f"pgoutput sent a value of an unknown sort: {sort}.",
                remedy="Report it with the version of the server (SELECT version()).",
            )
    return values, place


def _described(message: bytes) -> Described:
    (oid,) = _OID(message, 1)
    schema, place = _name(message, 5)
    name, place = _name(message, place)
    (count,) = _COUNT(message, place + 1)
    place += 3
    columns = []
    for _ in range(count):
        column, place = _name(message, place + 1)
        columns.append(column)
        place += 8
    return Described(oid, schema or "pg_catalog", name, tuple(columns))


def _name(message: bytes, place: int) -> tuple[str, int]:
    end = message.index(b"\0", place)
    return message[place:end].decode(), end + 1
