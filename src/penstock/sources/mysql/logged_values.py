"""Values of the binary log as the texts that a SELECT of the same column gives.

Source: MySQL Internals, "Rows Event" and "Column Types"; `sql/log_event.cc` and `my_time.cc` for
the types with fractions of a second; what the log leaves out at the end of BINARY is put back.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final

from penstock.errors import ConfigError


class Unsent:
    """What the log does not tell, or not as a SELECT does: it is asked of the table."""


UNSENT: Final = Unsent()
Value = str | bytes | Unsent | None
Reader = Callable[[bytes, int], tuple[Value, int]]
Passer = Callable[[bytes, int], int]
"""Returns where a value ends, and looks no closer."""

TINY, SHORT, LONG, FLOAT, DOUBLE, LONGLONG, INT24 = 1, 2, 3, 4, 5, 8, 9
DATE, YEAR, VARCHAR, BIT, TIMESTAMP2, DATETIME2, TIME2 = 10, 13, 15, 16, 17, 18, 19
JSON, DECIMAL, ENUM, SET, BLOB, VAR_STRING, STRING, GEOMETRY = (
    245,
    246,
    247,
    248,
    252,
    253,
    254,
    255,
)
BLOBS: Final = frozenset({249, 250, 251, BLOB})
NUMERIC: Final = frozenset({TINY, SHORT, LONG, FLOAT, DOUBLE, LONGLONG, INT24, DECIMAL})
TEXTUAL: Final = frozenset({VARCHAR, VAR_STRING, STRING, *BLOBS})
BINARY_COLLATION: Final = 63

_FIRST_DAY: Final = date(1970, 1, 1).toordinal()
_INTEGERS: Final = {TINY: 1, SHORT: 2, INT24: 3, LONG: 4, LONGLONG: 8}
_DIGITS_PER_GROUP: Final = 9
_GROUP_BYTES: Final = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedType:
    """A column's type as a table map tells it."""

    code: int
    meta: int
    is_unsigned: bool = False
    encoding: str | None = None
    """Python's name; None for bytes."""
    members: tuple[str, ...] = ()
    """Of an enum or set."""


def reader_of(logged: LoggedType, where: str) -> Reader:
    """Returns what reads one value; ConfigError for a type that nobody should meet."""
    code, meta = logged.code, logged.meta
    if code in _INTEGERS:
        return _integer(_INTEGERS[code], is_signed=not logged.is_unsigned)
    if code in TEXTUAL:
        return _text(logged)
    fixed = {
        FLOAT: _double("<f", 4),
        DOUBLE: _double("<d", 8),
        DATE: _date,
        YEAR: _year,
    }
    if code in fixed:
        return fixed[code]
    made: dict[int, Callable[[], Reader]] = {
        DECIMAL: lambda: _decimal(meta >> 8, meta & 0xFF),
        BIT: lambda: _raw((8 * (meta >> 8) + (meta & 0xFF) + 7) // 8),
        TIMESTAMP2: lambda: _timestamp(meta),
        DATETIME2: lambda: _datetime(meta),
        TIME2: lambda: _time(meta),
        ENUM: lambda: _enum(meta, logged.members),
        SET: lambda: _set(meta, logged.members),
        JSON: lambda: _unsent(meta),
        GEOMETRY: lambda: _unsent(meta),
    }
    if code not in made:
        raise ConfigError(
            f"{where} is of a type ({code}) that the log writes in a way of its own.",
            remedy="Change the column (of MariaDB: without COMPRESSED, or with"
            " mysql56_temporal_format on), or leave the table out.",
        )
    return made[code]()


def passer_of(logged: LoggedType, read: Reader) -> Passer:
    """Returns what passes over a value that `read` reads."""
    code, meta = logged.code, logged.meta
    if code in TEXTUAL or code in (JSON, GEOMETRY):
        width = _length_bytes(logged)

        def passes(content: bytes, at: int) -> int:
            begin = at + width
            return begin + int.from_bytes(content[at:begin], "little")

        return passes
    sizes = {**_INTEGERS, FLOAT: 4, DOUBLE: 8, DATE: 3, YEAR: 1, ENUM: meta, SET: meta}
    size = sizes.get(code)
    if size is None:
        return lambda content, at: read(content, at)[1]
    return lambda _, at: at + size


def _length_bytes(logged: LoggedType) -> int:
    """Returns in how many bytes the length of a value is told."""
    if logged.code in BLOBS or logged.code in (JSON, GEOMETRY):
        return logged.meta
    return 2 if logged.meta > 0xFF else 1


def _integer(size: int, *, is_signed: bool) -> Reader:
    def read(content: bytes, at: int) -> tuple[Value, int]:
        end = at + size
        return str(int.from_bytes(content[at:end], "little", signed=is_signed)), end

    return read


def _double(form: str, size: int) -> Reader:
    def read(content: bytes, at: int) -> tuple[Value, int]:
        return repr(struct.unpack_from(form, content, at)[0]), at + size

    return read


def _raw(size: int) -> Reader:
    return lambda content, at: (content[at : at + size], at + size)


def _text(logged: LoggedType) -> Reader:
    width = _length_bytes(logged)
    padded = logged.meta if logged.code == STRING and logged.encoding is None else 0
    encoding = logged.encoding

    def read(content: bytes, at: int) -> tuple[Value, int]:
        begin = at + width
        end = begin + int.from_bytes(content[at:begin], "little")
        value = content[begin:end]
        return (value.ljust(padded, b"\0") if encoding is None else value.decode(encoding)), end

    return read


def _unsent(width: int) -> Reader:
    def read(content: bytes, at: int) -> tuple[Value, int]:
        begin = at + width
        return UNSENT, begin + int.from_bytes(content[at:begin], "little")

    return read


def _year(content: bytes, at: int) -> tuple[Value, int]:
    return str(content[at] + 1900 if content[at] else 0), at + 1


def _date(content: bytes, at: int) -> tuple[Value, int]:
    packed = int.from_bytes(content[at : at + 3], "little")
    return f"{packed >> 9:04d}-{packed >> 5 & 15:02d}-{packed & 31:02d}", at + 3


def _fraction_of(places: int) -> tuple[int, Callable[[int], str]]:
    """Returns the bytes of a fraction of a second, and what makes them digits."""
    size = (places + 1) // 2
    if not size:
        return 0, lambda _: ""
    return size, lambda units: "." + f"{units:0{2 * size}d}"[:places]


@lru_cache(maxsize=4096)
def _day(number: int) -> str:
    """Returns a day of UTC by its number since 1970."""
    return date.fromordinal(_FIRST_DAY + number).isoformat()


def _timestamp(places: int) -> Reader:
    size, digits = _fraction_of(places)

    def read(content: bytes, at: int) -> tuple[Value, int]:
        seconds = int.from_bytes(content[at : at + 4], "big")
        units = int.from_bytes(content[at + 4 : at + 4 + size], "big")
        if not seconds and not units:
            return "0000-00-00 00:00:00", at + 4 + size
        days, second = divmod(seconds, 86_400)
        clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
        return f"{_day(days)} {clock}{digits(units)}", at + 4 + size

    return read


def _datetime(places: int) -> Reader:
    size, digits = _fraction_of(places)

    def read(content: bytes, at: int) -> tuple[Value, int]:
        packed = int.from_bytes(content[at : at + 5], "big") - (1 << 39)
        months, day = packed >> 22, packed >> 17 & 31
        clock = f"{packed >> 12 & 31:02d}:{packed >> 6 & 63:02d}:{packed & 63:02d}"
        units = int.from_bytes(content[at + 5 : at + 5 + size], "big")
        text = f"{months // 13:04d}-{months % 13:02d}-{day:02d} {clock}{digits(units)}"
        return text, at + 5 + size

    return read


def _time(places: int) -> Reader:
    size, digits = _fraction_of(places)
    zero = 0x800000 << 8 * size

    def read(content: bytes, at: int) -> tuple[Value, int]:
        packed = int.from_bytes(content[at : at + 3 + size], "big") - zero
        sign, packed = ("-", -packed) if packed < 0 else ("", packed)
        clock, units = packed >> 8 * size, packed & ((1 << 8 * size) - 1)
        hours = f"{clock >> 12 & 1023:02d}"
        text = f"{sign}{hours}:{clock >> 6 & 63:02d}:{clock & 63:02d}{digits(units)}"
        return text, at + 3 + size

    return read


def _decimal(precision: int, places: int) -> Reader:
    whole = precision - places
    groups = [_GROUP_BYTES[whole % _DIGITS_PER_GROUP]] + [4] * (whole // _DIGITS_PER_GROUP)
    lengths = [0] + [_DIGITS_PER_GROUP] * (whole // _DIGITS_PER_GROUP)
    lengths[0] = whole % _DIGITS_PER_GROUP
    groups += [4] * (places // _DIGITS_PER_GROUP) + [_GROUP_BYTES[places % _DIGITS_PER_GROUP]]
    lengths += [_DIGITS_PER_GROUP] * (places // _DIGITS_PER_GROUP) + [places % _DIGITS_PER_GROUP]
    size = sum(groups)
    sign, every = 1 << 8 * size - 1, (1 << 8 * size) - 1
    parts: list[tuple[int, int, int]] = []
    """Of each group of digits: how far it is shifted, its bits, and how much it counts."""
    left = 8 * size
    for group, count in zip(groups, lengths, strict=True):
        left -= 8 * group
        if group:
            parts.append((left, (1 << 8 * group) - 1, 10**count))
    width = whole + places

    def read(content: bytes, at: int) -> tuple[Value, int]:
        packed = int.from_bytes(content[at : at + size], "big")
        is_negative = not packed & sign
        packed ^= every ^ sign if is_negative else sign
        number = 0
        for shift, bits, scale in parts:
            number = number * scale + (packed >> shift & bits)
        digits = f"{number:0{width}d}"
        integral = digits[:whole].lstrip("0") or "0"
        text = f"{integral}.{digits[whole:]}" if places else integral
        return ("-" + text if is_negative else text), at + size

    return read


def _enum(size: int, members: Sequence[str]) -> Reader:
    def read(content: bytes, at: int) -> tuple[Value, int]:
        number = int.from_bytes(content[at : at + size], "little")
        return (members[number - 1] if number else ""), at + size

    return read


def _set(size: int, members: Sequence[str]) -> Reader:
    def read(content: bytes, at: int) -> tuple[Value, int]:
        mask = int.from_bytes(content[at : at + size], "little")
        chosen = [member for place, member in enumerate(members) if mask >> place & 1]
        return ",".join(chosen), at + size

    return read


def encoding_of(character_set: str, where: str) -> str | None:
    """Returns Python's name of a character set; None for bytes."""
    if character_set == "binary":
        return None
    found = _ENCODINGS.get(character_set)
    if found is None:
        raise ConfigError(
            f"{where} is in the character set {character_set}, which changes cannot be read in.",
            remedy="Convert it: ALTER TABLE … CONVERT TO CHARACTER SET utf8mb4.",
        )
    return found


_ENCODINGS: Final[dict[str, str]] = {
    "utf8mb4": "utf-8",
    "utf8mb3": "utf-8",
    "utf8": "utf-8",
    "ascii": "ascii",
    "latin1": "cp1252",
    "latin2": "iso8859-2",
    "latin5": "iso8859-9",
    "latin7": "iso8859-13",
    "cp1250": "cp1250",
    "cp1251": "cp1251",
    "cp1256": "cp1256",
    "cp1257": "cp1257",
    "cp850": "cp850",
    "cp852": "cp852",
    "cp866": "cp866",
    "greek": "iso8859-7",
    "hebrew": "iso8859-8",
    "koi8r": "koi8-r",
    "koi8u": "koi8-u",
    "tis620": "tis-620",
    "gbk": "gbk",
    "gb2312": "gb2312",
    "gb18030": "gb18030",
    "big5": "big5",
    "sjis": "shift_jis",
    "cp932": "cp932",
    "ujis": "euc_jp",
    "euckr": "euc_kr",
    "ucs2": "utf-16-be",
    "utf16": "utf-16-be",
    "utf16le": "utf-16-le",
    "utf32": "utf-32-be",
}
