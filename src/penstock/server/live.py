"""Server-sent events: what grows or changes, told as it does, from where the listener left off."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec
from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from penstock.errors import ConfigError

BEAT_SECONDS: Final = 15.0
"""Proxies close what is silent for longer."""
_LONGEST_ID: Final = 16


def follow(
    request: Request,
    look: Callable[[str], list[tuple[str, str, object]]],
    *,
    start: str,
    every_seconds: float = 0.5,
    is_over: Callable[[], bool] = lambda: False,
) -> StreamingResponse:
    """Returns a stream of what `look` finds.

    `look` gets the id of the last event told and returns newer ones: (id, kind, document). A
    listener that reconnects says where it was (`Last-Event-ID`, WHATWG HTML §9.2). `is_over` is
    asked after a look that found nothing; the stream then ends with the event `end`. The first
    look is taken here, in the caller's thread: what it raises is answered as any other error.
    """
    begin = request.headers.get("last-event-id") or start
    first = look(begin)

    async def told() -> AsyncIterator[bytes]:
        last, silent_since, found = begin, time.monotonic(), first
        yield b"retry: 1000\n\n"
        is_first = True
        while not await request.is_disconnected():
            if not is_first:
                found = await run_in_threadpool(look, last)
            is_first = False
            for last, kind, document in found:
                yield _event(last, kind, document)
            if found:
                silent_since = time.monotonic()
                continue
            if await run_in_threadpool(is_over):
                yield _event(last, "end", {})
                return
            if time.monotonic() - silent_since > BEAT_SECONDS:
                silent_since = time.monotonic()
                yield b": still here\n\n"
            await asyncio.sleep(every_seconds)

    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(told(), media_type="text/event-stream", headers=headers)


def number_of(event_id: str) -> int:
    """Returns an event's id as a number; ConfigError for what a listener made up."""
    if not (event_id.isascii() and event_id.isdigit() and len(event_id) <= _LONGEST_ID):
        raise ConfigError(
            f"{event_id[:40]!r} is no id of an event here.",
            remedy="Send as Last-Event-ID what an event had, or leave it out.",
        )
    return int(event_id)


def _event(id_: str, kind: str, document: object) -> bytes:
    data = msgspec.json.encode(document).decode()
    return f"id: {id_}\nevent: {kind}\ndata: {data}\n\n".encode()
