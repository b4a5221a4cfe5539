"""The machine's door: one document in, events out, nothing else on either."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from penstock.cli.interrupt import stop_on_signal
from penstock.cli.outcome import exit_status_of, exit_status_of_error
from penstock.cli.progress import JsonLines, follow
from penstock.cli.screen import Screen
from penstock.engine.home import data_home
from penstock.engine.probe import probe
from penstock.engine.run import run as run_sync
from penstock.engine.settings import ProbeSpec, RunSpec
from penstock.errors import Cancelled, ConfigError

_LAST_SECONDS = 30.0
"""How long a run whose asker is gone may take to stop."""
_NICENESS: Final = 10
"""Of a server's syncs, whose weight is a ninth of the server's then (sched(7), "The nice value"):
beside them it goes first. Where nobody asks, they lose nothing."""


def run_one(document: bytes, *, is_attended: bool) -> int:
    """Runs a document, writes its events on standard output, and returns the exit status.

    While attended it stops when standard input closes, and a sync gives way to whoever asked for
    it, and to all else, when processors are short. Raises ConfigError for no document.
    """
    spec = read_document(document)
    follower = JsonLines(sys.stdout, keeps_secrets=True)
    if isinstance(spec, ProbeSpec):
        with _lifeline(threading.Event(), is_on=is_attended, last_seconds=0):
            answer = probe(spec, tell=follower.tell)
        follower.tell(answer)
        return exit_status_of_error(answer.error)
    if is_attended:
        _give_way()
    with stop_on_signal(Screen(is_quiet=True).note) as stop, _lifeline(stop, is_on=is_attended):
        receipt = follow(run_sync(spec, stop=stop, data_dir=data_home()), follower)
    return exit_status_of(receipt)


def read_document(text: bytes) -> RunSpec | ProbeSpec:
    """Returns the document in `text`; a wrong shape raises ConfigError naming the place."""
    try:
        fields = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        if "probe" in fields:
            return msgspec.json.decode(text, type=ProbeSpec)
        return msgspec.json.decode(text, type=RunSpec)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"Standard input is not a RunSpec: {error}.",
            remedy="Write one JSON document: connection, source, destination, catalog.",
        ) from error


def _give_way() -> None:
    """Makes this process, and what it starts, nicer."""
    os.nice(_NICENESS)
    # Where each session is a group of its own to the scheduler, niceness counts within the group
    # alone; this is the group's (sched(7), "The autogroup feature"). Not every kernel has it.
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(_NICENESS), encoding="ascii")


@contextmanager
def _lifeline(
    stop: threading.Event, *, is_on: bool, last_seconds: float = _LAST_SECONDS
) -> Iterator[None]:
    """Stops the run when standard input closes: whoever asked for it is gone, however it went."""
    is_over = threading.Event()

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1 << 16):
            pass
        stop.set()
        if not is_over.wait(last_seconds):
            os._exit(Cancelled.exit_status)

    if is_on:
        threading.Thread(target=watch, name="penstock-lifeline", daemon=True).start()
    try:
        yield
    finally:
        is_over.set()
