"""Snowflake's protocol on DuckDB (fakesnow), for the real client: one server a session.

`snowflake_server` is the server, empty; processes that a test starts find it by `snowflake_near`.
fakesnow commits before DDL, as Snowflake does. What Snowflake does and it does not is done here:

- a login with a wrong password, or a token of an unknown key, is refused;
- the transaction of a client that has gone is rolled back;
- a NULL instant reaches the client as NULL;
- NUMBER(38,0) holds 38 digits, not 64 bits;
- a `$name` within a text is text, not a session variable;
- names with a single quote can be made into tables;
- a MERGE takes no row whose key is NULL for one that is there.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template
from typing import Any, Final

import fakesnow.arrow
import fakesnow.cursor
import fakesnow.info_schema
import fakesnow.server
import fakesnow.transforms
import jwt
import pyarrow as pa
import pytest
import uvicorn
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from fakesnow.instance import FakeSnow
from sqlglot import exp

_ADDRESS_FILE: Final = "snowflake-server.json"
_HOST: Final = "127.0.0.1"
_PATIENCE_SECONDS: Final = 30.0
_LOGIN: Final = "/session/v1/login-request"


@dataclass(frozen=True, slots=True, kw_only=True)
class SnowflakeServer:
    """Where the server listens, and whom it lets in."""

    host: str
    port: int
    account: str
    user: str
    password: str
    private_key: str
    """PEM text of the user's key."""


def snowflake_near(place: Path) -> SnowflakeServer:
    """Returns the session's server in any process that knows a folder of one of its tests."""
    for folder in place.parents:
        address = folder / _ADDRESS_FILE
        if address.exists():
            return SnowflakeServer(**json.loads(address.read_text()))
    pytest.fail(f"No fakesnow was started for {place}: ask for the fixture snowflake_server.")


@contextmanager
def running_server() -> Iterator[SnowflakeServer]:
    """Starts a server on a free port of loopback, in a thread of this process."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    # By its protocol: else asyncio leaves Nagle's delay of 40 ms in every answer.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind((_HOST, 0))
        known = SnowflakeServer(
            host=_HOST,
            port=listener.getsockname()[1],
            account="testorg-account1",
            user="LOADER",
            password="it's 100% s3cret",
            private_key=key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ).decode(),
        )
        door = _Door(known, key.public_key())
        config = uvicorn.Config(door, log_level="error", timeout_keep_alive=600, lifespan="off")
        server = uvicorn.Server(config)
        door.server = server
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        started = time.monotonic()
        while not server.started:
            if time.monotonic() - started > _PATIENCE_SECONDS or not thread.is_alive():
                pytest.fail("fakesnow did not start: install it with `uv sync --all-extras`.")
            time.sleep(0.02)
        try:
            yield known
        finally:
            server.should_exit = True
            server.force_exit = True
            thread.join(_PATIENCE_SECONDS)


@pytest.fixture(scope="session")
def snowflake_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SnowflakeServer]:
    """The session's server, which processes of a test find by `snowflake_near`."""
    with running_server() as server:
        address = tmp_path_factory.getbasetemp() / _ADDRESS_FILE
        address.write_text(json.dumps(asdict(server)))
        yield server


@pytest.fixture
def snowflake_server(snowflake_process: SnowflakeServer) -> Iterator[SnowflakeServer]:
    """The session's server with nothing in it, as what looks at its catalogue takes longer else."""
    yield snowflake_process
    for session in fakesnow.server.sessions.values():
        session.close()
    fakesnow.server.sessions.clear()
    fakesnow.server.shared_fs = FakeSnow()


class _Door:
    """Stands before fakesnow: lets in whom the server knows, and sees who has gone."""

    server: uvicorn.Server

    def __init__(self, known: SnowflakeServer, key: rsa.RSAPublicKey) -> None:
        self._known = known
        self._key = key
        self._last_seen: dict[str, tuple[str, int]] = {}
        self._busy: Counter[str] = Counter()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = await _whole(receive)
        token = dict(scope["headers"]).get(b"authorization", b"").decode()[17:-1]
        if scope["path"] == _LOGIN:
            self._forget_the_gone()
            refusal = self._refusal(scope, body)
            if refusal is not None:
                await _answer(send, refusal)
                return
        if token:
            self._last_seen[token] = tuple(scope["client"])
        self._busy[token] += 1
        try:
            await fakesnow.server.app(scope, _again(body, receive), send)
        finally:
            self._busy[token] -= 1

    def _forget_the_gone(self) -> None:
        """Ends the sessions whose clients have closed their connection, as by SIGKILL."""
        there = {connection.client for connection in self.server.server_state.connections}
        for token, client in list(self._last_seen.items()):
            if client in there or self._busy[token]:
                continue
            del self._last_seen[token]
            session = fakesnow.server.sessions.pop(token, None)
            if session is not None:
                session.close()

    def _refusal(self, scope: Any, body: bytes) -> dict[str, Any] | None:
        headers = dict(scope["headers"])
        text = gzip.decompress(body) if headers.get(b"content-encoding") == b"gzip" else body
        data = json.loads(text)["data"]
        if data.get("AUTHENTICATOR") == "SNOWFLAKE_JWT":
            return None if self._is_signed(data["TOKEN"]) else _refused("390144", "JWT is invalid.")
        if (data["LOGIN_NAME"].upper(), data["PASSWORD"]) == (
            self._known.user,
            self._known.password,
        ):
            return None
        return _refused("390100", "Incorrect username or password was specified.")

    def _is_signed(self, token: str) -> bool:
        """docs.snowflake.com, "Key-pair authentication": issuer and subject of the token."""
        try:
            claims = jwt.decode(token, self._key, algorithms=["RS256"])
        except jwt.InvalidTokenError:
            return False
        der = self._key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        fingerprint = base64.b64encode(hashlib.sha256(der).digest()).decode()
        return bool(claims["iss"].endswith(f".{self._known.user}.SHA256:{fingerprint}"))


def _refused(code: str, message: str) -> dict[str, Any]:
    return {"data": {}, "code": code, "message": message, "success": False}


async def _whole(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


def _again(body: bytes, receive: Any) -> Any:
    """Returns a `receive` that gives a body that has been read, then what comes."""
    given = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def read() -> Any:
        for message in given:
            return message
        return await receive()

    return read


async def _answer(send: Any, document: dict[str, Any]) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(document).encode()})


def _with_nulls(times: pa.Array | pa.ChunkedArray) -> pa.Array:
    made = _struct_of_times(times)
    whole = times.combine_chunks() if isinstance(times, pa.ChunkedArray) else times
    fields = [field.with_nullable(True) for field in made.type]
    return pa.StructArray.from_arrays(made.flatten(), fields=fields, mask=whole.is_null())


def _with_38_digits(expression: Any) -> Any:
    is_number = (
        isinstance(expression, exp.DataType) and expression.this == exp.DataType.Type.DECIMAL
    )
    return expression if is_number and expression.expressions else _in_64_bits(expression)


def _quoted_lengths(catalog: str, schema: str, table: str, lengths: list[tuple[str, int]]) -> str:
    names = (each.replace("'", "''") for each in (catalog, schema, table))
    return _lengths_sql(*names, [(name.replace("'", "''"), size) for name, size in lengths])


def _matched_for_sure(expression: Any) -> Any:
    if isinstance(expression, exp.Merge):
        target = expression.this.alias_or_name
        for when in expression.args["whens"]:
            if when.args.get("matched"):
                is_there = exp.column("rowid", table=target).is_(exp.null()).not_()
                given = when.args.get("condition")
                when.set("condition", exp.and_(given, is_there) if given else is_there)
    return _merged(expression)


class _QuotedName(Template):
    def substitute(self, *args: Any, **names: str) -> str:
        return super().substitute({key: name.replace("'", "''") for key, name in names.items()})


for _status in ("SQL_CREATED_TABLE", "SQL_OBJECT_EXISTS", "SQL_DROPPED"):
    setattr(fakesnow.cursor, _status, _QuotedName(getattr(fakesnow.cursor, _status).template))
_merged = fakesnow.transforms.merge
fakesnow.transforms.merge = _matched_for_sure
_lengths_sql = fakesnow.info_schema.insert_text_lengths_sql
fakesnow.info_schema.insert_text_lengths_sql = _quoted_lengths
_struct_of_times = fakesnow.arrow.timestamp_to_sf_struct
fakesnow.arrow.timestamp_to_sf_struct = _with_nulls
_in_64_bits = fakesnow.transforms.integer_precision
fakesnow.transforms.integer_precision = _with_38_digits
fakesnow.cursor.FakeSnowflakeCursor._inline_variables = lambda _cursor, sql: sql
