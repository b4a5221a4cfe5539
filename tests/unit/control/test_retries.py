from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest

from penstock.control.history import Failure, Run
from penstock.control.retries import RetryLimits, is_to_be_disabled, is_to_be_warned, verdict

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
RUN = Run(
    connection_id="c",
    workspace_id="w",
    source_id="s",
    destination_id="d",
    not_before=NOW,
    created_at=NOW,
    updated_at=NOW,
)
LIMITS = RetryLimits()


def failed(kind: str) -> Failure:
    return Failure(code="x", message="m", remedy="r", failure_type=kind)


def pauses(*, made_progress: bool, kind: str = "system_error") -> list[float]:
    """The pauses between the attempts of a run that only fails."""
    run, found = RUN, []
    while True:
        decided = verdict(
            run,
            failed(kind),
            made_progress=made_progress,
            wait_seconds=None,
            now=NOW,
            limits=LIMITS,
        )
        if decided.not_before is None:
            return found
        found.append((decided.not_before - NOW).total_seconds())
        run = replace(run, **asdict(decided.counts))


def test_without_progress_pauses_grow_threefold_and_the_fifth_failure_is_the_last() -> None:
    assert pauses(made_progress=False) == [10, 30, 90, 270]


def test_with_progress_the_next_attempt_comes_at_once_twenty_times() -> None:
    assert pauses(made_progress=True) == [0] * 19


def test_a_wrong_setting_is_never_tried_again() -> None:
    assert pauses(made_progress=False, kind="config_error") == []
    assert pauses(made_progress=True, kind="config_error") == []


def test_progress_forgives_the_failures_in_a_row() -> None:
    run = replace(RUN, complete_failures=4, complete_failures_in_row=4)
    decided = verdict(
        run, failed("x"), made_progress=True, wait_seconds=None, now=NOW, limits=LIMITS
    )
    assert decided.counts.complete_failures_in_row == 0
    assert decided.counts.complete_failures == 4
    assert decided.not_before == NOW


def test_a_pause_is_never_longer_than_half_an_hour() -> None:
    run = replace(RUN, complete_failures_in_row=8, complete_failures=8)
    limits = RetryLimits(complete_in_row=100, complete_total=100)
    decided = verdict(
        run, failed("x"), made_progress=False, wait_seconds=None, now=NOW, limits=limits
    )
    assert decided.not_before == NOW + timedelta(minutes=30)


def test_what_the_other_side_asks_for_is_waited() -> None:
    decided = verdict(RUN, failed("x"), made_progress=True, wait_seconds=77, now=NOW, limits=LIMITS)
    assert decided.not_before == NOW + timedelta(seconds=77)


@pytest.mark.parametrize(
    ("in_row", "days", "disabled"),
    [(29, 30, False), (30, 6, False), (30, 7, True), (100, 1, False)],
)
def test_a_connection_is_switched_off_after_many_failures_over_many_days(
    in_row: int, days: int, disabled: bool
) -> None:
    assert is_to_be_disabled(in_row, NOW - timedelta(days=days), NOW) is disabled


def test_people_are_warned_before_a_connection_is_switched_off() -> None:
    assert is_to_be_warned(20, NOW - timedelta(hours=1), NOW)
    assert not is_to_be_warned(21, NOW - timedelta(hours=1), NOW)
    assert is_to_be_warned(21, NOW - timedelta(days=4), NOW)
