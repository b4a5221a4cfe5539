"""Quick questions to a connector: its settings, whether they work, what streams it has."""

from __future__ import annotations

import logging
from collections.abc import Callable

from penstock.data.items import LogLine
from penstock.engine.events import Event, LogEmitted, ProbeFinished
from penstock.engine.references import resolved_config
from penstock.engine.registry import load_destination_class, source_runner
from penstock.engine.run import open_destination
from penstock.engine.runners.program import RunOptions
from penstock.engine.settings import ConnectorRef, ProbeSpec, Question
from penstock.errors import BugError, ConfigError, PenstockError
from penstock.sdk.config import validate_against_spec
from penstock.sdk.entrypoint import destination_spec

logger = logging.getLogger(__name__)


def probe(spec: ProbeSpec, *, tell: Callable[[Event], None]) -> ProbeFinished:
    """Asks one connector one question; `tell` gets its log lines while it thinks.

    Raises nothing: an answer that could not be had says why.
    """
    try:
        return _answer(spec, tell)
    except PenstockError as error:
        return ProbeFinished(outcome="failed", error=error.as_document())
    except Exception as error:
        logger.exception("probe failed")
        bug = BugError(
            f"The {spec.probe} failed in a way penstock did not foresee: "
            f"{type(error).__name__}: {error}",
            remedy="Report it with the log.",
        )
        return ProbeFinished(outcome="failed", error=bug.as_document())


def _answer(spec: ProbeSpec, tell: Callable[[Event], None]) -> ProbeFinished:
    if spec.source is not None and spec.destination is None:
        return _ask_source(spec.source, spec, tell)
    if spec.destination is not None and spec.source is None:
        return _ask_destination(spec.destination, spec.probe)
    raise ConfigError(
        "A probe names one connector, a source or a destination.", remedy="Give one of the two."
    )


def _ask_source(ref: ConnectorRef, spec: ProbeSpec, tell: Callable[[Event], None]) -> ProbeFinished:
    def say(line: LogLine) -> None:
        tell(LogEmitted(level=line.level, message=line.message, origin=line.origin))

    options = RunOptions(on_log=say)
    runner = source_runner(ref, install_root=spec.install_root, options=options)
    if spec.probe is Question.SPEC:
        return ProbeFinished(
            outcome="succeeded", spec=runner.spec(), description=runner.description
        )
    config = resolved_config(ref.config, runner.spec)
    validate_against_spec(config, runner.spec())
    if spec.probe is Question.CHECK:
        runner.check(config)
        return ProbeFinished(outcome="succeeded", description=runner.description)
    found = runner.discover(config)
    return ProbeFinished(outcome="succeeded", catalog=found, description=runner.description)


def _ask_destination(ref: ConnectorRef, question: Question) -> ProbeFinished:
    if question is Question.SPEC:
        spec = destination_spec(load_destination_class(ref.name))
        return ProbeFinished(outcome="succeeded", spec=spec, description=f"{ref.name} (native)")
    if question is Question.CHECK:
        open_destination(ref).check()
        return ProbeFinished(outcome="succeeded", description=f"{ref.name} (native)")
    raise ConfigError(
        f"The destination {ref.name} has no streams to discover.", remedy="Discover the source."
    )
