"""A server as a process of its own, to be killed: `serve.py FOLDER [DATABASE_URL]`."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from penstock.control.house import Patience
from penstock.control.retries import RetryLimits
from tests.integration.control.plane import Site


def main(folder: str, database_url: str | None = None) -> None:
    patience = Patience(lease_seconds=3.0)
    retries = RetryLimits(
        first_pause_seconds=0.2,
        pause_factor=1.0,
        complete_in_row=100,
        complete_total=100,
        partial_total=100,
    )
    with Site(Path(folder), database_url).running(patience=patience, retries=retries):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
