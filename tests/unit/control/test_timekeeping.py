"""A clock that jumps is told from time that goes by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from penstock.control.timekeeping import ClockWatch

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)


@dataclass
class Machine:
    """A machine with both its clocks."""

    passed: float = 0.0
    put_forward: float = 0.0

    def clock(self) -> datetime:
        return NOW + timedelta(seconds=self.passed + self.put_forward)

    def steady(self) -> float:
        return self.passed


@pytest.mark.parametrize(
    ("passed", "put_forward", "jumped"),
    [(3600.0, 0.0, 0.0), (1.0, 59.0, 0.0), (1.0, 3600.0, 3600.0), (30.0, -86400.0, -86400.0)],
    ids=["time goes by", "a correction", "forward", "back"],
)
def test_only_a_jump_is_told(passed: float, put_forward: float, jumped: float) -> None:
    machine = Machine()
    watch = ClockWatch(machine.clock, steady=machine.steady)
    machine.passed, machine.put_forward = passed, put_forward
    assert watch.jumped_seconds() == jumped


def test_a_jump_is_told_once() -> None:
    machine = Machine()
    watch = ClockWatch(machine.clock, steady=machine.steady)
    machine.put_forward = 3600.0
    assert watch.jumped_seconds() == 3600.0
    machine.passed = 10.0
    assert watch.jumped_seconds() == 0.0
