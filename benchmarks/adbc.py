"""DuckDB's ADBC driver for ingestr, which else downloads it from its vendor on first use."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

from benchmarks.places import CACHE

PACKAGE = "@duckdb/node-bindings-linux-x64"
VERSION = "1.5.6-r.1"
"""The npm package that carries the plain `libduckdb.so`; the driver is that library."""


@cache
def duckdb_driver() -> dict[str, str]:
    """Returns the environment that shows ingestr the driver.

    Empty where there is no npm to fetch it with: ingestr then fetches it itself, or says why not.
    """
    npm = shutil.which("npm")
    if npm is None:
        return {}
    home = CACHE / "adbc"
    library = home / "node_modules" / PACKAGE / "libduckdb.so"
    if not library.exists():
        home.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", "--prefix", home, f"{PACKAGE}@{VERSION}"],
            check=True,
            capture_output=True,
        )
    _write_driver_manifest(home / "duckdb.toml", library)
    return {"ADBC_DRIVER_PATH": str(home)}


def _write_driver_manifest(path: Path, library: Path) -> None:
    path.write_text(
        "manifest_version = 1\n"
        'name = "DuckDB"\n'
        f'version = "{VERSION.partition("-")[0]}"\n'
        '[ADBC]\nversion = "1.1.0"\n'
        f'[Driver]\nentrypoint = "duckdb_adbc_init"\nshared = "{library}"\n'
    )
