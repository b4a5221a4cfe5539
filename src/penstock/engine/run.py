"""The door to the engine: a RunSpec goes in, events come out, the last one is the receipt."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from penstock.engine.events import Event, Receipt, StreamReceipt, SyncFinished, SyncStarted
from penstock.engine.home import data_home
from penstock.engine.kept_config import KeptConfigs
from penstock.engine.ledger import Ledger, StreamAccount
from penstock.engine.plan import StreamTask, is_position, plan_streams, source_states
from penstock.engine.receipts import save_receipt
from penstock.engine.references import resolved_config
from penstock.engine.registry import load_destination_class, source_runner
from penstock.engine.remember import load_stored, remembers, settle_overrides
from penstock.engine.runners.program import RunOptions
from penstock.engine.runners.runner import SourceRunner
from penstock.engine.settings import ConnectorRef, RunSpec
from penstock.engine.shaping.streams import Shaping
from penstock.engine.sink import StreamSink
from penstock.engine.state_store import exclusive, open_state_store
from penstock.engine.sync import SyncLoop, status_of
from penstock.errors import BugError, Cancelled, PenstockError
from penstock.protocol.catalog import ConfiguredCatalog, ConfiguredStream, SyncMode
from penstock.protocol.state import State
from penstock.sdk.config import parse_config
from penstock.sdk.destination import Destination
from penstock.sdk.entrypoint import destination_spec
from penstock.version import __version__

logger = logging.getLogger(__name__)


def run(
    spec: RunSpec,
    *,
    stop: threading.Event | None = None,
    data_dir: Path | None = None,
    runner: SourceRunner | None = None,
) -> Iterator[Event]:
    """Runs one sync and yields what happens; the last event is SyncFinished with the receipt.

    A sync that fails raises nothing: its receipt says what went wrong and what to do. Setting
    `stop` cancels it at the next step. The receipt is saved before the last event is yielded.
    `runner` runs the source instead of the one its reference names: one that is ready already.
    """
    folder = data_dir or data_home()
    spec = msgspec.structs.replace(spec, run_id=spec.run_id or uuid.uuid4().hex)
    attempt = _Attempt(
        spec=spec, stop=stop or threading.Event(), data_dir=folder, given_runner=runner
    )
    failure: PenstockError | None = None
    try:
        yield from attempt.events()
    except PenstockError as error:
        failure = error
    except Exception as error:
        logger.exception("sync failed", extra={"run_id": spec.run_id})
        failure = BugError(
            f"The sync failed in a way penstock did not foresee: {type(error).__name__}: {error}",
            remedy="Run it again with --debug and report the traceback.",
        )
    if attempt.loop is not None:
        yield from attempt.loop.progress()
    receipt = attempt.receipt(failure)
    save_receipt(receipt, folder)
    yield SyncFinished(receipt=receipt)


def open_destination(ref: ConnectorRef) -> Destination:
    """Returns the destination a reference names, its configuration resolved and parsed."""
    connector = load_destination_class(ref.name)
    written = resolved_config(ref.config, lambda: destination_spec(connector))
    config = parse_config(connector.Config, written)
    destination: Destination = connector(config)
    return destination


@dataclass(slots=True)
class _Attempt:
    """One try at one sync; what the receipt needs is kept as it becomes known."""

    spec: RunSpec
    stop: threading.Event
    data_dir: Path
    given_runner: SourceRunner | None = None
    loop: SyncLoop | None = None
    tasks: tuple[StreamTask, ...] = ()
    source_text: str = ""
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def events(self) -> Iterator[Event]:
        spec = self.spec
        with ExitStack() as stack:
            stack.enter_context(exclusive(self.data_dir / "locks", spec.connection))
            runner = self.given_runner or source_runner(
                spec.source,
                install_root=spec.settings.install_root,
                options=RunOptions(kept=KeptConfigs(self.data_dir)),
            )
            self.source_text = runner.description
            destination = open_destination(spec.destination)
            store = open_state_store(self.data_dir)
            if spec.states is not None:
                store.override(spec.connection, spec.states)
            stored = load_stored(destination, store, spec.connection)
            fence = spec.fence or stored.highest_fence + 1
            shaping = Shaping(
                spec.catalog.streams, spec.shapes, is_raw=spec.settings.normalisation == "raw"
            )
            stack.callback(shaping.close)
            self.tasks = plan_streams(
                connection=spec.connection,
                streams=spec.catalog.streams,
                settings=spec.settings,
                capabilities=destination.capabilities,
                stored=stored,
                resumes_full_refresh=runner.resumes_full_refresh,
                fence=fence,
                shaping=shaping,
            )
            settle_overrides(
                destination, store, self.tasks, connection=spec.connection, fence=fence
            )
            self.loop = SyncLoop(
                tasks=self.tasks,
                destination=destination,
                ledger=Ledger(_account(task) for task in self.tasks),
                settings=spec.settings,
                remembers=remembers(destination, store, connection=spec.connection, fence=fence),
                stop=self.stop,
                shaping=shaping,
            )
            yield from self._move(self.loop, runner, source_states(self.tasks, stored))

    def _move(
        self, loop: SyncLoop, runner: SourceRunner, states: Sequence[State]
    ) -> Iterator[Event]:
        spec = self.spec
        config = resolved_config(spec.source.config, runner.spec)
        yield SyncStarted(
            run_id=spec.run_id,
            connection=spec.connection,
            source=self.source_text,
            destination=spec.destination.name,
            streams=tuple(task.stream for task in self.tasks),
            continuing=tuple(task.stream for task in self.tasks if task.state is not None),
            started_at=self.started_at.isoformat(),
        )
        catalog = _catalog_for_source(self.tasks)
        is_raw = spec.settings.normalisation == "raw"
        with runner.read(config, catalog, states, is_raw=is_raw) as reading:
            yield from loop.events(reading)

    def receipt(self, failure: PenstockError | None) -> Receipt:
        ended_at = datetime.now(UTC)
        outcome = "succeeded" if failure is None else "failed"
        if isinstance(failure, Cancelled):
            outcome = "cancelled"
        sinks = self.loop.sinks if self.loop else {}
        return Receipt(
            run_id=self.spec.run_id,
            connection=self.spec.connection,
            source=self.source_text or self.spec.source.name,
            destination=self.spec.destination.name,
            outcome=outcome,
            started_at=self.started_at.isoformat(),
            ended_at=ended_at.isoformat(),
            seconds=(ended_at - self.started_at).total_seconds(),
            streams=tuple(_stream_receipt(sink) for sink in sinks.values()),
            error=failure.as_document() if failure else None,
            penstock_version=__version__,
        )


def _account(task: StreamTask) -> StreamAccount:
    cursor = task.configured.effective_cursor()
    return StreamAccount(stream=task.stream, cursor_property=cursor[0] if cursor else None)


def _catalog_for_source(tasks: Sequence[StreamTask]) -> ConfiguredCatalog:
    """Returns what the source is told: modes it knows, with generations where it is new to it."""
    return ConfiguredCatalog(streams=tuple(_for_source(task) for task in tasks))


def _for_source(task: StreamTask) -> ConfiguredStream:
    configured = task.configured
    return msgspec.structs.replace(
        configured,
        cursor_field=configured.effective_cursor()
        if configured.sync_mode is SyncMode.INCREMENTAL
        else configured.cursor_field,
        primary_key=configured.effective_primary_key() or None,
        generation_id=task.plan.generation_id,
        minimum_generation_id=task.plan.generation_id if task.plan.mode.is_overwrite else 0,
        sync_id=configured.sync_id or 1,
    )


def _stream_receipt(sink: StreamSink) -> StreamReceipt:
    task, account = sink.task, sink.account
    return StreamReceipt(
        stream=task.stream,
        table=str(task.plan.table),
        status=status_of(sink) if sink.is_published else "incomplete",
        mode=f"{task.configured.sync_mode}_{task.plan.mode}",
        rows_read=account.rows_read,
        rows_filtered=account.rows_filtered,
        rows_sent=account.rows_sent,
        rows_committed=account.rows_committed,
        rows_claimed=account.rows_claimed,
        bytes_read=account.bytes_read,
        checkpoints=account.checkpoints,
        values_changed=account.values_changed,
        undeclared=tuple(account.undeclared),
        first_cursor=account.first_cursor,
        last_cursor=account.last_cursor,
        columns={column.name: column.kind.value for column in task.plan.columns},
        state_before=_blob(task.state),
        state_after=_blob(sink.committed_state),
        generation_id=task.plan.generation_id,
        seconds=round(sink.seconds, 3),
    )


def _blob(state: State | None) -> msgspec.Raw:
    if state is None or state.stream is None or not is_position(state):
        return msgspec.Raw(b"null")
    return state.stream.stream_state
