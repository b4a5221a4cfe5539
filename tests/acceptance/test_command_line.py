"""The command line from outside: real processes, real files, what a person sees and finds."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from penstock.engine.events import SyncFinished, SyncStarted, decode_event
from tests.acceptance.conftest import PENSTOCK, Terminal
from tests.doubles import rotating_source
from tests.doubles.rest_api import RestApi, rows_of, serving

TO_DUCKDB = ("duckdb", "--destination.path", "out.duckdb")
FAKER = ("faker", *TO_DUCKDB, "--streams", "users", "--connection", "c")


def test_a_sync_ends_with_the_proof_and_the_rows_are_there(terminal: Terminal) -> None:
    done = terminal.run("sync", "faker", *TO_DUCKDB, "--source.rows", "100")
    assert done.status == 0, done.err
    assert "100 = 100" in " ".join(done.out.split())
    assert "committed and proved" in done.out
    assert terminal.query("select count(*) from users") == [(100,)]
    assert (terminal.home.stat().st_mode & 0o777) == 0o700


def test_the_same_sync_again_reads_nothing_twice(terminal: Terminal) -> None:
    terminal.run("sync", *FAKER, "--source.rows", "100")
    done = terminal.run("sync", *FAKER, "--source.rows", "150", "--json")
    assert done.status == 0, done.err
    finished = decode_event(done.out.splitlines()[-1].encode())
    assert isinstance(finished, SyncFinished)
    assert [stream.rows_committed for stream in finished.receipt.streams] == [50]
    assert terminal.query("select count(*), count(distinct id) from users") == [(150, 150)]


def test_a_full_refresh_replaces_what_is_there_and_the_next_sync_continues_it(
    terminal: Terminal,
) -> None:
    terminal.run("sync", *FAKER, "--source.rows", "100", "--source.seed", "1")
    again = terminal.run(
        "sync", *FAKER, "--source.rows", "40", "--source.seed", "2", "--full-refresh"
    )
    assert again.status == 0, again.err
    assert terminal.query("select count(*) from users") == [(40,)]
    more = terminal.run("sync", *FAKER, "--source.rows", "60", "--source.seed", "2")
    assert more.status == 0, more.err
    assert "20 = 20" in " ".join(more.out.split())
    assert terminal.query("select count(*), count(distinct id) from users") == [(60, 60)]


def test_json_is_events_and_nothing_else(terminal: Terminal) -> None:
    done = terminal.run("sync", *FAKER, "--source.rows", "10", "--json")
    events = [decode_event(line.encode()) for line in done.out.splitlines()]
    assert isinstance(events[0], SyncStarted)
    assert isinstance(events[-1], SyncFinished)
    assert done.err == ""


def test_quiet_is_silent_when_all_is_well(terminal: Terminal) -> None:
    done = terminal.run("sync", *FAKER, "--source.rows", "10", "--quiet")
    assert (done.status, done.out, done.err) == (0, "", "")


def test_run_takes_the_document_and_writes_the_events(
    terminal: Terminal, scripted: list[str]
) -> None:
    catalog = json.loads(
        terminal.run("discover", "mine", *scripted, "--source.rows", "1", "--json").out
    )
    spec = {
        "connection": "c",
        "run_id": "r1",
        "source": {"name": "mine", "executable": scripted[1], "config": {"rows": 12}},
        "destination": {"name": "duckdb", "config": {"path": "out.duckdb"}},
        "catalog": {
            "streams": [
                {
                    "stream": catalog["streams"][0],
                    "sync_mode": "incremental",
                    "destination_sync_mode": "append",
                }
            ]
        },
    }
    done = terminal.run("run", stdin=json.dumps(spec))
    assert done.status == 0, done.err
    finished = decode_event(done.out.splitlines()[-1].encode())
    assert isinstance(finished, SyncFinished)
    assert (finished.receipt.run_id, finished.receipt.rows_committed) == ("r1", 12)


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["sync", "fakr", *TO_DUCKDB], 2, "Did you mean source-faker"),
        (["sync", "faker", "duckdbb"], 2, "duckdbb"),
        (["sync", "faker", *TO_DUCKDB, "--streams", "usrs"], 2, "Did you mean users"),
        (["sync", "faker", *TO_DUCKDB, "--mode", "incr"], 2, "There is no sync mode"),
        (["sync", "faker", *TO_DUCKDB, "--source.rows", "ten"], 2, "rows"),
        (["sync", "faker", "duckdb", "--destination.path", "/proc/x.duckdb"], 4, "/proc/x"),
        (["check", "faker", "--source-config", "none.yml"], 2, "none.yml"),
        (["receipt", "nothing"], 2, "receipt"),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, list) else None,
)
def test_a_mistake_is_one_clear_error_with_its_status_and_leaves_nothing(
    terminal: Terminal, words: list[str], status: int, told: str
) -> None:
    done = terminal.run(*words)
    assert done.status == status, done.err
    assert told in done.err
    assert "→" in done.err
    assert not (terminal.folder / "out.duckdb").exists()


def test_a_connectors_failure_is_told_in_its_own_words_and_stays_in_the_receipt(
    terminal: Terminal, scripted: list[str]
) -> None:
    words = ["mine", *TO_DUCKDB, *scripted, "--connection", "c"]
    failed = terminal.run("sync", *words, "--source.rows", "50", "--source.fails_after", "25")
    assert failed.status == 8, failed.err
    assert "the vendor says no" in failed.err
    shown = terminal.run("receipt", "c")
    assert shown.status == 8
    assert "failed" in shown.out
    assert "the vendor says no" in shown.out
    mended = terminal.run("sync", *words, "--source.rows", "50")
    assert mended.status == 0, mended.err
    assert terminal.query("select count(*), min(code), max(code) from items") == [
        (50, "000", "049")
    ]


def test_a_secret_is_nowhere_to_be_seen(tmp_path: Path, scripted: list[str]) -> None:
    terminal = Terminal(tmp_path, {"TOKEN": "s3cret-canary"})
    words = ["mine", *TO_DUCKDB, *scripted, "--source.rows", "30", "--source.fails_after", "20"]
    by_reference = terminal.run("sync", *words, "--source.token", "${env:TOKEN}", "--verbose")
    by_flag = terminal.run("sync", *words, "--source.token", "s3cret-canary", "--json")
    assert "process list" in by_flag.err
    for done in (by_reference, by_flag):
        assert done.status == 8, done.err
        assert "s3cret-canary" not in done.out + done.err
    kept = [path for path in terminal.home.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if b"s3cret-canary" in path.read_bytes()]


def test_a_renewed_token_is_used_by_the_next_sync_and_not_shown(
    terminal: Terminal, scripted: list[str]
) -> None:
    words = ["mine", *TO_DUCKDB, *scripted, "--source.rows", "3", "--source.token", "old-token"]
    first = terminal.run("sync", *words, "--source.renews_token", "--json", "--connection", "c")
    assert first.status == 0, first.err
    assert "ConfigChanged" in first.out
    assert "renewed-canary" not in first.out + first.err


def test_a_token_good_only_once_serves_one_command_after_another(terminal: Terminal) -> None:
    program = f"{sys.executable} {rotating_source.__file__}"
    with serving(RestApi(rows=rows_of(12), token="none-given-yet")) as api:
        config = {"client_id": "c", "refresh_token": api.refresh_token}
        settings = terminal.folder / "settings.json"
        settings.write_text(json.dumps({"url": api.url, "credentials": config}))
        words = ["--executable", program, "--source-config", str(settings)]
        for command in (["check", "mine"], ["discover", "mine"], ["preview", "mine", "people"]):
            done = terminal.run(*command, *words)
            assert done.status == 0, done.err
            assert "canary" not in done.out + done.err
        for _ in range(2):
            done = terminal.run("sync", "mine", *TO_DUCKDB, *words)
            assert done.status == 0, done.err
    assert terminal.query("select count(*) from people") == [(12,)]


def test_a_check_says_what_the_connector_says(terminal: Terminal, scripted: list[str]) -> None:
    words = ["check", "mine", *scripted, "--source.rows", "1", "--source.token"]
    assert terminal.run(*words, "${file:/dev/null}").status == 0
    wrong = terminal.run(*words, "wrong")
    assert wrong.status == 2
    assert "bad token" in wrong.err


def test_settings_come_from_standard_input_and_flags_stand_above_them(
    terminal: Terminal,
) -> None:
    done = terminal.run(
        *("sync", *FAKER, "--source-config", "-", "--source.rows", "7"),
        stdin="rows: 1000\nseed: 3\n",
    )
    assert done.status == 0, done.err
    assert terminal.query("select count(*) from users") == [(7,)]


def test_a_locked_file_is_told_as_busy(terminal: Terminal) -> None:
    holder = subprocess.Popen(
        [
            PENSTOCK.parent / "python",
            "-c",
            "import duckdb; c = duckdb.connect('out.duckdb'); print(1, flush=True); input()",
        ],
        cwd=terminal.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "1\n"
    try:
        done = terminal.run("sync", *FAKER, "--source.rows", "10")
    finally:
        holder.communicate("\n")
    assert done.status == 4, done.err
    assert "out.duckdb" in done.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_sync_keeps_what_it_committed_and_the_next_completes_it(
    terminal: Terminal, scripted: list[str], number: signal.Signals
) -> None:
    words = ["mine", *TO_DUCKDB, *scripted, "--connection", "c", "--source.rows", "200"]
    process = terminal.start("sync", *words, "--source.seconds_a_row", "0.02", "--json")
    assert process.stdout is not None
    while '"rows_read"' not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    again = terminal.run("sync", *words)
    assert again.status == 0, again.err
    assert terminal.query("select count(*), count(distinct id) from items") == [(200, 200)]


def test_the_second_signal_ends_it_at_once(terminal: Terminal, scripted: list[str]) -> None:
    words = ["mine", *TO_DUCKDB, *scripted, "--source.rows", "1000"]
    process = terminal.start("sync", *words, "--source.seconds_a_row", "30", "--json")
    assert process.stdout is not None
    process.stdout.readline()
    started = time.monotonic()
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
    process.communicate(timeout=30)
    # In the interpreter's own last steps the signal itself ends it: 130 to a shell, too.
    assert process.returncode in (130, -signal.SIGINT)
    assert time.monotonic() - started < 8


def test_a_reader_that_goes_away_is_no_error(terminal: Terminal) -> None:
    done = subprocess.run(
        ["bash", "-c", "penstock sources --json | head -c 1; echo ${PIPESTATUS[0]}"],
        env=terminal.env(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout[0] == "["
    assert "Traceback" not in done.stderr


def test_a_terminal_sees_a_table_that_is_taken_away_at_the_end(
    terminal: Terminal, scripted: list[str]
) -> None:
    words = ["sync", "mine", *TO_DUCKDB, *scripted, "--source.rows", "40"]
    child, master = pty.fork()
    if child == 0:
        os.chdir(terminal.folder)
        os.execve(
            PENSTOCK,
            [str(PENSTOCK), *words, "--source.seconds_a_row", "0.02"],
            {**terminal.env(), "TERM": "xterm-256color"},
        )
    shown = b""
    while True:
        try:
            shown += os.read(master, 65536)
        except OSError:
            break
    _, wait_status = os.waitpid(child, 0)
    os.close(master)
    assert os.waitstatus_to_exitcode(wait_status) == 0, shown
    assert b"rows/s" in shown
    assert b"\x1b[?25h" in shown
    assert "✓".encode() in shown


def test_discover_and_preview_show_what_is_there(terminal: Terminal, scripted: list[str]) -> None:
    words = ["mine", *scripted, "--source.rows", "30"]
    streams = terminal.run("discover", *words)
    assert "items" in streams.out
    columns = terminal.run("discover", "mine", "items", *words[1:])
    assert "code" in columns.out
    rows = terminal.run("preview", *words, "--limit", "2", "--json")
    assert [json.loads(line) for line in rows.out.splitlines()] == [
        {"id": 0, "code": "000"},
        {"id": 1, "code": "001"},
    ]
    assert "000" in terminal.run("preview", *words, "--limit", "2").out


def test_the_state_is_shown_set_and_reset(terminal: Terminal, scripted: list[str]) -> None:
    sync = ["sync", "mine", *TO_DUCKDB, *scripted, "--connection", "c", "--source.rows", "30"]
    terminal.run(*sync)
    (shown,) = json.loads(terminal.run("state", "get", "c").out)
    assert shown["stream"]["stream_state"] == {"at": 30}
    shown["stream"]["stream_state"] = {"at": 25}
    assert terminal.run("state", "set", "c", stdin=json.dumps([shown])).status == 0
    (given,) = json.loads(terminal.run("state", "get", "c").out)
    assert given["stream"]["stream_state"] == {"at": 25}
    assert "5 = 5" in " ".join(terminal.run(*sync).out.split())
    assert terminal.run("state", "reset", "c").status == 0
    assert json.loads(terminal.run("state", "get", "c").out) == []
    assert "30 = 30" in " ".join(terminal.run(*sync).out.split())
    assert terminal.query("select count(*) from items") == [(30,)]


def test_a_native_connector_is_an_airbyte_program(terminal: Terminal) -> None:
    spec = msgspec.json.decode(terminal.run("connector", "faker", "spec").out.splitlines()[0])
    assert spec["type"] == "SPEC"
    (terminal.folder / "config.json").write_text('{"rows": 5}')
    out = terminal.run("connector", "faker", "discover", "--config", "config.json").out
    catalog = next(
        message["catalog"]
        for message in map(json.loads, out.splitlines())
        if message["type"] == "CATALOG"
    )
    users = next(stream for stream in catalog["streams"] if stream["name"] == "users")
    chosen = {"stream": users, "sync_mode": "full_refresh", "destination_sync_mode": "append"}
    (terminal.folder / "catalog.json").write_text(json.dumps({"streams": [chosen]}))
    read = terminal.run(
        *("connector", "faker", "read", "--config", "config.json", "--catalog", "catalog.json")
    )
    assert read.status == 0, read.err
    types = [json.loads(line)["type"] for line in read.out.splitlines()]
    assert types.count("RECORD") == 5
    assert "STATE" in types


def test_lists_name_what_is_native(terminal: Terminal) -> None:
    listed = terminal.run("sources").out
    assert "faker" in listed
    assert "file" in listed
    assert "duckdb" in terminal.run("destinations").out
    settings = terminal.run("sources", "faker").out
    assert "--source.rows" in settings
    assert "--destination.path" in terminal.run("destinations", "duckdb").out
