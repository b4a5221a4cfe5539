"""Runs a shipped suite against one configured connector, and tells which promises hold."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import pytest

from penstock.errors import BugError, ConfigError
from penstock.sdk.destination import IsTriedApart, ReadsBack
from penstock.testing.certified import CertifiedJob
from penstock.testing.gaps import Gap
from penstock.testing.known_gaps import KNOWN_GAPS

_SUITES: Final = {"source": "CertifiedSource", "destination": "CertifiedDestination"}
_MODULE: Final = '''\
"""Written by `penstock certify`, and removed when it ends."""

from penstock.testing.certified import {suite}, job_of


class TestCertified({suite}):
    job = job_of(__file__)
    {side} = job.connector
'''
_UNUSABLE: Final = frozenset(
    {
        pytest.ExitCode.INTERNAL_ERROR,
        pytest.ExitCode.USAGE_ERROR,
        pytest.ExitCode.NO_TESTS_COLLECTED,
    }
)


class Verdict(StrEnum):
    """What became of one case."""

    HOLDS = "holds"
    FAILS = "fails"
    KNOWN = "known"
    """It fails, for a reason that is known and lies in the other system."""
    SKIPPED = "skipped"
    """It asks for a power or a setting that is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """One case of one promise."""

    promise: str
    """The test's name in words: "value comes back exactly"."""
    case: str | None
    verdict: Verdict
    reason: str = ""
    """Why it fails, is known to fail or was skipped."""


@dataclass(slots=True)
class Certificate:
    """What a suite found out about a connector."""

    side: str
    name: str
    results: list[CaseResult] = field(default_factory=list)

    def count(self, verdict: Verdict, promise: str | None = None) -> int:
        """Returns how many cases, of one promise or all, ended so."""
        return sum(
            result.verdict is verdict and promise in (None, result.promise)
            for result in self.results
        )

    def promises(self) -> Sequence[str]:
        """Returns the promises in the order they were tried."""
        return list(dict.fromkeys(result.promise for result in self.results))

    def of(self, verdict: Verdict) -> Sequence[CaseResult]:
        """Returns the cases that ended so."""
        return [result for result in self.results if result.verdict is verdict]

    def as_document(self) -> dict[str, Any]:
        """Returns the certificate as plain JSON values."""
        return {
            "side": self.side,
            "name": self.name,
            **{verdict.value: self.count(verdict) for verdict in Verdict},
            "promises": [
                {
                    "promise": promise,
                    **{verdict.value: self.count(verdict, promise) for verdict in Verdict},
                }
                for promise in self.promises()
            ],
            "cases": [
                {
                    "promise": result.promise,
                    "case": result.case,
                    "verdict": result.verdict.value,
                    "reason": result.reason,
                }
                for result in self.results
                if result.verdict is not Verdict.HOLDS
            ],
        }


def certify(
    job: CertifiedJob,
    *,
    only: str | None = None,
    rounds: int = 2,
    on_case: Callable[[CaseResult], None] = lambda _: None,
) -> Certificate:
    """Runs the suite of one side against a connector and returns what holds.

    `only` chooses tests as pytest's `-k` does. Raises ConfigError for a destination that cannot
    be tried apart or not be read back, or when no test is chosen.
    """
    if job.side == "destination":
        _refuse_untriable(job)
    certificate = Certificate(side=job.side, name=job.name)
    recorder = _Recorder(certificate, KNOWN_GAPS.get(job.name, ()), on_case)
    with tempfile.TemporaryDirectory(prefix="penstock-certify-") as folder:
        status = _run_pytest(Path(folder), job, recorder, only=only, rounds=rounds)
    if recorder.problems or status in _UNUSABLE:
        if status == pytest.ExitCode.NO_TESTS_COLLECTED and not recorder.problems:
            raise ConfigError(
                f"No test of the suite is called {only!r}.",
                remedy="Leave out --only, or give a part of a test's name.",
            )
        raise BugError(
            f"The suite could not be run: {'; '.join(recorder.problems) or status}",
            remedy="Report it with this message.",
        )
    return certificate


def _refuse_untriable(job: CertifiedJob) -> None:
    # By the class: an object would have to be configured first.
    for power, what in ((IsTriedApart, "be tried in storage of its own"), (ReadsBack, "read back")):
        methods = [name for name in vars(power) if not name.startswith("_")]
        if not all(hasattr(job.connector, name) for name in methods):
            raise ConfigError(
                f"{job.name} cannot {what}, which the suite needs.",
                remedy="Write a test class on penstock.testing.DestinationSuite: see"
                " docs/how-to/certify-a-connector.md.",
            )


def _run_pytest(
    folder: Path, job: CertifiedJob, recorder: _Recorder, *, only: str | None, rounds: int
) -> int:
    job.save(folder)
    module = folder / "test_certified.py"
    module.write_text(_MODULE.format(suite=_SUITES[job.side], side=job.side))
    options = ["-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:warnings"]
    options += ["-p", "penstock.testing.pytest_plugin", f"--penstock-rounds={rounds}"]
    options += ["-c", os.devnull, f"--rootdir={folder}", "--import-mode=importlib"]
    options += ["-k", only] if only else []
    with _without_plugins_of_others():
        return int(
            pytest.main([*options, f"--basetemp={folder / 'places'}", str(module)], [recorder])
        )


class _without_plugins_of_others:
    """Keeps pytest plugins and options of this environment out of the suite."""

    _SET: Final = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}

    def __enter__(self) -> None:
        self._before = {name: os.environ.get(name) for name in self._SET}
        os.environ.update(self._SET)

    def __exit__(self, *_error: object) -> None:
        for name, value in self._before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class _Recorder:
    """A pytest plugin that turns reports into results."""

    def __init__(
        self,
        certificate: Certificate,
        gaps: Iterable[Gap],
        on_case: Callable[[CaseResult], None],
    ) -> None:
        self._certificate = certificate
        self._gaps = tuple(gaps)
        self._on_case = on_case
        self.problems: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.problems.append(_last_line(report.longreprtext))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.passed:
            return
        test, case = _named(report.nodeid)
        reason = "" if report.passed else _reason(report)
        if report.when == "teardown":
            reason = f"what the test wrote could not be removed: {reason}"
        verdict = self._verdict(report, test, case)
        if verdict is Verdict.KNOWN:
            reason = next(gap.reason for gap in self._gaps if gap.covers(test, case))
        promise = test.removeprefix("test_").replace("_", " ")
        result = CaseResult(promise=promise, case=case, verdict=verdict, reason=reason)
        self._certificate.results.append(result)
        self._on_case(result)

    def _verdict(self, report: pytest.TestReport, test: str, case: str | None) -> Verdict:
        if report.passed:
            return Verdict.HOLDS
        if report.skipped:
            return Verdict.SKIPPED
        is_known = report.when == "call" and any(gap.covers(test, case) for gap in self._gaps)
        return Verdict.KNOWN if is_known else Verdict.FAILS


def _named(nodeid: str) -> tuple[str, str | None]:
    name = nodeid.rsplit("::", 1)[-1]
    test, bracket, case = name.partition("[")
    return test, case.removesuffix("]") if bracket else None


def _reason(report: pytest.TestReport) -> str:
    """Returns what a test said: the message of its error, without a traceback."""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message) if crash is not None else _last_line(report.longreprtext)


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")
