"""`penstock run`: what is asked of the server's runs, and the machine's door for people to try."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import App, Parameter

from penstock.cli.document import run_one

run = App(name="run", help="Show and cancel the server's runs; or run one sync as a document.")
for _verb in ("list", "show", "cancel", "logs"):
    run.command(f"penstock.cli.runs:{_verb}_", name=_verb)


@run.default
def run_document(
    *,
    attended: Annotated[
        bool,
        Parameter(
            negative=(),
            help="Standard input's first line is the document; the run stops when it closes.",
        ),
    ] = False,
) -> int:
    """Runs the sync described on standard input; events on standard output.

    Standard input is one RunSpec as JSON, with references instead of secrets. Each line of
    standard output is one event; the last is SyncFinished with the receipt. A configuration the
    source asks to be kept is among them. SIGTERM asks the sync to stop. The exit status is that of
    `penstock sync`. A document with "probe" instead asks a connector for its spec, a check, or its
    streams; the last event is ProbeFinished.
    """
    text = sys.stdin.buffer.readline() if attended else sys.stdin.buffer.read()
    return run_one(text, is_attended=attended)
