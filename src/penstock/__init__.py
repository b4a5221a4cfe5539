"""Moves data from any API, database or file into any warehouse, and proves that it arrived.

`import penstock as ab` is the way in for PyAirbyte's users: its names are loaded when they are
first asked for, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from penstock.version import __version__

_MODULES: Final = (
    "caches", "callbacks", "constants", "datasets", "documents", "exceptions", "progress",
    "records", "registry", "results", "secrets", "strategies",
)  # fmt: skip
_NAMES: Final = {
    "BigQueryCache": "caches",
    "CachedDataset": "datasets",
    "Destination": "destinations",
    "DuckDBCache": "caches",
    "ReadResult": "results",
    "SecretSourceEnum": "secrets",
    "Source": "sources",
    "StreamRecord": "records",
    "WriteResult": "results",
    "WriteStrategy": "strategies",
    "get_available_connectors": "registry",
    "get_colab_cache": "caches",
    "get_connector_metadata": "registry",
    "get_default_cache": "caches",
    "get_destination": "destinations",
    "get_secret": "secrets",
    "get_source": "sources",
    "new_local_cache": "caches",
}

__all__ = ["__version__", *_MODULES, *_NAMES]  # noqa: PLE0604 (names, made from the tables above)


def __getattr__(name: str) -> Any:
    """Loads a name of the library (PEP 562)."""
    if name in _MODULES:
        return import_module(f"penstock.library.{name}")
    if name in _NAMES:
        return getattr(import_module(f"penstock.library.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
