"""What follows a failed attempt: another one, when, or the end; and when a connection is paused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from penstock.control.history import Failure, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryLimits:
    """How often a run is tried (Airbyte's numbers: docs, "Retrying jobs").

    An attempt that committed rows has made progress, and is followed by another at once; one
    that has not is followed after a pause three times as long as the one before.
    """

    complete_in_row: int = 5
    complete_total: int = 10
    partial_in_row: int = 1000
    partial_total: int = 20
    first_pause_seconds: float = 10.0
    pause_factor: float = 3.0
    longest_pause_seconds: float = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The failures of a run's attempts, those without progress and those with."""

    complete_failures: int
    complete_failures_in_row: int
    partial_failures: int
    partial_failures_in_row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of a run after a failed attempt; `not_before` None ends it."""

    counts: Counts
    not_before: datetime | None


DISABLE_AFTER_RUNS: Final = 30
DISABLE_AFTER: Final = timedelta(days=7)
WARN_AFTER_RUNS: Final = 20
WARN_AFTER: Final = timedelta(days=4)


def verdict(
    run: Run,
    failure: Failure,
    *,
    made_progress: bool,
    wait_seconds: float | None,
    now: datetime,
    limits: RetryLimits,
) -> Verdict:
    """Decides what follows a failed attempt of a run.

    A wrong setting is never tried again. `wait_seconds` is what the other side asked for.
    """
    counts = counted(run, made_progress=made_progress)
    is_hopeless = failure.failure_type in ("config_error", "manual_cancellation")
    is_spent = (
        counts.complete_failures_in_row >= limits.complete_in_row
        or counts.complete_failures >= limits.complete_total
        or counts.partial_failures_in_row >= limits.partial_in_row
        or counts.partial_failures >= limits.partial_total
    )
    if is_hopeless or is_spent or run.cancel_requested_at is not None:
        return Verdict(counts=counts, not_before=None)
    pause = 0.0 if made_progress else _pause(counts.complete_failures_in_row, limits)
    return Verdict(
        counts=counts, not_before=now + timedelta(seconds=max(pause, wait_seconds or 0.0))
    )


def counted(run: Run, *, made_progress: bool) -> Counts:
    """Returns a run's failures with one more."""
    if made_progress:
        return Counts(
            complete_failures=run.complete_failures,
            complete_failures_in_row=0,
            partial_failures=run.partial_failures + 1,
            partial_failures_in_row=run.partial_failures_in_row + 1,
        )
    return Counts(
        complete_failures=run.complete_failures + 1,
        complete_failures_in_row=run.complete_failures_in_row + 1,
        partial_failures=run.partial_failures,
        partial_failures_in_row=0,
    )


def is_to_be_disabled(failed_in_row: int, failing_since: datetime | None, now: datetime) -> bool:
    """Tells whether a connection has failed so often, for so long, that it is switched off."""
    long_enough = failing_since is not None and now - failing_since >= DISABLE_AFTER
    return failed_in_row >= DISABLE_AFTER_RUNS and long_enough


def is_to_be_warned(failed_in_row: int, failing_since: datetime | None, now: datetime) -> bool:
    """Tells whether people should hear that a connection is going to be switched off."""
    long_enough = failing_since is not None and now - failing_since >= WARN_AFTER
    return failed_in_row == WARN_AFTER_RUNS or (failed_in_row > WARN_AFTER_RUNS and long_enough)


def _pause(failures_in_row: int, limits: RetryLimits) -> float:
    exponent = min(failures_in_row - 1, 50)
    pause = limits.first_pause_seconds * limits.pause_factor**exponent
    return float(min(pause, limits.longest_pause_seconds))
