"""Starts the machine's door without the command line around it: what servers do for each run.

`python -m penstock.cli.attended` is `penstock run --attended`, about a tenth of a second sooner.
"""

from __future__ import annotations

import gc
import sys

from penstock.cli.ending import OBJECTS, ended, leave, prepare_process, shown_log


def main() -> None:
    """Runs the document on standard input's first line; ends with its exit status."""
    gc.set_threshold(OBJECTS)
    prepare_process()
    with shown_log():
        status = ended(_run)
    leave(status)


def _run() -> int:
    from penstock.cli.document import run_one  # noqa: PLC0415 (after the process is prepared)

    return run_one(sys.stdin.buffer.readline(), is_attended=True)


if __name__ == "__main__":
    main()
