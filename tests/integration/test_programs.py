"""Native connectors as Airbyte programs, piped into each other, against a real DuckDB file."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from penstock.destinations.duckdb import DuckDBDestination
from penstock.errors import ConnectorFailed, ProofFailed
from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.codec import decode_configured_catalog, decode_line, encode_states
from penstock.protocol.messages import Message
from penstock.protocol.state import State
from penstock.sdk.entrypoint import run_destination, run_source
from penstock.sdk.reading import Page, read_streams
from penstock.sources.faker import FakerConfig, FakerSource

Settings = dict[str, Any]


class Pipe:
    """A folder with a faker source and a DuckDB destination in it."""

    def __init__(self, folder: Path, *, mode: str = "append", **ids: int) -> None:
        self.folder = folder
        self.database = folder / "out.duckdb"
        out = io.BytesIO()
        assert run_source(FakerSource, ["discover", *self.files(config={})], out) == 0
        streams = json.loads(out.getvalue())["catalog"]["streams"]
        self.catalog = {
            "streams": [
                {"stream": stream, "sync_mode": "incremental", "destination_sync_mode": mode} | ids
                for stream in streams
            ]
        }

    def files(self, **contents: Any) -> list[str]:
        arguments = []
        for name, content in contents.items():
            path = self.folder / f"{name}.json"
            path.write_bytes(
                content if isinstance(content, bytes) else json.dumps(content).encode()
            )
            arguments += [f"--{name}", str(path)]
        return arguments

    def read(self, config: Settings, states: list[State] | None = None) -> bytes:
        out = io.BytesIO()
        files = {"config": config, "catalog": self.catalog}
        if states is not None:
            files["state"] = encode_states(states)  # type: ignore[assignment]  # text as it is
        assert run_source(FakerSource, ["read", *self.files(**files)], out) == 0
        return out.getvalue()

    def write(self, messages: bytes) -> tuple[int, list[Message]]:
        out = io.BytesIO()
        arguments = self.files(config={"path": str(self.database)}, catalog=self.catalog)
        status = run_destination(
            DuckDBDestination, ["write", *arguments], io.BytesIO(messages), out
        )
        return status, [decode_line(line) for line in out.getvalue().splitlines()]

    def rows(self, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.database), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.execute(f"SELECT {columns} FROM {table} ORDER BY 1").fetchall()


CONFIG = {"rows": 300, "products": 20, "state_every": 100, "batch_rows": 37}


def states_of(messages: list[Message]) -> list[State]:
    return [message.state for message in messages if message.state is not None]


def test_what_the_source_made_is_what_the_table_holds(tmp_path: Path) -> None:
    pipe = Pipe(tmp_path)
    status, messages = pipe.write(pipe.read(CONFIG))
    assert status == 0
    source = FakerSource(FakerConfig(rows=300, products=20))
    catalog = decode_configured_catalog(json.dumps(pipe.catalog).encode())
    made: dict[str, list[dict[str, Any]]] = {}
    for item in read_streams(source, catalog, ()):
        if isinstance(item, Page):
            assert not isinstance(item.rows, list)
            made.setdefault(item.configured.stream.name, []).extend(item.rows.to_pylist())
    for name, rows in made.items():
        columns = ", ".join(rows[0])
        landed = pipe.rows(name, columns)
        assert len(landed) == len(rows)
        for found, expected in zip(landed, rows, strict=True):
            assert normal(found) == normal(tuple(expected.values()))
    given_back = {
        state.stream.stream_descriptor.name: state for state in states_of(messages) if state.stream
    }
    assert given_back.keys() == {"users", "products", "purchases"}
    counted = sum(s.destination_stats.record_count for s in states_of(messages))  # type: ignore[union-attr, misc]
    assert counted == 620


def normal(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Compares JSON by content, and instants by the moment."""
    return tuple(
        json.loads(value) if isinstance(value, str) and value[:1] in "{[" and value[1:2] == '"'
        else value
        for value in row
    )  # fmt: skip


def without_counts(state: State) -> State:
    return msgspec.structs.replace(state, source_stats=None, destination_stats=None)


@pytest.mark.parametrize("counts", [True, False], ids=["with-counts", "without-counts"])
def test_every_state_is_given_back_in_order_with_its_own_rows(tmp_path: Path, counts: bool) -> None:
    pipe = Pipe(tmp_path)
    messages = pipe.read(CONFIG)
    if not counts:
        messages = re.sub(rb',"sourceStats":\{[^}]*\}', b"", messages)
    sent = states_of([decode_line(line) for line in messages.splitlines()])
    _, told = pipe.write(messages)
    for name in ("users", "products", "purchases"):
        stream = StreamDescriptor(name)
        back = [state for state in states_of(told) if state.descriptor == stream]
        expected = [without_counts(state) for state in sent if state.descriptor == stream]
        assert [without_counts(state) for state in back] == expected
        rows = [state.destination_stats.record_count for state in back if state.destination_stats]
        assert rows == ([20.0] if name == "products" else [100.0, 100.0, 100.0])


def test_the_states_given_back_continue_the_source(tmp_path: Path) -> None:
    pipe = Pipe(tmp_path, mode="append_dedup")
    _, messages = pipe.write(pipe.read(CONFIG))
    last = {s.stream.stream_descriptor: s for s in states_of(messages) if s.stream}
    more = CONFIG | {"rows": 350, "updates": 30}
    second = pipe.read(more, list(last.values()))
    status, _ = pipe.write(second)
    assert status == 0
    assert pipe.rows("users", "count(*), count(DISTINCT id), max(id)") == [(350, 350, 350)]
    assert pipe.rows("users", "count(*) FILTER (updated_at > created_at)") == [(30,)]


def cut(messages: bytes, *, after: int) -> bytes:
    return b"".join(messages.splitlines(keepends=True)[:after])


@pytest.mark.parametrize(("lines", "given_back"), [(204, 2), (250, 0)])
def test_an_input_that_ends_early_fails_and_publishes_nothing(
    tmp_path: Path, lines: int, given_back: int
) -> None:
    pipe = Pipe(tmp_path, mode="overwrite", generation_id=1, minimum_generation_id=1, sync_id=1)
    assert pipe.write(pipe.read(CONFIG))[0] == 0
    before = pipe.rows("users")
    pipe = Pipe(tmp_path, mode="overwrite", generation_id=2, minimum_generation_id=2, sync_id=2)
    other = CONFIG | {"seed": 1}
    status, told = pipe.write(cut(pipe.read(other), after=lines))
    assert status == ProofFailed.exit_status
    assert told[-1].trace is not None
    assert pipe.rows("users") == before
    # Rows are kept only up to a state that was given back: no retry can double them.
    durable = states_of(told)
    assert len(durable) == given_back
    assert pipe.write(pipe.read(other, durable[-1:]))[0] == 0
    assert pipe.rows("users", "id") == [(number,) for number in range(1, 301)]
    assert pipe.rows("users") != before


def test_an_overwrite_of_zero_rows_empties_the_table(tmp_path: Path) -> None:
    pipe = Pipe(tmp_path, mode="overwrite")
    assert pipe.write(pipe.read(CONFIG))[0] == 0
    assert pipe.write(pipe.read(CONFIG | {"rows": 0}))[0] == 0
    assert pipe.rows("users", "count(*)") == [(0,)]


def test_an_error_trace_of_the_source_fails_the_write(tmp_path: Path) -> None:
    pipe = Pipe(tmp_path)
    error = b'{"type":"TRACE","trace":{"type":"ERROR","emitted_at":1,"error":{"message":"Out."}}}\n'
    status, told = pipe.write(pipe.read(CONFIG) + error)
    assert status == ConnectorFailed.exit_status
    assert told[-1].trace is not None
    assert "Out." in str(told[-1].trace.error)


def test_a_source_that_miscounts_is_caught(tmp_path: Path) -> None:
    pipe = Pipe(tmp_path)
    messages = pipe.read(CONFIG).replace(b'"recordCount":100.0', b'"recordCount":101.0')
    status, told = pipe.write(messages)
    assert status == ProofFailed.exit_status
    assert "101 rows of" in str(told[-1].trace)


def test_a_lost_record_is_caught(tmp_path: Path) -> None:
    pipe = Pipe(tmp_path)
    lines = pipe.read(CONFIG).splitlines(keepends=True)
    lost = next(i for i, line in enumerate(lines) if b'"id":50,' in line)
    status, _ = pipe.write(b"".join(lines[:lost] + lines[lost + 1 :]))
    assert status == ProofFailed.exit_status


def test_a_source_without_statuses_is_published(tmp_path: Path) -> None:
    pipe = Pipe(tmp_path, mode="overwrite")
    silent = b"".join(
        line
        for line in pipe.read(CONFIG).splitlines(keepends=True)
        if b'"STREAM_STATUS"' not in line
    )
    assert pipe.write(silent)[0] == 0
    assert pipe.rows("users", "count(*)") == [(300,)]


@pytest.mark.parametrize("mode", ["update", "soft_delete"])
def test_a_mode_no_warehouse_has_is_a_config_error(tmp_path: Path, mode: str) -> None:
    status, told = Pipe(tmp_path, mode=mode).write(b"")
    assert status == 2
    assert "Choose one of" in str(told[-1].trace)


def test_two_processes_piped_together_move_the_rows(tmp_path: Path) -> None:
    pipe = Pipe(tmp_path)
    read = ["read", *pipe.files(config=CONFIG, catalog=pipe.catalog)]
    target = tmp_path / "target.json"
    target.write_text(json.dumps({"path": str(pipe.database)}))
    catalog = str(tmp_path / "catalog.json")
    write = ["write", "--config", str(target), "--catalog", catalog]
    program = [sys.executable, "-m", "penstock.cli", "connector"]
    source = subprocess.Popen([*program, "faker", *read], stdout=subprocess.PIPE)
    written = subprocess.run(
        [*program, "destination-duckdb", *write],
        stdin=source.stdout,
        capture_output=True,
        check=False,
    )
    assert source.stdout is not None
    source.stdout.close()
    assert (source.wait(), written.returncode) == (0, 0), written.stderr
    assert pipe.rows("purchases", "count(*)") == [(300,)]
