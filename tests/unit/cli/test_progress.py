from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
from rich.console import Console

from penstock.cli.outcome import exit_status_of, is_proved, receipt_table, summary_lines
from penstock.cli.progress import (
    Board,
    JsonLines,
    LiveTable,
    PlainLines,
    Silent,
    follow,
    giving_back,
    make_follower,
)
from penstock.cli.screen import Screen
from penstock.engine.events import (
    CheckpointCommitted,
    ConfigChanged,
    Event,
    LogEmitted,
    Receipt,
    StreamProgress,
    StreamReceipt,
    SyncFinished,
    SyncStarted,
    decode_event,
)
from penstock.errors import BugError, ConfigError, PenstockError, ProofFailed
from penstock.protocol.catalog import StreamDescriptor

USERS = StreamDescriptor("users")


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def progress(read: int, committed: int = 0, **fields: object) -> StreamProgress:
    return StreamProgress(
        stream=USERS,
        rows_read=read,
        rows_sent=read,
        rows_committed=committed,
        bytes_read=read * 100,
        **fields,  # type: ignore[arg-type]
    )


def stream_receipt(**fields: object) -> StreamReceipt:
    known: dict[str, object] = {
        "stream": USERS,
        "table": "main.users",
        "status": "complete",
        "mode": "full_refresh_overwrite",
        "rows_read": 1000,
        "rows_sent": 1000,
        "rows_committed": 1000,
    }
    return StreamReceipt(**(known | fields))  # type: ignore[arg-type]


def receipt(*streams: StreamReceipt, error: PenstockError | None = None) -> Receipt:
    return Receipt(
        run_id="r1",
        connection="faker-to-duckdb-1",
        source="native",
        destination="duckdb",
        outcome="failed" if error else "succeeded",
        started_at="2026-01-01",
        ended_at="2026-01-01",
        seconds=2.0,
        streams=streams,
        error=error.as_document() if error else None,
    )


STARTED = SyncStarted(
    run_id="r1",
    connection="faker-to-duckdb-1",
    source="native",
    destination="duckdb",
    streams=(USERS,),
)
FINISHED = SyncFinished(receipt=receipt(stream_receipt()))
EVENTS: tuple[Event, ...] = (
    STARTED,
    progress(500),
    LogEmitted(level="INFO", message="chatter"),
    LogEmitted(level="WARN", message="look here"),
    CheckpointCommitted(stream=USERS, rows=1000, bytes=100_000, seconds=0.5),
    progress(1000, 1000, status="complete"),
    FINISHED,
)


def text_of(renderable: object, width: int = 100) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(renderable)
    return out.getvalue()


def test_the_receipt_is_what_the_last_event_holds() -> None:
    assert follow(iter(EVENTS), Silent()) == FINISHED.receipt


def test_a_sync_without_a_receipt_is_a_bug() -> None:
    with pytest.raises(BugError):
        follow(iter(EVENTS[:-1]), Silent())


def test_json_lines_are_the_events_one_a_line() -> None:
    out = io.StringIO()
    follow(EVENTS, JsonLines(out))
    lines = out.getvalue().splitlines()
    assert [decode_event(line.encode()) for line in lines] == list(EVENTS)
    assert json.loads(lines[0])["event"] == "SyncStarted"


@pytest.mark.parametrize("keeps", [True, False])
def test_a_changed_configuration_is_written_only_at_the_machines_door(keeps: bool) -> None:
    out = io.StringIO()
    changed = ConfigChanged(origin="source", config={"refresh_token": "canary"})
    JsonLines(out, keeps_secrets=keeps).tell(changed)
    assert ("canary" in out.getvalue()) is keeps
    assert "ConfigChanged" in out.getvalue()


def test_plain_lines_tell_start_commit_and_end_and_keep_chatter_out() -> None:
    out = io.StringIO()
    follow(EVENTS, PlainLines(out, clock=Time()))
    lines = out.getvalue().splitlines()
    assert lines[0] == "native → duckdb: 1 stream (faker-to-duckdb-1)"
    assert "users: 1,000 rows committed (97.7 KiB in 0.50 s)" in lines
    assert any(line.startswith("users: complete, 1,000 read, 1,000 committed") for line in lines)
    assert "source warn: look here" in lines
    assert "chatter" not in out.getvalue()


def test_verbose_lines_have_the_chatter() -> None:
    out = io.StringIO()
    follow(EVENTS, PlainLines(out, levels=None, clock=Time()))
    assert "source info: chatter" in out.getvalue()


def test_plain_lines_come_every_few_seconds_and_not_with_every_event() -> None:
    out, clock = io.StringIO(), Time()
    lines = PlainLines(out, clock=clock)
    lines.tell(STARTED)
    for _ in range(100):
        clock.now += 0.1
        lines.tell(progress(int(clock.now)))
    assert len(out.getvalue().splitlines()) == 2


def test_rows_a_second_count_from_the_streams_own_start() -> None:
    clock = Time()
    board = Board(clock)
    board.start([USERS])
    clock.now += 50
    board.update(progress(0))
    clock.now += 2
    board.update(progress(100))
    assert board.seconds(USERS) == 2.0
    board.update(progress(100, status="complete"))
    clock.now += 9
    assert board.seconds(USERS) == 2.0


def test_the_table_shows_every_stream_with_its_figures_and_a_bar() -> None:
    clock = Time()
    live = LiveTable(Terminal(), clock=clock)
    with giving_back(live):
        live.tell(STARTED)
        live.tell(progress(500, 250, estimated_rows=1000))
        clock.now += 2
        shown = text_of(live.table())
    assert "users" in shown
    assert "500" in shown
    assert "250/s" not in shown
    assert "━" in shown
    assert "48.8 KiB" in shown


def test_the_terminal_is_given_back_when_the_sync_breaks() -> None:
    out = Terminal()

    def events() -> Iterator[Event]:
        yield STARTED
        raise ConfigError("broken", remedy="")

    live = LiveTable(out)
    with pytest.raises(ConfigError), giving_back(live):
        follow(events(), live)
    assert out.getvalue().rstrip().endswith("\x1b[?25h") or "\x1b[?25h" in out.getvalue()


@pytest.mark.parametrize(
    ("err", "quiet", "as_json", "expected"),
    [
        (Terminal(), False, False, LiveTable),
        (io.StringIO(), False, False, PlainLines),
        (Terminal(), True, False, Silent),
        (Terminal(), False, True, JsonLines),
    ],
    ids=["terminal", "pipe", "quiet", "json"],
)
def test_how_a_sync_is_followed_fits_where_the_output_goes(
    err: io.StringIO, quiet: bool, as_json: bool, expected: type
) -> None:
    screen = Screen(is_quiet=quiet, out_file=io.StringIO(), err_file=err)
    assert type(make_follower(screen, is_json=as_json)) is expected


def test_the_receipt_shows_read_sent_and_committed_and_the_proof() -> None:
    shown = text_of(receipt_table(receipt(stream_receipt())))
    assert "1,000 = 1,000" in " ".join(shown.split())
    assert "✓" in shown


@pytest.mark.parametrize(
    "fields",
    [{"rows_committed": 999}, {"rows_sent": 999}, {"status": "incomplete"}],
    ids=str,
)
def test_anything_less_than_equal_and_complete_is_not_proved(fields: dict[str, object]) -> None:
    broken = stream_receipt(**fields)
    assert not is_proved(broken)
    shown = text_of(receipt_table(receipt(broken)))
    assert "✗" in shown
    assert "✓" not in shown


def test_what_was_not_loaded_or_changed_is_said() -> None:
    lines = "\n".join(
        summary_lines(receipt(stream_receipt(undeclared=("late",), values_changed=2)))
    )
    assert "not loaded: late" in lines
    assert "2 values of users did not fit" in lines
    assert "1,000 rows committed and proved in 2.0 s (500/s)" in lines


def test_the_exit_status_is_that_of_the_errors_class() -> None:
    assert exit_status_of(receipt(stream_receipt())) == 0
    assert exit_status_of(receipt(error=ProofFailed("x", remedy=""))) == 9
    assert exit_status_of(receipt(error=ConfigError("x", remedy=""))) == 2
    assert exit_status_of(receipt(error=BugError("x", remedy=""))) == 70
