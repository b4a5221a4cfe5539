"""A connection's schema against its source's newest: what differs, and taking it over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from penstock.control.configuring import Configuring
from penstock.control.house import House
from penstock.control.model import (
    Connection,
    ConnectionStatus,
    DiscoveredCatalog,
    StreamChoice,
)
from penstock.control.schema_changes import Change, StreamKey, adopted, differences, unreadable
from penstock.control.store import Transaction, connections, discoveries, states
from penstock.errors import ConfigError, ResourceBusy, UnknownName


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What a connection reads by, what its source has, and what lies between."""

    connection: Connection
    newest: DiscoveredCatalog
    changes: tuple[Change, ...]


def difference(tx: Transaction, connection_id: str) -> Difference:
    """Returns how a connection differs from what its source was last found to have.

    Raises UnknownName when the source was never asked.
    """
    connection = connections.get(tx, connection_id)
    newest = discoveries.newest_catalog(tx, connection.source_id)
    if newest is None:
        raise UnknownName(
            f"The source of {connection.name} was not asked yet what it has.",
            remedy="Ask it: POST /api/v1/probes/discover.",
        )
    if connection.catalog_id is None or connection.catalog_id == newest.id:
        return Difference(connection=connection, newest=newest, changes=())
    known = discoveries.catalog(tx, connection.catalog_id)
    changes = differences(connection, known.catalog, newest.catalog)
    return Difference(connection=connection, newest=newest, changes=changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What somebody takes over."""

    catalog_id: str
    """The catalogue they have looked at: a newer one is refused."""
    added: Sequence[StreamKey] = ()
    """New streams to be read, as little and as exactly as each allows."""
    streams: tuple[StreamChoice, ...] | None = None
    """Choices instead of those there are, as where a key is gone."""
    backfills: bool = False
    """Reads streams with new fields from the beginning."""
    switches_on: bool = True


class Approving:
    """Takes changed schemas over; safe to use from any thread."""

    def __init__(self, house: House, configuring: Configuring) -> None:
        self._house = house
        self._configuring = configuring

    def approve(
        self, connection_id: str, approval: Approval, *, actor: str | None = None
    ) -> Connection:
        """Lets a connection read by its source's newest catalogue; returns it as kept.

        Raises ResourceBusy when that is another than was looked at, and ConfigError while a key
        or cursor is chosen that the source has no more.
        """
        with self._house.store.read() as tx:
            found = difference(tx, connection_id)
        if found.newest.id != approval.catalog_id:
            raise ResourceBusy(
                f"The source of {found.connection.name} was discovered again meanwhile.",
                remedy="Look at what differs now, and approve that.",
            )
        decided = adopted(
            found.connection,
            found.changes,
            found.newest.catalog,
            approval.catalog_id,
            added=approval.added,
        )
        streams = decided.connection.streams if approval.streams is None else approval.streams
        kept = self._configuring.update_connection(
            connection_id, self._taking_over(found, streams, approval), actor=actor
        )
        if approval.backfills:
            anew = {each.stream for each in found.changes if each.transform == "add_field"}
            chosen = {each.key for each in kept.streams or ()}
            with self._house.store.read() as tx:
                known = {(s.namespace, s.name) for s in states.of_connection(tx, connection_id)}
            if again := sorted(anew & chosen & known, key=str):
                self._configuring.reset_states(connection_id, again, actor=actor)
        return kept

    def _taking_over(
        self,
        found: Difference,
        streams: tuple[StreamChoice, ...] | None,
        approval: Approval,
    ) -> Callable[[Connection], Connection]:
        def change(now: Connection) -> Connection:
            if now.streams != found.connection.streams or (
                now.catalog_id != found.connection.catalog_id
            ):
                raise ResourceBusy(
                    f"{now.name} was changed meanwhile.", remedy="Look again, and approve then."
                )
            changed = replace(
                now, streams=streams, catalog_id=approval.catalog_id, has_breaking_change=False
            )
            gone = unreadable(changed, found.newest.catalog)
            if gone:
                (_, name), field = gone[0]
                raise ConfigError(
                    f"{name} has no field {field} any more, and is read by it.",
                    remedy="Choose another key or cursor, or leave the stream out; give the "
                    "choices as `streams`.",
                )
            if approval.switches_on and now.status is ConnectionStatus.INACTIVE:
                changed = replace(changed, status=ConnectionStatus.ACTIVE, status_reason=None)
            return changed

        return change
