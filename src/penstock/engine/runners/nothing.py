"""A source without rows: every stream completes at once, so that its table is published empty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from penstock.data.items import Item, StatusChange
from penstock.protocol.catalog import Catalog, ConfiguredCatalog
from penstock.protocol.messages import StreamStatusKind
from penstock.protocol.spec import ConnectorSpec
from penstock.protocol.state import State


@dataclass(frozen=True, slots=True)
class NothingRunner:
    """Stands for the source of that name where its tables are to be emptied."""

    name: str

    @property
    def description(self) -> str:
        """How it runs, for people."""
        return f"{self.name} (not asked)"

    @property
    def resumes_full_refresh(self) -> bool:
        """False: there is nothing to continue."""
        return False

    def spec(self) -> ConnectorSpec:
        """Returns a specification that takes any configuration."""
        return ConnectorSpec(connection_specification={"type": "object"})

    def check(self, config: Mapping[str, Any]) -> None:
        """Accepts any configuration."""

    def discover(self, config: Mapping[str, Any]) -> Catalog:  # noqa: ARG002
        """Returns no stream."""
        return Catalog(streams=())

    @contextmanager
    def read(
        self,
        config: Mapping[str, Any],  # noqa: ARG002
        catalog: ConfiguredCatalog,
        states: Sequence[State],  # noqa: ARG002
        *,
        is_raw: bool = False,  # noqa: ARG002
    ) -> Iterator[_Reading]:
        """Yields a reading in which every stream starts and completes."""
        yield _Reading(catalog)


@dataclass(frozen=True, slots=True)
class _Reading:
    catalog: ConfiguredCatalog

    def __iter__(self) -> Iterator[Item]:
        for configured in self.catalog.streams:
            for status in (StreamStatusKind.STARTED, StreamStatusKind.COMPLETE):
                yield StatusChange(stream=configured.descriptor, status=status)

    def stop(self) -> None:
        """Does nothing: the reading is over in a moment."""
