"""Files: Parquet, JSON lines or CSV in a folder or a bucket."""

from __future__ import annotations

from penstock.destinations.files.config import FilesConfig
from penstock.destinations.files.destination import FilesDestination

__all__ = ["FilesConfig", "FilesDestination"]
