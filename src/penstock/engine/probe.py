"""Quick questions to a connector: its settings, whether they work, what it has."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from penstock.data.items import LogLine
from penstock.engine.events import DestinationFacts, Event, LogEmitted, ProbeFinished
from penstock.engine.looking import (
    batches_of_stream,
    confined_rows,
    execute,
    first_rows,
    rows_of_table,
    tables_found,
)
from penstock.engine.references import resolved_config
from penstock.engine.registry import destination_runner, manifest_trial, source_runner
from penstock.engine.runners.manifest_trial import TrialLimits
from penstock.engine.runners.program import RunOptions
from penstock.engine.settings import ConnectorRef, ProbeSpec, Question, TableRef
from penstock.errors import BugError, ConfigError, PenstockError
from penstock.protocol.catalog import CatalogStream
from penstock.sdk.config import validate_against_spec

if TYPE_CHECKING:
    from penstock.engine.runners.destinations import DestinationRunner

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
        return _ask_destination(spec.destination, spec, tell)
    raise ConfigError(
        "A probe names one connector, a source or a destination.", remedy="Give one of the two."
    )


def _ask_source(ref: ConnectorRef, spec: ProbeSpec, tell: Callable[[Event], None]) -> ProbeFinished:
    def say(line: LogLine) -> None:
        tell(LogEmitted(level=line.level, message=line.message, origin=line.origin))

    options = RunOptions(on_log=say)
    if spec.probe in (Question.MANIFEST, Question.TRIAL):
        return _ask_manifest(ref, spec, options)
    runner = source_runner(ref, install_root=spec.install_root, options=options)
    if spec.probe is Question.SPEC:
        return ProbeFinished(
            outcome="succeeded", spec=runner.spec(), description=runner.description
        )
    config = resolved_config(ref.config, runner.spec)
    validate_against_spec(config, runner.spec())
    match spec.probe:
        case Question.CHECK:
            runner.check(config)
            return ProbeFinished(outcome="succeeded", description=runner.description)
        case Question.DISCOVER:
            found = runner.discover(config)
            return ProbeFinished(outcome="succeeded", catalog=found, description=runner.description)
        case Question.PREVIEW:
            batches = batches_of_stream(runner, config, _the_stream(spec), spec.shape)
            return ProbeFinished(
                outcome="succeeded",
                rows=first_rows(batches, spec.limit),
                description=runner.description,
            )
        case _:
            raise ConfigError(
                f"A source cannot be asked for {spec.probe}.", remedy="Ask its destination."
            )


def _ask_manifest(ref: ConnectorRef, spec: ProbeSpec, options: RunOptions) -> ProbeFinished:
    trial = manifest_trial(ref, install_root=spec.install_root, options=options)
    if spec.probe is Question.MANIFEST:
        return ProbeFinished(outcome="succeeded", spec=trial.spec(), streams=trial.streams())
    config = resolved_config(ref.config, trial.spec)
    validate_against_spec(config, trial.spec())
    limits = TrialLimits(records=spec.limit, pages=spec.pages, slices=spec.slices)
    found = trial.read(config, _the_stream(spec).name, limits)
    return ProbeFinished(outcome="succeeded", trial=found)


def _ask_destination(
    ref: ConnectorRef, spec: ProbeSpec, tell: Callable[[Event], None]
) -> ProbeFinished:
    def say(line: LogLine) -> None:
        tell(LogEmitted(level=line.level, message=line.message, origin="destination"))

    runner = destination_runner(ref, install_root=spec.install_root, options=RunOptions(on_log=say))
    if spec.probe is Question.SPEC:
        return ProbeFinished(
            outcome="succeeded",
            spec=runner.spec(),
            facts=_facts(runner),
            description=runner.description,
        )
    destination = runner.open(resolved_config(ref.config, runner.spec))
    rows = tables = None
    match spec.probe:
        case Question.CHECK:
            destination.check()
        case Question.TABLES:
            tables = tables_found(destination, spec.tables)
        case Question.ROWS:
            rows = rows_of_table(destination, _the_table(spec), spec.limit)
        case Question.QUERY:
            sql = _the_statement(spec)
            rows = confined_rows(destination, sql, limit=spec.limit, seconds=spec.seconds)
        case Question.EXECUTE:
            execute(destination, spec.statements)
        case _:
            raise ConfigError(
                f"A destination cannot be asked for {spec.probe}.", remedy="Ask the source."
            )
    return ProbeFinished(
        outcome="succeeded", rows=rows, tables=tables, description=runner.description
    )


def _facts(runner: DestinationRunner) -> DestinationFacts:
    known = runner.capabilities
    made = getattr(runner, "destination_class", None)
    return DestinationFacts(
        max_identifier_bytes=known.max_identifier_bytes,
        exactly_once=known.exactly_once,
        modes=tuple(sorted(known.modes)),
        reads_back=known.reads_back,
        confines_sql=hasattr(made, "query_confined"),
        runs_sql=hasattr(made, "execute") and hasattr(made, "table_sql"),
    )


def _the_stream(spec: ProbeSpec) -> CatalogStream:
    if spec.stream is None:
        raise ConfigError("This asks for a stream.", remedy="Give it as `stream`.")
    return spec.stream


def _the_table(spec: ProbeSpec) -> TableRef:
    if len(spec.tables) != 1:
        raise ConfigError("Rows are those of one table.", remedy="Give one in `tables`.")
    return spec.tables[0]


def _the_statement(spec: ProbeSpec) -> str:
    if len(spec.statements) != 1:
        raise ConfigError("A query is one SELECT.", remedy="Give one in `statements`.")
    return spec.statements[0]
