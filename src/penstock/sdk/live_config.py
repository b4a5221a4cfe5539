"""The configuration of a source at work: as it was given, then as the source has changed it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from penstock.sdk.config import config_schema, parse_config, secret_values
from penstock.sdk.config.change import with_changes
from penstock.sdk.source import ChangesConfig, Source

KeepWhole = Callable[[dict[str, Any]], None]
"""Keeps a whole configuration in place of the one given; returns once it is safe."""


class LiveConfig:
    """One use of one source: makes it, and passes on what it asks to be kept."""

    def __init__(
        self, source_class: type[Source], given: Mapping[str, Any], *, keep: KeepWhole
    ) -> None:
        self._class = source_class
        self._keep = keep
        self._schema = config_schema(source_class.Config)
        self._lock = threading.Lock()
        self._values = dict(given)
        self._secrets = secret_values(given, self._schema)
        self._untold: list[dict[str, Any]] = []

    @property
    def secrets(self) -> frozenset[str]:
        """Every secret of the configuration, and those it had before it changed."""
        return self._secrets

    def source(self) -> Source:
        """Returns the source, made of this configuration. Raises ConfigError."""
        source: Source = self._class(parse_config(self._class.Config, self._values))
        if isinstance(source, ChangesConfig):
            source.keep_changes_with(self.change)
        return source

    def change(self, changes: Mapping[str, Any]) -> None:
        """Puts changed settings into the configuration and has it kept. Called by the source.

        Once it returns, the next use of the source will find them.
        """
        with self._lock:
            self._values = with_changes(self._values, changes, self._schema)
            self._secrets |= secret_values(self._values, self._schema)
            self._untold.append(self._values)
            self._keep(self._values)

    def take_changes(self) -> list[dict[str, Any]]:
        """Returns the configurations kept since the last call, for telling whoever listens."""
        with self._lock:
            untold, self._untold = self._untold, []
        return untold
