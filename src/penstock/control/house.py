"""What all parts of the control plane are given: the store, the keys, the clock, the limits."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from penstock.control.history import Run
from penstock.control.launchers.launcher import Launcher
from penstock.control.observing.watchers import Moment, Watchers
from penstock.control.retries import RetryLimits
from penstock.control.secrets import SecretStore
from penstock.control.store import Store
from penstock.control.store.leases import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long things may take before they are given up, in seconds."""

    start_seconds: float = 3600.0
    """Until the connectors are up: they may have to be installed."""
    silence_seconds: float = 3 * 3600.0
    """Without a row, a commit or a word."""
    run_seconds: float = 3 * 86400.0
    """From when the connectors are up."""
    stop_seconds: float = 30.0
    """From being asked to stop to being killed."""
    probe_seconds: float = 1800.0
    lease_seconds: float = 30.0
    discover_window_seconds: float = 86400.0
    """A catalogue older than this is discovered again before a run; 0: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Made once by `ControlPlane`, given to each part."""

    store: Store
    launcher: Launcher
    secrets: SecretStore
    log_folder: Path
    server_id: str
    limits: Limits = field(default_factory=lambda: Limits(per_server=default_runs_at_once()))
    retries: RetryLimits = field(default_factory=RetryLimits)
    patience: Patience = field(default_factory=Patience)
    watchers: Watchers | None = None
    """Who is told of attempts; None: nobody."""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def note(self, moment: Moment, run: Run) -> None:
        """Tells those who watch of the newest attempt of a run; returns at once."""
        if self.watchers is not None:
            self.watchers.note(moment, run)


def default_runs_at_once() -> int:
    """Returns how many runs one server starts at the same time: most of them wait for others."""
    return max(4, 2 * (os.cpu_count() or 1))
