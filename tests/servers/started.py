"""Programs that serve on a port: started, waited for, and ended."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

_START_SECONDS = 60


def free_port() -> int:
    """Returns a port of the loopback address that nobody has at the moment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def started(
    words: Sequence[str], port: int, *, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Runs a program until the block has ended; yields once it takes connections."""
    process = subprocess.Popen(
        words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        until = time.monotonic() + _START_SECONDS
        while not _answers(port):
            assert process.poll() is None, f"{words}: {process.communicate()[1].decode()}"
            assert time.monotonic() < until, f"{words} did not answer in {_START_SECONDS} seconds"
            time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.communicate()


def _answers(port: int) -> bool:
    with socket.socket() as caller:
        caller.settimeout(1)
        return caller.connect_ex(("127.0.0.1", port)) == 0
