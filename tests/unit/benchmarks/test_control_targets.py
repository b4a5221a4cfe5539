"""The server's promises are judged by what was measured, and a miss is called one."""

from __future__ import annotations

import pytest

from benchmarks import control
from benchmarks.contest import Outcome, Run, Table
from benchmarks.targets import judged_targets


def _table(title: str, **lines: Run) -> Table:
    names = {name: getattr(control, name) for name in lines}
    outcomes = tuple(
        Outcome(label=names[name], tool="penstock", version="1", runs=(run,))
        for name, run in lines.items()
    )
    return Table(path="control", title=title, outcomes=outcomes)


def _run(wall: float, cpu: float = 0.0, mib: float = 0.0) -> Run:
    return Run(wall_seconds=wall, cpu_seconds=cpu, peak_mib=mib)


@pytest.mark.parametrize(
    ("table", "verdicts"),
    [
        (_table("start", COLD=_run(1.9), IDLE=_run(60, 0.5, 140)), [True, True, True]),
        (_table("start", COLD=_run(2.1), IDLE=_run(60, 0.7, 150)), [False, False, False]),
        (_table("run", BY_HAND=_run(0.8), BY_SERVER=_run(1.2)), [True]),
        (_table("run", BY_HAND=_run(0.8), BY_SERVER=_run(1.4)), [False]),
        (_table("much", TICK=_run(0.04), MIDDLE=_run(0.09)), [True, True]),
        (_table("much", TICK=_run(0.06), MIDDLE=_run(0.11)), [False, False]),
        (_table("busy", TAIL=_run(0.09)), [True]),
        (_table("busy", TAIL=_run(0.11)), [False]),
    ],
)
def test_each_promise_is_met_or_missed_by_its_figure(table: Table, verdicts: list[bool]) -> None:
    assert [target.is_met for target in judged_targets([table], [])] == verdicts


def test_a_server_that_refused_requests_has_missed_its_target() -> None:
    line = Outcome(label=control.TAIL, tool="penstock", version="1", failure="2 refusals")
    table = Table(path="control", title="busy", outcomes=(line,))
    assert [target.is_met for target in judged_targets([table], [])] == [False]
