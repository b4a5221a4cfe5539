"""Names and numbers under the names PyAirbyte gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from penstock.data.names import EXTRACTED_AT, META, RAW_ID

__all__ = [
    "AB_EXTRACTED_AT_COLUMN",
    "AB_INTERNAL_COLUMNS",
    "AB_META_COLUMN",
    "AB_RAW_ID_COLUMN",
    "DEFAULT_ARROW_MAX_CHUNK_SIZE",
    "DEFAULT_CACHE_ROOT",
    "DEFAULT_CACHE_SCHEMA_NAME",
    "SECRETS_HYDRATION_PREFIX",
]

AB_RAW_ID_COLUMN: Final = RAW_ID
AB_EXTRACTED_AT_COLUMN: Final = EXTRACTED_AT
AB_META_COLUMN: Final = META
AB_INTERNAL_COLUMNS: Final = frozenset({RAW_ID, EXTRACTED_AT, META})
DEFAULT_CACHE_ROOT: Final = Path(".cache")
DEFAULT_CACHE_SCHEMA_NAME: Final = "main"
DEFAULT_ARROW_MAX_CHUNK_SIZE: Final = 100_000
SECRETS_HYDRATION_PREFIX: Final = "secret_reference::"
