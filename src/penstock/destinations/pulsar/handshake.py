"""One login at a broker, by hand: tells one that refuses from one that is not there.

The client cannot: where a broker refuses its login it tries again until it times out, and says
that. Frames and field numbers: pulsar.apache.org, "Pulsar binary protocol", and PulsarApi.proto.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from penstock.destinations.pulsar.address import Address, Host
from penstock.destinations.pulsar.credentials import Login
from penstock.errors import AccessDenied, ConfigError, ConnectionFailed, PenstockError

MAX_MESSAGE_BYTES: Final = 5 << 20
"""Pulsar's `maxMessageSize` where a broker does not say another."""

_CONNECT: Final = 2
_PROTOCOL_VERSION: Final = 19
_AUTHENTICATION_ERRORS: Final = frozenset({3, 4})
"""`ServerError`: AuthenticationError, AuthorizationError."""
_MOST_FRAME_BYTES: Final = 1 << 20
_REMEDY_LOGIN: Final = "Correct `authentication`; a token may have expired."


class _Answer(IntEnum):
    """`BaseCommand.Type`; the field that holds a command has the same number."""

    CONNECTED = 3
    ERROR = 14
    AUTH_CHALLENGE = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """What a broker says of itself when it has let somebody in."""

    server: str
    max_message_bytes: int


def greet(address: Address, login: Login, *, seconds: float) -> Greeting:
    """Logs in at the first host that answers, and leaves again.

    Raises AccessDenied where the broker refuses the login, ConnectionFailed where no host
    answers, ConfigError where TLS does not come about.
    """
    failure: PenstockError | None = None
    for host in address.hosts:
        try:
            return _greeted(host, address, login, seconds=seconds)
        except ConnectionFailed as error:
            failure = failure or error
    if failure is None:
        raise ConfigError("No broker is named.", remedy="Set `service_url`.", field="service_url")
    raise failure


def _greeted(host: Host, address: Address, login: Login, *, seconds: float) -> Greeting:
    hello = _connect_frame(login)
    with _reached(host, address, seconds=seconds) as connection:
        connection.sendall(hello)
        number, fields = _read_command(connection)
    match number:
        case _Answer.CONNECTED:
            told = _number(fields, 3)
            return Greeting(server=_text(fields, 1), max_message_bytes=told or MAX_MESSAGE_BYTES)
        case _Answer.ERROR:
            words = _text(fields, 3) or "no reason given"
            if _number(fields, 2) in _AUTHENTICATION_ERRORS:
                login.forget()
                raise AccessDenied(
                    f"Pulsar at {host} refused the login ({_named(login)}): {words}.",
                    remedy=_REMEDY_LOGIN,
                    field="authentication",
                )
            raise ConnectionFailed(
                f"Pulsar at {host} answered with an error: {words}.",
                remedy="See the broker's log; then try again.",
            )
        case _Answer.AUTH_CHALLENGE:
            raise AccessDenied(
                f"Pulsar at {host} asks for a login in several steps, which is not one of ours.",
                remedy="Use a token, OAuth 2.0, a password or a certificate.",
                field="authentication",
            )
        case _:
            raise ConnectionFailed(
                f"{host} does not answer as a Pulsar broker does.",
                remedy="Set `service_url` to the port of the binary protocol (6650, or 6651 with"
                " TLS), not that of HTTP.",
            )


def _named(login: Login) -> str:
    return "nobody logged in" if login.method == "none" else f"by {login.method}"


@contextmanager
def _reached(host: Host, address: Address, *, seconds: float) -> Iterator[socket.socket]:
    """Gives a connection; what breaks it is raised as what it means to the user."""
    try:
        with socket.create_connection((host.name, host.port), timeout=seconds) as plain:
            context = address.tls()
            if context is None:
                yield plain
                return
            with context.wrap_socket(plain, server_hostname=host.name) as protected:
                yield protected
    except ssl.SSLCertVerificationError as error:
        raise ConfigError(
            f"The certificate of {host} is not to be trusted: {error.verify_message}.",
            remedy="Set `ca_certificate` to that of the authority that signed it, and the host in"
            " `service_url` as the certificate names it.",
            field="ca_certificate",
        ) from error
    except ssl.SSLError as error:
        raise ConfigError(
            f"TLS with {host} does not come about: {error.reason or type(error).__name__}.",
            remedy="Set `service_url` to the port that speaks TLS (6651), or to pulsar:// where"
            " none does; a broker that asks for a client certificate refuses without.",
            field="service_url",
        ) from error
    except OSError as error:
        raise ConnectionFailed(
            f"Pulsar at {host} cannot be reached: {error.strerror or 'no answer in time'}.",
            remedy="See whether `service_url` is right, the broker is up, and nothing between"
            " closes connections; a port that speaks TLS needs pulsar+ssl://.",
        ) from error


def _connect_frame(login: Login) -> bytes:
    fields: dict[int, int | bytes] = {
        1: b"penstock",
        4: _PROTOCOL_VERSION,
        5: login.method.encode(),
    }
    data = login.data()
    if data:
        fields[3] = data.encode()
    content = _encoded({1: _CONNECT, _CONNECT: _encoded(fields)})
    return (len(content) + 4).to_bytes(4, "big") + len(content).to_bytes(4, "big") + content


def _read_command(connection: socket.socket) -> tuple[int, Mapping[int, int | bytes]]:
    """Returns the number and the fields of one answer; 0 for what is none."""
    size = int.from_bytes(_read(connection, 4), "big")
    if not 4 <= size <= _MOST_FRAME_BYTES:
        return 0, {}
    body = _read(connection, size)
    length = int.from_bytes(body[:4], "big")
    try:
        command = _decoded(body[4 : 4 + length])
        number = _number(command, 1)
        inner = command.get(number, b"")
        return number, _decoded(inner) if isinstance(inner, bytes) else {}
    except ValueError:
        return 0, {}


def _read(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            raise ConnectionResetError(104, "it closed the connection without an answer")
        parts += part
    return bytes(parts)


def _number(fields: Mapping[int, int | bytes], field: int) -> int:
    value = fields.get(field, 0)
    return value if isinstance(value, int) else 0


def _text(fields: Mapping[int, int | bytes], field: int) -> str:
    value = fields.get(field, b"")
    return value.decode(errors="replace") if isinstance(value, bytes) else ""


def _encoded(fields: Mapping[int, int | bytes]) -> bytes:
    """Returns a protobuf message of positive numbers and bytes (protobuf.dev, "Encoding")."""
    parts = []
    for field, value in fields.items():
        if isinstance(value, int):
            parts += [_varint(field << 3), _varint(value)]
        else:
            parts += [_varint(field << 3 | 2), _varint(len(value)), value]
    return b"".join(parts)


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _decoded(data: bytes) -> dict[int, int | bytes]:
    """Returns the fields of a protobuf message. Raises ValueError for what is none."""
    fields: dict[int, int | bytes] = {}
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        match tag & 7:
            case 0:
                fields[tag >> 3], at = _read_varint(data, at)
                continue
            case 1:
                length = 8
            case 2:
                length, at = _read_varint(data, at)
            case 5:
                length = 4
            case other:
                raise ValueError(f"wire type {other}")
        if at + length > len(data):
            raise ValueError("a field goes beyond the message")
        fields[tag >> 3] = data[at : at + length]
        at += length
    return fields


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data):
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a number goes beyond the message")
