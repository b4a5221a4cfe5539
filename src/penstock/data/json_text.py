"""JSON as text: split, compacted and mended without a number losing a digit."""

from __future__ import annotations

import base64
import codecs
import datetime as dt
import enum
import json
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from decimal import Decimal
from functools import partial
from typing import Any, Final
from uuid import UUID

import msgspec
import orjson
import pyarrow as pa

from penstock.errors import DataError

_raw_value = msgspec.json.Decoder(msgspec.Raw)
_raw_object = msgspec.json.Decoder(dict[str, msgspec.Raw])

_STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_SPACE_OR_STRING: Final = re.compile(rb"(" + _STRING + rb")|[ \t\r\n]+", re.DOTALL)
_NOT_A_NUMBER: Final = re.compile(rb"(" + _STRING + rb")|-?\b(?:NaN|Infinity)\b", re.DOTALL)
_ESCAPE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\.",
    re.DOTALL,
)
_ANY_ESCAPE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.", re.DOTALL
)
_IN_ASCII: Final = re.compile(rb"\\(?:u00[0-7]|[/U])")
_NEED_ESCAPES: Final = frozenset(map(chr, [*range(0x20), 0x22, 0x5C]))
_format = msgspec.json.format
_HAS_SPACE: Final = re.compile(rb"[ \t\r\n]")


def split_object(text: bytes) -> dict[str, bytes]:
    """Returns the raw text of each value of a JSON object; the last of equal keys wins.

    Text that is almost JSON (NaN, lone surrogates, invalid UTF-8) is split all the same; its
    values are left as they are, for `mend`. Raises ValueError when the structure is broken.
    """
    try:
        return {key: bytes(raw) for key, raw in _raw_object.decode(text).items()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _split_tolerantly(text)


def _split_tolerantly(text: bytes) -> dict[str, bytes]:
    """Splits a valid shadow of the text, of equal length, and takes the slices from the text."""
    shadow = _ESCAPE.sub(
        lambda found: b"\\ufffd" if len(found.group()) == 6 else found.group(),
        _NOT_A_NUMBER.sub(
            lambda found: found.group(1) or b"0." + b"0" * (len(found.group()) - 2),
            text.decode("utf-8", _SAME_LENGTH).encode(),
        ),
    )
    try:
        parts = _raw_object.decode(shadow)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    first = _address(shadow)
    starts = {key: _address(raw) - first for key, raw in parts.items()}
    return {key: text[starts[key] : starts[key] + len(bytes(raw))] for key, raw in parts.items()}


def _address(view: Any) -> int:
    address: int = pa.py_buffer(view).address
    return address


def _question_marks(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 - registered for decoding only
    return "?" * (error.end - error.start), error.end


_SAME_LENGTH: Final = "penstock.same_length"
codecs.register_error(_SAME_LENGTH, _question_marks)


def compact(text: bytes) -> bytes:
    """Returns JSON text without white space outside strings; literals stay to the letter."""
    if _HAS_SPACE.search(text) is None:
        return text
    return _SPACE_OR_STRING.sub(lambda found: found.group(1) or b"", text)


def plain(text: bytes) -> bytes:
    """Returns JSON in the one spelling penstock keeps: no white space, characters as they are.

    Escapes stay only before characters that need one (RFC 8259 §7), and literals to the letter.
    Text that is not JSON is returned as it is.
    """
    try:
        text = _format(text, indent=-1)
    except (msgspec.DecodeError, RecursionError):
        return text
    if b"\\u" not in text and b"\\/" not in text:
        return text
    if text.isascii() and _IN_ASCII.search(text) is None:
        try:
            return text.decode("raw_unicode_escape").encode()
        except UnicodeError:
            pass  # Surrogates: pairs are joined below.
    return _ANY_ESCAPE.sub(_unescaped, text)


def _unescaped(found: re.Match[bytes]) -> bytes:
    escape = found.group()
    if escape == b"\\/":
        return b"/"
    if len(escape) == 2:
        return escape
    content: str = orjson.loads(b'"%b"' % escape)
    return escape if content in _NEED_ESCAPES else content.encode()


def mend_string(text: bytes) -> bytes:
    """Returns a JSON string with U+FFFD for each byte and escape that is not Unicode."""
    valid = text.decode("utf-8", "replace").encode()
    return _ESCAPE.sub(
        lambda found: b"\\ufffd" if len(found.group()) == 6 else found.group(), valid
    )


def mend(text: bytes) -> bytes:
    """Returns almost-JSON as JSON: U+FFFD for what is not Unicode, null for NaN and Infinity."""
    numbers = _NOT_A_NUMBER.sub(lambda found: found.group(1) or b"null", text)
    return mend_string(numbers)


def is_json(text: bytes) -> bool:
    """Tells whether text is one JSON value by RFC 8259, valid Unicode included.

    Only read, never converted: numbers beyond any machine's size are JSON, too.
    """
    try:
        text.decode()
        _raw_value.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return b"\\u" not in text or not has_lone_surrogate(text)


def has_lone_surrogate(text: bytes) -> bool:
    """Tells whether JSON text escapes half of a surrogate pair."""
    return any(len(found.group()) == 6 for found in _ESCAPE.finditer(text))


def row_texts(rows: Sequence[Mapping[str, Any]]) -> list[bytes]:
    """Returns rows of Python values as JSON texts, each on one line, exactly or not at all.

    Decimals and integers of any size are written digit by digit, instants in ISO 8601, bytes as
    base64, NaN and lone surrogates as Python's json writes them (decoding records those).
    Raises DataError for a value that JSON has no place for.
    """
    try:
        return list(map(_dumps, rows))
    except (orjson.JSONEncodeError, UnicodeEncodeError):
        return list(map(value_text, rows))


def list_text(rows: Sequence[Mapping[str, Any]]) -> bytes | None:
    """Returns rows as one JSON list, written in one go; None where `row_texts` is needed.

    NaN becomes null.
    """
    try:
        return _dumps(list(rows))
    except (orjson.JSONEncodeError, UnicodeEncodeError):
        return None


def value_text(value: Any) -> bytes:
    """Returns one Python value as JSON text; see `row_texts`. NaN may have become null."""
    try:
        return _dumps(value)
    except (orjson.JSONEncodeError, UnicodeEncodeError):
        return exact_text(value).encode("ascii")


def _fragment(value: Any) -> Any:
    return orjson.Fragment(exact_text(value))


_dumps: Final = partial(orjson.dumps, default=_fragment)


def exact_text(value: Any) -> str:  # noqa: PLR0911 - one return a type
    """Returns one Python value as JSON text in ASCII; see `row_texts`."""
    if isinstance(value, enum.Enum):
        return exact_text(value.value)
    if isinstance(value, Decimal):
        return _decimal_text(value)
    if isinstance(value, Mapping):
        pairs = (f"{json.dumps(_key(key))}:{exact_text(item)}" for key, item in value.items())
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list | tuple | Set):
        return "[" + ",".join(exact_text(item) for item in value) + "]"
    if is_dataclass(value) and not isinstance(value, type):
        return exact_text({field.name: getattr(value, field.name) for field in fields(value)})
    if hasattr(value, "tolist") and not isinstance(value, memoryview):
        return exact_text(value.tolist())
    return json.dumps(_plain(value))


def _decimal_text(value: Decimal) -> str:
    if value.is_finite():
        return str(value)
    return "NaN" if value.is_nan() else ("-Infinity" if value < 0 else "Infinity")


def _key(key: Any) -> str:
    plain = _plain(key)
    return plain if isinstance(plain, str) else exact_text(key)


def _plain(value: Any) -> str | int | float | bool | None:
    match value:
        case None | str() | bool() | int() | float():
            return value
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
        case dt.timedelta():
            return _duration(value)
        case UUID():
            return str(value)
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(value).decode("ascii")
        case _:
            raise DataError(
                f"A row holds a value of type {type(value).__name__}, which has no JSON form.",
                remedy="Let the source yield plain values, or turn it into text there.",
            )


def _duration(value: dt.timedelta) -> str:
    """Returns an ISO 8601 duration, in seconds so that it is exact."""
    micros = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
    sign, micros = ("-" if micros < 0 else ""), abs(micros)
    whole, part = divmod(micros, 1_000_000)
    return f"{sign}PT{whole}{f'.{part:06d}' if part else ''}S"
