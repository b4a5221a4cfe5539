"""Which answers are worth another try, and how long to wait before it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

RETRYABLE: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that tell of a passing condition (RFC 9110 §15, RFC 6585 §4, RFC 8470 §5.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often and how patiently requests are repeated."""

    attempts: int = 6
    """Tries of one request in all."""
    first_seconds: float = 1.0
    """Upper end of the first wait where the other side names none; each further one doubles."""
    longest_seconds: float = 60.0
    """Upper end of a wait that the other side does not name."""
    patience_seconds: float = 600.0
    """Most that one request may wait in all; beyond, the error goes out, with the wait asked."""
    rules: Mapping[int, bool] = field(default_factory=dict)
    """For a status, whether to try again, where that differs from the usual."""
    least_seconds: Mapping[int, float] = field(default_factory=dict)
    """For a status, the least to wait when the other side names no wait."""
    draw: Callable[[], float] = random.random
    """A number from 0 to 1, for jitter."""

    def is_retryable(self, status: int) -> bool:
        """Tells whether an answer with this status may turn out better next time."""
        return self.rules.get(status, status in RETRYABLE)

    def wait_seconds(self, attempt: int, *, asked: float | None, status: int | None) -> float:
        """Returns the wait after the given failed attempt (1 is the first).

        What the other side asked for is kept to, plus up to a tenth of jitter, so that clients
        refused together do not return together. Else full jitter over a doubling span.
        """
        if asked is not None:
            return asked + min(1.0, asked * 0.1) * self.draw()
        span = min(self.longest_seconds, self.first_seconds * math.ldexp(1, attempt - 1))
        least = self.least_seconds.get(status, 0.0) if status is not None else 0.0
        return least + span * self.draw()


def asked_wait(header: str | None, now: datetime) -> float | None:
    """Returns the seconds a Retry-After asks for: a number, a fraction or a date; else None.

    RFC 9110 §10.2.3 allows whole seconds and HTTP dates; some vendors send fractions.
    """
    text = (header or "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        pass
    else:
        return max(0.0, seconds) if math.isfinite(seconds) else None
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
