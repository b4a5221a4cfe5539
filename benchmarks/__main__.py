"""Runs the benchmarks, writes `results/<date>-<commit>.{json,md}` and pastes the tables."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence

from benchmarks import (
    changes,
    control,
    databases,
    faker,
    files,
    library,
    messages,
    pages,
    rest,
    startup,
)
from benchmarks.contest import Table, say
from benchmarks.document import paste
from benchmarks.measure import adopt_orphans
from benchmarks.peers import install, peers
from benchmarks.results import Report, commit, environment, machine, markdown, now, write

PATHS = {
    "startup": startup,
    "messages": messages,
    "faker": faker,
    "files": files,
    "library": library,
    "rest": rest,
    "databases": databases,
    "changes": changes,
    "control": control,
    "pages": pages,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 when every measurement of penstock itself succeeded, exact to the value."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "paths", nargs="*", metavar="path", help=f"{', '.join(PATHS)}; default: all"
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the size; not for docs")
    parser.add_argument("--no-write", action="store_true", help="print the tables only")
    given = parser.parse_args(arguments)
    if unknown := set(given.paths) - set(PATHS):
        parser.error(f"no such path: {', '.join(unknown)}")
    adopt_orphans()
    conditions, started_at = machine(), now()
    short, is_dirty = commit()
    words = sys.argv[1:] if arguments is None else arguments
    tables: list[Table] = []
    report: Report | None = None
    for name in given.paths or PATHS:
        tables.extend(PATHS[name].tables(quick=given.quick))
        report = Report(
            started_at=started_at,
            commit=short,
            is_dirty=is_dirty,
            quick=given.quick,
            command=shlex.join(["python", "-m", "benchmarks", *words]),
            machine=conditions,
            environments=tuple(environment(install(each)) for each in _seen(tables)),
            tables=tuple(tables),
        )
        # After each path: what was measured stays, also when the run is stopped.
        if not given.no_write:
            say(f"written: {write(report)}")
            if not given.quick and not given.paths:
                paste(report)
    if report is not None:
        print(markdown(report))
    return 1 if any(_is_ours_and_wrong(table) for table in tables) else 0


def _seen(tables: Sequence[Table]) -> list[str]:
    """Returns the tools of these tables: others need not be installed to be weighed."""
    tools = {outcome.tool for table in tables for outcome in table.outcomes}
    return [name for name in peers() if name in tools]


def _is_ours_and_wrong(table: Table) -> bool:
    ours = [outcome for outcome in table.outcomes if outcome.is_ours]
    return any(o.failure or (o.verdict is not None and not o.verdict.is_exact) for o in ours)


if __name__ == "__main__":
    sys.exit(main())
