"""Pulsar for the tests: the broker pulsar-lite behind a gate, and what lies in a topic.

One broker a session; processes that a test starts find it by `pulsar_near`. A test takes topics
of its own by their names. pulsar-lite is a program of its own in a wheel: Linux on x86-64.
"""

from __future__ import annotations

import hashlib
import io
import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import _pulsar
import fastavro
import pulsar
import pytest

from penstock.data.json_text import split_object
from penstock.data.types import Kind
from penstock.testing.cells import Cell, Found, cell_of_text
from tests.doubles.pulsar_frames import decode
from tests.doubles.pulsar_gate import Gate, pulsar_gate

_ADDRESS_FILE: Final = "pulsar-server.json"
_START_SECONDS: Final = 30.0
_READ_MILLISECONDS: Final = 5_000
_READERS: Final = 6
_SETTINGS: Final = "[metrics]\nenabled = false\n"
"""Its metrics would listen on a fixed port."""


@contextmanager
def broker_process(
    folder: Path, *, partitions: int = 0
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Starts pulsar-lite on a free port of loopback, its data in a folder; gives the port, too.

    With partitions, every topic has so many.
    """
    package = find_spec("pulsar_lite")
    if package is None or package.origin is None:
        pytest.fail("No broker: pulsar-lite is not installed (Linux on x86-64, `uv sync`).")
    program = Path(package.origin).parent / "bin" / "pulsar-lite"
    settings = folder / "pulsar-lite.toml"
    settings.write_text(f"default_partitions = {partitions}\n{_SETTINGS}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = ["--config", settings, "--addr", f"127.0.0.1:{port}", "--db-path", folder / "db"]
    with (folder / "pulsar-lite.log").open("wb") as log:
        process = subprocess.Popen(
            [program, *where, "--log-level", "warn"], cwd=folder, stdout=log, stderr=log
        )
    try:
        _await_port(process, port, folder)
        yield process, port
    finally:
        process.kill()
        process.wait()


def _await_port(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    pytest.fail(f"pulsar-lite did not start: {(folder / 'pulsar-lite.log').read_text()[-2000:]}")


@pytest.fixture(scope="session")
def pulsar_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The session's broker, as it is: without logins, TLS and schemas."""
    with broker_process(tmp_path_factory.mktemp("pulsar")) as (_, port):
        yield port


@pytest.fixture(scope="session")
def pulsar_server(pulsar_broker: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """The session's broker behind a gate that lets everybody in, found by `pulsar_near`."""
    with pulsar_gate(Gate(broker=pulsar_broker)) as gate:
        address = tmp_path_factory.getbasetemp() / _ADDRESS_FILE
        address.write_text(json.dumps({"url": url_of(gate)}))
        yield gate


def url_of(gate: Gate) -> str:
    return f"pulsar://127.0.0.1:{gate.port}"


def pulsar_near(place: Path) -> str:
    """Returns the session's broker in any process that knows a folder of one of its tests."""
    for folder in place.parents:
        address = folder / _ADDRESS_FILE
        if address.exists():
            url: str = json.loads(address.read_text())["url"]
            return url
    pytest.fail(f"No broker was started for {place}: ask for the fixture pulsar_server.")


def topic_prefix(place: Path) -> str:
    """Returns how the names of one place's topics begin."""
    return "p" + hashlib.sha256(str(place).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Written:
    """The schema that a message was written with; raw ones have none."""

    definition: Mapping[str, Any] | None = None
    stored: Any = None
    """Of AVRO, how the fields are stored: Python has no instants before the year 1."""


@dataclass(frozen=True)
class Read:
    """One message as a consumer has it."""

    content: bytes | None
    key: str
    event_at: int
    schema: Written

    def row(self) -> dict[str, Found]:
        """Returns the message's fields by the names of their columns."""
        assert self.content is not None
        definition = self.schema.definition
        if definition is None:
            return _raw_row(self.content)
        if self.schema.stored is not None:
            values = fastavro.schemaless_reader(io.BytesIO(self.content), self.schema.stored, None)
            decoded = _avro_cell
        else:
            values = json.loads(self.content, parse_int=str, parse_float=str)
            decoded = _json_cell
        assert isinstance(values, dict)
        assert values.keys() == {each["name"] for each in definition["fields"]}
        return {
            each.get("column", each["name"]): decoded(each, values[each["name"]])
            for each in definition["fields"]
        }


def read_topic(url: str, topic: str, *, has_schemas: bool = True) -> list[Read]:
    """Returns all that a new consumer finds in a topic, in its order.

    pulsar-lite itself has no schemas, and does not answer who asks for one.
    """
    client = pulsar.Client(
        url,
        operation_timeout_seconds=20,
        logger=pulsar.FileLogger(pulsar.LoggerLevel.Error, "/dev/null"),
    )
    try:
        for _ in range(_READERS - 1):
            # On a busy machine pulsar-lite at times stops sending to a reader; to another it gives
            # all that it has kept.
            with suppress(_pulsar.Timeout):
                return _all_of(client, topic, has_schemas=has_schemas)
        return _all_of(client, topic, has_schemas=has_schemas)
    finally:
        client.close()


def _all_of(client: pulsar.Client, topic: str, *, has_schemas: bool) -> list[Read]:
    reader = client.create_reader(topic, pulsar.MessageId.earliest)
    schemas: dict[str, Written] = {}
    found: list[Read] = []
    rest = 0
    while rest or _has_more(reader):
        message = reader.read_next(_READ_MILLISECONDS)
        rest = _rest_of_batch(message)
        version = message.schema_version()
        if version not in schemas:
            schemas[version] = (
                _schema_of(client, topic, version) if version and has_schemas else Written()
            )
        content = None if message.has_null_value() else message.data()
        key, event_at = message.partition_key(), message.event_timestamp()
        found.append(Read(content, key, event_at, schemas[version]))
    return found


def compacted(messages: list[Read]) -> list[Read]:
    """Returns what compaction leaves of a topic: of each key the last, unless a tombstone."""
    last = {message.key or number: message for number, message in enumerate(messages)}
    return [message for message in last.values() if message.content is not None]


def found_in(messages: list[Read]) -> list[dict[str, Found]]:
    """Returns messages as the rows of one table: a field that one has not is null in it."""
    rows = [message.row() for message in messages]
    kinds = {name: found.kind for row in rows for name, found in row.items()}
    return [
        {name: row.get(name, Found(kind, None)) for name, kind in kinds.items()} for row in rows
    ]


def _has_more(reader: pulsar.Reader) -> bool:
    try:
        return bool(reader.has_message_available())
    except _pulsar.UnknownError:
        return False  # So says pulsar-lite of a topic in which never was a message.


def _rest_of_batch(message: pulsar.Message) -> int:
    """Returns how many messages of the same batch are to come.

    The client says that there are no more while it is still taking a batch apart.
    """
    place = decode(message.message_id().serialize())  # `MessageIdData` of PulsarApi.proto
    index, size = place.get(4, 0), place.get(6, 0)
    assert isinstance(index, int)
    assert isinstance(size, int)
    return max(0, size - index - 1)


def _schema_of(client: pulsar.Client, topic: str, version: str) -> Written:
    number = int.from_bytes(version.encode("latin-1"), "big")
    info = client._client.get_schema_info(topic, number)
    definition = json.loads(info.schema())
    if info.schema_type() != _pulsar.SchemaType.AVRO:
        return Written(definition)
    return Written(definition, fastavro.parse_schema(_without_logical_types(definition)))


def _raw_row(content: bytes) -> dict[str, Found]:
    values = json.loads(content)
    parts = {name: text.decode() for name, text in split_object(content).items()}
    at = cell_of_text(Kind.TIMESTAMP_TZ, values["_airbyte_extracted_at"])
    return {
        "_airbyte_data": Found(Kind.JSON, parts["_airbyte_data"]),
        "_airbyte_raw_id": Found(Kind.STRING, values["_airbyte_raw_id"]),
        "_airbyte_extracted_at": Found(Kind.TIMESTAMP_TZ, at),
        "_airbyte_meta": Found(Kind.JSON, parts["_airbyte_meta"]),
        "_airbyte_generation_id": Found(Kind.INTEGER, values["_airbyte_generation_id"]),
    }


def _without_logical_types(definition: Mapping[str, Any]) -> dict[str, Any]:
    fields = [
        {"name": each["name"], "type": _stored(each["type"])} for each in definition["fields"]
    ]
    return {**definition, "fields": fields}


def _stored(avro: Any) -> Any:
    if isinstance(avro, list):
        return [_stored(each) for each in avro]
    return avro["type"] if isinstance(avro, dict) else avro


def _avro_cell(field: Mapping[str, Any], value: Any) -> Found:
    """Reads a stored value by the logical type in the schema alone, as any consumer would."""
    about = field["type"][1] if isinstance(field["type"], list) else field["type"]
    logical = about.get("logicalType") if isinstance(about, dict) else None
    if logical == "decimal":
        kind = Kind.DECIMAL if about["scale"] else Kind.BIG_INTEGER
        if value is None:
            return Found(kind, None)
        unscaled = int.from_bytes(value, "big", signed=True)
        digits = tuple(map(int, str(abs(unscaled))))
        exact = Decimal((int(unscaled < 0), digits, -about["scale"]))
        return Found(kind, exact if about["scale"] else unscaled)
    if logical is not None:
        return Found(_LOGICAL[logical], value)
    kind = _PLAIN[about]
    return Found(Kind.JSON if field["kind"] == "json" else kind, value)


_LOGICAL: Final = {
    "date": Kind.DATE,
    "timestamp-micros": Kind.TIMESTAMP_TZ,
    "local-timestamp-micros": Kind.TIMESTAMP,
    "time-micros": Kind.TIME,
}
_PLAIN: Final = {
    "string": Kind.STRING,
    "boolean": Kind.BOOLEAN,
    "long": Kind.INTEGER,
    "double": Kind.NUMBER,
}


def _json_cell(field: Mapping[str, Any], value: Any) -> Found:
    """Reads a value by what the schema says of its field; numbers come as their digits."""
    kind = Kind(field["kind"])
    about = field["type"][1] if isinstance(field["type"], list) else field["type"]
    if value is None:
        return Found(kind, None)
    read: Callable[[str], Cell] = {"long": int, "double": float}.get(about, str)
    if about == "boolean":
        assert isinstance(value, bool)
        return Found(kind, value)
    assert isinstance(value, str)
    if about == "string":
        cell = value if kind in (Kind.STRING, Kind.JSON) else _text_cell(kind, value)
        return Found(kind, cell)
    return Found(kind, read(value))


def _text_cell(kind: Kind, text: str) -> Cell:
    cell = cell_of_text(kind, text)
    assert cell is not None, f"{text!r} is no {kind}"
    return cell
