"""Where `penstock up` listens, and how."""

from __future__ import annotations

import asyncio
import socket

import pytest

from penstock.cli.up import _socket
from penstock.errors import ConfigError, ResourceBusy


def test_small_answers_leave_at_once() -> None:
    """Nagle's algorithm would hold the body of each answer back for 40 ms."""
    delays: list[int] = []

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted = writer.get_extra_info("socket")
        delays.append(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    async def ask() -> None:
        listening = _socket("127.0.0.1", 0)
        async with await asyncio.start_server(answer, sock=listening):
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            await reader.read()
            writer.close()
            await writer.wait_closed()

    asyncio.run(ask())
    assert delays == [1]


def test_a_port_that_is_taken_is_told_with_another_to_choose() -> None:
    with _socket("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ResourceBusy, match=str(port)) as refused:
            _socket("127.0.0.1", port)
    assert "--port" in refused.value.remedy


def test_an_address_that_there_is_not_is_a_setting_to_change() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.invalid"):
        _socket("nowhere.invalid", 0)
