"""The name a sync goes by over time when the user gives none: the same settings, the same name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from penstock.engine.settings import ConnectorRef
from penstock.protocol.spec import ConnectorSpec
from penstock.sdk.config import secret_paths


def connection_name(
    source: tuple[ConnectorRef, ConnectorSpec],
    destination: tuple[ConnectorRef, ConnectorSpec],
    *,
    namespace: str | None = None,
    prefix: str = "",
) -> str:
    """Returns "faker-to-duckdb-1a2b3c4d".

    Every setting but secrets counts: a position in one account, file or table must never be
    taken for one in another. Local paths count as absolute ones. Rotated credentials, another
    version of the connector or another way to install it do not change the name.
    """
    parts = [_side(*source), _side(*destination), namespace, prefix]
    digest = hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return f"{_bare(source[0].name)}-to-{_bare(destination[0].name)}-{digest[:8]}"


def _side(ref: ConnectorRef, spec: ConnectorSpec) -> list[Any]:
    secrets = secret_paths(spec.connection_specification)
    return [_bare(ref.name), _without_secrets(ref.config, secrets, ())]


def _without_secrets(value: Any, secrets: frozenset[tuple[str, ...]], path: tuple[str, ...]) -> Any:
    if path in secrets:
        return None
    if isinstance(value, Mapping):
        return {
            str(key): _without_secrets(inner, secrets, (*path, str(key)))
            for key, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_without_secrets(inner, secrets, (*path, "*")) for inner in value]
    if isinstance(value, str) and path and (path[-1] == "path" or path[-1].endswith("_path")):
        return _located(value)
    return value


def _located(path: str) -> str:
    """Returns a local path as absolute; URLs, references and `:memory:` stay."""
    if "://" in path or "${" in path or path.startswith(":"):
        return path
    return str(Path.cwd() / Path(path).expanduser())


def _bare(name: str) -> str:
    return name.removeprefix("source-").removeprefix("destination-")
