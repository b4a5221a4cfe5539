"""What penstock promises of its speed and size, and whether the measured tables keep it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmarks.changes import OURS as CHANGES
from benchmarks.contest import Outcome, Table
from benchmarks.control import (
    BY_HAND,
    BY_SERVER,
    CANCELLED,
    COLD,
    IDLE,
    IDLE_FULL,
    MIDDLE,
    PAGES,
    TAIL,
    TICK,
)
from benchmarks.databases import ADBC, PIPE
from benchmarks.databases import OURS as DATABASES
from benchmarks.databases import PYAIRBYTE as PYAIRBYTE_CACHE
from benchmarks.faker import ALONE
from benchmarks.faker import OURS as THROUGH
from benchmarks.files import DUCKDB
from benchmarks.library import NARROW, WIDE
from benchmarks.library import OURS as LIBRARY
from benchmarks.messages import OURS, PYAIRBYTE
from benchmarks.pages import CLICK, PAINT
from benchmarks.rest import CDK, DLT, LOOP, LOOP_START, OURS_START, RECORDWISE
from benchmarks.rest import OURS as REST
from benchmarks.startup import HELP, IMPORT, NOTHING

LINEAR_TOLERANCE = 1.5
"""Time per value (or row) may grow by so much over the whole range and still be called linear."""
MEMORY_TOLERANCE = 1.25


class Weighed(Protocol):
    """An installed environment with its figures."""

    @property
    def name(self) -> str: ...
    @property
    def packages(self) -> int: ...
    @property
    def megabytes(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One promise and what was measured."""

    text: str
    measured: str
    is_met: bool


def judged_targets(tables: Sequence[Table], environments: Sequence[Weighed]) -> Iterator[Target]:
    """Yields each target that the given tables can judge."""
    by_path = {path: [t for t in tables if t.path == path] for path in _PATHS}
    yield from _messages(by_path["messages"])
    yield from _faker(by_path["faker"])
    yield from _files(by_path["files"])
    yield from _library(by_path["library"])
    yield from _rest(by_path["rest"])
    yield from _databases(by_path["databases"])
    yield from _changes(by_path["changes"])
    yield from _startup(by_path["startup"])
    yield from _control(by_path["control"])
    yield from _pages(by_path["pages"])
    yield from _weight(environments)


_PATHS = (
    *("messages", "faker", "files", "library", "rest", "databases", "changes", "startup"),
    *("control", "pages"),
)


def _pair(table: Table, ours: str, other: str) -> tuple[Outcome, Outcome] | None:
    first, second = table.outcome(ours), table.outcome(other)
    if first and second and first.succeeded and second.succeeded:
        return first, second
    return None


def _at_most(text: str, value: float, limit: float, unit: str) -> Target:
    digits = 2 if value < 10 else 0
    return Target(text=text, measured=f"{value:,.{digits}f}{unit}", is_met=value <= limit)


def _messages(tables: Sequence[Table]) -> Iterator[Target]:
    usual = [table for table in tables if "columns" not in table.title]
    wide = [table for table in tables if "columns" in table.title]
    main = usual[1] if len(usual) > 1 else None
    if main and (pair := _pair(main, OURS, PYAIRBYTE)):
        ours, theirs = pair
        wall = theirs.wall_seconds / ours.wall_seconds
        cpu = theirs.cpu_seconds / ours.cpu_seconds
        title = main.title
        yield Target(
            text=f"{title}: PyAirbyte needs at least 20x the time",
            measured=f"{wall:.1f}x",
            is_met=wall >= 20,
        )
        yield Target(
            text=f"{title}: PyAirbyte needs at least 12x the CPU time",
            measured=f"{cpu:.1f}x",
            is_met=cpu >= 12,
        )
    if main and (pair := _pair(main, OURS, DUCKDB)):
        ours, alone = pair
        ratio = ours.wall_seconds / alone.wall_seconds
        yield _at_most(f"{main.title}: at most 2x DuckDB alone", ratio, 2, "x")
        yield _at_most(
            f"{main.title}: below 350 MB at the peak", ours.peak_mib * 1.048576, 350, " MB"
        )
    yield from _growth(usual, wide)


def _growth(usual: Sequence[Table], wide: Sequence[Table]) -> Iterator[Target]:
    rows = [(t, o) for t in usual if (o := t.outcome(OURS)) and o.succeeded]
    if len(rows) > 1:
        (_, before), (last, after) = rows[-2:]
        growth = after.peak_mib / before.peak_mib
        yield Target(
            text=f"{last.title}: no more memory than for a tenth of them",
            measured=f"{before.peak_mib:,.0f} → {after.peak_mib:,.0f} MiB",
            is_met=growth <= MEMORY_TOLERANCE,
        )
        slower = (after.wall_seconds / before.wall_seconds) / (last.rows / rows[-2][0].rows)
        yield _at_most(f"{last.title}: time linear in rows", slower, LINEAR_TOLERANCE, "x a row's")
    widths = [o for t in wide if (o := t.outcome(OURS)) and o.succeeded]
    if len(widths) > 1:
        growth = max(o.wall_seconds for o in widths) / widths[0].wall_seconds
        yield _at_most(
            "10 to 1,000 columns, equally many values: time linear in columns",
            growth,
            LINEAR_TOLERANCE,
            "x that of 10",
        )


def _faker(tables: Sequence[Table]) -> Iterator[Target]:
    for table in tables:
        if pair := _pair(table, THROUGH, ALONE):
            ours, alone = pair
            added = (ours.wall_seconds / alone.wall_seconds - 1) * 100
            yield Target(
                text=f"{table.title}: penstock adds less than 5 %",
                measured=f"{added:+.1f} %",
                is_met=added < 5,
            )


def _rest(tables: Sequence[Table]) -> Iterator[Target]:
    for table in tables:
        for ours, limit, words in (
            (REST, 1, "no slower than a bare loop"),
            (RECORDWISE, 2, "record by record, at most 2x a loop"),
        ):
            pair, starts = _pair(table, ours, LOOP), _pair(table, OURS_START, LOOP_START)
            if pair and starts:
                ratio = pair[0].wall_seconds / pair[1].wall_seconds
                mine, theirs = (
                    whole.wall_seconds - start.wall_seconds
                    for whole, start in zip(pair, starts, strict=True)
                )
                yield Target(
                    text=f"{table.title}: {words}, start-up apart",
                    measured=f"{mine / theirs:.2f}x ({ratio:.2f}x with it)",
                    is_met=mine <= limit * theirs,
                )
        for peer, least in ((CDK, 5), (DLT, 40)):
            if pair := _pair(table, REST, peer):
                ratio = pair[1].wall_seconds / pair[0].wall_seconds
                yield Target(
                    text=f"{table.title}: {peer} needs at least {least}x the time",
                    measured=f"{ratio:.1f}x",
                    is_met=ratio >= least,
                )


def _files(tables: Sequence[Table]) -> Iterator[Target]:
    for table in tables:
        ours = table.outcome("penstock")
        if ours is None or not ours.succeeded:
            continue
        if pair := _pair(table, "penstock", DUCKDB):
            ratio = pair[0].wall_seconds / pair[1].wall_seconds
            yield _at_most(f"{table.title}: at most 1.5x DuckDB alone", ratio, 1.5, "x")
        peers = [o for o in table.outcomes if o.tool not in ("penstock", "duckdb") and o.succeeded]
        if peers:
            best = min(peers, key=lambda outcome: outcome.wall_seconds)
            yield Target(
                text=f"{table.title}: ahead of every peer",
                measured=f"{best.label} needs {best.wall_seconds / ours.wall_seconds:.1f}x",
                is_met=best.wall_seconds > ours.wall_seconds,
            )


def _library(tables: Sequence[Table]) -> Iterator[Target]:
    for table in tables:
        if pair := _pair(table, LIBRARY, PYAIRBYTE):
            ratio = pair[1].wall_seconds / pair[0].wall_seconds
            yield Target(
                text=f"{table.title}: PyAirbyte needs at least 20x the time",
                measured=f"{ratio:.1f}x",
                is_met=ratio >= 20,
            )
        if pair := _pair(table, LIBRARY, DUCKDB):
            ratio = pair[0].wall_seconds / pair[1].wall_seconds
            yield _at_most(f"{table.title}: at most 1.2x DuckDB's own", ratio, 1.2, "x")
    per_byte = {
        table.title: outcome.wall_seconds / table.megabytes
        for table in tables
        if (outcome := table.outcome(LIBRARY)) and outcome.succeeded and table.megabytes
    }
    if NARROW in per_byte and WIDE in per_byte:
        ratio = per_byte[WIDE] / per_byte[NARROW]
        yield _at_most("200 columns through the library no slower per byte", ratio, 1, "x")


def _databases(tables: Sequence[Table]) -> Iterator[Target]:
    for table in tables:
        ours = table.outcome(DATABASES)
        if ours is None or not ours.succeeded:
            continue
        for limit, most in ((PIPE, 1.3), (ADBC, 1.1)):
            if pair := _pair(table, DATABASES, limit):
                ratio = pair[0].wall_seconds / pair[1].wall_seconds
                yield _at_most(f"{table.title}: at most {most}x {limit}", ratio, most, "x")
        if pair := _pair(table, DATABASES, PYAIRBYTE_CACHE):
            ratio = pair[1].wall_seconds / pair[0].wall_seconds
            yield Target(
                text=f"{table.title}: PyAirbyte needs at least 10x the time",
                measured=f"{ratio:.1f}x",
                is_met=ratio >= 10,
            )
        for peer in ("dlt", "ingestr", "sling"):
            if pair := _pair(table, DATABASES, peer):
                wall, cpu = (
                    theirs / mine
                    for theirs, mine in (
                        (pair[1].wall_seconds, ours.wall_seconds),
                        (pair[1].cpu_seconds, ours.cpu_seconds),
                    )
                )
                yield Target(
                    text=f"{table.title}: ahead of {peer} in wall and CPU time",
                    measured=f"{wall:.1f}x and {cpu:.1f}x",
                    is_met=wall > 1 and cpu > 1,
                )
        peak = ours.peak_mib * 1.048576
        yield _at_most(f"{table.title}: below 400 MB at the peak", peak, 400, " MB")


def _changes(tables: Sequence[Table]) -> Iterator[Target]:
    for table in tables:
        ours = table.outcome(CHANGES)
        if ours is not None and ours.succeeded:
            rate = table.rows / ours.wall_seconds
            yield Target(
                text=f"{table.title}: at least 20,000 a second",
                measured=f"{rate:,.0f}",
                is_met=rate >= 20_000,
            )


def _startup(tables: Sequence[Table]) -> Iterator[Target]:
    limits = ((HELP, 300, "`penstock --help`"), (IMPORT, 150, "`import penstock`"))
    for table in tables:
        for label, limit, name in (*limits, (NOTHING, 1000, "a sync with nothing new")):
            outcome = table.outcome(label)
            if outcome and outcome.succeeded:
                text = f"{name} under {limit:,} ms"
                yield _at_most(text, outcome.wall_seconds * 1000, limit, " ms")


def _control(tables: Sequence[Table]) -> Iterator[Target]:
    lines = {line.label: line for table in tables for line in table.outcomes if line.succeeded}
    if COLD in lines:
        cold = lines[COLD]
        yield _at_most("`penstock up` answers within 2 s", cold.wall_seconds, 2, " s")
    for label, words in ((IDLE, "an idle server"), (IDLE_FULL, "beside a million runs, idle")):
        if label in lines:
            rest = lines[label]
            yield _at_most(f"{words}: below 150 MB", rest.peak_mib * 1.048576, 150, " MB")
            share = 100 * rest.cpu_seconds / rest.wall_seconds
            yield _at_most(f"{words}: below 1 % of a processor", share, 1, " %")
    if BY_HAND in lines and BY_SERVER in lines:
        added = lines[BY_SERVER].wall_seconds - lines[BY_HAND].wall_seconds
        yield _at_most("a run starts within 0.5 s over the sync by hand", added, 0.5, " s")
    if CANCELLED in lines:
        yield _at_most("a sync is cancelled within 1 s", lines[CANCELLED].wall_seconds, 1, " s")
    if TICK in lines:
        yield _at_most(
            "10,000 schedules: a look < 50 ms", lines[TICK].wall_seconds * 1e3, 50, " ms"
        )
    pages = [lines[label] for label in (*PAGES, MIDDLE) if label in lines]
    if pages:
        slowest = max(pages, key=lambda line: line.wall_seconds)
        text = f"a million runs: every page < 100 ms (slowest: {slowest.label})"
        yield _at_most(text, slowest.wall_seconds * 1e3, 100, " ms")
    for table in tables:
        if tail := table.outcome(TAIL):
            yield Target(
                text=f"{table.title}: none refused, 99 % within 100 ms",
                measured=f"{tail.wall_seconds * 1e3:,.0f} ms" if tail.succeeded else "refused",
                is_met=tail.succeeded and tail.wall_seconds <= 0.1,
            )


def _pages(tables: Sequence[Table]) -> Iterator[Target]:
    for table in tables:
        for prefix, limit, words in (
            (PAINT, 1.0, "the first paint of every page < 1 s"),
            (CLICK, 0.1, "any click answered < 100 ms"),
        ):
            lines = [each for each in table.outcomes if each.label.startswith(prefix)]
            if lines:
                slowest = max(lines, key=lambda line: line.wall_seconds)
                name = slowest.label.removeprefix(prefix)
                yield _at_most(
                    f"{words} (slowest: {name})", slowest.wall_seconds * 1e3, limit * 1e3, " ms"
                )


def _weight(environments: Sequence[Weighed]) -> Iterator[Target]:
    for env in environments:
        if env.name == "penstock" and env.packages:
            yield _at_most("installed below 350 MB", env.megabytes, 350, " MB")
            yield _at_most("installed at most 60 packages", env.packages, 60, "")
