"""`penstock run`: the machine's door. One RunSpec in, events out, nothing else on either."""

from __future__ import annotations

import sys

import msgspec

from penstock.cli.interrupt import stop_on_signal
from penstock.cli.outcome import exit_status_of
from penstock.cli.progress import JsonLines, follow
from penstock.cli.screen import Screen
from penstock.engine.home import data_home
from penstock.engine.run import run as run_sync
from penstock.engine.settings import RunSpec
from penstock.errors import ConfigError


def run() -> int:
    """Runs the sync described on standard input; events on standard output.

    Standard input is one RunSpec as JSON, with references instead of secrets. Each line of
    standard output is one event; the last is SyncFinished with the receipt. A configuration the
    source asks to be kept is among them. SIGTERM asks the sync to stop. The exit status is that of
    `penstock sync`.
    """
    spec = read_spec(sys.stdin.buffer.read())
    follower = JsonLines(sys.stdout, keeps_secrets=True)
    with stop_on_signal(Screen(is_quiet=True).note) as stop:
        receipt = follow(run_sync(spec, stop=stop, data_dir=data_home()), follower)
    return exit_status_of(receipt)


def read_spec(text: bytes) -> RunSpec:
    """Returns the RunSpec in `text`; a wrong shape raises ConfigError naming the place."""
    try:
        return msgspec.json.decode(text, type=RunSpec)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"Standard input is not a RunSpec: {error}.",
            remedy="Write one JSON document: connection, source, destination, catalog.",
        ) from error
