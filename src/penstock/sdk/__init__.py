"""All that a connector author imports."""

from __future__ import annotations
