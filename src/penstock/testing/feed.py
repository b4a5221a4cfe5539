"""What a test sends to a destination, and the small loop that sends it as the engine does.

A `Feed` is pages of rows, each page ending in a state {"page": n}. `send` continues from what the
destination has stored, so killing it anywhere and calling it again must give what one undisturbed
run gives: `Feed.expected_rows`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from penstock.data.types import Kind, arrow_type
from penstock.protocol.state import State, stream_state
from penstock.sdk.destination import (
    Destination,
    Normalisation,
    StoredState,
    StoresState,
    StreamPlan,
)
from penstock.testing import expect
from penstock.testing.cells import Cell, Row, array_of

EXTRACTED_AT: Final = 1_700_000_000_123_457
"""Microseconds; an odd number, so that lost digits show."""

_SECOND: Final = 1_000_000

Batch = tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Rows that arrive in some batches and are then covered by a state."""

    batches: tuple[Batch, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(row for batch in self.batches for row in batch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """All pages of one stream in one sync; the first has the number `first_page`."""

    plan: StreamPlan
    pages: tuple[Page, ...]
    first_page: int = 0

    @property
    def end(self) -> int:
        """The page that would come next."""
        return self.first_page + len(self.pages)

    def expected_rows(self, before: Sequence[Row] = (), *, up_to: int | None = None) -> list[Row]:
        """Returns what the plan's target holds after the pages below `up_to`, or after all."""
        last = self.end if up_to is None else up_to
        kept = self.pages[: max(0, last - self.first_page)]
        rows = [row for page in kept for row in page.rows]
        earlier = [] if self.plan.mode.is_overwrite else list(before)
        return by_key([*earlier, *rows], self.plan) if self.plan.mode.is_dedup else earlier + rows


def by_key(rows: Sequence[Row], plan: StreamPlan) -> list[Row]:
    """Returns the rows that stay of each key: largest cursor (null least), then the last."""
    ranked = sorted(enumerate(rows), key=lambda each: (_rank(each[1], plan), each[0]))
    return list(
        {tuple(row[column] for column in plan.primary_key): row for _, row in ranked}.values()
    )


def _rank(row: Row, plan: StreamPlan) -> tuple[bool, Cell]:
    value = row[plan.cursor] if plan.cursor else None
    return (False, 0) if value is None else (True, value)


def batch_of(
    plan: StreamPlan,
    rows: Sequence[Row],
    *,
    extracted_at: int = EXTRACTED_AT,
    changes: Sequence[str | None] | None = None,
) -> pa.RecordBatch:
    """Returns rows (cells by column name in the table) in the shape a writer takes."""
    if plan.normalisation is Normalisation.RAW:
        named = [("_airbyte_data", "_airbyte_data", Kind.JSON)]
    else:
        named = [(column.source, column.name, column.kind) for column in plan.columns]
    arrays = [array_of(kind, [row.get(name) for row in rows]) for _, name, kind in named]
    fields = [pa.field(source, arrow_type(kind)) for source, _, kind in named]
    arrays.append(array_of(Kind.TIMESTAMP_TZ, [extracted_at + i for i in range(len(rows))]))
    fields.append(pa.field("_airbyte_extracted_at", arrow_type(Kind.TIMESTAMP_TZ)))
    arrays.append(pa.array(changes or [None] * len(rows), pa.string()))
    fields.append(pa.field("_airbyte_changes", pa.string()))
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def state_at(plan: StreamPlan, page: int) -> State:
    """Returns the state that covers every page below this number."""
    return stream_state(plan.stream, json.dumps({"page": page}).encode())


def page_of(state: State | None) -> int:
    """Returns the page a state of ours continues with; 0 for none."""
    if state is None or state.stream is None:
        return 0
    return int(json.loads(bytes(state.stream.stream_state))["page"])


def stored_state(destination: Destination, plan: StreamPlan) -> StoredState | None:
    """Returns what a destination that stores states has stored of this stream."""
    if not isinstance(destination, StoresState):
        return None
    for stored in destination.stored_states(plan.connection):
        if stored.stream == plan.stream:
            return stored
    return None


class Notebook:
    """Remembers states beside a destination that does not: in a file, after each commit."""

    def __init__(self, path: Path, destination: Destination) -> None:
        self._path = path
        self._destination = destination

    def load(self, plan: StreamPlan) -> StoredState | None:
        """Returns the newest checkpoint of the plan's stream."""
        if isinstance(self._destination, StoresState):
            return stored_state(self._destination, plan)
        known = self._entries().get(str(plan.table))
        if known is None:
            return None
        return StoredState(
            stream=plan.stream,
            state=state_at(plan, known["page"]),
            generation_id=known["generation"],
            is_complete=known["is_complete"],
            fence=0,
        )

    def save(self, plan: StreamPlan, page: int, *, is_complete: bool) -> None:
        """Writes a checkpoint down, after the destination said that it is durable."""
        if isinstance(self._destination, StoresState):
            return
        entry = {"page": page, "generation": plan.generation_id, "is_complete": is_complete}
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps({**self._entries(), str(plan.table): entry}))
        beside.replace(self._path)

    def _entries(self) -> dict[str, Any]:
        entries: dict[str, Any] = json.loads(self._path.read_text()) if self._path.exists() else {}
        return entries


def position(feed: Feed, stored: StoredState | None) -> tuple[int, bool] | None:
    """Returns the page to begin with and whether that resumes; None when nothing is left."""
    if stored is None:
        return feed.first_page, False
    is_same = stored.generation_id == feed.plan.generation_id
    page = max(page_of(stored.state), feed.first_page)
    if stored.is_complete and is_same and page == feed.end:
        return None
    resumes = is_same and not stored.is_complete and stored.state is not None
    if feed.plan.mode.is_overwrite and not resumes:
        return feed.first_page, False
    return page, resumes


def send(
    destination: Destination,
    feed: Feed,
    *,
    notebook: Notebook,
    fence: int = 0,
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """Sends what is still to be sent, committing after each page; `tell` hears of each step.

    Fails when a commit does not return the number of rows written since the one before.
    """
    where = position(feed, notebook.load(feed.plan))
    if where is None:
        return
    page, resumes = where
    plan = replace(feed.plan, resumes=resumes, fence=fence)
    with destination.open(plan) as writer:
        tell("open")
        for number in range(page, feed.end):
            rows = 0
            for batch in _batches(plan, feed.pages[number - feed.first_page], number):
                writer.write(batch)
                rows += batch.num_rows
                tell("write")
            counted = writer.commit(state_at(plan, number + 1))
            expect.equal(rows, counted, f"rows counted by the commit of page {number}")
            notebook.save(plan, number + 1, is_complete=False)
            tell("commit")
        expect.equal(0, writer.finish(state_at(plan, feed.end)), "rows counted by finish")
        notebook.save(plan, feed.end, is_complete=True)
        tell("finish")


def _batches(plan: StreamPlan, page: Page, number: int) -> Iterator[pa.RecordBatch]:
    """Later rows were extracted later, as in life."""
    start = EXTRACTED_AT + number * _SECOND
    for rows in page.batches:
        yield batch_of(plan, rows, extracted_at=start)
        start += len(rows)
