"""Text from a flag or an environment variable, as the JSON value its setting asks for."""

from __future__ import annotations

import json
import re
from typing import Any

_INTEGER = re.compile(r"[+-]?[0-9]+(?:_[0-9]+)*")
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


def integer_of(text: str) -> int | str:
    """Returns the integer written in `text` ("12", "1_000_000"); other text as it is."""
    return int(text) if _INTEGER.fullmatch(text.strip()) else text


def number_of(text: str) -> int | float | str:
    """Returns the number written in `text`, other text as it is; an integer stays exact."""
    whole = integer_of(text)
    if not isinstance(whole, str):
        return whole
    try:
        return float(text)
    except ValueError:
        return text


def boolean_of(text: str) -> bool | str:
    """Returns true for true, yes, on, 1; false for false, no, off, 0; other text as it is."""
    word = text.strip().lower()
    if word in _TRUE:
        return True
    return False if word in _FALSE else text


def list_of(text: str) -> list[Any] | str:
    """Returns a JSON array, or the parts between commas; broken JSON as it is."""
    if text.lstrip().startswith("["):
        parsed = json_of(text)
        return parsed if isinstance(parsed, list) else text
    return [part.strip() for part in text.split(",")] if text.strip() else []


def object_of(text: str) -> dict[str, Any] | str:
    """Returns a JSON object, or the pairs of `key=value,key=value`; other text as it is."""
    if text.lstrip().startswith("{"):
        parsed = json_of(text)
        return parsed if isinstance(parsed, dict) else text
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if all(mark for _, mark, _ in pairs):
        return {key.strip(): value.strip() for key, _, value in pairs}
    return text


def json_of(text: str) -> Any:
    """Returns the JSON value written in `text`; text that is no JSON as it is."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
