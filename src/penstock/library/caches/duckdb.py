"""DuckDB files as caches: the default one, new ones, one on Google Drive."""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import Any, Final

from penstock.destinations.duckdb import DuckDBConfig, DuckDBDestination
from penstock.engine.settings import ConnectorRef
from penstock.library.caches.base import CacheBase
from penstock.library.constants import DEFAULT_CACHE_ROOT
from penstock.library.exceptions import PyAirbyteInputError

_CACHE_NAME: Final = re.compile(r"\w+", re.ASCII)
_MEMORY_LIMIT_MB: Final = 1024
_THREADS: Final = 2


class DuckDBCache(CacheBase):
    """A DuckDB file; one that PyAirbyte made is opened and continued.

    `:memory:` is a private file in the temporary folder, removed when the cache is closed or
    Python ends: what is committed has to be somewhere that a commit means something.
    """

    def __init__(
        self,
        db_path: Path | str,
        *,
        schema_name: str = "main",
        table_prefix: str | None = None,
        cache_dir: Path | str | None = None,
        cleanup: bool = True,
    ) -> None:
        """`cleanup` is taken for compatibility: penstock leaves no files to clean up."""
        self.cleanup = cleanup
        self._temporary: Path | None = None
        self.db_path = str(db_path)
        if self.db_path == ":memory:":
            self._temporary = Path(tempfile.mkdtemp(prefix="penstock-cache-"))
            atexit.register(shutil.rmtree, self._temporary, ignore_errors=True)
        path = self._temporary / "memory.duckdb" if self._temporary else Path(self.db_path)
        self._file = path.expanduser().absolute()
        settings: dict[str, Any] = {
            "path": str(self._file),
            "schema": schema_name,
            "memory_limit_mb": _MEMORY_LIMIT_MB,
            "threads": _THREADS,
        }
        super().__init__(
            DuckDBDestination(DuckDBConfig(**settings)),
            ConnectorRef(name="destination-duckdb", config=settings),
            schema_name=schema_name,
            table_prefix=table_prefix,
            cache_dir=Path(cache_dir) if cache_dir else self._file.parent,
        )

    @property
    def path(self) -> Path:
        """The file."""
        return self._file

    @property
    def data_dir(self) -> Path:
        """A folder beside the file: locks and receipts go where it goes."""
        return self._file.parent / ".penstock" / self._file.stem

    def close(self) -> None:
        """Removes a `:memory:` cache; any other stays as it is."""
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def get_database_name(self) -> str:
        """Returns the file's name without its ending, as DuckDB calls the database."""
        return self._file.stem

    def get_sql_alchemy_url(self) -> str:
        """Returns the address SQLAlchemy reaches the file by (with `duckdb-engine`)."""
        return f"duckdb:///{self._file}"


def get_default_cache() -> DuckDBCache:
    """Returns the cache in `.cache/default_cache/default_cache.duckdb`."""
    folder = DEFAULT_CACHE_ROOT / "default_cache"
    return DuckDBCache(folder / "default_cache.duckdb", cache_dir=folder)


def new_local_cache(
    cache_name: str | None = None,
    cache_dir: str | Path | None = None,
    *,
    cleanup: bool = True,
) -> DuckDBCache:
    """Returns a cache in `.cache/<name>/db_<name>.duckdb`; without a name, a new one."""
    if cache_name is not None and not _CACHE_NAME.fullmatch(cache_name):
        raise PyAirbyteInputError(
            f"{cache_name!r} cannot be the name of a cache.",
            remedy="Use letters, digits and underscores.",
            cache_name=cache_name,
        )
    name = cache_name or uuid.uuid4().hex
    folder = Path(cache_dir) if cache_dir else DEFAULT_CACHE_ROOT / name
    return DuckDBCache(folder / f"db_{name}.duckdb", cache_dir=folder, cleanup=cleanup)


def get_colab_cache(  # noqa: PLR0917 (PyAirbyte's own signature)
    cache_name: str = "default_cache",
    sub_dir: str = "Airbyte/cache",
    schema_name: str = "main",
    table_prefix: str | None = "",
    drive_name: str = "MyDrive",
    mount_path: str = "/content/drive",
) -> DuckDBCache:
    """Returns a cache on Google Drive, which is mounted first when it is not."""
    mounted = Path(mount_path)
    if not mounted.exists():
        from penstock.library.secrets.managers import colab  # noqa: PLC0415 (only in Colab)

        colab().drive.mount(mount_path)
    folder = mounted / drive_name / sub_dir
    return DuckDBCache(
        folder / f"{cache_name}.duckdb",
        schema_name=schema_name,
        table_prefix=table_prefix,
        cache_dir=folder,
    )
