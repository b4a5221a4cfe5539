"""Settings that a connector changes itself, put into a configuration as the user wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.sdk.config.mask import branches_of


def with_changes(
    values: Mapping[str, Any], changes: Mapping[str, Any], json_schema: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the values with the changed settings in place of the old.

    A nested mapping changes only the settings it names. A setting that was given under another
    key (an `alias`) stays under that key.
    """
    return _changed(values, changes, [json_schema])


def _changed(
    values: Mapping[str, Any], changes: Mapping[str, Any], schemas: list[Mapping[str, Any]]
) -> dict[str, Any]:
    changed = dict(values)
    for name, value in changes.items():
        inner = [found for schema in schemas for found in _property(schema, name)]
        aliases = [alias for each in inner for alias in each.get("aliases", ())]
        key = next((each for each in (name, *aliases) if each in changed), name)
        known = changed.get(key)
        if isinstance(value, Mapping) and isinstance(known, Mapping):
            changed[key] = _changed(known, value, inner)
        else:
            changed[key] = value
    return changed


def _property(schema: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = [branch.get("properties", {}).get(name) for branch in branches_of(schema)]
    return [inner for inner in found if isinstance(inner, Mapping)]
