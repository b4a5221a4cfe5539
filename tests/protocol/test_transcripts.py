"""Recorded conversations: whole ones survive a round trip, odd ones are read as documented."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from penstock.protocol.codec import decode_line, encode_message
from penstock.protocol.messages import MessageType

TRANSCRIPTS = Path(__file__).parent / "transcripts"


def lines(name: str) -> list[bytes]:
    return (TRANSCRIPTS / name).read_bytes().splitlines()


@pytest.mark.parametrize("name", ["complete_read.jsonl", "answers.jsonl", "global_state.jsonl"])
def test_a_conversation_is_the_same_after_decoding_and_encoding(name: str) -> None:
    # Compared as text: floats stay floats (`5.0`), large integers stay exact, order stays.
    written = [encode_message(decode_line(line)).decode() for line in lines(name)]
    assert [canonical(line) for line in written] == [canonical(line) for line in lines(name)]


def canonical(line: str | bytes) -> str:
    return json.dumps(json.loads(line), sort_keys=True)


def test_the_transcripts_have_every_message_type() -> None:
    seen = {decode_line(line).type for path in TRANSCRIPTS.glob("*") for line in lines(path.name)}
    assert seen == set(MessageType)


def test_an_opaque_state_is_kept_to_the_byte() -> None:
    line = (
        b'{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"a"},'
        b'"stream_state":{"n": 1.50,  "big":123456789012345678901234567890}}}}'
    )
    assert encode_message(decode_line(line)) == line


def summary(line: bytes) -> tuple[str, Any]:
    message = decode_line(line)
    match message.type:
        case MessageType.LOG:
            assert message.log is not None
            return "LOG", message.log.message
        case MessageType.TRACE:
            assert message.trace is not None
            status, error = message.trace.stream_status, message.trace.error
            return message.trace.type, (status and status.status) or (error and error.message)
        case MessageType.STATE:
            assert message.state is not None
            stats = message.state.source_stats
            return "STATE", stats and stats.record_count
        case _:
            assert message.record is not None
            return "RECORD", message.record.emitted_at


def test_violations_seen_in_the_field_are_read_as_documented() -> None:
    odd = lines("violations.jsonl")
    texts = [line.decode() for line in odd]
    assert [summary(line) for line in odd] == [
        ("LOG", texts[0]),
        ("LOG", ""),
        ("LOG", texts[2]),
        ("LOG", texts[3]),
        ("LOG", "spaces"),
        ("RECORD", 1760000000123),
        ("STATE", 1.0),
        ("STATE", 1.0),
        ("STREAM_STATUS", "COMPLETE"),
        ("STATE", None),
        ("LOG", texts[10]),
        ("ERROR", texts[11]),
        ("ERROR", texts[12]),
        ("TELEMETRY", None),
    ]
