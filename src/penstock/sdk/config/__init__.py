"""A connector's settings: one frozen dataclass yields spec, form, flags, docs, parsing and masking.

A source or destination declares its settings once, as a frozen dataclass whose fields are made
with `setting`; all the other names here derive from that class or from the JSON Schema it yields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.protocol.spec import ConnectorSpec
from penstock.sdk.config.declare import Setting, setting
from penstock.sdk.config.flags import (
    Flag,
    config_of_flags,
    flags_of,
    settings_table,
    typed_references,
)
from penstock.sdk.config.mask import MASK, masked, masked_text, secret_paths, secret_values
from penstock.sdk.config.parse import parse_config
from penstock.sdk.config.spec import config_schema, spec_of

__all__ = [
    "MASK",
    "Flag",
    "Setting",
    "config_of_flags",
    "config_schema",
    "flags_of",
    "masked",
    "masked_text",
    "parse_config",
    "secret_paths",
    "secret_values",
    "setting",
    "settings_table",
    "spec_of",
    "typed_references",
    "validate_against_spec",
]


def validate_against_spec(config: Mapping[str, Any], spec: ConnectorSpec) -> None:
    """Raises one ConfigError with every place where `config` breaks the connector's schema.

    See `penstock.sdk.config.validate`, which is loaded by the first call.
    """
    from penstock.sdk.config.validate import check_schema  # noqa: PLC0415 (jsonschema: 40 ms)

    check_schema(config, spec)
