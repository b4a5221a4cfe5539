"""A `penstock up` that stands beside the commands of a test's terminal."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.acceptance.conftest import Terminal
from tests.servers.up import answering


@contextmanager
def up(terminal: Terminal) -> Iterator[str]:
    """Runs the server on the terminal's own data folder; gives its address."""
    process = terminal.start("up", "--port", "0")
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if found := re.search(r"is up at (http://\S+)\.", line):
                address = found[1]
                break
        else:
            raise AssertionError(f"penstock up ended with {process.wait()}")
        answering(address).close()
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
