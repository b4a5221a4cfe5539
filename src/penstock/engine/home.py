"""Where penstock keeps its own files: states, receipts, locks, kept configurations."""

from __future__ import annotations

import os
from pathlib import Path


def data_home() -> Path:
    """Returns the data folder, made private (0700) where it is not there yet."""
    home = home_path()
    if not home.is_dir():
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return home


def home_path() -> Path:
    """Returns where the data folder is or would be: `$PENSTOCK_HOME` or `~/.penstock`."""
    named = os.environ.get("PENSTOCK_HOME")
    return Path(named).expanduser() if named else Path.home() / ".penstock"
