"""Destination programs: what they are given, what counts as a commit, and how they may fail."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest

from penstock.engine.events import Event, LogEmitted, Receipt, SyncFinished
from penstock.engine.registry import destination_runner, source_runner
from penstock.engine.run import run
from penstock.engine.settings import ConnectorRef, RunSpec, SyncSettings
from penstock.engine.state_store import open_state_store
from penstock.errors import ConfigError
from penstock.protocol.catalog import (
    CatalogStream,
    ConfiguredCatalog,
    ConfiguredStream,
    DestinationSyncMode,
    StreamDescriptor,
    SyncMode,
)
from penstock.testing.replay import Behaviour, Transcript, write_program
from tests.integration.engine.runners.destination_program import write_destination
from tests.integration.engine.runners.programs import is_alive, wait_until

pytestmark = pytest.mark.usefixtures("without_registry")

CANARY = "canary-71c0"
USERS = StreamDescriptor("users")
CONFIG = {"rows": 400, "products": 20, "state_every": 100, "batch_rows": 50}


@dataclass
class Sync:
    """Syncs into a scripted destination, one after the other."""

    folder: Path
    behaviour: str = ""
    source: ConnectorRef = field(
        default_factory=lambda: ConnectorRef(name="source-faker", config=CONFIG)
    )
    write: DestinationSyncMode = DestinationSyncMode.APPEND
    sync_mode: SyncMode = SyncMode.INCREMENTAL
    settings: SyncSettings = field(default_factory=lambda: SyncSettings(commit_bytes=1))
    stop: threading.Event = field(default_factory=threading.Event)
    events: list[Event] = field(default_factory=list)

    @property
    def place(self) -> Path:
        return self.folder / "there"

    def __call__(self, *, streams: tuple[str, ...] | None = None, **choices: Any) -> Receipt:
        program = write_destination(self.place, self.behaviour)
        catalog = source_runner(self.source).discover(self.source.config)
        chosen = [s for s in catalog.streams if streams is None or s.name in streams]
        spec = RunSpec(
            connection="c",
            source=self.source,
            destination=ConnectorRef(
                name="destination-scripted",
                executable=str(program),
                config={"place": "here", "password": CANARY},
            ),
            catalog=ConfiguredCatalog(streams=tuple(self.configured(s, choices) for s in chosen)),
            settings=self.settings,
        )
        self.events = list(run(spec, stop=self.stop, data_dir=self.folder / "home"))
        assert isinstance(self.events[-1], SyncFinished)
        assert CANARY not in repr(self.events)
        return self.events[-1].receipt

    def configured(self, stream: CatalogStream, choices: dict[str, Any]) -> ConfiguredStream:
        return ConfiguredStream(
            stream=stream,
            sync_mode=self.sync_mode,
            destination_sync_mode=self.write,
            primary_key=(("id",),),
            **choices,
        )

    def lines(self) -> list[dict[str, Any]]:
        path = self.place / "lines"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def ids(self, stream: str = "users") -> list[int]:
        records = [line["record"] for line in self.lines() if line["type"] == "RECORD"]
        return [record["data"]["id"] for record in records if record["stream"] == stream]

    def catalogs(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.place / "catalogs").read_text().splitlines()]

    def position(self, stream: StreamDescriptor = USERS) -> dict[str, Any] | None:
        for kept in open_state_store(self.folder / "home").load("c"):
            if kept.stream == stream and kept.state and kept.state.stream:
                found: dict[str, Any] = json.loads(bytes(kept.state.stream.stream_state))
                return found
        return None

    def saw_the_end(self) -> bool:
        return (self.place / "ended").exists()

    def process_is_gone(self) -> bool:
        pids = [int(line) for line in (self.place / "pids").read_text().split()]
        return not any(is_alive(pid) for pid in pids)


@pytest.fixture
def sync(tmp_path: Path) -> Sync:
    return Sync(tmp_path)


def error_of(receipt: Receipt) -> dict[str, Any]:
    assert receipt.outcome == "failed"
    assert receipt.error is not None
    assert CANARY not in json.dumps(receipt.error)
    return receipt.error


@pytest.mark.parametrize(
    "behaviour",
    ["", "counts", "gives back at the end", "gives back the last", "ends late"],
    ids=["at-once", "counts", "all-at-the-end", "the-last-at-the-end", "late"],
)
def test_a_sync_is_proved_however_the_program_gives_states_back(sync: Sync, behaviour: str) -> None:
    sync.behaviour = behaviour
    receipt = sync()
    assert receipt.outcome == "succeeded", receipt.error
    assert {str(s.stream): s.rows_committed for s in receipt.streams} == {
        "users": 400,
        "products": 20,
        "purchases": 400,
    }
    assert sync.ids() == list(range(1, 401))
    assert sync.position()["next"] == 400  # type: ignore[index]
    again = sync()
    assert (again.outcome, again.rows_committed) == ("succeeded", 0)
    assert len(sync.ids()) == 400


def test_the_program_is_told_names_modes_generations_and_every_stream_end(sync: Sync) -> None:
    sync.settings = SyncSettings(prefix="p_", namespace="marts", commit_bytes=1)
    sync.write, sync.sync_mode = DestinationSyncMode.OVERWRITE, SyncMode.FULL_REFRESH
    assert sync(streams=("users", "products"), sync_id=7).outcome == "succeeded"
    assert sync(streams=("users",), sync_id=8).outcome == "succeeded"
    first, second = sync.catalogs()
    told = first["streams"][0]
    assert (told["stream"]["name"], told["stream"]["namespace"]) == ("p_users", "marts")
    assert told["destination_sync_mode"] == "overwrite"
    ids = [(s["generation_id"], s["minimum_generation_id"], s["sync_id"]) for s in first["streams"]]
    assert ids == [(1, 1, 7), (1, 1, 7)]
    assert second["streams"][0]["generation_id"] == 2
    records = [line["record"] for line in sync.lines() if line["type"] == "RECORD"]
    assert {(r["stream"], r["namespace"]) for r in records} == {
        ("p_users", "marts"),
        ("p_products", "marts"),
    }
    ends = [line["trace"]["stream_status"] for line in sync.lines() if line["type"] == "TRACE"]
    assert [end["status"] for end in ends] == ["COMPLETE"] * 3
    assert ends[0]["stream_descriptor"] == {"name": "p_users", "namespace": "marts"}
    states = [line["state"] for line in sync.lines() if line["type"] == "STATE"]
    assert {s["stream"]["stream_descriptor"]["namespace"] for s in states} == {"marts"}
    assert sum(s["sourceStats"]["recordCount"] for s in states) == len(records)


def record(data: str) -> bytes:
    return b'{"type":"RECORD","record":{"stream":"s","data":%b,"emitted_at":1700000000123}}' % (
        data.encode()
    )


def state(n: int, kind: str = "STREAM") -> bytes:
    inner = {"stream_descriptor": {"name": "s"}, "stream_state": {"n": n}}
    told: dict[str, Any] = {"type": "STREAM", "stream": inner}
    if kind == "GLOBAL":
        told = {"type": "GLOBAL", "global": {"shared_state": {"n": n}, "stream_states": [inner]}}
    return json.dumps({"type": "STATE", "state": told}).encode()


def status(kind: str) -> bytes:
    return (
        b'{"type":"TRACE","trace":{"type":"STREAM_STATUS","emitted_at":1,"stream_status":'
        b'{"stream_descriptor":{"name":"s"},"status":"%b"}}}' % kind.encode()
    )


CUT_SHORT = (
    status("STARTED"),
    record('{"id": 1}'),
    state(1),
    record('{"id": 2}'),
    status("COMPLETE"),
)
"""A stream; the fifth line of a read, the catalogue being its first, is its second record."""


def recorded(folder: Path, *lines: bytes, **how: Any) -> ConnectorRef:
    catalog = (
        b'{"type":"CATALOG","catalog":{"streams":[{"name":"s","json_schema":{"type":"object",'
        b'"properties":{"id":{"type":"integer"}}},'
        b'"supported_sync_modes":["full_refresh","incremental"],"source_defined_cursor":true,'
        b'"default_cursor_field":["id"]}]}}'
    )
    folder.mkdir(exist_ok=True)
    program = write_program(
        folder, Transcript((catalog, *lines)), behaviour=Behaviour(**how) if how else None
    )
    return ConnectorRef(name="source-recorded", executable=str(program))


def test_records_reach_the_program_as_the_source_wrote_them(sync: Sync, tmp_path: Path) -> None:
    data = (
        '{"id": 9007199254740993, "amount": 0.10000000000000000000001, "text": "é\\n\\"",'
        ' "undeclared": [1.0, {"x": null}], "zero": 0, "no": false}'
    )
    lines = (status("STARTED"), record(data), state(1), status("COMPLETE"))
    sync.source = recorded(tmp_path / "source", *lines)
    assert sync().outcome == "succeeded"
    (line,) = [x for x in (sync.place / "lines").read_text().splitlines() if '"RECORD"' in x]
    assert data in line
    assert json.loads(line)["record"]["emitted_at"] == 1700000000123


def test_a_global_state_is_remembered_when_it_is_given_back(sync: Sync, tmp_path: Path) -> None:
    lines = [status("STARTED")]
    for n in range(1, 4):
        lines += [record(json.dumps({"id": n})), state(n, "GLOBAL")]
    sync.source = recorded(tmp_path / "source", *lines, status("COMPLETE"))
    receipt = sync()
    assert receipt.outcome == "succeeded", receipt.error
    assert receipt.rows_committed == 3
    kept = [k for k in open_state_store(tmp_path / "home").load("c") if k.stream is None]
    assert kept[0].state is not None
    assert bytes(kept[0].state.global_.shared_state) == b'{"n": 3}'  # type: ignore[union-attr]
    sent = [line["state"]["type"] for line in sync.lines() if line["type"] == "STATE"]
    assert set(sent) == {"GLOBAL"}


@pytest.mark.parametrize(
    ("behaviour", "code", "words"),
    [
        ("dies", "connector_failed", "exit status 3"),
        ("is refused", "config", "The schema was dropped."),
        ("gives nothing back", "proof_failed", "without giving back the last state of"),
        ("miscounts", "proof_failed", "the destination committed 1"),
        ("rejects", "proof_failed", "rejected 1 records of"),
    ],
)
def test_a_program_that_fails_fails_the_sync_in_its_own_words(
    sync: Sync, behaviour: str, code: str, words: str
) -> None:
    sync.behaviour = behaviour
    error = error_of(sync())
    assert (error["code"], words in error["message"]) == (code, True), error
    assert error["remedy"]
    assert sync.process_is_gone()


def test_a_program_that_reads_nothing_and_ends_well_fails_the_sync(sync: Sync) -> None:
    sync.behaviour = "ends at once"
    error = error_of(sync())
    # The one while rows are still being written, the other when all of them fit into the pipe.
    told = ("ended before its input did", "without giving back the last state of")
    assert any(words in error["message"] for words in told), error
    assert sync.position() is None


def test_what_was_given_back_before_a_death_is_continued_from(sync: Sync) -> None:
    sync.behaviour = "dies"
    sync()
    assert sync.position() == {**sync.position(), "next": 200}  # type: ignore[dict-item]
    sync.behaviour = ""
    assert sync().outcome == "succeeded"
    assert sorted(set(sync.ids())) == list(range(1, 401))
    assert len(sync.ids()) == 250 + 200  # at least once: the fifty of no state come again


def test_a_miscounted_commit_is_not_remembered(sync: Sync) -> None:
    sync.behaviour = "miscounts"
    sync()
    assert sync.position() is None


def test_a_failed_source_keeps_what_was_given_back_and_tells_of_the_unfinished_stream(
    sync: Sync, tmp_path: Path
) -> None:
    sync.source = recorded(
        tmp_path / "source", *CUT_SHORT, crash_after_lines=5, stderr="Out of quota."
    )
    assert "Out of quota" in error_of(sync())["message"]
    assert sync.position(StreamDescriptor("s")) == {"n": 1}
    assert sync.lines()[-1]["trace"]["stream_status"]["status"] == "INCOMPLETE"
    assert sync.saw_the_end()


def test_a_failed_source_never_looks_like_the_end_of_an_overwrite(
    sync: Sync, tmp_path: Path
) -> None:
    sync.write, sync.sync_mode = DestinationSyncMode.OVERWRITE, SyncMode.FULL_REFRESH
    sync.source = recorded(tmp_path / "source", *CUT_SHORT, crash_after_lines=5, delay_seconds=0.5)
    error_of(sync())
    assert sync.process_is_gone()
    assert not sync.saw_the_end()
    assert sync.position(StreamDescriptor("s")) is None


def test_a_source_that_fails_before_its_first_row_never_starts_the_destination(
    sync: Sync, tmp_path: Path
) -> None:
    sync.source = recorded(tmp_path / "source", *CUT_SHORT, crash_after_lines=1)
    error_of(sync())
    assert not (sync.place / "pids").exists()


def test_a_busy_program_holds_the_source_back_and_a_stop_ends_both(sync: Sync) -> None:
    sync.behaviour = "never reads"
    sync.source = ConnectorRef(name="source-faker", config={"rows": 2_000_000})
    sync.settings = SyncSettings(buffer_bytes=1 << 20)
    stopped_at = []

    def stop_when_it_runs() -> None:
        wait_until((sync.place / "pids").exists, seconds=60)
        time.sleep(2)  # What the source can send, it has sent then.
        stopped_at.append(time.monotonic())
        sync.stop.set()

    threading.Thread(target=stop_when_it_runs, daemon=True).start()
    receipt = sync(streams=("users",))
    assert receipt.outcome == "cancelled"
    assert receipt.streams[0].rows_read < 500_000
    assert time.monotonic() - stopped_at[0] < 17
    assert sync.process_is_gone()


RUN = """
import sys, threading
from penstock.engine.run import run
from penstock.engine.settings import RunSpec
import msgspec
from pathlib import Path
spec = msgspec.json.decode(sys.stdin.buffer.read(), type=RunSpec)
for event in run(spec, data_dir=Path(sys.argv[1])):
    pass
"""


def test_penstocks_death_never_looks_like_the_end_of_the_data(sync: Sync, tmp_path: Path) -> None:
    sync.source = recorded(tmp_path / "source", *CUT_SHORT, stall_after_lines=5)
    program = write_destination(sync.place)
    catalog = source_runner(sync.source).discover({})
    spec = {
        "connection": "c",
        "source": {"name": "source-recorded", "executable": sync.source.executable},
        "destination": {
            "name": "destination-scripted",
            "executable": str(program),
            "config": {"place": "here"},
        },
        "catalog": {
            "streams": [
                {
                    "stream": {"name": "s", "json_schema": catalog.streams[0].json_schema},
                    "sync_mode": "full_refresh",
                    "destination_sync_mode": "overwrite",
                }
            ]
        },
    }
    child = subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path / "home")],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    assert child.stdin is not None
    child.stdin.write(json.dumps(spec).encode())
    child.stdin.close()
    assert wait_until(lambda: len(sync.lines()) == 2, 30)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert wait_until(sync.process_is_gone, 30)
    assert not sync.saw_the_end()


def test_what_the_program_logs_is_told_as_the_destinations(sync: Sync) -> None:
    sync(streams=("products",))
    told = [e for e in sync.events if isinstance(e, LogEmitted) and e.origin == "destination"]
    assert ("WARN", "flushed, ****") in [(e.level, e.message) for e in told]


def test_check_and_settings_are_the_programs_own(tmp_path: Path) -> None:
    program = write_destination(tmp_path / "there", modes=("append",))
    ref = ConnectorRef(name="destination-scripted", executable=str(program))
    runner = destination_runner(ref)
    assert [mode.value for mode in runner.capabilities.modes] == ["append"]
    assert not runner.capabilities.exactly_once
    runner.open({"place": "here"}).check()
    with pytest.raises(ConfigError, match="no elsewhere"):
        runner.open({"place": "elsewhere"}).check()
    with pytest.raises(ConfigError, match="place"):
        runner.open({"password": CANARY})


def test_a_mode_the_program_does_not_name_is_refused_before_anything_is_read(sync: Sync) -> None:
    write_destination(sync.place)
    sync.write = DestinationSyncMode.SOFT_DELETE
    error = error_of(sync())
    assert error["code"] == "config"
    assert not (sync.place / "pids").exists()


def test_our_own_destination_as_a_program_lands_every_row_and_truncates(
    sync: Sync, tmp_path: Path
) -> None:
    program = tmp_path / "destination-duckdb"
    penstock = f"{sys.executable} -m penstock.cli connector destination-duckdb"
    program.write_text(f'#!/bin/sh\nexec {penstock} "$@"\n')
    program.chmod(0o755)
    database = tmp_path / "out.duckdb"

    def move(rows: int, **choices: Any) -> Receipt:
        source = ConnectorRef(name="source-faker", config=CONFIG | {"rows": rows})
        streams = source_runner(source).discover(source.config).streams
        spec = RunSpec(
            connection="own",
            source=source,
            destination=ConnectorRef(
                name="destination-own", executable=str(program), config={"path": str(database)}
            ),
            catalog=ConfiguredCatalog(
                streams=tuple(
                    ConfiguredStream(stream=s, primary_key=(("id",),), **choices)
                    for s in streams
                    if s.name == "users"
                )
            ),
            settings=SyncSettings(prefix="x_", namespace="marts"),
        )
        *_, last = run(spec, data_dir=tmp_path / "home")
        assert isinstance(last, SyncFinished)
        return last.receipt

    dedup = {
        "sync_mode": SyncMode.INCREMENTAL,
        "destination_sync_mode": DestinationSyncMode.APPEND_DEDUP,
    }
    assert move(400, **dedup).outcome == "succeeded"
    assert move(500, **dedup).rows_committed == 100
    query = "SELECT count(*), count(DISTINCT id), max(id) FROM marts.x_users"
    with duckdb.connect(str(database), read_only=True) as connection:
        assert connection.execute(query).fetchone() == (500, 500, 500)
    anew = {
        "sync_mode": SyncMode.FULL_REFRESH,
        "destination_sync_mode": DestinationSyncMode.OVERWRITE,
    }
    assert move(30, **anew).outcome == "succeeded"
    with duckdb.connect(str(database), read_only=True) as connection:
        assert connection.execute(query).fetchone() == (30, 30, 30)
