from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from penstock.data.items import Batch, Checkpoint, ConfigChange, ErrorTrace, Item, LogLine
from penstock.engine.runners.program import Program, ProgramRunner
from penstock.errors import ConfigError, ConnectorFailed, ProtocolError, TransientError
from penstock.protocol.catalog import (
    CatalogStream,
    ConfiguredCatalog,
    ConfiguredStream,
    StreamDescriptor,
)
from penstock.protocol.state import stream_state
from tests.integration.engine.runners.programs import (
    CATALOG,
    Row,
    Scripted,
    is_alive,
    wait_until,
)

CONFIG = {"api_key": "k3y-very-secret", "start": "2024-01-01"}


def read_all(runner: ProgramRunner, config: dict = CONFIG, states: tuple = ()) -> list[Item]:
    with runner.read(config, CATALOG, states) as reading:
        return list(reading)


def rows_of(items: list[Item]) -> list[int]:
    return [json.loads(bytes(i.record.data))["n"] for i in items if isinstance(i, Row)]


def logs_of(items: list[Item]) -> list[tuple[str, str]]:
    return [(item.level, item.message) for item in items if isinstance(item, LogLine)]


def fails_with(error: type[Exception], runner: ProgramRunner) -> Exception:
    with pytest.raises(error) as caught, runner.read(CONFIG, CATALOG, ()) as reading:
        list(reading)
    return caught.value


def test_spec_check_and_discover_give_what_the_program_says(scripted: Scripted) -> None:
    runner = scripted(
        """
        if VERB == "spec":
            say(type="SPEC", spec={"connectionSpecification": {"type": "object"}, "x": 1})
        elif VERB == "check":
            assert load("config")["start"] == "2024-01-01"
            say(type="CONNECTION_STATUS", connectionStatus={"status": "SUCCEEDED"})
        elif VERB == "discover":
            say(type="CATALOG", catalog={"streams": [{"name": "s", "json_schema": {},
                "supported_sync_modes": ["full_refresh"]}]})
        """
    )
    assert runner.spec().connection_specification == {"type": "object"}
    runner.check(CONFIG)
    assert [s.name for s in runner.discover(CONFIG).streams] == ["s"]


def test_read_gives_every_item_in_order(scripted: Scripted) -> None:
    items = read_all(scripted("record(1); record(2); state(2); record(3); state(3)"))
    kinds = [type(item) for item in items]
    assert kinds == [Row, Row, Checkpoint, Row, Checkpoint]
    assert rows_of(items) == [1, 2, 3]


def test_config_catalogue_and_state_reach_the_program_as_files_only_the_owner_can_read(
    scripted: Scripted, private_folder: Path
) -> None:
    items = read_all(
        scripted(
            """
            modes = {k: oct(os.stat(f).st_mode & 0o777) for k, f in FILES.items()}
            folder = oct(os.stat(os.path.dirname(FILES["--config"])).st_mode & 0o777)
            log("INFO", json.dumps([modes, folder, load("state"), load("catalog")["streams"][0]]))
            open(FILES["--config"], "w").write("{}")   # some connectors migrate theirs in place
            """
        ),
        states=(stream_state(StreamDescriptor("s"), b'{"n": 12345678901234567890}'),),
    )
    modes, folder, state, stream = json.loads(logs_of(items)[0][1])
    assert modes == {"--config": "0o600", "--catalog": "0o600", "--state": "0o600"}
    assert folder == "0o700"
    assert state[0]["stream"]["stream_state"] == {"n": 12345678901234567890}
    assert stream["sync_mode"] == "full_refresh"
    assert list(private_folder.iterdir()) == []


def test_no_state_option_is_given_when_there_is_no_state(scripted: Scripted) -> None:
    items = read_all(scripted("log('INFO', ' '.join(sorted(FILES)))"))
    assert logs_of(items) == [("INFO", "--catalog --config")]


def test_secrets_are_never_on_the_command_line(scripted: Scripted) -> None:
    items = read_all(
        scripted(
            """
            seen = [open(f"/proc/{p}/cmdline").read() for p in (os.getpid(), os.getppid())]
            record(sum("k3y-very-secret" in text for text in seen))
            """
        )
    )
    assert rows_of(items) == [0]


def test_lines_that_are_no_messages_become_log_lines(scripted: Scripted) -> None:
    items = read_all(scripted("print('hello'); record(1); print('{half'); record(2)"))
    assert rows_of(items) == [1, 2]
    assert logs_of(items) == [("INFO", "hello"), ("INFO", "{half")]


def test_an_error_trace_makes_the_message_of_the_failure(scripted: Scripted) -> None:
    error = fails_with(
        ConnectorFailed,
        scripted(
            "log('ERROR', 'noise'); trace('The API said no', internal_message='418'); exit(1)"
        ),
    )
    assert error.message == "source-x read ended with exit status 1: The API said no (418)"


@pytest.mark.parametrize(
    ("failure_type", "expected"),
    [
        ("config_error", ConfigError),
        ("transient_error", TransientError),
        ("system_error", ConnectorFailed),
    ],
)
def test_the_failure_type_of_a_trace_decides_the_error(
    scripted: Scripted, failure_type: str, expected: type[Exception]
) -> None:
    runner = scripted(f"trace('no', failure_type={failure_type!r}); exit(1)")
    assert type(fails_with(expected, runner)) is expected


def test_the_trace_of_a_stream_outweighs_the_summary(scripted: Scripted) -> None:
    error = fails_with(
        TransientError,
        scripted(
            """
            trace("rate limit", failure_type="transient_error", stream_descriptor={"name": "s"})
            trace("summing up", failure_type="config_error")
            exit(1)
            """
        ),
    )
    assert "stream s: rate limit" in error.message
    assert "summing up" not in error.message


def test_without_a_trace_the_last_error_lines_of_the_log_are_quoted(scripted: Scripted) -> None:
    error = fails_with(
        ConnectorFailed, scripted("log('INFO', 'fine'); log('FATAL', 'disk on fire'); exit(3)")
    )
    assert error.message == "source-x read ended with exit status 3: disk on fire"


def test_without_any_message_the_end_of_stderr_is_quoted(scripted: Scripted) -> None:
    error = fails_with(ConnectorFailed, scripted("raise RuntimeError('broken pipe dream')"))
    assert "RuntimeError: broken pipe dream" in error.message
    assert error.context["exit_code"] == 1


def test_an_error_trace_with_exit_status_0_is_an_item_and_not_raised(scripted: Scripted) -> None:
    items = read_all(scripted("record(1); trace('half failed'); record(2)"))
    assert [type(item) for item in items] == [Row, ErrorTrace, Row]


def test_death_by_a_signal_is_a_failure_that_names_it(scripted: Scripted) -> None:
    error = fails_with(ConnectorFailed, scripted("record(1); os.kill(os.getpid(), signal.SIGKILL)"))
    assert "SIGKILL" in error.message
    assert error.context["signal"] == signal.SIGKILL


def test_a_record_cut_off_by_death_is_told_as_death(scripted: Scripted) -> None:
    runner = scripted(
        """
        sys.stdout.write('{"type":"RECORD","record":{"stream":"s","data":{"n":'); sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGSEGV)
        """
    )
    assert "SIGSEGV" in fails_with(ConnectorFailed, runner).message


def test_a_broken_record_of_a_living_program_breaks_the_protocol(scripted: Scripted) -> None:
    runner = scripted(
        """print('{"type":"RECORD","record":{"stream":"s","data":{"k":"k3y-very-secret"'); """
    )
    error = fails_with(ProtocolError, runner)
    assert "RECORD" in error.message
    assert "k3y-very-secret" not in str(error.as_document())


def test_a_program_that_closes_its_output_but_stays_is_a_failure(scripted: Scripted) -> None:
    runner = scripted(
        "record(1); os.close(1); sys.stderr.write('waiting\\n'); time.sleep(60)", close=0.5
    )
    error = fails_with(ConnectorFailed, runner)
    assert "closed its output, but did not end within 0.5 s: waiting" in error.message


def test_a_program_that_does_not_exist_is_told_as_such(scripted: Scripted, tmp_path: Path) -> None:
    program = Program(argv=(str(tmp_path / "nothing"),))
    runner = ProgramRunner("source-x", program, "", options=scripted.options())
    with pytest.raises(ConnectorFailed, match="could not be started: No such file or directory"):
        runner.spec()


def test_check_raises_the_connectors_reason(scripted: Scripted) -> None:
    runner = scripted(
        """
        say(type="CONNECTION_STATUS", connectionStatus={"status": "FAILED",
            "message": "key k3y-very-secret is unknown"})
        """
    )
    with pytest.raises(ConfigError, match=r"configuration: key \*\*\*\* is unknown"):
        runner.check(CONFIG)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("pass", "check gave no status, and said nothing"),
        ("trace('no such host'); exit(1)", "exit status 1: no such host"),
        ("trace('odd')", "check gave no status: odd"),
        (
            'say(type="CONNECTION_STATUS", connectionStatus={"status": "SUCCEEDED"}); exit(4)',
            "exit status 4",
        ),
    ],
    ids=["silence", "trace and exit", "trace alone", "good status, bad exit"],
)
def test_check_does_not_pass_without_a_clear_yes(scripted: Scripted, body: str, words: str) -> None:
    with pytest.raises(ConnectorFailed) as caught:
        scripted(body).check(CONFIG)
    assert words in caught.value.message


def test_discover_without_a_catalogue_fails_with_the_last_words(scripted: Scripted) -> None:
    with pytest.raises(ConnectorFailed, match="gave no catalogue: cannot list"):
        scripted("log('ERROR', 'cannot list')").discover(CONFIG)


def test_a_verb_that_takes_too_long_is_a_transient_error(scripted: Scripted) -> None:
    runner = scripted("time.sleep(60)", check=0.3)
    with pytest.raises(TransientError, match=r"check did not end within 0\.3 seconds"):
        runner.check(CONFIG)


def test_logs_of_short_verbs_reach_the_listener_masked(scripted: Scripted) -> None:
    with pytest.raises(ConnectorFailed):
        scripted("log('WARN', 'using k3y-very-secret')").discover(CONFIG)
    assert LogLine(level="WARN", message="using ****") in scripted.logs


def test_secrets_are_masked_in_every_word_of_a_read(scripted: Scripted) -> None:
    runner = scripted(
        """
        log("INFO", "with k3y-very-secret"); sys.stderr.write("also k3y-very-secret\\n")
        sys.stderr.flush(); time.sleep(0.2)
        trace("bad k3y-very-secret", stack_trace="at k3y-very-secret"); exit(1)
        """
    )
    items = []
    with pytest.raises(ConnectorFailed) as caught, runner.read(CONFIG, CATALOG, ()) as reading:
        items.extend(reading)
    assert "k3y-very-secret" not in repr(items) + repr(caught.value.as_document())


def test_secrets_of_a_changed_configuration_are_masked_too(scripted: Scripted) -> None:
    items = read_all(
        scripted(
            """
            say(type="CONTROL", control={"type": "CONNECTOR_CONFIG", "emitted_at": 1.0,
                "connectorConfig": {"config": {"refresh_token": "brand-new-token"}}})
            log("INFO", "kept brand-new-token")
            """
        )
    )
    assert ConfigChange(config={"refresh_token": "brand-new-token"}) in items
    assert logs_of(items) == [("INFO", "kept ****")]


def test_a_megabyte_of_stderr_neither_blocks_nor_piles_up(scripted: Scripted) -> None:
    runner = scripted(
        """
        for n in range(20_000): sys.stderr.write(f"WARNING line {n} " + "x" * 40 + "\\n")
        sys.stderr.flush(); record(1)
        """
    )
    items = read_all(runner)
    assert rows_of(items) == [1]
    assert logs_of(items)[-1][1].startswith("WARNING line 19999 ")
    assert logs_of(items)[-1][0] == "WARN"


def test_a_slow_programs_rows_come_at_once(scripted: Scripted) -> None:
    runner = scripted("record(1); time.sleep(30)")
    started = time.monotonic()
    with runner.read(CONFIG, CATALOG, ()) as reading:
        first = next(iter(reading))
        assert isinstance(first, Row)
        assert time.monotonic() - started < 5


def test_stop_from_another_thread_ends_the_iteration_without_an_error(scripted: Scripted) -> None:
    runner = scripted("record(1)\nwhile True: time.sleep(1)")
    with runner.read(CONFIG, CATALOG, ()) as reading:
        threading.Timer(0.5, reading.stop).start()
        items = list(reading)
    assert rows_of(items) == [1]


def test_stop_asks_before_it_kills(scripted: Scripted, tmp_path: Path) -> None:
    mark = tmp_path / "asked"
    runner = scripted(
        f"""
        def asked(*_): open({str(mark)!r}, "w").write("yes"); sys.exit(0)
        signal.signal(signal.SIGTERM, asked); record(1)
        while True: time.sleep(1)
        """
    )
    with runner.read(CONFIG, CATALOG, ()) as reading:
        assert rows_of([next(iter(reading))]) == [1]
    assert mark.read_text() == "yes"


def test_a_program_that_ignores_sigterm_is_killed_after_the_grace_period(
    scripted: Scripted,
) -> None:
    runner = scripted(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); record(os.getpid()); time.sleep(60)",
        grace=0.5,
    )
    with runner.read(CONFIG, CATALOG, ()) as reading:
        (process,) = rows_of([next(iter(reading))])
        started = time.monotonic()
    assert 0.4 < time.monotonic() - started < 5
    assert not is_alive(process)


GRANDCHILDREN = """
    first = subprocess.Popen(["sleep", "300"])
    second = subprocess.Popen(["setsid", "sh", "-c", "trap '' TERM; sleep 301 & wait"])
    told, telling = os.pipe()
    escaped = os.fork()
    if escaped == 0:
        os.setsid()
        if os.fork() == 0:
            record(os.getpid()); os.write(telling, b"."); time.sleep(300)
        os._exit(0)
    os.waitpid(escaped, 0)
    os.read(told, 1)
    record(first.pid); record(second.pid); record(os.getpid()); record(os.getppid())
"""


def test_grandchildren_end_with_the_program(scripted: Scripted) -> None:
    items = read_all(scripted(GRANDCHILDREN))
    processes = rows_of(items)
    assert len(processes) == 5
    assert [p for p in processes if is_alive(p)] == []


def test_grandchildren_end_when_the_read_is_left(scripted: Scripted) -> None:
    runner = scripted(GRANDCHILDREN + "    time.sleep(300)\n", grace=1)
    with runner.read(CONFIG, CATALOG, ()) as reading:
        several = iter(reading)
        processes = rows_of([next(several) for _ in range(5)])
        assert [p for p in processes if not is_alive(p)] == []
    assert wait_until(lambda: not any(map(is_alive, processes)))


def test_everything_ends_when_penstock_is_killed_and_its_files_go(
    scripted: Scripted, tmp_path: Path
) -> None:
    script = scripted.write(GRANDCHILDREN + "    time.sleep(300)\n")
    out = tmp_path / "pids"
    folder = tmp_path / "theirs"
    folder.mkdir()
    penstock = subprocess.Popen(
        [
            sys.executable,
            "-c",
            KILLED_PARENT,
            str(script),
            str(out),
            str(Path(__file__).parents[4]),
        ],
        env={**os.environ, "TMPDIR": str(folder)},
    )
    assert wait_until(lambda: out.exists() and len(out.read_text().split()) == 5)
    processes = [int(text) for text in out.read_text().split()]
    assert all(map(is_alive, processes))
    assert len(list(folder.glob("penstock-*/config.json"))) == 1
    penstock.kill()
    penstock.wait()
    assert wait_until(lambda: not any(map(is_alive, processes)))
    assert wait_until(lambda: list(folder.iterdir()) == [])


KILLED_PARENT = """
import json, sys
sys.path.insert(0, sys.argv[3])
from pathlib import Path
from tests.integration.engine.runners.programs import CATALOG, LineDecoder
from penstock.engine.runners.program import Limits, Program, ProgramRunner, RunOptions
options = RunOptions(limits=Limits(grace=1), decoder_factory=LineDecoder)
runner = ProgramRunner("x", Program(argv=(sys.executable, sys.argv[1])), "", options=options)
with runner.read({"password": "p"}, CATALOG, ()) as reading:
    found = []
    for item in reading:
        found.append(json.loads(bytes(item.record.data))["n"])
        Path(sys.argv[2]).write_text(" ".join(map(str, found)))
"""


def test_the_program_ends_when_its_guard_is_killed(scripted: Scripted) -> None:
    runner = scripted("record(os.getpid()); record(os.getppid()); time.sleep(300)")
    with runner.read(CONFIG, CATALOG, ()) as reading:
        items = iter(reading)
        process, guard = rows_of([next(items), next(items)])
        os.kill(guard, signal.SIGKILL)
        with pytest.raises(ConnectorFailed, match="vanished"):
            list(items)
    assert wait_until(lambda: not is_alive(process))


def test_files_are_removed_also_after_an_error(scripted: Scripted, private_folder: Path) -> None:
    class ByTheConsumer(Exception):
        pass

    def consume() -> None:
        with scripted("time.sleep(60)").read(CONFIG, CATALOG, ()):
            assert len(list(private_folder.iterdir())) == 1
            raise ByTheConsumer

    with pytest.raises(ByTheConsumer):
        consume()
    assert list(private_folder.iterdir()) == []


def test_rows_come_typed_from_the_decoder_of_the_house(scripted: Scripted) -> None:
    schema = {"properties": {"n": {"type": "integer"}}}
    catalog = ConfiguredCatalog(
        streams=(ConfiguredStream(stream=CatalogStream(name="s", json_schema=schema)),)
    )
    program = Program(argv=(sys.executable, str(scripted.write("record(1); record(2); state(2)"))))
    runner = ProgramRunner("source-x", program, "a test")
    with runner.read(CONFIG, catalog, ()) as reading:
        batch, checkpoint = list(reading)
    assert isinstance(batch, Batch)
    assert batch.rows.column("n").to_pylist() == [1, 2]
    assert isinstance(checkpoint, Checkpoint)


def test_no_open_files_are_left_behind(scripted: Scripted) -> None:
    runner = scripted("record(1)")
    read_all(runner)
    before = sorted(path.name for path in Path("/proc/self/fd").iterdir())
    for _ in range(3):
        read_all(runner)
    assert sorted(path.name for path in Path("/proc/self/fd").iterdir()) == before
