"""Moves data from any API, database or file into any warehouse, and proves that it arrived.

`import penstock as ab` is the way in for PyAirbyte's users: its names are loaded when they are
first asked for, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from penstock.version import __version__

if TYPE_CHECKING:
    from penstock.library import (
        caches as caches,
    )
    from penstock.library import (
        callbacks as callbacks,
    )
    from penstock.library import (
        constants as constants,
    )
    from penstock.library import (
        datasets as datasets,
    )
    from penstock.library import (
        documents as documents,
    )
    from penstock.library import (
        exceptions as exceptions,
    )
    from penstock.library import (
        progress as progress,
    )
    from penstock.library import (
        records as records,
    )
    from penstock.library import (
        registry as registry,
    )
    from penstock.library import (
        results as results,
    )
    from penstock.library import (
        secrets as secrets,
    )
    from penstock.library import (
        strategies as strategies,
    )
    from penstock.library.caches import (
        BigQueryCache as BigQueryCache,
    )
    from penstock.library.caches import (
        DuckDBCache as DuckDBCache,
    )
    from penstock.library.caches import (
        get_colab_cache as get_colab_cache,
    )
    from penstock.library.caches import (
        get_default_cache as get_default_cache,
    )
    from penstock.library.caches import (
        new_local_cache as new_local_cache,
    )
    from penstock.library.datasets import CachedDataset as CachedDataset
    from penstock.library.destinations import Destination as Destination
    from penstock.library.destinations import get_destination as get_destination
    from penstock.library.records import StreamRecord as StreamRecord
    from penstock.library.registry import get_available_connectors as get_available_connectors
    from penstock.library.registry import get_connector_metadata as get_connector_metadata
    from penstock.library.results import ReadResult as ReadResult
    from penstock.library.results import WriteResult as WriteResult
    from penstock.library.secrets import SecretSourceEnum as SecretSourceEnum
    from penstock.library.secrets import get_secret as get_secret
    from penstock.library.sources import Source as Source
    from penstock.library.sources import get_source as get_source
    from penstock.library.strategies import WriteStrategy as WriteStrategy


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
