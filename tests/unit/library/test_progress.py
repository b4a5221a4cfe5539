from __future__ import annotations

import io
import logging

import pytest

from penstock.engine.events import (
    Event,
    LogEmitted,
    Receipt,
    StreamProgress,
    SyncFinished,
    SyncStarted,
)
from penstock.library.progress import Live, Notebook, Plain, ProgressStyle, Quiet, progress_of
from penstock.protocol.catalog import StreamDescriptor

USERS = StreamDescriptor("users")


def moved(rows: int, status: str = "running") -> StreamProgress:
    return StreamProgress(
        stream=USERS,
        rows_read=rows,
        rows_sent=rows,
        rows_committed=rows,
        bytes_read=rows,
        status=status,
    )


STARTED = SyncStarted(
    run_id="r", connection="c", source="source-x", destination="duckdb", streams=(USERS,)
)
RECEIPT = Receipt(
    run_id="r",
    connection="c",
    source="s",
    destination="d",
    outcome="succeeded",
    started_at="",
    ended_at="",
    seconds=1.0,
)
EVENTS: tuple[Event, ...] = (
    STARTED,
    moved(1),
    moved(1_000),
    moved(2_000, "complete"),
    SyncFinished(receipt=RECEIPT),
)


def test_a_connectors_words_go_to_the_logger(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="penstock"), Quiet() as quiet:
        quiet.tell(LogEmitted(level="WARN", message="slow down"))
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "slow down")
    ]


def test_plain_progress_is_a_line_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="penstock"), Plain(clock=lambda: 0.0) as plain:
        for event in EVENTS:
            plain.tell(event)
    lines = [record.message for record in caplog.records]
    assert lines == [
        "users running: 1 rows read, 1 committed",
        "users complete: 2000 rows read, 2000 committed",
        "sync succeeded: 0 rows in 1.0 s",
    ]


def test_a_notebook_shows_markdown_once_a_second() -> None:
    shown: list[str] = []
    now = iter([0.0, 0.1, 2.0, 2.1, 2.2])
    with Notebook(show=shown.append, clock=lambda: next(now)) as notebook:
        for event in EVENTS:
            notebook.tell(event)
    assert len(shown) == 3
    assert "| users | complete | 2,000 | 2,000 |" in shown[-1]


def test_live_progress_is_drawn_where_it_is_told() -> None:
    drawn = io.StringIO()
    with Live(drawn) as live:
        for event in EVENTS:
            live.tell(event)
    assert "users" in drawn.getvalue()


def test_the_style_fits_where_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_LIVE_PROGRESS", "1")
    assert type(progress_of()) is Plain
    assert type(progress_of(ProgressStyle.NONE)) is Quiet
    assert type(progress_of("rich")) is Live
