"""A connector's settings: one frozen dataclass yields spec, form, flags, docs, parsing and masking.

A source or destination declares its settings once, as a frozen dataclass whose fields are made
with `setting`; all the other names here derive from that class or from the JSON Schema it yields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from penstock.sdk.config.validate import validate_against_spec

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


def __getattr__(name: str) -> Any:
    """Loads `jsonschema` only for those who validate against a foreign spec."""
    if name == "validate_against_spec":
        from penstock.sdk.config import validate  # noqa: PLC0415 (see the docstring)

        return validate.validate_against_spec
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
