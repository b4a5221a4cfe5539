"""Where penstock keeps its own files: states, receipts, locks, kept configurations."""

from __future__ import annotations

import os
from pathlib import Path


def data_home() -> Path:
    """Returns the data folder, `$PENSTOCK_HOME` or `~/.penstock`, made private (0700)."""
    named = os.environ.get("PENSTOCK_HOME")
    home = Path(named).expanduser() if named else Path.home() / ".penstock"
    if not home.is_dir():
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return home
