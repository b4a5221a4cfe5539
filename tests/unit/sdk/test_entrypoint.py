"""A native source as an Airbyte program: what it writes, and its exit status."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest

from penstock.errors import DataError
from penstock.protocol.catalog import SyncMode
from penstock.protocol.codec import decode_line, decode_states, encode, encode_states
from penstock.protocol.messages import Message, MessageType
from penstock.sdk.entrypoint import run_source
from penstock.sdk.stream import State
from penstock.sources.faker import FakerSource
from tests.unit.sdk.scripted_source import (
    ScriptedSource,
    ScriptedStream,
    catalog,
    source_of,
)

CANARY = "canary-7f3a9"
ROWS = [{"id": 1, "name": "a"}, {"id": 2, "name": None}]
STREAM = ScriptedStream(name="users", script=[ROWS, State({"n": 2}), [ROWS[0]], State({"n": 3})])


class Program:
    """Runs a source's commands with files in a folder."""

    def __init__(self, source: type[Any], folder: Path) -> None:
        self.source, self.folder = source, folder
        self.config: dict[str, Any] = {"token": CANARY}
        self.text = ""

    def __call__(self, verb: str, **files: Any) -> tuple[int, list[Message]]:
        arguments = [verb]
        if verb != "spec" and "config" not in files:
            files["config"] = json.dumps(self.config).encode()
        for name, content in files.items():
            path = self.folder / name
            path.write_bytes(content)
            arguments += [f"--{name}", str(path)]
        out = io.BytesIO()
        status = run_source(self.source, arguments, out)
        self.text = out.getvalue().decode()
        assert CANARY not in self.text
        messages = [decode_line(line) for line in out.getvalue().splitlines()]
        assert_valid(out.getvalue())
        return status, messages


def assert_valid(output: bytes) -> None:
    """Checks by hand what `airbyte_protocol.yaml` (v0) requires of the messages written here."""
    required = {
        "RECORD": ("record", {"stream", "data", "emitted_at"}),
        "STATE": ("state", {"type", "stream", "sourceStats"}),
        "LOG": ("log", {"level", "message"}),
        "TRACE": ("trace", {"type", "emitted_at"}),
        "SPEC": ("spec", {"connectionSpecification"}),
        "CATALOG": ("catalog", {"streams"}),
        "CONNECTION_STATUS": ("connectionStatus", {"status"}),
    }
    for line in output.splitlines():
        message = json.loads(line)
        name, keys = required[message["type"]]
        assert message.keys() == {"type", name}
        assert message[name].keys() >= keys
        if message["type"] == "STATE":
            assert type(message["state"]["sourceStats"]["recordCount"]) is float
        if message["type"] == "RECORD":
            assert message["record"]["emitted_at"] > 10**12


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(source_of(STREAM), tmp_path)


def kinds(messages: list[Message]) -> list[str]:
    found = []
    for message in messages:
        trace = message.trace
        if trace is not None and trace.stream_status is not None:
            found.append(trace.stream_status.status.value)
        elif trace is not None:
            found.append(trace.type)
        else:
            found.append(message.type.value)
    return found


def test_spec_is_the_configuration_class(program: Program) -> None:
    status, (message,) = program("spec")
    assert status == 0
    assert message.spec is not None
    schema = message.spec.connection_specification
    assert schema["title"] == "Scripted"
    assert schema["properties"]["token"]["airbyte_secret"] is True


def test_check_succeeds(program: Program) -> None:
    status, (message,) = program("check")
    assert status == 0
    assert message.connection_status is not None
    assert message.connection_status.status == "SUCCEEDED"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (b'{"token":3,"rowz":1}', "2 problems"),
        (b'{"token":"denied"}', "The token is refused"),
        (b"{", "not JSON"),
        (b"[]", "not an object"),
    ],
)
def test_a_bad_configuration_fails_the_check_with_status_0(
    program: Program, config: bytes, words: str
) -> None:
    status, messages = program("check", config=config)
    assert status == 0
    told = messages[-1].connection_status
    assert told is not None
    assert told.status == "FAILED"
    assert words in str(told.message)


def test_a_broken_check_is_an_error_trace_without_secrets(program: Program) -> None:
    status, messages = program("check", config=json.dumps({"token": f"broken {CANARY}"}).encode())
    assert status != 0
    assert kinds(messages) == ["ERROR"]
    trace = messages[0].trace
    assert trace is not None
    assert trace.error is not None
    assert "RuntimeError: cannot use ****" in trace.error.message


def test_discover_shows_the_streams(program: Program) -> None:
    status, (message,) = program("discover")
    assert status == 0
    assert message.catalog is not None
    (stream,) = message.catalog.streams
    assert (stream.name, stream.source_defined_primary_key) == ("users", (("id",),))


def test_read_writes_a_streams_whole_life(program: Program) -> None:
    status, messages = program("read", catalog=encode(catalog(STREAM)))
    assert status == 0
    assert kinds(messages) == [
        "STARTED",
        "RUNNING",
        "RECORD",
        "RECORD",
        "STATE",
        "RECORD",
        "STATE",
        "COMPLETE",
    ]
    counts = [m.state.source_stats.record_count for m in messages if m.state]  # type: ignore[union-attr]
    assert counts == [2.0, 1.0]
    rows = [json.loads(bytes(m.record.data)) for m in messages if m.record]
    assert rows == [*ROWS, ROWS[0]]


def test_read_continues_from_a_state_file(tmp_path: Path) -> None:
    program = Program(FakerSource, tmp_path)
    program.config = {"rows": 30, "products": 5, "state_every": 10}
    _, (message,) = program("discover")
    assert message.catalog is not None
    streams = [
        ScriptedStream(name=s.name, script=[], json_schema=s.json_schema)
        for s in message.catalog.streams
    ]
    chosen = encode(catalog(*streams))
    _, whole = program("read", catalog=chosen)
    states = [m.state for m in whole if m.state]
    first = states[0]
    _, rest = program("read", catalog=chosen, state=encode_states([first]))
    ids = [
        json.loads(bytes(m.record.data))["id"]
        for m in rest
        if m.record and m.record.stream == "users"
    ]
    assert ids == list(range(11, 31))
    last = {s.stream.stream_descriptor: s for s in states if s.stream}
    _, nothing = program("read", catalog=chosen, state=encode_states(list(last.values())))
    assert [m for m in nothing if m.record] == []
    assert len([m for m in nothing if m.state]) == 3


def test_read_leaves_out_columns_that_were_not_chosen(tmp_path: Path) -> None:
    program = Program(FakerSource, tmp_path)
    program.config = {"rows": 3}
    narrow = ScriptedStream(
        name="users", script=[], json_schema={"properties": {"email": {"type": "string"}}}
    )
    _, messages = program("read", catalog=encode(catalog(narrow)))
    rows = [json.loads(bytes(m.record.data)) for m in messages if m.record]
    assert [list(row) for row in rows] == [["email"]] * 3


def test_a_stream_without_a_cursor_is_read_whole_however_it_is_asked_for(tmp_path: Path) -> None:
    whole = ScriptedStream(name="users", script=[ROWS], modes=(SyncMode.FULL_REFRESH,))
    asked = catalog(whole)
    asked = msgspec.structs.replace(
        asked,
        streams=tuple(
            msgspec.structs.replace(each, sync_mode=SyncMode.INCREMENTAL) for each in asked.streams
        ),
    )
    status, messages = Program(source_of(whole), tmp_path)("read", catalog=encode(asked))
    assert status == 0
    assert kinds(messages).count("RECORD") == 2
    assert kinds(messages)[-1] == "COMPLETE"
    assert "read whole" in next(m.log.message for m in messages if m.log)


def test_a_failing_stream_is_incomplete_and_the_others_are_read(tmp_path: Path) -> None:
    failing = ScriptedStream(name="bad", script=[ROWS, DataError("Line 3 is odd.", remedy="Mend.")])
    program = Program(source_of(failing, STREAM), tmp_path)
    status, messages = program("read", catalog=encode(catalog(failing, STREAM)))
    assert status == DataError.exit_status
    found = kinds(messages)
    assert found[4:6] == ["INCOMPLETE", "LOG"]
    assert found[-2:] == ["COMPLETE", "ERROR"]
    error = messages[-1].trace.error  # type: ignore[union-attr]
    assert error is not None
    assert (error.failure_type, "Line 3 is odd." in error.message) == ("system_error", True)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"catalog": b"{"}, "configured catalogue is not valid"),
        ({"catalog": b'{"streams":[]}', "state": b"{"}, "state is not valid"),
        ({"catalog": b'{"streams":[]}', "config": b'{"token":1}'}, "token: must be a string"),
    ],
)
def test_read_with_a_bad_file_is_a_config_error_trace(
    program: Program, files: dict[str, bytes], words: str
) -> None:
    status, messages = program("read", **files)
    assert status == 2
    error = messages[-1].trace.error  # type: ignore[union-attr]
    assert error is not None
    assert error.failure_type == "config_error"
    assert words in error.message


def test_a_missing_file_is_named(program: Program, tmp_path: Path) -> None:
    out = io.BytesIO()
    status = run_source(program.source, ["check", "--config", str(tmp_path / "none.json")], out)
    assert status == 0
    assert "none.json cannot be read" in out.getvalue().decode()


def test_a_wrong_command_line_is_told_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.BytesIO()
    assert run_source(ScriptedSource, ["raed"], out) == 2
    assert out.getvalue() == b""
    assert "raed" in capsys.readouterr().err


def test_the_log_becomes_messages_without_secrets(tmp_path: Path) -> None:
    class Talking(ScriptedSource):
        def check(self) -> None:
            logging.getLogger("talking").warning("using %s", CANARY)

    status, messages = Program(Talking, tmp_path)("check")
    assert status == 0
    assert messages[0].type is MessageType.LOG
    assert messages[0].log is not None
    assert (messages[0].log.level, messages[0].log.message) == ("WARN", "using ****")


def test_a_listener_that_went_away_ends_the_program(tmp_path: Path) -> None:
    class Gone(io.BytesIO):
        def write(self, _data: Any) -> int:
            raise BrokenPipeError

    path = tmp_path / "config"
    path.write_text(json.dumps({"token": "t"}))
    assert run_source(source_of(STREAM), ["discover", "--config", str(path)], Gone()) == 1


def test_states_written_are_states_read(program: Program) -> None:
    _, messages = program("read", catalog=encode(catalog(STREAM)))
    states = [line for line in program.text.splitlines() if '"STATE"' in line]
    assert decode_states("\n".join(states).encode()) == tuple(m.state for m in messages if m.state)
