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

from penstock.engine.briefing import catalog_for_destination, catalog_for_source
from penstock.engine.clearing import emptied, without_streams
from penstock.engine.events import (
    ConfigChanged,
    Event,
    Receipt,
    StreamReceipt,
    SyncFinished,
    SyncStarted,
)
from penstock.engine.home import data_home
from penstock.engine.kept_config import KeptConfigs, NothingKept, written_with
from penstock.engine.ledger import Ledger, StreamAccount
from penstock.engine.plan import StreamTask, is_position, plan_streams, source_states
from penstock.engine.receipts import save_receipt
from penstock.engine.references import resolved_config
from penstock.engine.registry import destination_runner, source_runner
from penstock.engine.remember import load_stored, remembers, settle_overrides
from penstock.engine.runners.nothing import NothingRunner
from penstock.engine.runners.program import RunOptions
from penstock.engine.runners.runner import SourceRunner
from penstock.engine.settings import ConnectorRef, Job, RunSpec
from penstock.engine.shaping.streams import Shaping
from penstock.engine.sink import StreamSink
from penstock.engine.state_store import exclusive, open_state_store
from penstock.engine.sync import SyncLoop, status_of
from penstock.errors import BugError, Cancelled, PenstockError
from penstock.protocol.catalog import ConfiguredStream
from penstock.protocol.state import State
from penstock.sdk.destination import CommitsLater, Writable
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


def open_destination(ref: ConnectorRef, *, install_root: str | None = None) -> Writable:
    """Returns the destination a reference names, its configuration resolved.

    A native one is made and its configuration parsed; of a program nothing runs yet.
    """
    runner = destination_runner(ref, install_root=install_root)
    return runner.open(resolved_config(ref.config, runner.spec))


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
            runner = self.given_runner or _runner(spec, self.data_dir)
            self.source_text = runner.description
            destination = open_destination(
                spec.destination, install_root=spec.settings.install_root
            )
            store = open_state_store(self.data_dir)
            if spec.states is not None:
                store.override(spec.connection, spec.states)
            stored = load_stored(destination, store, spec.connection)
            fence = spec.fence or stored.highest_fence + 1
            # A program types the values itself: it gets them as they are.
            is_raw = spec.settings.normalisation == "raw" or isinstance(destination, CommitsLater)
            shaping = Shaping(_streams(spec), spec.shapes, is_raw=is_raw)
            stack.callback(shaping.close)
            self.tasks = plan_streams(
                connection=spec.connection,
                streams=_streams(spec),
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
            places = remembers(destination, store, connection=spec.connection, fence=fence)
            if spec.job is Job.CLEAR and stored.shared is not None and stored.shared.state:
                cleared = [task.stream for task in self.tasks]
                places.shared(without_streams(stored.shared.state, cleared))
            self.loop = SyncLoop(
                tasks=self.tasks,
                destination=destination,
                ledger=Ledger(_account(task) for task in self.tasks),
                settings=spec.settings,
                remembers=places,
                stop=self.stop,
                shaping=shaping,
            )
            states = source_states(self.tasks, stored)
            if isinstance(destination, CommitsLater):
                catalog, names = catalog_for_destination(self.tasks, spec.settings)
                stack.enter_context(destination.begin(catalog, names, self.stop))
            yield from self._move(self.loop, runner, states, is_raw=is_raw)

    def _move(
        self, loop: SyncLoop, runner: SourceRunner, states: Sequence[State], *, is_raw: bool
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
        catalog = catalog_for_source(self.tasks)
        with runner.read(config, catalog, states, is_raw=is_raw) as reading:
            for event in loop.events(reading):
                if isinstance(event, ConfigChanged) and not spec.keeps_config:
                    changed = written_with(spec.source.config, config, event.config)
                    event = msgspec.structs.replace(event, config=changed)  # noqa: PLW2901
                yield event

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


def _runner(spec: RunSpec, data_dir: Path) -> SourceRunner:
    if spec.job is Job.CLEAR:
        return NothingRunner(spec.source.name)
    kept = KeptConfigs(data_dir) if spec.keeps_config else NothingKept()
    return source_runner(
        spec.source,
        install_root=spec.settings.install_root,
        options=RunOptions(kept=kept),
    )


def _streams(spec: RunSpec) -> tuple[ConfiguredStream, ...]:
    catalog = emptied(spec.catalog) if spec.job is Job.CLEAR else spec.catalog
    return catalog.streams


def _account(task: StreamTask) -> StreamAccount:
    cursor = task.configured.effective_cursor()
    return StreamAccount(stream=task.stream, cursor_property=cursor[0] if cursor else None)


def _stream_receipt(sink: StreamSink) -> StreamReceipt:
    task, account = sink.task, sink.account
    return StreamReceipt(
        stream=task.stream,
        table=str(task.plan.table),
        status=status_of(sink) if sink.is_settled else "incomplete",
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
