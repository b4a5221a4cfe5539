"""What the engine asks of a connector, however it runs: in process, in a venv, in a container."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from penstock.data.items import Item
from penstock.protocol.catalog import Catalog, ConfiguredCatalog
from penstock.protocol.spec import ConnectorSpec
from penstock.protocol.state import State


class Reading(Protocol):
    """One read in progress: iterate it on one thread; `stop` it from any."""

    def __iter__(self) -> Iterator[Item]:
        """Yields items in order until the source has ended.

        Raises ConnectorFailed (a program's own words in the message) when it ended badly, and
        whatever a native source raises. An ErrorTrace item is not raised: more may follow it.
        """
        ...

    def stop(self) -> None:
        """Asks the source to end, makes it end after the grace period; returns at once.

        Iteration then ends early, without an error of its own.
        """
        ...


class SourceRunner(Protocol):
    """A source, ready to be asked. Making one starts nothing.

    A configuration that the source itself changed (`penstock.engine.kept_config`) is kept before
    anything else of it is heard, and takes the place of the one it came from, here and later.
    """

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str:
        """How it runs, for people: "native", "airbyte-source-faker 7.2.1 in ~/.cache/…"."""
        ...

    @property
    def resumes_full_refresh(self) -> bool:
        """True when a state yielded in a full refresh may be continued from.

        Only native sources promise it; an Airbyte connector may start over in spite of its state.
        """
        ...

    def spec(self) -> ConnectorSpec: ...

    def check(self, config: Mapping[str, Any]) -> None:
        """Returns when the connector accepts the configuration; else raises ConfigError & co."""
        ...

    def discover(self, config: Mapping[str, Any]) -> Catalog: ...

    def read(
        self,
        config: Mapping[str, Any],
        catalog: ConfiguredCatalog,
        states: Sequence[State],
        *,
        is_raw: bool = False,
    ) -> AbstractContextManager[Reading]:
        """Starts reading; leaving the context stops the source and removes its files.

        `is_raw` asks for batches with one JSON column `_airbyte_data` instead of typed ones.
        """
        ...


@runtime_checkable
class ValidatesConfig(Protocol):
    """The optional power to judge a configuration without asking the source or reading its spec."""

    def validate_config(self, config: Mapping[str, Any]) -> None:
        """Raises one ConfigError with every problem of the configuration."""
        ...
