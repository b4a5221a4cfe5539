"""Queries about what sources have: catalogues, their changes, and quick questions to connectors."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select

from penstock.control.history import Probe
from penstock.control.model import DiscoveredCatalog, SchemaChange
from penstock.control.store import rows
from penstock.control.store.database import Transaction
from penstock.control.store.tables import catalogs, connections, probes, schema_changes


def keep_catalog(tx: Transaction, catalog: DiscoveredCatalog) -> None:
    """Keeps a discovered catalogue."""
    rows.put(tx, catalogs, catalog)


def touch_catalog(tx: Transaction, found: DiscoveredCatalog) -> None:
    """Notes that a catalogue was found again as it is."""
    rows.replace_row(tx, catalogs, found, what="catalogue")


def catalog(tx: Transaction, catalog_id: str) -> DiscoveredCatalog:
    """Returns a catalogue; raises UnknownName without one."""
    found = rows.one(tx, DiscoveredCatalog, select(catalogs).where(catalogs.c.id == catalog_id))
    if found is None:
        raise rows.unknown("catalogue", catalog_id)
    return found


def newest_catalog(tx: Transaction, connector_id: str) -> DiscoveredCatalog | None:
    """Returns what a source was last found to have."""
    query = (
        select(catalogs)
        .where(catalogs.c.connector_id == connector_id)
        .order_by(catalogs.c.discovered_at.desc(), catalogs.c.id)
    )
    return rows.one(tx, DiscoveredCatalog, query)


def forget_old_catalogs(tx: Transaction, connector_id: str, *, keep: Sequence[str]) -> None:
    """Removes a source's catalogues that no connection and nobody in `keep` needs."""
    used = select(connections.c.catalog_id).where(connections.c.catalog_id.is_not(None))
    tx.execute(
        delete(catalogs).where(
            catalogs.c.connector_id == connector_id,
            catalogs.c.id.not_in(tuple(keep)),
            catalogs.c.id.not_in(used),
        )
    )


def note_change(tx: Transaction, change: SchemaChange) -> int:
    """Keeps a difference that was found; returns its id."""
    return rows.put_numbered(tx, schema_changes, change)


def changes_of(tx: Transaction, connection_id: str, window: rows.Window) -> rows.Page[SchemaChange]:
    """Returns what has changed in a connection's source, the newest first."""
    query = select(schema_changes).where(schema_changes.c.connection_id == connection_id)
    return rows.page(
        tx, SchemaChange, query, keys=(schema_changes.c.id,), window=window, is_descending=True
    )


def start_probe(tx: Transaction, probe: Probe) -> None:
    """Keeps a question that is being asked."""
    rows.put(tx, probes, probe)


def end_probe(tx: Transaction, probe: Probe) -> None:
    """Keeps the answer to a question."""
    rows.replace_row(tx, probes, probe, what="probe")


def probe(tx: Transaction, probe_id: str) -> Probe:
    """Returns a question and its answer; raises UnknownName without one."""
    found = rows.one(tx, Probe, select(probes).where(probes.c.id == probe_id))
    if found is None:
        raise rows.unknown("probe", probe_id)
    return found


def forget_probes(tx: Transaction, before: datetime) -> int:
    """Removes questions asked before a moment; returns how many."""
    return tx.execute(delete(probes).where(probes.c.started_at < before)).rowcount
