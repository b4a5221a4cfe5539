"""What keeps the store and the log folder small: old runs, receipts, events and logs go."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from penstock.control.house import House
from penstock.control.store import discoveries, events, people, runs, servers

logger = logging.getLogger(__name__)

_RUNS_AT_ONCE: Final = 200
_SERVER_IS_FORGOTTEN_AFTER: Final = timedelta(hours=1)
_PROBES_ARE_KEPT: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long what happened is kept."""

    run_days: float = 90.0
    """Runs with attempts and receipts, from their end; also their logs."""
    event_days: float = 90.0
    log_days: float = 30.0
    log_bytes: int = 5 << 30
    """All logs of a server together; the oldest go first."""
    receipt_bytes: int = 1 << 30
    """All receipts together; the oldest go first, before their runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What was removed."""

    runs: int
    events: int
    logs: int
    receipts: int


def clean(house: House, retention: Retention) -> Removed:
    """Removes what is older or larger than it is to be; logs of running attempts stay."""
    now = house.clock()
    gone = _remove_runs(house, now - timedelta(days=retention.run_days))
    with house.store.write() as tx:
        forgotten = events.forget_before(tx, now - timedelta(days=retention.event_days))
        discoveries.forget_probes(tx, now - _PROBES_ARE_KEPT)
        people.forget_expired(tx, now=now)
        servers.forget_before(tx, now - _SERVER_IS_FORGOTTEN_AFTER)
    receipts = _remove_receipts(house, retention.receipt_bytes)
    logs = _remove_logs(house, retention, now)
    removed = Removed(runs=gone, events=forgotten, logs=logs, receipts=receipts)
    if any(asdict(removed).values()):
        logger.info("old things removed", extra=asdict(removed))
    return removed


def _remove_runs(house: House, before: datetime) -> int:
    """Removes runs in portions: others write between two of them."""
    removed = 0
    while True:
        with house.store.write() as tx:
            old = runs.ended_before(tx, before, limit=_RUNS_AT_ONCE)
            runs.delete_(tx, old)
        for run_id in old:
            shutil.rmtree(house.log_folder / str(run_id), ignore_errors=True)
        removed += len(old)
        if len(old) < _RUNS_AT_ONCE:
            return removed


def _remove_receipts(house: House, most_bytes: int) -> int:
    with house.store.read() as tx:
        surplus = runs.receipts_bytes(tx) - most_bytes
    removed = 0
    while surplus > 0:
        with house.store.write() as tx:
            count, freed = runs.delete_oldest_receipts(tx, surplus, limit=_RUNS_AT_ONCE)
        if not count:
            break  # another server was faster
        removed += count
        surplus -= freed
    return removed


def _remove_logs(house: House, retention: Retention, now: datetime) -> int:
    with house.store.read() as tx:
        active = {str(run.id) for run in runs.active(tx)}
    oldest = (now - timedelta(days=retention.log_days)).timestamp()
    files = sorted(_logs(house.log_folder, active))
    total = sum(size for _, size, _ in files)
    removed = 0
    for changed_at, size, path in files:
        if changed_at >= oldest and total <= retention.log_bytes:
            break
        path.unlink(missing_ok=True)
        total -= size
        removed += 1
    return removed


def _logs(folder: Path, active: set[str]) -> Iterator[tuple[float, int, Path]]:
    """Yields the logs of attempts that are over: when changed, how large, where."""
    for path in folder.glob("*/*.jsonl"):
        if path.parent.name not in active:
            about = path.stat()
            yield about.st_mtime, about.st_size, path
