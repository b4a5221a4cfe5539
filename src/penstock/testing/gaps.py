"""Named gaps: what a connector does not do is written down, and a closed gap fails the suite.

A gap names one test of a suite, and one case of it or all. The test still runs, and must fail:
the day it passes, the suite is red until the mark goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class GapKind(StrEnum):
    """Who could close the gap."""

    NOT_DONE = "not done"
    """We: it is possible, and nobody has written it."""
    NOT_YET = "not yet"
    """The other system, in a later version."""
    NEVER = "never"
    """Nobody: it is not in the nature of the other system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One promise that is not kept, and why."""

    kind: GapKind
    test: str
    case: str | None
    reason: str

    def covers(self, test: str, case: str | None) -> bool:
        """Tells whether this gap is about that test and case, be it as pytest escapes names."""
        escaped = self.case and self.case.encode("unicode_escape").decode("ascii")
        return self.test == test and (self.case in (None, case) or escaped == case)

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}"


def not_done(test: str, case: str | None = None, *, reason: str) -> Gap:
    """Marks what this connector could do, and does not do so far."""
    return Gap(kind=GapKind.NOT_DONE, test=test, case=case, reason=reason)


def not_yet(test: str, case: str | None = None, *, reason: str) -> Gap:
    """Marks what the other system cannot do in its present version."""
    return Gap(kind=GapKind.NOT_YET, test=test, case=case, reason=reason)


def never(test: str, case: str | None = None, *, reason: str) -> Gap:
    """Marks what the other system cannot do by its nature."""
    return Gap(kind=GapKind.NEVER, test=test, case=case, reason=reason)
