"""Runs as OpenTelemetry traces: a run, its attempts, their streams. Needs the extra `otel`.

Spans are made when an attempt has ended, from what is kept of it; ids come from the run, so that
attempts on several servers, and after a crash, belong to one trace. Where they are sent is said by
OpenTelemetry's own variables (https://opentelemetry.io/docs/specs/otel/protocol/exporter/).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from penstock.control.history import Attempt, AttemptStatus, Failure, Run, RunStatus
from penstock.control.observing.watchers import Moment, Seen
from penstock.errors import MissingDriver
from penstock.version import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

_NANOSECONDS: Final = 1_000_000_000
_SERVICE: Final = "penstock"
Attributes = Mapping[str, str | int | float | bool]


class Tracing:
    """Makes and sends the spans of attempts."""

    def __init__(self, exporter: SpanExporter | None = None) -> None:
        """Without an exporter they go by OTLP over HTTP. Raises MissingDriver without the extra."""
        try:
            from opentelemetry import trace  # noqa: PLC0415 (an extra)
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
                OTLPSpanExporter,
            )
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
            from opentelemetry.sdk.trace.id_generator import IdGenerator  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise MissingDriver(
                "Traces are asked for by OTEL_EXPORTER_OTLP_ENDPOINT, and OpenTelemetry is not"
                " installed.",
                remedy="pip install 'penstock[otel]', or unset the variable.",
            ) from error

        class Chosen(IdGenerator):
            """Gives the ids that the next span is to have."""

            trace_id = 0
            span_id = 0

            def generate_trace_id(self) -> int:
                return self.trace_id

            def generate_span_id(self) -> int:
                return self.span_id

        self._trace = trace
        self._ids = Chosen()
        # Variables of the process go before what is said here (OTEL_SERVICE_NAME and others).
        resource = Resource.create({"service.name": _SERVICE, "service.version": __version__})
        self._provider = TracerProvider(
            resource=resource, id_generator=self._ids, shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("penstock.control", __version__)

    def tell(self, moment: Moment, seen: Seen) -> None:
        """Sends an attempt that has ended, and the run when it is over."""
        if moment is not Moment.ENDED:
            return
        run, attempt = seen.run, seen.attempt
        self._span(
            f"attempt {attempt.number}",
            run,
            name_of_id=f"attempt {attempt.number}",
            parent="run",
            begin=attempt.started_at,
            end=attempt.ended_at or run.updated_at,
            attributes={
                "penstock.run.id": run.id,
                "penstock.attempt.number": attempt.number,
                "penstock.attempt.status": attempt.status.value,
                "penstock.rows.committed": attempt.rows_committed,
                "penstock.bytes.committed": attempt.bytes_committed,
                "penstock.server.id": attempt.owner,
            },
            failure=_failure_of(attempt),
        )
        self._streams(seen)
        if seen.is_last:
            self._run(seen)

    def close(self) -> None:
        """Sends what is still to be sent."""
        self._provider.shutdown()

    def _streams(self, seen: Seen) -> None:
        proof = seen.proof
        for number, stream in enumerate(proof.streams if proof else ()):
            begin = datetime.fromisoformat(proof.started_at) if proof else seen.attempt.started_at
            self._span(
                f"stream {stream.name}",
                seen.run,
                name_of_id=f"attempt {seen.attempt.number} stream {number}",
                parent=f"attempt {seen.attempt.number}",
                begin=begin,
                end=begin + timedelta(seconds=stream.seconds),
                attributes={
                    "penstock.stream.name": stream.name,
                    "penstock.stream.status": stream.status,
                    "penstock.table": stream.table,
                    "penstock.rows.read": stream.rows_read,
                    "penstock.rows.committed": stream.rows_committed,
                    "penstock.bytes.read": stream.bytes_read,
                },
                failure=None,
            )

    def _run(self, seen: Seen) -> None:
        run = seen.run
        self._span(
            f"{run.kind.value} {seen.connection.name}",
            run,
            name_of_id="run",
            parent=None,
            begin=run.created_at,
            end=run.ended_at or run.updated_at,
            attributes={
                "penstock.run.id": run.id,
                "penstock.run.kind": run.kind.value,
                "penstock.run.status": run.status.value,
                "penstock.run.trigger": run.trigger.value,
                "penstock.run.attempts": run.attempt,
                "penstock.rows.committed": run.rows_committed,
                "penstock.bytes.committed": run.bytes_committed,
                "penstock.connection.id": run.connection_id,
                "penstock.connection.name": seen.connection.name,
                "penstock.workspace.name": seen.workspace.name,
                "penstock.source": seen.source.definition.name,
                "penstock.destination": seen.destination.definition.name,
            },
            failure=run.failure if run.status is RunStatus.FAILED else None,
        )

    def _span(
        self,
        name: str,
        run: Run,
        *,
        name_of_id: str,
        parent: str | None,
        begin: datetime,
        end: datetime,
        attributes: Attributes,
        failure: Failure | None,
    ) -> None:
        trace = self._trace
        self._ids.trace_id = trace_id_of(run)
        self._ids.span_id = _span_id(run, name_of_id)
        context = None
        if parent is not None:
            above = trace.SpanContext(
                trace_id=trace_id_of(run),
                span_id=_span_id(run, parent),
                is_remote=True,
                trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
            )
            context = trace.set_span_in_context(trace.NonRecordingSpan(above))
        span = self._tracer.start_span(
            name, context=context, attributes=attributes, start_time=_nanoseconds(begin)
        )
        if failure is not None:
            span.set_attribute("error.type", failure.code)
            span.set_attribute("penstock.failure.origin", failure.origin)
            span.set_status(trace.StatusCode.ERROR, failure.message)
        else:
            span.set_status(trace.StatusCode.OK)
        span.end(_nanoseconds(max(begin, end)))


def trace_id_of(run: Run) -> int:
    """Returns the id of a run's trace: the same on every server."""
    return _number(run, "trace", size=16)


def _span_id(run: Run, name: str) -> int:
    return _number(run, name, size=8)


def _number(run: Run, name: str, *, size: int) -> int:
    """Returns a number that is never 0, which OpenTelemetry calls no id."""
    words = f"{run.connection_id}/{run.id}/{run.created_at.isoformat()}/{name}"
    digest = hashlib.sha256(words.encode()).digest()
    return int.from_bytes(digest[:size], "big") or 1


def _failure_of(attempt: Attempt) -> Failure | None:
    return attempt.failure if attempt.status is AttemptStatus.FAILED else None


def _nanoseconds(moment: datetime) -> int:
    whole = int(moment.timestamp())
    return whole * _NANOSECONDS + moment.microsecond * 1000
