"""Small pages of one stream put together: a batch costs a query, however few its rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from penstock.data.batch import BatchBuilder, BuiltBatch, texts_of_rows
from penstock.data.items import Checkpoint
from penstock.data.json_rows import JsonRows
from penstock.data.lines import RecordTexts

_BYTES: Final = 8 << 20
"""JSON in one batch; ten times as much is hardly faster a row, a tenth is half as fast."""
_SECONDS: Final = 0.25
"""Pages that come more slowly are passed on one by one: nobody is to wait for the next."""


class Gather:
    """Pages and states of one stream that wait to be passed on together, in order."""

    def __init__(self, builder: BatchBuilder, *, clock: Callable[[], float] = time.time) -> None:
        self._builder = builder
        self._clock = clock
        self._texts: list[RecordTexts] = []
        self._rows = 0
        self._bytes = 0
        self._covered = 0
        """How many of the rows the checkpoint covers."""
        self._checkpoint: Checkpoint | None = None
        self._passed_at = float("-inf")

    def add(self, rows: list[dict[str, Any]] | JsonRows) -> Iterator[BuiltBatch | Checkpoint]:
        """Takes a page; yields what is due. Raises DataError for a value without JSON form."""
        texts = rows.texts if isinstance(rows, JsonRows) else texts_of_rows(rows)
        if self._texts and self._is_due():
            yield from self.flush()
        is_first = not self._texts
        self._texts.append(texts)
        self._rows += len(texts)
        self._bytes += texts.byte_count
        if is_first and self._is_due():
            yield from self.flush()

    def cover(self, checkpoint: Checkpoint) -> Iterator[BuiltBatch | Checkpoint]:
        """Takes a state that covers all pages so far; yields what is due.

        A state that a newer one supersedes before it is passed on leaves only its claims.
        """
        claims = self._checkpoint.claims if self._checkpoint else ()
        self._checkpoint = replace(checkpoint, claims=(*claims, *checkpoint.claims))
        self._covered = self._rows
        if not self._texts or self._is_due():
            yield from self.flush()

    def flush(self) -> Iterator[BuiltBatch | Checkpoint]:
        """Yields everything that waits."""
        waiting, covered, checkpoint = self._texts, self._covered, self._checkpoint
        self._texts, self._rows, self._bytes, self._covered = [], 0, 0, 0
        self._checkpoint = None
        texts = RecordTexts.joined(waiting)
        if checkpoint is not None:
            yield from self._built(texts[:covered])
            yield checkpoint
        yield from self._built(texts[covered:])
        self._passed_at = self._clock()

    def _built(self, texts: RecordTexts) -> Iterator[BuiltBatch]:
        if len(texts):
            now = int(self._clock() * 1000)
            yield self._builder.from_texts(texts, extracted_at_ms=now)

    def _is_due(self) -> bool:
        return self._bytes >= _BYTES or self._clock() - self._passed_at >= _SECONDS
