"""Which parts of a configuration are secret, by its JSON Schema, and how to show the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

MASK: Final = "****"
"""Stands where a secret was."""

ANY: Final = "*"
"""In a secret's path: any item of a list, or any key of a mapping."""

Path = tuple[str, ...]

_SHORTEST_MASKED_IN_TEXT: Final = 4
"""Shorter values (a port, "on") occur in any text by chance; masking them would only garble it."""


def secret_paths(json_schema: Mapping[str, Any]) -> frozenset[Path]:
    """Returns the path of every property marked `airbyte_secret`, in all `oneOf` branches."""
    return frozenset(_secrets(json_schema, ()))


def masked(config: Mapping[str, Any], json_schema: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the configuration with `****` for each secret, to be shown or logged.

    A key the schema does not know may be a secret misspelt, so its value is masked too.
    """
    return {key: _masked(inner, _property(json_schema, str(key))) for key, inner in config.items()}


def secret_values(config: Mapping[str, Any], json_schema: Mapping[str, Any]) -> frozenset[str]:
    """Returns the secret texts of a configuration, for taking them out of logs and errors."""
    return frozenset(
        text
        for key, inner in config.items()
        for text in _secret_texts(inner, _property(json_schema, str(key)), is_secret=False)
    )


def masked_text(text: str, secrets: frozenset[str]) -> str:
    """Returns `text` with `****` for each of the secrets in it, the longest first."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_MASKED_IN_TEXT:
            text = text.replace(secret, MASK)
    return text


def branches_of(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yields a schema and all its alternatives (`oneOf`, `anyOf`, `allOf`), however deep."""
    yield schema
    for word in ("oneOf", "anyOf", "allOf"):
        alternatives = schema.get(word)
        if isinstance(alternatives, Sequence):
            for alternative in alternatives:
                if isinstance(alternative, Mapping):
                    yield from branches_of(alternative)


def _secrets(schema: Mapping[str, Any], path: Path) -> Iterator[Path]:
    for branch in branches_of(schema):
        if branch.get("airbyte_secret"):
            yield path
        properties = branch.get("properties")
        if isinstance(properties, Mapping):
            for name, inner in properties.items():
                if isinstance(inner, Mapping):
                    yield from _secrets(inner, (*path, name))
        for word in ("items", "additionalProperties"):
            inner = branch.get(word)
            if isinstance(inner, Mapping):
                yield from _secrets(inner, (*path, ANY))


def _property(schema: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Returns all that the schema's branches say of one key; empty when it is unknown."""
    found: list[Mapping[str, Any]] = []
    for branch in branches_of(schema):
        properties = branch.get("properties")
        if isinstance(properties, Mapping):
            found += [
                inner
                for key, inner in properties.items()
                if isinstance(inner, Mapping) and (key == name or name in inner.get("aliases", ()))
            ]
    if found:
        return found
    rest = [branch.get("additionalProperties") for branch in branches_of(schema)]
    return [inner for inner in rest if isinstance(inner, Mapping)]


def _masked(value: Any, schemas: list[Mapping[str, Any]]) -> Any:
    if value is None:
        return None
    if not schemas or _is_secret(schemas):
        return MASK
    if isinstance(value, Mapping):
        if _is_open(schemas):
            return dict(value)
        return {key: _masked(inner, _properties(schemas, str(key))) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        items = _items(schemas)
        return [_masked(inner, items) for inner in value] if items else list(value)
    return value


def _secret_texts(
    value: Any, schemas: list[Mapping[str, Any]], *, is_secret: bool
) -> Iterator[str]:
    is_secret = is_secret or not schemas or _is_secret(schemas)
    if isinstance(value, Mapping):
        if not is_secret and _is_open(schemas):
            return
        for key, inner in value.items():
            yield from _secret_texts(inner, _properties(schemas, str(key)), is_secret=is_secret)
    elif isinstance(value, (list, tuple)):
        items = _items(schemas)
        for inner in value:
            yield from _secret_texts(inner, items or schemas, is_secret=is_secret)
    elif is_secret and value is not None and not isinstance(value, bool) and str(value):
        yield str(value)


def _properties(schemas: list[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    return [inner for schema in schemas for inner in _property(schema, name)]


def _items(schemas: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    items = [branch.get("items") for schema in schemas for branch in branches_of(schema)]
    return [inner for inner in items if isinstance(inner, Mapping)]


def _is_secret(schemas: list[Mapping[str, Any]]) -> bool:
    return any(branch.get("airbyte_secret") for schema in schemas for branch in branches_of(schema))


def _is_open(schemas: list[Mapping[str, Any]]) -> bool:
    """Tells whether a schema says nothing of its keys, so that none can be misspelt."""
    return not any(
        isinstance(branch.get(word), Mapping)
        for schema in schemas
        for branch in branches_of(schema)
        for word in ("properties", "additionalProperties")
    )
