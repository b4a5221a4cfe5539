"""Rows as an assistant can read them: exact values, and what is long is cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from penstock.data.plain import plain

_LONGEST: Final = 2_000
_ANSWER_CHARACTERS: Final = 100_000


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> dict[str, Any]:
    """Returns rows under their columns; says what was cut to keep the answer readable."""
    kept: list[list[Any]] = []
    length, cut_values, is_cut = 0, 0, False
    for row in rows:
        values = [_shortened(plain(value)) for value in row]
        cut_values += sum(is_short for _, is_short in values)
        length += sum(len(str(value)) for value, _ in values)
        if kept and length > _ANSWER_CHARACTERS:
            is_cut = True
            break
        kept.append([value for value, _ in values])
    answer: dict[str, Any] = {"columns": list(columns), "rows": kept}
    if is_cut:
        answer["rows_left_out"] = "The answer would be too long; ask for fewer rows or columns."
    if cut_values:
        answer["values_cut"] = cut_values
    return answer


def _shortened(value: Any) -> tuple[Any, bool]:
    text = value if isinstance(value, str) else str(value)
    if len(text) <= _LONGEST:
        return value, False
    return f"{text[:_LONGEST]}… ({len(text)} characters)", True


def mapped(value: Any, change: Callable[[str], str]) -> Any:
    """Returns a JSON value with every text in it changed, keys too."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(str(key)): mapped(inner, change) for key, inner in value.items()}
    if isinstance(value, list):
        return [mapped(inner, change) for inner in value]
    return value
