"""Pulsar on the command line: proved by acknowledgements, told apart when refused, continued."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.conftest import Done, Terminal
from tests.doubles.pulsar_gate import Gate, pulsar_gate
from tests.servers.pulsar import Read, read_topic, topic_prefix, url_of

_TOKEN = "c2VjcmV0LWNhbmFyeQ.good"
_WORDS = ("sync", "faker", "pulsar", "--streams", "users", "--connection", "c", "--json")


@pytest.fixture
def gate(pulsar_broker: int) -> Iterator[Gate]:
    """A broker that asks for one token."""
    known = ("token", _TOKEN.encode())
    with pulsar_gate(
        Gate(broker=pulsar_broker, accepts=lambda method, data: (method, data) == known)
    ) as opened:
        yield opened


def synced(
    terminal: Terminal, gate: Gate, *, rows: int, token: str = _TOKEN, send_seconds: int = 20
) -> Done:
    settings: dict[str, Any] = {
        "service_url": url_of(gate),
        "authentication": {"method": "token", "token": "${env:PULSAR_TOKEN}"},
        "topic": f"{topic_prefix(terminal.folder)}.{{stream}}",
        "operation_seconds": 5,
        "send_seconds": send_seconds,
    }
    (terminal.folder / "pulsar.json").write_text(json.dumps(settings))
    terminal.environment["PULSAR_TOKEN"] = token
    words = ["--source.rows", str(rows), "--destination-config", "pulsar.json"]
    return terminal.run(*_WORDS, *words)


def messages(terminal: Terminal, gate: Gate) -> list[Read]:
    topic = f"persistent://public/default/{topic_prefix(terminal.folder)}.users"
    past_the_gate = f"pulsar://127.0.0.1:{gate.broker}"
    return read_topic(past_the_gate, topic, has_schemas=False)


def test_a_sync_is_proved_by_acknowledgements(terminal: Terminal, gate: Gate) -> None:
    done = synced(terminal, gate, rows=500)
    assert done.status == 0, done.err
    [stream] = json.loads(done.out.splitlines()[-1])["receipt"]["streams"]
    assert (stream["rows_read"], stream["rows_committed"]) == (500, 500)
    assert len(messages(terminal, gate)) == 500
    kept = [path.read_bytes() for path in terminal.home.rglob("*") if path.is_file()]
    assert not any(b"c2VjcmV0LWNhbmFyeQ" in text for text in kept)
    assert "c2VjcmV0LWNhbmFyeQ" not in done.out + done.err


def test_a_refused_token_writes_nothing_and_says_so(terminal: Terminal, gate: Gate) -> None:
    done = synced(terminal, gate, rows=50, token="wrong")
    assert done.status == 3
    error = json.loads(done.out.splitlines()[-1])["receipt"]["error"]
    assert "refused the login" in error["message"]
    assert (gate.sent, gate.producers) == (0, [])


def test_a_sync_whose_rows_were_not_acknowledged_fails_and_is_repeated(
    terminal: Terminal, gate: Gate
) -> None:
    gate.answers_send = lambda _: "silence"
    failed = synced(terminal, gate, rows=200, send_seconds=2)
    assert failed.status == 4, failed.err
    assert messages(terminal, gate) == []
    gate.answers_send = lambda _: None
    again = synced(terminal, gate, rows=200)
    assert again.status == 0, again.err
    assert len(messages(terminal, gate)) == 200
