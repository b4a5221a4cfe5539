"""The name a source's syncs go by in a cache: one account, one name, whatever its secrets."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from penstock.protocol.spec import ConnectorSpec
from penstock.sdk.config import secret_paths


def connection_name(
    source_name: str, config: Mapping[str, Any], spec: ConnectorSpec, *, table_prefix: str = ""
) -> str:
    """Returns "source-faker-1a2b3c4d".

    Every setting but secrets counts, so two accounts never share a position; rotated credentials
    keep theirs. The cache does not count: its file may move.
    """
    settings = _without_secrets(config, secret_paths(spec.connection_specification), ())
    text = orjson.dumps([settings, table_prefix], option=orjson.OPT_SORT_KEYS, default=str)
    return f"{source_name}-{hashlib.sha256(text).hexdigest()[:8]}"


def config_digest(config: Mapping[str, Any]) -> str:
    """Returns a short identity of a configuration, secrets included, without showing any."""
    text = orjson.dumps(config, option=orjson.OPT_SORT_KEYS, default=str)
    return hashlib.sha256(text).hexdigest()[:16]


def _without_secrets(value: Any, secrets: frozenset[tuple[str, ...]], path: tuple[str, ...]) -> Any:
    if isinstance(value, Mapping):
        return {
            str(key): _without_secrets(inner, secrets, (*path, str(key)))
            for key, inner in value.items()
            if (*path, str(key)) not in secrets
        }
    if isinstance(value, list | tuple):
        return [_without_secrets(inner, secrets, (*path, "*")) for inner in value]
    return value
