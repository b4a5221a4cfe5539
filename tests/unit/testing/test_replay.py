from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import ConfigError, DataError
from penstock.protocol.catalog import StreamDescriptor, SyncMode
from penstock.protocol.messages import StreamStatusKind
from penstock.sdk.stream import ReadRequest, State
from penstock.testing.replay import (
    Behaviour,
    Transcript,
    TranscriptConfig,
    TranscriptSource,
    record_line,
    state_line,
    status_line,
    write_program,
)

USERS, ORDERS = StreamDescriptor("users"), StreamDescriptor("orders", "shop")
MESSAGES = [
    status_line(USERS, StreamStatusKind.STARTED),
    record_line(USERS, {"id": 9007199254740993}),
    record_line(ORDERS, {"id": 1}),
    record_line(USERS, {"id": 2}),
    state_line(USERS, {"page": 1}, records=2),
    record_line(USERS, {"id": 3}),
    state_line(USERS, {"page": 2}, records=1),
    status_line(USERS, StreamStatusKind.COMPLETE),
]
RECORDED = Transcript.of(MESSAGES)


def _run(program: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([program, *words], capture_output=True, timeout=20, check=False)


def _read(source: TranscriptSource, stream: str, state: dict[str, Any] | None = None) -> list[Any]:
    (found,) = [each for each in source.streams() if each.name == stream]
    return list(found.read(ReadRequest(mode=SyncMode.INCREMENTAL, state=state)))


@pytest.fixture
def source(tmp_path: Path) -> TranscriptSource:
    RECORDED.save(tmp_path / "t.jsonl")
    return TranscriptSource(TranscriptConfig(path=str(tmp_path / "t.jsonl")))


def test_a_stream_is_played_in_order_with_its_own_rows_and_states(source: TranscriptSource) -> None:
    assert _read(source, "users") == [
        [{"id": 9007199254740993}, {"id": 2}],
        State({"page": 1}),
        [{"id": 3}],
        State({"page": 2}),
    ]
    assert _read(source, "orders") == [[{"id": 1}]]


def test_a_state_continues_after_its_place(source: TranscriptSource) -> None:
    assert _read(source, "users", {"page": 1}) == [[{"id": 3}], State({"page": 2})]
    assert _read(source, "users", {"page": 2}) == []


def test_a_state_of_another_transcript_is_refused(source: TranscriptSource) -> None:
    with pytest.raises(ConfigError, match="none of this transcript"):
        _read(source, "users", {"page": 7})


def test_a_recorded_failure_fails_where_it_stood(tmp_path: Path) -> None:
    error = {"type": "ERROR", "emitted_at": 1.5, "error": {"message": "the quota is used up"}}
    trace = {"type": "TRACE", "trace": error}
    Transcript.of([*MESSAGES[:4], trace]).save(tmp_path / "t.jsonl")
    source = TranscriptSource(TranscriptConfig(path=str(tmp_path / "t.jsonl")))
    with pytest.raises(DataError, match="the quota is used up"):
        _read(source, "users")


def test_a_missing_transcript_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        TranscriptSource(TranscriptConfig(path=str(tmp_path / "nowhere.jsonl")))


def test_a_program_answers_every_verb(tmp_path: Path) -> None:
    program = write_program(tmp_path, RECORDED)
    assert json.loads(_run(program, "spec").stdout)["type"] == "SPEC"
    status = json.loads(_run(program, "check").stdout)["connectionStatus"]
    assert status == {"status": "SUCCEEDED"}
    catalog = json.loads(_run(program, "discover").stdout)["catalog"]
    assert [stream["name"] for stream in catalog["streams"]] == ["users", "orders"]
    read = _run(program, "read")
    assert (read.returncode, read.stdout.splitlines()) == (0, list(RECORDED.lines))
    assert _run(program, "dance").returncode == 2


@pytest.mark.parametrize("lines", [0, 1, 5])
def test_a_program_dies_after_exactly_the_lines_asked_for(tmp_path: Path, lines: int) -> None:
    program = write_program(tmp_path, RECORDED, behaviour=Behaviour(crash_after_lines=lines))
    read = _run(program, "read")
    assert read.returncode == -signal.SIGKILL
    assert read.stdout.splitlines() == list(RECORDED.lines[:lines])


def test_a_program_can_die_in_the_middle_of_a_line(tmp_path: Path) -> None:
    behaviour = Behaviour(crash_after_lines=2, tear_last_line=True)
    lines = _run(write_program(tmp_path, RECORDED, behaviour=behaviour), "read").stdout.split(b"\n")
    assert lines[:2] == list(RECORDED.lines[:2])
    assert lines[2]
    assert RECORDED.lines[2].startswith(lines[2])
    assert lines[2] != RECORDED.lines[2]


def test_a_program_ends_with_its_own_words_and_status(tmp_path: Path) -> None:
    behaviour = Behaviour(exit_status=3, stderr="no more disk\n")
    read = _run(write_program(tmp_path, RECORDED, behaviour=behaviour), "read")
    assert (read.returncode, read.stderr) == (3, b"no more disk\n")
    assert read.stdout.splitlines() == list(RECORDED.lines)


def test_a_program_can_stall_and_ignore_being_asked_to_end(tmp_path: Path) -> None:
    behaviour = Behaviour(stall_after_lines=3, ignores_sigterm=True)
    program = write_program(tmp_path, RECORDED, behaviour=behaviour)
    with subprocess.Popen([program, "read"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(3)] == [
            line + b"\n" for line in RECORDED.lines[:3]
        ]
        process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        process.kill()
