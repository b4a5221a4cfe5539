"""The file source: streams from its settings, named after their files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import ClassVar

from penstock.errors import ConfigError
from penstock.sdk.files.listing import shown
from penstock.sources.file.config import FileConfig, FileStreamConfig
from penstock.sources.file.stream import FileStream


class FileSource:
    """CSV, TSV, JSON Lines, JSON, Parquet and Excel: local, from the web or an object store."""

    Config: ClassVar[type[FileConfig]] = FileConfig
    title: ClassVar[str] = "Files"
    documentation_url: ClassVar[str] = (
        "https://github.com/penstock-data/penstock/blob/main/docs/connectors/source-file.md"
    )

    def __init__(self, config: FileConfig) -> None:
        chosen = list(config.streams)
        if config.path is not None:
            short = FileStreamConfig(
                path=config.path, name=config.name, format=config.format, options=config.options
            )
            chosen.insert(0, short)
        if not chosen:
            raise ConfigError(
                "The file source has no file to read.",
                remedy="Set path, or streams with a path each.",
            )
        names = [each.name or stream_name(each.path) for each in chosen]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(
                f"Two streams are named {', '.join(twice)}.",
                remedy="Give each of them a name of its own.",
            )
        self._streams = [
            FileStream(name, each, config.storage_options)
            for name, each in zip(names, chosen, strict=True)
        ]

    def check(self) -> None:
        """Lists every stream's files and opens the first of each."""
        for stream in self._streams:
            stream.check()

    def streams(self) -> Sequence[FileStream]:
        """Returns one stream for each path, in the order of the settings."""
        return list(self._streams)


def stream_name(path: str) -> str:
    """Returns a name for a path: the file's without its suffixes, or the folder's of a glob."""
    parts = [part for part in PurePosixPath(shown(path).split("://", 1)[-1]).parts if part != "/"]
    plain = [part for part in parts if not set("*?[") & set(part)]
    last = plain[-1] if plain else "files"
    if plain and parts and last == parts[-1] and not last.startswith("."):
        last = last.split(".", 1)[0]
    return re.sub(r"\W+", "_", last).strip("_") or "files"
