"""Where one source stands in one cache: looked up, forgotten, taken over from PyAirbyte."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.engine.home import data_home
from penstock.engine.plan import Stored, plan_streams
from penstock.engine.remember import load_stored
from penstock.engine.settings import SyncSettings
from penstock.engine.state_store import FileStateStore
from penstock.library import showing
from penstock.library.caches.base import CacheBase
from penstock.library.states import states_as_documents
from penstock.protocol.catalog import ConfiguredCatalog, StreamDescriptor
from penstock.protocol.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The position of a source, by the name of its connection, in a cache."""

    source: str
    connection: str
    cache: CacheBase

    @property
    def settings(self) -> SyncSettings:
        """Where the streams of this cache land."""
        return SyncSettings(namespace=self.cache.schema_name, prefix=self.cache.table_prefix)

    def documents(self) -> list[dict[str, Any]]:
        """Returns it as Airbyte state messages."""
        stored = self._stored()
        if stored.shared is not None and stored.shared.state is not None:
            return states_as_documents([stored.shared.state])
        states = [row.state for row in stored.by_stream.values() if row.state is not None]
        return states_as_documents(states)

    def forget(self, streams: Iterable[StreamDescriptor] | None) -> None:
        """Forgets it, for these streams or all; rows stay.

        A position that streams share (CDC) is forgotten whole: it has no part to leave out.
        """
        stored = self.cache.destination.stored_states(self.connection)
        is_shared = any(row.stream is None for row in stored)
        chosen = None if streams is None or is_shared else list(streams)
        self.cache.destination.forget_states(self.connection, chosen)

    def of_pyairbyte(self, catalog: ConfiguredCatalog) -> tuple[State, ...]:
        """Returns what PyAirbyte stored of the source here, while penstock has nothing of it.

        A stream whose table is gone, or had another name there, begins at its first record.
        """
        names = [
            each.stream.name
            for each in catalog.streams
            if self.cache.destination.has_table(self.cache.table_of(each.stream.name))
        ]
        states = self.cache.bookkeeping.states_to_adopt(self.source, names)
        if states:
            showing.log_adoption(self.source, self.cache.name, len(states))
        return states

    def make_tables(self, catalog: ConfiguredCatalog) -> None:
        """Makes the tables of these streams and registers them; takes no rows."""
        stored = self._stored()
        tasks = plan_streams(
            connection=self.connection,
            streams=catalog.streams,
            settings=self.settings,
            capabilities=self.cache.destination.capabilities,
            stored=stored,
            resumes_full_refresh=False,
            fence=stored.highest_fence + 1,
        )
        with self.cache.writing:
            for task in tasks:
                with self.cache.destination.open(task.plan):
                    pass
            self.cache.register_source(self.source, [each.stream for each in catalog.streams])

    def _stored(self) -> Stored:
        folder: Path = self.cache.data_dir or data_home()
        beside = FileStateStore(folder / "state")
        return load_stored(self.cache.destination, beside, self.connection)
