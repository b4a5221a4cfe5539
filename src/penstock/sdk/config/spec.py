"""A configuration class as JSON Schema, in the dialect Airbyte's forms understand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING
from datetime import date, datetime
from enum import Enum
from typing import Any, assert_never

from penstock.protocol.catalog import DestinationSyncMode
from penstock.protocol.spec import ConnectorSpec
from penstock.sdk.config.declare import (
    Choice,
    Field,
    Group,
    ListOf,
    MapOf,
    OneOf,
    Scalar,
    Shape,
    fields_of,
    group_title,
)

_DRAFT = "http://json-schema.org/draft-07/schema#"
PROTOCOL_VERSION = "0.18.0"
"""The Airbyte protocol our connectors speak."""


def spec_of(
    config_class: type[Any],
    *,
    documentation_url: str,
    title: str | None = None,
    destination_sync_modes: Sequence[DestinationSyncMode] | None = None,
) -> ConnectorSpec:
    """Returns the Airbyte specification of a connector with this configuration class.

    `destination_sync_modes` is for destinations only, where the protocol asks for it.
    """
    return ConnectorSpec(
        connection_specification=config_schema(config_class, title=title),
        documentation_url=documentation_url,
        supports_incremental=True,
        supported_destination_sync_modes=(
            None if destination_sync_modes is None else tuple(destination_sync_modes)
        ),
        protocol_version=PROTOCOL_VERSION,
    )


def config_schema(config_class: type[Any], *, title: str | None = None) -> dict[str, Any]:
    """Returns the JSON Schema (draft 7) of a configuration class.

    Optional settings that are not `advanced` are marked `always_show`, as Airbyte's form hides
    the others behind "Optional fields". `aliases` is ours: keys that are read for a setting too.
    """
    return {"$schema": _DRAFT, "title": title or group_title(config_class)} | _group(config_class)


def _group(config_class: type[Any]) -> dict[str, Any]:
    fields = fields_of(config_class)
    schema: dict[str, Any] = {"type": "object"}
    required = [f.name for f in fields if f.required or f.const is not None]
    if required:
        schema["required"] = required
    schema["properties"] = {field.name: _property(field) for field in fields}
    return schema


def _property(field: Field) -> dict[str, Any]:
    about = field.about
    schema: dict[str, Any] = {"title": about.title or _words(field.name)}
    if about.description:
        schema["description"] = about.description
    schema |= _shape_schema(field.shape)
    schema["order"] = field.position
    if field.const is not None:
        return schema
    if field.default is not MISSING and field.default is not None and not about.secret:
        schema["default"] = plain_value(field.default)
    optional: dict[str, Any] = {
        "examples": list(about.examples) or None,
        "pattern": about.pattern,
        "pattern_descriptor": about.pattern_descriptor,
        "minimum": about.minimum,
        "maximum": about.maximum,
        "airbyte_secret": about.secret or None,
        "airbyte_hidden": about.hidden or None,
        "multiline": about.multiline or None,
        "always_show": (not field.required and not about.advanced and not about.hidden) or None,
        "aliases": list(about.alias) or None,
    }
    return schema | {key: value for key, value in optional.items() if value is not None}


def _shape_schema(shape: Shape) -> dict[str, Any]:
    match shape:
        case Scalar():
            return dict(_SCALARS[shape])
        case Choice(values=values):
            kind = _choice_type(values)
            return (
                {"type": kind, "const": values[0]}
                if len(values) == 1 and not shape.enum
                else {
                    "type": kind,
                    "enum": list(values),
                }
            )
        case ListOf(item=item):
            return {"type": "array", "items": _shape_schema(item)}
        case MapOf(value=value):
            return {"type": "object", "additionalProperties": _shape_schema(value)}
        case Group(type=group):
            return _group(group)
        case OneOf(groups=groups):
            return {
                "type": "object",
                "oneOf": [{"title": group_title(group)} | _group(group) for _, group in groups],
            }
        case _:
            assert_never(shape)


_SCALARS: dict[Scalar, dict[str, Any]] = {
    Scalar.STRING: {"type": "string"},
    Scalar.INTEGER: {"type": "integer"},
    Scalar.NUMBER: {"type": "number"},
    Scalar.BOOLEAN: {"type": "boolean"},
    Scalar.DATE: {"type": "string", "format": "date"},
    Scalar.DATETIME: {"type": "string", "format": "date-time"},
    Scalar.ANYTHING: {},
}


def _choice_type(values: Sequence[str | int | bool]) -> str:
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return "boolean"
    return "integer" if kinds == {int} else "string"


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def plain_value(value: Any) -> Any:
    """Returns a setting's value as JSON values, the way a configuration file holds it."""
    match value:
        case Enum():
            return value.value
        case datetime() | date():
            return value.isoformat()
        case dict():
            return {str(key): plain_value(inner) for key, inner in value.items()}
        case list() | tuple():
            return [plain_value(inner) for inner in value]
        case _ if hasattr(value, "__dataclass_fields__"):
            # What is not given is left out: its schema takes no null.
            return {
                each.name: plain_value(given)
                for each in fields_of(type(value))
                if (given := getattr(value, each.name)) is not None
            }
        case _:
            return value
