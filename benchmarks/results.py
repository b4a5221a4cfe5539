"""A finished measurement as files: everything as JSON, the tables as Markdown."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.contest import Outcome, Run, Table
from benchmarks.peers import Installed
from benchmarks.places import PROJECT, RESULTS
from benchmarks.targets import judged_targets
from benchmarks.verify import Verdict

CHANGED_SHOWN = 4
_IN_MILLISECONDS = ("startup", "control", "pages")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What one environment weighs."""

    name: str
    version: str
    packages: int
    megabytes: float
    failure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run of the benchmarks."""

    started_at: str
    commit: str
    is_dirty: bool
    quick: bool
    command: str
    machine: dict[str, Any]
    environments: tuple[Environment, ...]
    tables: tuple[Table, ...]


def machine() -> dict[str, Any]:
    """Returns what the figures depend on: processor, memory, kernel, Python."""
    processors = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in processors if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def commit() -> tuple[str, bool]:
    """Returns the short commit of the working tree, and whether the sources differ from it."""
    short = _git("rev-parse", "--short=10", "HEAD").strip()
    changes = _git("status", "--porcelain", "--", "src", "pyproject.toml")
    return short, bool(changes.strip())


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=PROJECT, check=True, capture_output=True, text=True
    ).stdout


def environment(installed: Installed) -> Environment:
    return Environment(
        name=installed.peer.name,
        version=installed.version,
        packages=installed.packages,
        megabytes=round(installed.megabytes, 1),
        failure=installed.failure,
    )


def write(report: Report) -> Path:
    """Writes `results/<date>-<commit>.json` and `.md`; returns the JSON's path."""
    RESULTS.mkdir(exist_ok=True)
    day = datetime.fromisoformat(report.started_at).date().isoformat()
    kind = "-quick" if report.quick else ""
    path = RESULTS / f"{day}-{report.commit}{kind}.json"
    path.write_text(json.dumps(asdict(report), indent=1) + "\n")
    path.with_suffix(".md").write_text(markdown(report))
    return path


def load(path: Path) -> Report:
    """Returns a report that `write` wrote."""
    document = json.loads(path.read_text())
    document["environments"] = tuple(Environment(**e) for e in document["environments"])
    document["tables"] = tuple(_table(table) for table in document["tables"])
    return Report(**document)


def _table(document: dict[str, Any]) -> Table:
    outcomes = []
    for outcome in document["outcomes"]:
        verdict = outcome["verdict"]
        if verdict is not None:
            lists = {name: tuple(verdict[name]) for name in ("missing", "changed")}
            outcome["verdict"] = Verdict(**{**verdict, **lists})
        outcome["runs"] = tuple(Run(**run) for run in outcome["runs"])
        outcomes.append(Outcome(**outcome))
    return Table(**{**document, "outcomes": tuple(outcomes)})


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def markdown(report: Report) -> str:
    """Returns the whole report as Markdown: conditions, targets, then a table a job."""
    parts = [_conditions(report), _targets(report.tables, report.environments)]
    parts += [_job(table) for table in report.tables]
    parts.append(_weights(report.environments))
    return "\n\n".join(part for part in parts if part) + "\n"


def _conditions(report: Report) -> str:
    facts = report.machine
    state = " with uncommitted changes" if report.is_dirty else ""
    size = " at a tenth of the size" if report.quick else ""
    return (
        f"Measured {report.started_at[:10]} at commit `{report.commit}`{state}{size} by"
        f" `{report.command}`: {facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB,"
        f" Linux {facts['kernel']}, Python {facts['python']};"
        f" load {facts['load_before']} before it began."
    )


def _targets(tables: Sequence[Table], environments: Sequence[Environment]) -> str:
    lines = ["| target | measured | |", "|---|---|---|"]
    lines += [
        f"| {target.text} | {target.measured} | {'met' if target.is_met else '**missed**'} |"
        for target in judged_targets(tables, environments)
    ]
    return "\n".join(lines)


def _job(table: Table) -> str:
    size = f" ({table.megabytes:,.0f} MB)" if table.megabytes else ""
    ours = next((o for o in table.outcomes if o.is_ours and o.succeeded), None)
    head = f"**{table.title[0].upper()}{table.title[1:]}**{size}"
    if table.path in _IN_MILLISECONDS:
        lines = ["| | wall ms | CPU ms | peak MiB |", "|---|--:|--:|--:|"]
        lines += [_short_line(outcome) for outcome in table.outcomes]
    else:
        lines = [
            "| | wall s | x penstock | CPU s | peak MiB | rows/s | rounds | what arrived |",
            "|---|--:|--:|--:|--:|--:|--:|---|",
        ]
        lines += [_line(table, outcome, ours) for outcome in table.outcomes]
    return head + "\n\n" + "\n".join(lines)


def _short_line(outcome: Outcome) -> str:
    if not outcome.succeeded:
        return f"| {outcome.label} | - | - | {_plain(outcome.failure)} |"
    wall, cpu = outcome.wall_seconds * 1000, outcome.cpu_seconds * 1000
    digits = 1 if wall < 100 else 0
    return f"| {outcome.label} | {wall:,.{digits}f} | {cpu:,.{digits}f} | {outcome.peak_mib:,.0f} |"


def _line(table: Table, outcome: Outcome, ours: Outcome | None) -> str:
    name = outcome.label + (f" {outcome.version}" if not outcome.is_ours else "")
    if not outcome.succeeded:
        return f"| {name} | - | - | - | - | - | - | {_plain(outcome.failure)} |"
    ratio = f"{outcome.wall_seconds / ours.wall_seconds:.1f}" if ours else "-"
    return (
        f"| {name} | {outcome.wall_seconds:.2f} | {ratio} | {outcome.cpu_seconds:.2f} |"
        f" {outcome.peak_mib:,.0f} | {table.rows / outcome.wall_seconds:,.0f} |"
        f" {len(outcome.runs)} | {_arrived(outcome.verdict)} |"
    )


def _arrived(verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    if not verdict.table:
        return "every row"
    if verdict.is_exact:
        return "every value"
    words = []
    if verdict.changed:
        words.append(f"other values in {_listed(verdict.changed)}")
    if verdict.missing:
        words.append(f"no column {_listed(verdict.missing)}")
    return "every row; " + "; ".join(words)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:CHANGED_SHOWN])
    more = len(names) - CHANGED_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _plain(failure: str | None) -> str:
    return " ".join((failure or "").replace("|", "/").split())[:300]


def _weights(environments: Sequence[Environment]) -> str:
    lines = ["| installed | version | packages | MB |", "|---|---|--:|--:|"]
    lines += [
        f"| {env.name} | {env.version} | {env.packages} | {env.megabytes:,.0f} |"
        if env.failure is None
        else f"| {env.name} | - | - | {_plain(env.failure)} |"
        for env in environments
    ]
    return "**Installed** (a fresh environment each, byte code included)\n\n" + "\n".join(lines)
