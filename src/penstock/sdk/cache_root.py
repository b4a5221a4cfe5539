"""Where what can be had again is kept between syncs."""

from __future__ import annotations

import os
from pathlib import Path


def cache_root() -> Path:
    """Returns the user's cache folder of penstock (XDG Base Directory specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock"
