"""A connector that talks without end: its log has a bound, and its sync arrives.

160 MB in the ordinary tests, a gigabyte in `make chaos`.
"""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from penstock.control.history import RunStatus
from penstock.control.logs import LARGEST_LOG_BYTES, read_log
from tests.integration.control.plane import Site, connect_scripted, ended

LINE_BYTES = 30_000
MANY_ROUNDS = 50
MEMORY_KIB = 200 << 10


@pytest.mark.slow
def test_a_log_without_end_is_cut_told_so_and_costs_no_memory(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    is_long = int(request.config.getoption("--penstock-rounds")) >= MANY_ROUNDS
    lines = (1_000_000_000 if is_long else 160_000_000) // LINE_BYTES
    site = Site(tmp_path)
    with site.running() as plane:
        connection = connect_scripted(site, plane, rows=20, log_lines=lines)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        run = ended(plane, plane.request_run(connection.id), seconds=600)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        path = plane.log_path(run.id, run.attempt)
        size = path.stat().st_size
    assert run.status is RunStatus.SUCCEEDED
    assert site.count("items") == 20
    assert LARGEST_LOG_BYTES - 100_000 < size <= LARGEST_LOG_BYTES + 1_000
    last = read_log(path, offset=size - 500).records[-1]
    dropped, _, words = last.message.partition(" ")
    assert words == "further lines were left out of this log."
    assert int(dropped) >= lines - LARGEST_LOG_BYTES // LINE_BYTES
    assert grown < MEMORY_KIB
