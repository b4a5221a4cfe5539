"""The `file` source: files of every common format, from local disks, the web and object stores."""

from __future__ import annotations

from penstock.sources.file.config import FileConfig
from penstock.sources.file.source import FileSource

__all__ = ["FileConfig", "FileSource"]
