"""Observations as columns: which there are, by a sample of a type's records, and of what kind."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, Final

from penstock.data.types import Kind

Row = dict[str, Any]
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_INSTANT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}")


def observation_columns(sample: Iterable[Row], properties: Iterable[str]) -> dict[str, Kind]:
    """Returns a column for each concept seen, "observations.Weight (kg)", in the order of names.

    Concepts that no record of the sample answers have none; `observations` itself has them all.
    """
    values: dict[str, list[Any]] = {}
    for record in sample:
        for name in properties:
            for concept, value in _answers(record, name).items():
                values.setdefault(f"{name}.{concept}", []).append(value)
    return {column: kind_of(values[column]) for column in sorted(values)}


def with_columns(row: Row, columns: Iterable[str], properties: Iterable[str]) -> Row:
    """Returns a row with its observations under their columns, beside the whole of them."""
    given = {
        f"{name}.{concept}": value
        for name in properties
        for concept, value in _answers(row, name).items()
    }
    return {**row, **{column: given.get(column) for column in columns}}


def kind_of(values: Iterable[Any]) -> Kind:
    """Returns the kind of a concept's answers; text is a date only if every answer is one.

    Whole numbers, too, are a number's kind: the next answer may have a fraction.
    """
    found = [value for value in values if value is not None]
    if not found:
        return Kind.STRING
    if all(isinstance(value, bool) for value in found):
        return Kind.BOOLEAN
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in found):
        return Kind.NUMBER
    if not all(isinstance(value, str) for value in found):
        return Kind.JSON
    for pattern, read, kind in (
        (_DATE, date.fromisoformat, Kind.DATE),
        (_INSTANT, _with_zone, Kind.TIMESTAMP_TZ),
    ):
        if all(pattern.match(value) and _reads(read, value) for value in found):
            return kind
    return Kind.STRING


def _answers(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = record.get(name)
    return found if isinstance(found, dict) else {}


def _with_zone(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no zone")
    return moment


def _reads(read: Any, value: str) -> bool:
    try:
        read(value)
    except ValueError:
        return False
    return True
