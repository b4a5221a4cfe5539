"""A gate before pulsar-lite: the logins, TLS, schemas and refusals that it has not.

The real client talks to the gate; all that the gate does not decide itself goes to the broker and
back unchanged. What it decides follows Pulsar's own broker: CONNECT without a valid token is
answered by ERROR AuthenticationError and the end of the connection; a producer's schema must be
one that readers of the older ones can read, and gets a version.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.doubles.pulsar_frames import (
    Command,
    Fields,
    ServerError,
    decode,
    encode,
    frame,
    read_frame,
)

_AVRO, _JSON = 4, 2
_PARTITION = re.compile(r"-partition-\d+$")
Definition = dict[str, Any]


def _text(fields: Fields, number: int) -> str:
    value = fields.get(number, b"")
    assert isinstance(value, bytes)
    return value.decode()


def _number(fields: Fields, number: int) -> int:
    value = fields.get(number, 0)
    assert isinstance(value, int)
    return value


@dataclass
class Gate:
    """What the gate asks and refuses, and what it has seen; changed by tests as they go."""

    broker: int
    """Port of pulsar-lite."""
    accepts: Callable[[str, bytes], bool] | None = None
    """Told the method and data of a login; None: no login is asked."""
    refuses_topic: Callable[[str], ServerError | None] = lambda _: None
    """Why a producer on this topic is refused, if it is."""
    answers_send: Callable[[int], ServerError | str | None] = lambda _: None
    """Told how many frames of messages came before: an error to give; 'silence' gives no answer
    and stores nothing; 'close' ends the connection."""
    port: int = 0
    tls_port: int = 0
    logins: list[tuple[str, bytes]] = field(default_factory=list)
    producers: list[str] = field(default_factory=list)
    """Topics in the order in which producers came to them."""
    sent: int = 0
    """Frames of messages that reached the gate."""
    renewed: list[bytes] = field(default_factory=list)
    """Data of logins that clients gave when they were asked again."""
    connections: set[_Passing] = field(default_factory=set, repr=False)
    writers: list[asyncio.StreamWriter] = field(default_factory=list, repr=False)
    """Of both sides of every connection there was."""
    loop: asyncio.AbstractEventLoop | None = field(default=None, repr=False)
    schemas: dict[str, list[tuple[int, Definition]]] = field(default_factory=dict)
    """Versions of each topic's schema: type and definition."""

    def ask_again(self) -> None:
        """Asks each client for a new login, as a broker does when a token has expired."""
        assert self.loop is not None
        for passing in list(self.connections):
            asyncio.run_coroutine_threadsafe(passing.challenge(), self.loop).result(10)


@contextmanager
def pulsar_gate(gate: Gate, *, certificate: ssl.SSLContext | None = None) -> Iterator[Gate]:
    """Opens the gate on a free loopback port, and on a second one with TLS."""
    loop = asyncio.new_event_loop()
    started = threading.Event()

    async def serve() -> None:
        async def plain(r: asyncio.StreamReader, w: asyncio.StreamWriter) -> None:
            await _Passing(gate, r, w).run()

        servers = [await asyncio.start_server(plain, "127.0.0.1", 0)]
        gate.port = servers[0].sockets[0].getsockname()[1]
        if certificate is not None:
            servers.append(await asyncio.start_server(plain, "127.0.0.1", 0, ssl=certificate))
            gate.tls_port = servers[1].sockets[0].getsockname()[1]
        gate.loop = loop
        started.set()
        try:
            await stop.wait()
        finally:
            for server in servers:
                server.close()
            # Not cancelled: one that is being accepted would leave its socket open.
            while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
                for writer in gate.writers:
                    writer.transport.abort()
                await asyncio.wait(tasks, timeout=0.05)
            closing = [writer.wait_closed() for writer in gate.writers]
            await asyncio.gather(*closing, return_exceptions=True)

    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert started.wait(60), "the gate did not open"
    try:
        yield gate
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        loop.close()


class _Passing:
    """One connection of a client, and the gate's own to the broker."""

    def __init__(
        self, gate: Gate, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._gate = gate
        self._client = (reader, writer)
        self._method = ""
        self._saying = asyncio.Lock()
        self._versions: dict[int, bytes] = {}
        """Schema versions to be told, by the request that asked for a producer."""

    async def run(self) -> None:
        self._gate.writers.append(self._client[1])
        try:
            broker = await asyncio.open_connection("127.0.0.1", self._gate.broker)
        except OSError:
            self._client[1].close()
            return
        self._gate.writers.append(broker[1])
        tasks = [
            asyncio.ensure_future(self._forward(broker[1])),
            asyncio.ensure_future(self._back(broker[0])),
        ]
        self._gate.connections.add(self)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._gate.connections.discard(self)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for writer in (self._client[1], broker[1]):
                writer.close()

    async def _forward(self, broker: asyncio.StreamWriter) -> None:
        while True:
            number, fields, whole = await read_frame(self._client[0])
            answer = self._decided(number, fields)
            if answer is None:
                broker.write(whole)
                await broker.drain()
                continue
            content, goes_on = answer
            await self._say(content)
            if not goes_on:
                return

    async def _say(self, content: bytes) -> None:
        async with self._saying:
            self._client[1].write(content)
            await self._client[1].drain()

    def _decided(  # noqa: PLR0911 (a line a command)
        self, number: int, fields: Fields
    ) -> tuple[bytes, bool] | None:
        """Returns what the gate answers itself and whether the connection stays; None passes on."""
        match number:
            case Command.CONNECT:
                return self._login(fields)
            case Command.PRODUCER:
                return self._producer(fields)
            case Command.SEND:
                return self._send(fields)
            case Command.GET_SCHEMA:
                return self._schema(fields), True
            case Command.AUTH_RESPONSE:
                return self._renewed(fields)
            case Command.PARTITIONED_METADATA if _PARTITION.search(_text(fields, 1)):
                # A partition has none of its own; pulsar-lite says that it has as many again.
                said = {1: 0, 2: fields[2], 3: 0}
                return frame(Command.PARTITIONED_METADATA_RESPONSE, said), True
            case _:
                return None

    def _login(self, fields: Fields) -> tuple[bytes, bool] | None:
        data = fields.get(3, b"")
        assert isinstance(data, bytes)
        method = self._method = _text(fields, 5)
        self._gate.logins.append((method, data))
        if self._gate.accepts is None or self._gate.accepts(method, data):
            return None
        return _error(-1, ServerError.AUTHENTICATION, "Unable to authenticate"), False

    async def challenge(self) -> None:
        """Asks for a new login (`CommandAuthChallenge`)."""
        asked = encode({1: self._method.encode(), 2: b"PulsarAuthRefresh"})
        await self._say(frame(Command.AUTH_CHALLENGE, {1: b"gate", 2: asked, 3: 19}))

    def _renewed(self, fields: Fields) -> tuple[bytes, bool]:
        answer = fields[2]
        assert isinstance(answer, bytes)
        given = decode(answer)
        data = given.get(2, b"")
        assert isinstance(data, bytes)
        self._gate.renewed.append(data)
        if self._gate.accepts is None or self._gate.accepts(_text(given, 1), data):
            return b"", True
        return _error(-1, ServerError.AUTHENTICATION, "Unable to refresh"), False

    def _producer(self, fields: Fields) -> tuple[bytes, bool] | None:
        topic, request = _text(fields, 1), _number(fields, 3)
        refusal = self._gate.refuses_topic(topic)
        if refusal is not None:
            return _error(request, refusal, f"refused: {refusal.name}"), True
        schema = fields.get(7)
        if isinstance(schema, bytes):
            about = decode(schema)
            version = self._version(topic, _number(about, 4), _text(about, 3))
            if version is None:
                return _error(request, ServerError.INCOMPATIBLE_SCHEMA, "Unable to read"), True
            self._versions[request] = version.to_bytes(8, "big")
        self._gate.producers.append(topic)
        return None

    def _version(self, topic: str, kind: int, definition: str) -> int | None:
        known = self._gate.schemas.setdefault(topic, [])
        schema = json.loads(definition) if kind in (_AVRO, _JSON) else {}
        for version, (known_kind, known_schema) in enumerate(known):
            if (known_kind, known_schema) == (kind, schema):
                return version
        if known and not _is_compatible(known[-1], (kind, schema)):
            return None
        known.append((kind, schema))
        return len(known) - 1

    def _send(self, fields: Fields) -> tuple[bytes, bool] | None:
        before, self._gate.sent = self._gate.sent, self._gate.sent + 1
        match self._gate.answers_send(before):
            case None:
                return None
            case "silence":
                return b"", True
            case "close":
                return b"", False
            case ServerError() as reason:
                refusal = {1: fields[1], 2: fields[2], 3: reason, 4: b"refused"}
                return frame(Command.SEND_ERROR, refusal), True
            case other:
                raise ValueError(other)

    def _schema(self, fields: Fields) -> bytes:
        request, version = _number(fields, 1), fields.get(3)
        known = self._gate.schemas.get(_text(fields, 2), [])
        index = int.from_bytes(version, "big") if isinstance(version, bytes) and version else -1
        if not known or index >= len(known):
            refusal = {1: request, 2: ServerError.TOPIC_NOT_FOUND, 3: b"no schema"}
            return frame(Command.GET_SCHEMA_RESPONSE, refusal)
        kind, schema = known[index]
        about = encode({1: b"schema", 3: json.dumps(schema).encode(), 4: kind})
        found = (index % len(known)).to_bytes(8, "big")
        return frame(Command.GET_SCHEMA_RESPONSE, {1: request, 4: about, 5: found})

    async def _back(self, broker: asyncio.StreamReader) -> None:
        while True:
            number, fields, whole = await read_frame(broker)
            if number == Command.LOOKUP_RESPONSE:
                own = {
                    **fields,
                    1: f"pulsar://127.0.0.1:{self._gate.port}".encode(),
                    2: f"pulsar+ssl://127.0.0.1:{self._gate.tls_port}".encode(),
                }
                whole = frame(Command.LOOKUP_RESPONSE, own)
            if number == Command.PRODUCER_SUCCESS:
                version = self._versions.pop(_number(fields, 1), None)
                if version is not None:
                    whole = frame(Command.PRODUCER_SUCCESS, {**fields, 4: version})
            await self._say(whole)


def _error(request: int, reason: ServerError, message: str) -> bytes:
    return frame(Command.ERROR, {1: request, 2: reason, 3: message.encode()})


def _is_compatible(old: tuple[int, Definition], new: tuple[int, Definition]) -> bool:
    """Tells whether each can read what the other has written: FULL, the broker's default.

    As Avro stores fields (Apache Avro 1.12, "Schema Resolution"): logical types do not count, and
    of its promotions only that between text and bytes goes both ways.
    """
    if old[0] != new[0] or old[1].get("name") != new[1].get("name"):
        return False
    before, after = (
        {each["name"]: each for each in schema.get("fields", ())} for _, schema in (old, new)
    )
    for name in before.keys() | after.keys():
        if name in before and name in after:
            if _stored(before[name]["type"]) != _stored(after[name]["type"]):
                return False
        elif "default" not in (before.get(name) or after[name]):
            return False
    return True


def _stored(avro: Any) -> Any:
    if isinstance(avro, list):
        return [_stored(each) for each in avro]
    if isinstance(avro, dict):
        avro = avro["type"]
    return "bytes" if avro == "string" else avro
