from __future__ import annotations

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
from penstock.library.datasets import (
    CachedDataset as CachedDataset,
)
from penstock.library.destinations import (
    Destination as Destination,
)
from penstock.library.destinations import (
    get_destination as get_destination,
)
from penstock.library.records import (
    StreamRecord as StreamRecord,
)
from penstock.library.registry import (
    get_available_connectors as get_available_connectors,
)
from penstock.library.registry import (
    get_connector_metadata as get_connector_metadata,
)
from penstock.library.results import (
    ReadResult as ReadResult,
)
from penstock.library.results import (
    WriteResult as WriteResult,
)
from penstock.library.secrets import (
    SecretSourceEnum as SecretSourceEnum,
)
from penstock.library.secrets import (
    get_secret as get_secret,
)
from penstock.library.sources import (
    Source as Source,
)
from penstock.library.sources import (
    get_source as get_source,
)
from penstock.library.strategies import (
    WriteStrategy as WriteStrategy,
)

__version__: str
