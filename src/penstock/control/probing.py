"""Asking a connector a quick question through a runner: its spec, a check, its streams."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from penstock.control import documents
from penstock.control.documents import LogEmitted, ProbeFinished
from penstock.control.history import ProbeKind
from penstock.control.house import House
from penstock.control.launchers.launcher import Job
from penstock.control.model import ConnectorKind
from penstock.errors import ConnectorFailed, TransientError
from penstock.sdk.config import masked_text

_TAIL_LINES = 20


def ask(
    house: House,
    question: ProbeKind,
    kind: ConnectorKind,
    reference: Mapping[str, Any],
    *,
    secrets: frozenset[str] = frozenset(),
    details: Mapping[str, Any] | None = None,
    seconds: float | None = None,
    held: Callable[[Job], None] | None = None,
) -> ProbeFinished:
    """Returns a connector's answer; one it refuses or fails to give is an answer too.

    Raises TransientError when it takes longer than `seconds` (without them
    `Patience.probe_seconds`), and ConnectorFailed when the runner ends without one. `held` is given
    the runner while it works, so that somebody else may end it.
    """
    patience = house.patience.probe_seconds if seconds is None else seconds
    document = documents.probe_document(question.value, kind, reference, details)
    job = house.launcher.submit(document, f"{question}-{reference['name']}")
    if held is not None:
        held(job)
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    is_late = threading.Event()

    def give_up() -> None:
        is_late.set()
        job.kill()

    timer = threading.Timer(patience, give_up)
    complaints = threading.Thread(target=lambda: tail.extend(job.complaints()))
    answer: ProbeFinished | None = None
    timer.start()
    complaints.start()
    try:
        for line in job.lines():
            event = documents.read_event(line)
            if isinstance(event, ProbeFinished):
                answer = event
            elif isinstance(event, LogEmitted):
                tail.append(event.message)
    finally:
        timer.cancel()
        status = job.wait()
        complaints.join()
    if answer is not None:
        return answer
    name = str(reference["name"])
    if is_late.is_set():
        raise TransientError(
            f"The {question} of {name} took longer than {patience:.0f} s.",
            remedy="Look whether what it talks to answers, and try again.",
        )
    said = masked_text(" | ".join(tail), secrets)
    raise ConnectorFailed(
        f"The {question} of {name} ended with status {status} and no answer. {said}".rstrip(),
        remedy="Look at what it said; try the same with `penstock check` or `penstock discover`.",
    )
