"""`${env:X}`, `${file:P}`, `${vault:…}` … in a configuration, replaced where a connector runs."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from penstock.errors import ConfigError, PenstockError
from penstock.protocol.spec import ConnectorSpec
from penstock.sdk.config import typed_references

_REFERENCE: Final = re.compile(r"\$\{(env|file|vault|aws|gcp|azure):([^}]*)\}")
_STORES: Final = {
    name: f"penstock.engine.secret_stores.{name}" for name in ("vault", "aws", "gcp", "azure")
}
Read = Callable[[str, str], str]
"""Returns what a store holds at a path; asks each once."""


def resolve_references(
    config: Mapping[str, Any], *, environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Returns the configuration with every reference in its strings replaced.

    `${env:NAME}` is an environment variable, `${file:PATH}` a file's text without the line break
    at its end; `~` is the home folder. `${vault:PATH#FIELD}`, `${aws:NAME#FIELD}`,
    `${gcp:NAME#FIELD}` and `${azure:VAULT/NAME#FIELD}` are secrets of such a store, read once a
    call; without a field it is the whole text. They may stand anywhere in a string, also more than
    one. What they bring is not searched again, and any other `$` stays as it is. Raises ConfigError
    naming the place and the variable or file, never a value.
    """
    variables = os.environ if environment is None else environment
    read = cache(_read)
    return {key: _resolved(value, (str(key),), variables, read) for key, value in config.items()}


def resolved_config(config: Mapping[str, Any], spec: Callable[[], ConnectorSpec]) -> dict[str, Any]:
    """Returns the configuration resolved, and what references brought in the type it should have.

    `spec` is asked only when there is a reference: for some connectors it starts a program.
    """
    resolved = resolve_references(config)
    if not has_references(config):
        return resolved
    return typed_references(config, resolved, spec().connection_specification)


def has_references(config: Any) -> bool:
    """Tells whether any string in a configuration holds a reference."""
    if isinstance(config, str):
        return _REFERENCE.search(config) is not None
    if isinstance(config, Mapping):
        return any(has_references(value) for value in config.values())
    if isinstance(config, list | tuple):
        return any(has_references(value) for value in config)
    return False


def _resolved(value: Any, path: tuple[str, ...], variables: Mapping[str, str], read: Read) -> Any:
    if isinstance(value, str):
        return _REFERENCE.sub(lambda found: _text(found, path, variables, read), value)
    if isinstance(value, Mapping):
        return {key: _resolved(v, (*path, str(key)), variables, read) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_resolved(v, (*path, str(n)), variables, read) for n, v in enumerate(value)]
    return value


def _text(
    found: re.Match[str], path: tuple[str, ...], variables: Mapping[str, str], read: Read
) -> str:
    kind, name = found[1], found[2].strip()
    where = ".".join(path)
    if kind in _STORES:
        return _of_store(kind, name, where, read)
    if kind == "env":
        value = variables.get(name)
        if value is None:
            raise ConfigError(
                f"The setting {where} refers to the environment variable {name}, which is not set.",
                remedy=f"Set it (export {name}=…), or write the value in its place.",
                setting=where,
            )
        return value
    file = Path(name).expanduser()
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ConfigError(
            f"The setting {where} refers to the file {file}, which cannot be read: {why}.",
            remedy="Correct the path, or its permissions.",
            setting=where,
        ) from error
    return text.removesuffix("\n").removesuffix("\r")


def _of_store(kind: str, name: str, where: str, read: Read) -> str:
    path, has_field, field = name.partition("#")
    try:
        text = read(kind, path.strip())
    except PenstockError as error:
        error.message = f"The setting {where} refers to {kind}:{name}. {error.message}"
        error.context = {**error.context, "setting": where}
        raise
    if not has_field:
        return text
    try:
        fields = json.loads(text)
    except ValueError:
        fields = None
    if not isinstance(fields, dict) or field.strip() not in fields:
        known = ", ".join(sorted(fields)) if isinstance(fields, dict) else "it is no JSON object"
        raise ConfigError(
            f"The setting {where} refers to {kind}:{name}, which has no such field ({known}).",
            remedy=f"Write another field, or the whole secret as ${{{kind}:{path}}}.",
            setting=where,
        )
    value = fields[field.strip()]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _read(kind: str, path: str) -> str:
    text: str = import_module(_STORES[kind]).read(path)
    return text
