"""How a setting is declared, and the shapes a setting's type can have."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass
from datetime import date, datetime
from enum import Enum, StrEnum
from typing import Any, Final, Literal, Union, get_args, get_origin

from penstock.errors import BugError

_METADATA_KEY: Final = "penstock.setting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the type of a field cannot say of it."""

    title: str = ""
    description: str = ""
    secret: bool = False
    examples: tuple[Any, ...] = ()
    pattern: str | None = None
    """Regular expression that must be found in the text (JSON Schema `pattern`)."""
    pattern_descriptor: str | None = None
    """The pattern in words: "YYYY-MM-DD"."""
    minimum: float | None = None
    maximum: float | None = None
    order: int | None = None
    """Place in the form; None: the place in the class."""
    advanced: bool = False
    """Not shown in a form until asked for."""
    hidden: bool = False
    """Never shown in a form, flags or docs."""
    multiline: bool = False
    alias: tuple[str, ...] = ()
    """Other keys this setting is read from, such as an Airbyte connector's spelling."""


def setting(  # noqa: PLR0913 (a declaration: every part is optional and named)
    *,
    default: Any = MISSING,
    default_factory: Callable[[], Any] | Any = MISSING,
    title: str = "",
    description: str = "",
    secret: bool = False,
    examples: Sequence[Any] = (),
    pattern: str | None = None,
    pattern_descriptor: str | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    order: int | None = None,
    advanced: bool = False,
    hidden: bool = False,
    multiline: bool = False,
    alias: Sequence[str] = (),
) -> Any:
    """Returns a dataclass field that is one setting of a connector; `repr` shows no secret."""
    about = Setting(
        title=title,
        description=description,
        secret=secret,
        examples=tuple(examples),
        pattern=pattern,
        pattern_descriptor=pattern_descriptor,
        minimum=minimum,
        maximum=maximum,
        order=order,
        advanced=advanced,
        hidden=hidden,
        multiline=multiline,
        alias=tuple(alias),
    )
    return dataclasses.field(
        default=default,
        default_factory=default_factory,
        repr=not secret,
        metadata={_METADATA_KEY: about},
    )


class Scalar(Enum):
    """A single value without parts."""

    STRING = "a string"
    INTEGER = "an integer"
    NUMBER = "a number"
    BOOLEAN = "true or false"
    DATE = "a date (YYYY-MM-DD)"
    DATETIME = "a date and time (YYYY-MM-DDThh:mm:ssZ)"
    ANYTHING = "any JSON value"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of fixed values; `enum` is the class they become, if any."""

    values: tuple[str | int | bool, ...]
    enum: type[Any] | None = None


@dataclass(frozen=True, slots=True)
class ListOf:
    """Any number of values of one shape."""

    item: Shape
    is_tuple: bool


@dataclass(frozen=True, slots=True)
class MapOf:
    """Keys of the user's own, each with a value of one shape."""

    value: Shape


@dataclass(frozen=True, slots=True)
class Group:
    """Settings that belong together: a nested dataclass."""

    type: type[Any]


@dataclass(frozen=True, slots=True)
class OneOf:
    """Exactly one of several groups, told apart by the value of one property."""

    discriminator: str
    groups: tuple[tuple[str, type[Any]], ...]


Shape = Scalar | Choice | ListOf | MapOf | Group | OneOf


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a configuration class, understood."""

    name: str
    shape: Shape
    about: Setting
    nullable: bool
    required: bool
    default: Any
    """MISSING when there is none."""
    const: str | None
    """The only value it can have: the mark of a group within a `OneOf`."""
    position: int


def fields_of(config_class: type[Any]) -> tuple[Field, ...]:
    """Returns the fields of a configuration class; an unsupported type raises BugError."""
    if not dataclasses.is_dataclass(config_class):
        raise BugError(
            f"{config_class.__qualname__} is not a dataclass.",
            remedy="Declare it with @dataclass(frozen=True, slots=True, kw_only=True).",
        )
    hints = typing.get_type_hints(config_class, include_extras=False)
    return tuple(
        _field(config_class, field, hints[field.name], position)
        for position, field in enumerate(dataclasses.fields(config_class))
        if field.init
    )


def group_title(config_class: type[Any]) -> str:
    """Returns the title of a group: its `title` class variable, else its name in words."""
    title = getattr(config_class, "title", None)
    if isinstance(title, str):
        return title
    name = config_class.__name__.removesuffix("Config")
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return words or "Settings"


def _field(owner: type[Any], field: dataclasses.Field[Any], hint: Any, position: int) -> Field:
    about = field.metadata.get(_METADATA_KEY, Setting())
    inner, nullable = _without_none(hint)
    shape = _shape(inner, f"{owner.__qualname__}.{field.name}")
    default = field.default
    if default is MISSING and field.default_factory is not MISSING:
        default = field.default_factory()
    is_const = isinstance(shape, Choice) and shape.enum is None and len(shape.values) == 1
    return Field(
        name=field.name,
        shape=shape,
        about=about,
        nullable=nullable,
        required=default is MISSING and not nullable,
        default=default,
        const=str(shape.values[0]) if is_const and isinstance(shape, Choice) else None,
        position=position if about.order is None else about.order,
    )


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) not in (Union, types.UnionType):
        return hint, False
    parts = [part for part in get_args(hint) if part is not type(None)]
    nullable = len(parts) < len(get_args(hint))
    return (parts[0] if len(parts) == 1 else Union[tuple(parts)]), nullable  # noqa: UP007


_SCALARS: Final[dict[Any, Scalar]] = {
    str: Scalar.STRING,
    int: Scalar.INTEGER,
    float: Scalar.NUMBER,
    bool: Scalar.BOOLEAN,
    date: Scalar.DATE,
    datetime: Scalar.DATETIME,
    Any: Scalar.ANYTHING,
    object: Scalar.ANYTHING,
}


def _shape(hint: Any, place: str) -> Shape:  # noqa: PLR0911
    if hint in _SCALARS:
        return _SCALARS[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return Choice(arguments)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return Choice(tuple(member.value for member in hint), hint)
    if origin in (list, tuple, Sequence) and arguments and arguments[1:] in ((), (...,)):
        return ListOf(_shape(arguments[0], f"{place}[]"), origin is not list)
    if origin in (dict, Mapping) and arguments[0] is str:
        return MapOf(_shape(arguments[1], f"{place}.*"))
    if origin in (Union, types.UnionType) and all(map(dataclasses.is_dataclass, arguments)):
        return _one_of(arguments, place)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return Group(hint)
    raise BugError(
        f"The setting {place} has the type {hint}, which no form can show.",
        remedy="Use str, int, float, bool, date, datetime, Literal, StrEnum, a list, tuple or "
        "mapping of these, a dataclass, or a union of dataclasses.",
    )


def _one_of(groups: Sequence[type[Any]], place: str) -> OneOf:
    marks = [{f.name: f.const for f in fields_of(group) if f.const is not None} for group in groups]
    for name in marks[0]:
        values = [mark[name] for mark in marks if name in mark]
        if len(set(values)) == len(groups) == len(values):
            return OneOf(name, tuple(zip(values, groups, strict=True)))
    raise BugError(
        f"The groups of {place} cannot be told apart.",
        remedy='Give each the same field of another Literal: `kind: Literal["token"] = "token"`.',
    )
