"""What a destination promises, one module a subject; `destination_suite` puts them together."""

from __future__ import annotations
