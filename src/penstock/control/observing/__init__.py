"""What tells other systems of attempts: traces, and what was made of what."""

from __future__ import annotations
