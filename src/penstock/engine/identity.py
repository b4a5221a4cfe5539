"""The name a sync goes by over time when the user gives none: the same settings, the same name.

Every setting but secrets counts: a position in one account, file or table must never be taken
for one in another. Local paths count as absolute ones. Rotated credentials, another version of
the connector or another way to install it do not change the name.
"""

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
    """Returns "faker-to-duckdb-1a2b3c4d"."""
    parts = [_side(*source), _side(*destination), namespace, prefix]
    return f"{_bare(source[0].name)}-to-{_bare(destination[0].name)}-{_digest(parts)[:8]}"


def source_connection_name(
    source_name: str, config: Mapping[str, Any], spec: ConnectorSpec, *, table_prefix: str = ""
) -> str:
    """Returns "source-faker-1a2b3c4d", for a source's syncs into a place that may move."""
    settings = _counted(config, secret_paths(spec.connection_specification), ())
    return f"{source_name}-{_digest([settings, table_prefix])[:8]}"


def config_digest(config: Mapping[str, Any]) -> str:
    """Returns a short identity of a configuration, secrets included, without showing any."""
    return _digest(config)[:16]


def _digest(value: Any) -> str:
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=str)
    return hashlib.sha256(text).hexdigest()


def _side(ref: ConnectorRef, spec: ConnectorSpec) -> list[Any]:
    secrets = secret_paths(spec.connection_specification)
    return [_bare(ref.name), _counted(ref.config, secrets, ())]


def _counted(value: Any, secrets: frozenset[tuple[str, ...]], path: tuple[str, ...]) -> Any:
    """Returns the value as it counts: secrets left out, local paths absolute."""
    if isinstance(value, Mapping):
        return {
            str(key): _counted(inner, secrets, (*path, str(key)))
            for key, inner in value.items()
            if (*path, str(key)) not in secrets
        }
    if isinstance(value, list | tuple):
        return [_counted(inner, secrets, (*path, "*")) for inner in value]
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
