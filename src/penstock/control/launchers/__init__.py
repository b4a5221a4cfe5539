"""Where attempts run: as processes of this machine, or elsewhere."""

from __future__ import annotations
