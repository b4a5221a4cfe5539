"""Bytes to messages and back: one JSON object a line, tolerant as the protocol asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import orjson

from penstock.errors import ConfigError, ProtocolError
from penstock.protocol.catalog import (
    Catalog,
    ConfiguredCatalog,
    ConfiguredStream,
    StreamDescriptor,
)
from penstock.protocol.messages import Log, Message, MessageType
from penstock.protocol.state import State, StateType, StreamState

_message_decoder = msgspec.json.Decoder(Message, strict=False)
_encoder = msgspec.json.Encoder()

_PAYLOADS = {
    MessageType.RECORD: "record",
    MessageType.STATE: "state",
    MessageType.LOG: "log",
    MessageType.SPEC: "spec",
    MessageType.CONNECTION_STATUS: "connection_status",
    MessageType.CATALOG: "catalog",
    MessageType.TRACE: "trace",
    MessageType.CONTROL: "control",
    MessageType.DESTINATION_CATALOG: "destination_catalog",
}
_LOSSY_TO_DROP = frozenset({"RECORD", "STATE", "CATALOG", "SPEC", "CONTROL", "CONNECTION_STATUS"})


def decode_line(line: bytes) -> Message:
    """Returns the message on one line of a connector's standard output.

    A line that is not a protocol message (a stray print, a newer message type) comes back as a
    LOG message with the line's text: the protocol asks that it be never fatal. A record, state or
    answer that is broken raises ProtocolError, since dropping it would lose data.
    """
    try:
        message = _message_decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        kind = _claimed_type(line)
        if kind in _LOSSY_TO_DROP:
            raise ProtocolError(
                f"The connector sent a {kind} message that breaks the protocol: {error}.",
                remedy="Report it to the connector's author, or pin another version.",
                line=line[:500].decode("utf-8", "replace"),
            ) from error
        return _as_log(line)
    if getattr(message, _PAYLOADS[message.type]) is None:
        if message.type.value in _LOSSY_TO_DROP:
            raise ProtocolError(
                f"The connector sent a {message.type} message without its payload.",
                remedy="Report it to the connector's author, or pin another version.",
                line=line[:500].decode("utf-8", "replace"),
            )
        return _as_log(line)
    return message


def encode_message(message: Message) -> bytes:
    """Returns the message as one line of JSON, without the newline."""
    return _encoder.encode(message)


def encode(value: Any) -> bytes:
    """Returns any protocol value (catalogue, state, spec) as JSON text."""
    return _encoder.encode(value)


def decode_catalog(text: bytes) -> Catalog:
    """Returns the catalogue in `text`; a wrong shape raises ConfigError naming the place."""
    return _decode(text, Catalog, "catalogue")


def decode_configured_catalog(text: bytes) -> ConfiguredCatalog:
    """Returns the configured catalogue in `text`, each stream with a cursor and key it needs."""
    return _decode(text, ConfiguredCatalog, "configured catalogue")


def decode_states(text: bytes) -> tuple[State, ...]:
    """Returns the states in a state file.

    Accepts what is found in the field: a list of bare AirbyteStateMessage (what the CDK reads),
    of messages wrapped in {"type": "STATE"}, one such object a line, a single one, or a legacy
    blob. `global_`, which PyAirbyte writes for `global`, is read too.
    """
    stripped = text.strip()
    if not stripped:
        return ()
    try:
        parsed = msgspec.json.decode(stripped, type=list[msgspec.Raw])
    except msgspec.DecodeError:
        parsed = [msgspec.Raw(line) for line in stripped.splitlines() if line.strip()]
        if not _all_are_json(parsed):
            parsed = [msgspec.Raw(stripped)]
    return tuple(_decode_state(bytes(raw)) for raw in parsed)


def encode_states(states: Sequence[State]) -> bytes:
    """Returns a state file that connectors read: a list of bare state messages."""
    return _encoder.encode(list(states))


def catalog_of(streams: Sequence[ConfiguredStream]) -> ConfiguredCatalog:
    """Returns a configured catalogue of these streams."""
    return ConfiguredCatalog(streams=tuple(streams))


def _all_are_json(parts: Sequence[msgspec.Raw]) -> bool:
    try:
        for part in parts:
            msgspec.json.decode(part, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return False
    return True


def _decode_state(text: bytes) -> State:
    fields = _decode(text, dict[str, msgspec.Raw], "state")
    if fields.get("type", b"") == b'"STATE"' and "state" in fields:
        text = bytes(fields["state"])
        fields = _decode(text, dict[str, msgspec.Raw], "state")
    if bytes(fields.get("global", b"null")) == b"null" and "global_" in fields:
        fields["global"] = fields.pop("global_")
        text = _encoder.encode(fields)
    known = {"type", "stream", "global", "data"}
    if not known & fields.keys():
        return State(type=StateType.LEGACY, data=msgspec.Raw(text))
    return _own(_decode(text, State, "state"))


def _own(state: State) -> State:
    """Returns the state with blobs that do not keep the decoded buffer alive."""
    return msgspec.json.decode(_encoder.encode(state), type=State)


def _decode(text: bytes, shape: Any, what: str) -> Any:
    try:
        return msgspec.json.decode(text, type=shape, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The {what} is not valid: {error}.",
            remedy=f"Correct the {what} at the place named, or write it anew.",
        ) from error


def _claimed_type(line: bytes) -> str | None:
    try:
        parsed = orjson.loads(line)
    except orjson.JSONDecodeError:
        head = line.lstrip()[:40].replace(b" ", b"")
        return next(
            (t for t in _LOSSY_TO_DROP if head.startswith(b'{"type":"%b"' % t.encode())), None
        )
    if not isinstance(parsed, Mapping):
        return None
    claimed = parsed.get("type")
    return claimed if isinstance(claimed, str) else None


def _as_log(line: bytes) -> Message:
    text = line.decode("utf-8", "replace").rstrip("\r\n")
    return Message(type=MessageType.LOG, log=Log(level="INFO", message=text))


def stream_state_of(states: Sequence[State], descriptor: StreamDescriptor) -> StreamState | None:
    """Returns the newest state of one stream, looking inside global states too."""
    found: StreamState | None = None
    for state in states:
        if state.stream is not None and state.stream.stream_descriptor == descriptor:
            found = state.stream
        if state.global_ is not None:
            for inner in state.global_.stream_states:
                if inner.stream_descriptor == descriptor:
                    found = inner
    return found
