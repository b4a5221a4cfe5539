"""Specifications of real connectors, out of their packages, and configurations that fill them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from hypothesis import find
from hypothesis import strategies as st

from penstock.engine.runners.manifest import manifest_spec
from penstock.engine.runners.uv import call_uv

PACKAGES = (
    "airbyte-source-github",
    "airbyte-source-google-analytics-data-api",
    "airbyte-source-amazon-seller-partner",
    "airbyte-source-shopify",
    "airbyte-source-airtable",
    "airbyte-source-amazon-ads",
    "airbyte-source-bing-ads",
    "airbyte-source-google-ads",
    "airbyte-source-google-sheets",
    "airbyte-source-mixpanel",
    "airbyte-source-salesforce",
    "airbyte-source-zendesk-support",
)
"""Chosen for the shapes of their settings: choices in choices, lists of groups, many fields; those
that differ most stand first."""


def spec_of(package: str, folder: Path) -> dict[str, Any]:
    """Returns the JSON Schema of a connector's settings; its dependencies are not installed."""
    target = folder / package
    call_uv(["pip", "install", "--no-deps", "--target", str(target), package], folder=folder)
    for name in ("spec.json", "spec.yaml", "manifest.yaml"):
        for file in sorted(target.glob(f"source_*/{name}")):
            document = yaml.safe_load(file.read_text())
            if name == "manifest.yaml":
                return dict(manifest_spec(document).connection_specification)
            # What YAML reads as a date is a text on the wire.
            return dict(json.loads(json.dumps(document["connectionSpecification"], default=str)))
    raise AssertionError(f"{package} has no specification among its files")


def large_spec(fields: int) -> dict[str, Any]:
    """Returns a specification with so many fields, all needed, and choices three deep."""
    kinds: list[dict[str, Any]] = [
        {"type": "string"},
        {"type": "integer", "minimum": 0},
        {"type": "boolean"},
        {"type": "string", "enum": ["small", "large"]},
        {"type": "array", "items": {"type": "string"}},
        {"type": "string", "format": "date"},
        {"type": "string", "airbyte_secret": True},
    ]
    properties: dict[str, Any] = {
        f"field_{number:03}": {
            **kinds[number % len(kinds)],
            "title": f"Field {number}",
            "description": f"What field {number} is for, with <b>a word</b> in bold.",
            "order": number,
        }
        for number in range(fields)
    }
    return {
        "type": "object",
        "required": [*properties, "access"],
        "properties": {**properties, "access": _choice(3)},
    }


def _choice(depth: int) -> dict[str, Any]:
    if depth == 0:
        return {"type": "string", "title": "Innermost"}
    options = [
        {
            "title": f"Way {number} at {depth}",
            "type": "object",
            "required": ["way", "inner"],
            "properties": {
                "way": {"type": "string", "const": f"{depth}-{number}"},
                "inner": _choice(depth - 1),
                "beside": {"type": "integer", "title": "Beside"},
            },
        }
        for number in range(3)
    ]
    return {"type": "object", "title": f"Access {depth}", "oneOf": options}


def count_of_fields(schema: Any) -> int:
    """Returns how many leaves a specification has, in all of its options."""
    if isinstance(schema, list):
        return sum(count_of_fields(each) for each in schema)
    if not isinstance(schema, Mapping):
        return 0
    inner = [*_options(schema), *(schema.get("properties") or {}).values()]
    if isinstance(schema.get("items"), Mapping):
        inner.append(schema["items"])
    return count_of_fields(inner) if inner else 1


def filled(schema: Mapping[str, Any], turn: int) -> dict[str, Any]:
    """Returns a configuration with every field set; `turn` says which option each choice has."""
    found: dict[str, Any] = _value(schema, turn)
    return found


def turns_of(schema: Any) -> int:
    """Returns how many turns show every option of every choice."""
    if isinstance(schema, list):
        return max((turns_of(each) for each in schema), default=1)
    if not isinstance(schema, Mapping):
        return 1
    inner = [*_options(schema), *(schema.get("properties") or {}).values(), schema.get("items")]
    return max(1, len(_options(schema)), turns_of(inner))


def _options(schema: Mapping[str, Any]) -> list[Any]:
    options = schema.get("oneOf") or schema.get("anyOf") or []
    return [each for each in options if each.get("type") != "null"]


def _value(schema: Mapping[str, Any], turn: int) -> Any:  # noqa: PLR0911 (one for each kind)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        values = [each for each in schema["enum"] if each is not None]
        return values[turn % len(values)]
    options = _options(schema)
    if options:
        own = {"type": "object", "properties": schema.get("properties") or {}}
        chosen = options[turn % len(options)]
        inside = _value(chosen, turn)
        return {**_value(own, turn), **inside} if isinstance(inside, dict) else inside
    kinds = schema.get("type", "object" if "properties" in schema else "string")
    kind = next(each for each in ([kinds] if isinstance(kinds, str) else kinds) if each != "null")
    match kind:
        case "object":
            return dict(_members(schema, turn))
        case "array":
            return [_value(schema.get("items") or {"type": "string"}, turn)]
        case "boolean":
            return not schema.get("default", False)
        case "integer" | "number":
            number = schema.get("minimum", 3 if kind == "integer" else 0.25)
            return min(number, schema.get("maximum", number))
        case _:
            return _text(schema, turn)


def _members(schema: Mapping[str, Any], turn: int) -> Iterator[tuple[str, Any]]:
    for name, inner in (schema.get("properties") or {}).items():
        yield name, _value(inner, turn)


def _text(schema: Mapping[str, Any], turn: int) -> str:
    pattern = schema.get("pattern")
    known = schema.get("examples") or []
    for example in [*(known if isinstance(known, list) else [known]), schema.get("default")]:
        if isinstance(example, str) and (pattern is None or re.search(pattern, example)):
            return example
    if pattern is not None:
        return find(
            st.from_regex(pattern),
            lambda text: text != "" and text.isprintable() and text.strip() == text,
        )
    match schema.get("format"):
        case "date":
            return "2024-01-02"
        case "date-time":
            return "2024-01-02T03:04:05Z"
        case _:
            return f"text {turn} with 'quotes' and ü"[: schema.get("maxLength")]
