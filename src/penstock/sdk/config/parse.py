"""A mapping becomes a configuration: exact types, and every problem told at once."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field
from datetime import UTC, date, datetime
from difflib import get_close_matches
from enum import Enum
from typing import Any, Final, TypeVar, assert_never

from penstock.errors import ConfigError
from penstock.sdk.config import text
from penstock.sdk.config.declare import (
    Choice,
    Field,
    Group,
    ListOf,
    MapOf,
    OneOf,
    Scalar,
    Setting,
    Shape,
    fields_of,
)

C = TypeVar("C")

_LONGEST_SHOWN: Final = 60
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_WRONG: Final = object()
"""Stands for a value whose problem is already written down."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to correct, and where: "streams[0].url"."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


def parse_config(config_class: type[C], values: Mapping[str, Any], *, from_text: bool = False) -> C:
    """Returns the configuration in `values`, or raises one ConfigError with every problem.

    Types are exact: "12" is no integer. With `from_text`, as for flags and environment
    variables, a text is read as what its setting asks for. Secrets are never in the error.
    A ConfigError of the class's own `__post_init__` counts as one of the problems.
    """
    parser = _Parser(from_text=from_text)
    parsed = parser.group(config_class, values, "")
    if parser.problems:
        raise config_error(parser.problems)
    return parsed  # type: ignore[no-any-return]  # `group` makes a config_class


def config_error(problems: list[Problem]) -> ConfigError:
    """Returns one ConfigError that tells every problem with its path."""
    if len(problems) == 1:
        message = f"The configuration has a problem: {problems[0]}."
    else:
        lines = "".join(f"\n  - {problem}" for problem in problems)
        message = f"The configuration has {len(problems)} problems:{lines}\n"
    return ConfigError(
        message,
        remedy="Correct the setting named and try again."
        if len(problems) == 1
        else "Correct the settings named and try again.",
        paths=", ".join(problem.path or "(top level)" for problem in problems),
    )


@dataclass(slots=True)
class _Parser:
    from_text: bool
    problems: list[Problem] = field(default_factory=list)

    def group(self, config_class: type[Any], value: Any, path: str) -> Any:
        value = self._read(value, text.object_of)
        if not isinstance(value, Mapping):
            return self._wrong(path, f"must be an object with settings, not {kind_of(value)}")
        known = len(self.problems)
        fields = fields_of(config_class)
        given = self._keys(fields, value, path)
        arguments = {}
        for each in fields:
            if each.name in given:
                arguments[each.name] = self._field(each, given[each.name], _join(path, each.name))
            elif each.required:
                self._wrong(_join(path, each.name), f"is required{_expectation(each)}")
            elif each.default is MISSING:
                arguments[each.name] = None
        if len(self.problems) > known:
            return _WRONG
        try:
            return config_class(**arguments)
        except ConfigError as error:
            return self._wrong(path, str(error).rstrip("."))

    def _keys(
        self, fields: tuple[Field, ...], value: Mapping[Any, Any], path: str
    ) -> dict[str, Any]:
        names = {each.name: each.name for each in fields}
        names |= {alias: each.name for each in fields for alias in each.about.alias}
        given: dict[str, Any] = {}
        for key, inner in value.items():
            name = names.get(key)
            if name is None:
                shown = [each.name for each in fields if not each.about.hidden]
                self._wrong(_join(path, key), f"is not a setting{nearest(str(key), shown)}")
            elif name in given:
                self._wrong(_join(path, key), f"is given twice: {name} is the same setting")
            else:
                given[name] = inner
        return given

    def _field(self, each: Field, value: Any, path: str) -> Any:
        if value is None and (each.nullable or each.shape is Scalar.ANYTHING):
            return None
        parsed = self._value(each.shape, value, path, each.about)
        if parsed is not _WRONG:
            self._limits(each, parsed, path)
        return parsed

    def _value(self, shape: Shape, value: Any, path: str, about: Setting) -> Any:
        match shape:
            case Scalar():
                return self._scalar(shape, value, path, about)
            case Choice():
                return self._choice(shape, value, path, about)
            case ListOf():
                return self._list(shape, value, path, about)
            case MapOf():
                return self._map(shape, value, path, about)
            case Group(type=group):
                return self.group(group, value, path)
            case OneOf():
                return self._one_of(shape, value, path)
            case _:
                assert_never(shape)

    def _scalar(self, shape: Scalar, value: Any, path: str, about: Setting) -> Any:
        if isinstance(value, str) and self.from_text and shape in _READERS:
            value = _READERS[shape](value)
        converted = _CONVERTERS[shape](value)
        if converted is _WRONG:
            return self._wrong(path, f"must be {shape.value}, not {_shown(value, about)}")
        return converted

    def _choice(self, shape: Choice, value: Any, path: str, about: Setting) -> Any:
        if isinstance(value, str) and self.from_text and not isinstance(shape.values[0], str):
            value = text.json_of(value)
        for known in shape.values:
            if value == known and type(value) is type(known):
                return shape.enum(known) if shape.enum else known
        if isinstance(value, Enum) and shape.enum and isinstance(value, shape.enum):
            return value
        listed = ", ".join(str(plain) for plain in shape.values)
        near = did_you_mean(str(value), [str(plain) for plain in shape.values])
        hint = "" if about.secret else near
        return self._wrong(path, f"must be one of {listed}, not {_shown(value, about)}{hint}")

    def _list(self, shape: ListOf, value: Any, path: str, about: Setting) -> Any:
        value = self._read(value, text.list_of)
        if not isinstance(value, (list, tuple)):
            return self._wrong(path, f"must be a list, not {_shown(value, about)}")
        items = [
            self._value(shape.item, item, f"{path}[{i}]", about) for i, item in enumerate(value)
        ]
        if any(item is _WRONG for item in items):
            return _WRONG
        return tuple(items) if shape.is_tuple else items

    def _map(self, shape: MapOf, value: Any, path: str, about: Setting) -> Any:
        value = self._read(value, text.object_of)
        if not isinstance(value, Mapping):
            return self._wrong(path, f"must be an object, not {_shown(value, about)}")
        result = {}
        for key, inner in value.items():
            if not isinstance(key, str):
                self._wrong(_join(path, key), f"has a key that is {kind_of(key)}, not a string")
            result[key] = self._value(shape.value, inner, _join(path, key), about)
        return _WRONG if any(inner is _WRONG for inner in result.values()) else result

    def _one_of(self, shape: OneOf, value: Any, path: str) -> Any:
        value = self._read(value, text.object_of)
        listed = ", ".join(mark for mark, _ in shape.groups)
        if not isinstance(value, Mapping):
            return self._wrong(path, f"must be an object, not {kind_of(value)}")
        mark_path = _join(path, shape.discriminator)
        if shape.discriminator not in value:
            return self._wrong(mark_path, f"is required: one of {listed}")
        for mark, group in shape.groups:
            if value[shape.discriminator] == mark:
                return self.group(group, value, path)
        near = did_you_mean(str(value[shape.discriminator]), [mark for mark, _ in shape.groups])
        return self._wrong(mark_path, f"must be one of {listed}{near}")

    def _limits(self, each: Field, value: Any, path: str) -> None:
        about = each.about
        if isinstance(value, str) and about.pattern and not re.search(about.pattern, value):
            wanted = about.pattern_descriptor or f"the pattern {about.pattern}"
            self._wrong(path, f"must look like {wanted}, not {_shown(value, about)}")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return
        if about.minimum is not None and value < about.minimum:
            self._wrong(path, f"must be at least {about.minimum}, not {_shown(value, about)}")
        if about.maximum is not None and value > about.maximum:
            self._wrong(path, f"must be at most {about.maximum}, not {_shown(value, about)}")

    def _read(self, value: Any, reader: Callable[[str], Any]) -> Any:
        return reader(value) if self.from_text and isinstance(value, str) else value

    def _wrong(self, path: str, message: str) -> Any:
        self.problems.append(Problem(path, message))
        return _WRONG


def _string(value: Any) -> Any:
    return value if isinstance(value, str) else _WRONG


def _integer(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    # JSON Schema draft 6 §6.1.1: a number without a fraction is an integer; a double is one
    # for sure only up to 2**53.
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        return int(value)
    return _WRONG


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return _WRONG
    try:
        number = float(value)
    except OverflowError:
        return _WRONG
    return number if math.isfinite(number) else _WRONG


def _boolean(value: Any) -> Any:
    return value if isinstance(value, bool) else _WRONG


def _date(value: Any) -> Any:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value  # YAML reads 2024-01-31 as a date
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return _WRONG
    try:
        return date.fromisoformat(value)
    except ValueError:
        return _WRONG


def _datetime(value: Any) -> Any:
    """Returns an aware time; without an offset it is UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return _WRONG
    if not isinstance(value, datetime):
        return _WRONG
    return value if value.tzinfo else value.replace(tzinfo=UTC)


_CONVERTERS: Final[dict[Scalar, Callable[[Any], Any]]] = {
    Scalar.STRING: _string,
    Scalar.INTEGER: _integer,
    Scalar.NUMBER: _number,
    Scalar.BOOLEAN: _boolean,
    Scalar.DATE: _date,
    Scalar.DATETIME: _datetime,
    Scalar.ANYTHING: lambda value: value,
}
_READERS: Final[dict[Scalar, Callable[[str], Any]]] = {
    Scalar.INTEGER: text.integer_of,
    Scalar.NUMBER: text.number_of,
    Scalar.BOOLEAN: text.boolean_of,
    Scalar.ANYTHING: text.json_of,
}


def kind_of(value: Any) -> str:
    """Returns a JSON value's type in words, without the value."""
    for types, words in _KINDS:
        if isinstance(value, types):
            return words
    return f"a {type(value).__name__}"


_KINDS: Final[tuple[tuple[Any, str], ...]] = (
    (type(None), "null"),
    (bool, "true or false"),
    (int, "an integer"),
    (float, "a number"),
    (str, "a string"),
    (Mapping, "an object"),
    ((list, tuple), "a list"),
    ((date, datetime), "a date (in YAML, put it in quotes)"),
)


def did_you_mean(name: str, known: list[str]) -> str:
    """Returns "; did you mean …" for the nearest known name, or nothing."""
    near = get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}" if near else ""


def nearest(name: str, known: list[str]) -> str:
    """Returns the nearest known name as a hint, else all there are when they are few."""
    listed = f"; there are {', '.join(known)}" if 0 < len(known) <= 12 else ""
    return did_you_mean(name, known) or listed


def _expectation(each: Field) -> str:
    if isinstance(each.shape, Scalar):
        return f": {each.shape.value}"
    if isinstance(each.shape, Choice):
        return f": one of {', '.join(map(str, each.shape.values))}"
    return ""


def _shown(value: Any, about: Setting) -> str:
    if about.secret or not isinstance(value, (str, int, float)):
        return kind_of(value)
    shown = repr(value)
    if len(shown) > _LONGEST_SHOWN:
        shown = shown[: _LONGEST_SHOWN - 1] + "…"
    return f"the string {shown}" if isinstance(value, str) else shown


def _join(path: str, key: Any) -> str:
    name = str(key)
    if name.replace("_", "").replace("-", "").isalnum():
        return f"{path}.{name}" if path else name
    return f"{path}[{name!r}]"
