"""What the control plane asks of whatever runs `penstock run`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class Job(Protocol):
    """One submitted document: its events as they come, its end."""

    def lines(self) -> Iterator[bytes]:
        """Yields the lines of its standard output until it has ended; one thread iterates."""
        ...

    def complaints(self) -> Iterator[str]:
        """Yields the lines of its standard error until it has ended; one thread iterates."""
        ...

    def stop(self) -> None:
        """Asks it to end soon, keeping what is committed; returns at once."""
        ...

    def kill(self) -> None:
        """Ends it and all it has started; returns at once."""
        ...

    def wait(self) -> int:
        """Returns its exit status when it has ended; negative is the signal that ended it."""
        ...


class Launcher(Protocol):
    """Starts jobs."""

    def submit(self, document: bytes, job_id: str) -> Job:
        """Starts `penstock run` with a document; raises PenstockError when it cannot."""
        ...
