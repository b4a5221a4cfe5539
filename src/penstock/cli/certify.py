"""`penstock certify`: the shipped suite against a connector with the user's own settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from penstock.cli.endpoints import ready_destination, ready_source
from penstock.cli.options import DestinationOptions, Json, SourceOptions
from penstock.cli.screen import Screen
from penstock.engine.registry import full_name
from penstock.errors import MissingDriver, ProtocolError

if TYPE_CHECKING:
    from rich.table import Table

    from penstock.testing.certified import CertifiedJob
    from penstock.testing.certify import CaseResult, Certificate

_SHOWN_FAILURES = 20


def certify(
    side: Annotated[Literal["source", "destination"], Parameter(help="What it is.")],
    name: Annotated[str, Parameter(help="Its name, as snowflake.")],
    /,
    *,
    config: Annotated[
        str | None,
        Parameter(
            allow_leading_hyphen=True,
            help="Settings from a JSON or YAML file; - is standard input.",
        ),
    ] = None,
    only: Annotated[
        str | None, Parameter(help="Only tests whose name has this in it (pytest's -k).")
    ] = None,
    rounds: Annotated[
        int, Parameter(help="Rounds of killing a real process, per write mode.", show_default=True)
    ] = 2,
    json: Json = False,
) -> None:
    """Proves promise by promise that a connector keeps its contract, with your own settings.

    A destination is written to in storage of its own (a schema, or a file beside yours), which
    is removed afterwards. A source is only read, several times, all its streams: give it few
    rows. What does not hold is shown, and the command fails.
    """
    screen = Screen(is_quiet=json)
    job = _job(side, name, config, screen)
    certificate = _certified(job, only, rounds, screen)
    if json:
        screen.write_json(certificate.as_document())
    else:
        screen.show(_table(certificate))
    _raise_if_broken(certificate)


def _job(
    side: Literal["source", "destination"], name: str, config: str | None, screen: Screen
) -> CertifiedJob:
    if side == "source":
        ready = ready_source(name, SourceOptions(source_config=config), screen)
        settings = ready.ref.config
    else:
        there = ready_destination(name, DestinationOptions(destination_config=config), screen)
        settings = there.ref.config
    try:
        from penstock.testing.certified import CertifiedJob  # noqa: PLC0415 (loads pytest)
    except ModuleNotFoundError as error:
        raise MissingDriver(
            f"The suites need the package {error.name}.",
            remedy='Install it: pip install "penstock[testing]".',
        ) from error
    return CertifiedJob(side=side, name=full_name(name, side), settings=settings)


def _certified(job: CertifiedJob, only: str | None, rounds: int, screen: Screen) -> Certificate:
    from penstock.testing import certify as suite  # noqa: PLC0415 (loads pytest)

    def tell(result: CaseResult) -> None:
        if result.verdict is suite.Verdict.FAILS:
            screen.note(f"✗ {_title(result)}")

    screen.note(f"Trying {job.name}. This takes a while: every promise, many values, some kills.")
    return suite.certify(job, only=only, rounds=rounds, on_case=tell)


def _title(result: CaseResult) -> str:
    return f"{result.promise} [{result.case}]" if result.case else result.promise


def _table(certificate: Certificate) -> Table:
    """Returns one row a promise, then one a case that does not hold."""
    from rich.table import Table  # noqa: PLC0415 (75 ms)

    from penstock.testing.certify import Verdict  # noqa: PLC0415 (loads pytest)

    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column("promise", overflow="fold")
    table.add_column("cases", justify="right")
    table.add_column("", overflow="fold")
    for promise in certificate.promises():
        held = certificate.count(Verdict.HOLDS, promise)
        failed = certificate.count(Verdict.FAILS, promise)
        known = certificate.count(Verdict.KNOWN, promise)
        tried = held + failed + known
        mark = "✗" if failed else "✓" if tried else "-"
        others = [r for r in certificate.results if r.promise == promise and r.reason]
        about = "; ".join(dict.fromkeys(_about(result) for result in others[:_SHOWN_FAILURES]))
        table.add_row(mark, promise, f"{held}/{tried}" if tried else "", about)
    return table


def _about(result: CaseResult) -> str:
    reason = result.reason.split("\n", 1)[0]
    return f"{result.verdict} [{result.case}]: {reason}" if result.case else reason


def _raise_if_broken(certificate: Certificate) -> None:
    from penstock.testing.certify import Verdict  # noqa: PLC0415 (loads pytest)

    failed = certificate.of(Verdict.FAILS)
    if failed:
        promises = len({result.promise for result in failed})
        raise ProtocolError(
            f"{certificate.name} does not keep {promises} of {len(certificate.promises())}"
            f" promises: {len(failed)} of {len(certificate.results)} cases fail.",
            remedy=f'Look into one with `--only "{_as_test(failed[0])}"`; report it with the'
            " version of the other system.",
        )


def _as_test(result: CaseResult) -> str:
    return "test_" + result.promise.replace(" ", "_")
