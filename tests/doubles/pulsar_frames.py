"""Frames of Pulsar's binary protocol, read and written by field numbers of PulsarApi.proto.

A frame is its length, the length of its command, the command, and for messages a payload, which is
passed on as it is (pulsar.apache.org, "Binary protocol").
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import IntEnum

Fields = Mapping[int, "int | bytes"]
"""The last value of each field: a number, or bytes (text, message)."""


class Command(IntEnum):
    """`BaseCommand.Type`; the field that holds a command has the same number."""

    CONNECT = 2
    CONNECTED = 3
    PRODUCER = 5
    SEND = 6
    SEND_RECEIPT = 7
    SEND_ERROR = 8
    ERROR = 14
    CLOSE_PRODUCER = 15
    PRODUCER_SUCCESS = 17
    PARTITIONED_METADATA = 21
    PARTITIONED_METADATA_RESPONSE = 22
    LOOKUP = 23
    LOOKUP_RESPONSE = 24
    GET_SCHEMA = 34
    GET_SCHEMA_RESPONSE = 35
    AUTH_CHALLENGE = 36
    AUTH_RESPONSE = 37


class ServerError(IntEnum):
    """Reasons a broker gives."""

    PERSISTENCE = 2
    AUTHENTICATION = 3
    AUTHORIZATION = 4
    QUOTA = 7
    TOPIC_NOT_FOUND = 11
    TOPIC_TERMINATED = 15
    PRODUCER_BUSY = 16
    INCOMPATIBLE_SCHEMA = 18
    PRODUCER_FENCED = 25


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, dict[int, int | bytes], bytes]:
    """Returns a frame's command number, its fields, and the whole frame as it came.

    Raises asyncio.IncompleteReadError at the end.
    """
    head = await reader.readexactly(4)
    body = await reader.readexactly(int.from_bytes(head, "big"))
    length = int.from_bytes(body[:4], "big")
    command = decode(body[4 : 4 + length])
    number = command[1]
    assert isinstance(number, int)
    inner = command.get(number, b"")
    return number, decode(inner if isinstance(inner, bytes) else b""), head + body


def frame(command: Command, fields: Fields) -> bytes:
    """Returns a frame without payload."""
    content = encode({1: command, command: encode(fields)})
    return (len(content) + 4).to_bytes(4, "big") + len(content).to_bytes(4, "big") + content


def payload_of(whole: bytes) -> bytes:
    """Returns what follows the command: checksum, metadata, content."""
    return whole[8 + int.from_bytes(whole[4:8], "big") :]


def encode(fields: Fields) -> bytes:
    """Returns a protobuf message; negative numbers as 64 bits."""
    parts = []
    for number, value in fields.items():
        if isinstance(value, int):
            parts += [_varint(number << 3), _varint(value & (2**64 - 1))]
        else:
            parts += [_varint(number << 3 | 2), _varint(len(value)), value]
    return b"".join(parts)


def decode(data: bytes) -> dict[int, int | bytes]:
    """Returns the fields of a protobuf message; of repeated ones the last."""
    fields: dict[int, int | bytes] = {}
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        match tag & 7:
            case 0:
                fields[tag >> 3], at = _read_varint(data, at)
            case 1:
                fields[tag >> 3], at = data[at : at + 8], at + 8
            case 2:
                length, at = _read_varint(data, at)
                fields[tag >> 3], at = data[at : at + length], at + length
            case 5:
                fields[tag >> 3], at = data[at : at + 4], at + 4
            case other:
                raise ValueError(f"wire type {other}")
    return fields


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
