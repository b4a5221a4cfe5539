"""A way to a server that breaks: connections are reset after so many bytes."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

_HOST: Final = "127.0.0.1"
_PIECE_BYTES: Final = 16_384
_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER of no time: closing sends RST, as a firewall that forgot the connection does."""


@dataclass(slots=True, kw_only=True)
class BreakingProxy:
    """Forwards to a port; resets the connection that carries the n-th byte of each cut."""

    target: int
    cuts: list[int]
    """Bytes sent by clients before each reset; counted anew after it."""
    port: int = 0
    resets: int = 0
    _sent: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, listener: socket.socket) -> None:
        """Forwards every connection until the listener is closed."""
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection((_HOST, self.target))
            for here, there, is_counted in ((client, server, True), (server, client, False)):
                words = (here, there, is_counted)
                threading.Thread(target=self._forward, args=words, daemon=True).start()

    def _forward(self, here: socket.socket, there: socket.socket, is_counted: bool) -> None:
        try:
            while piece := here.recv(_PIECE_BYTES):
                if is_counted and self._is_cut(len(piece)):
                    for end in (here, there):
                        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                        end.close()
                    return
                there.sendall(piece)
            there.shutdown(socket.SHUT_WR)
        except OSError:
            here.close()
            there.close()

    def _is_cut(self, count: int) -> bool:
        with self._lock:
            self._sent += count
            if not self.cuts or self._sent < self.cuts[0]:
                return False
            self._sent = 0
            self.cuts.pop(0)
            self.resets += 1
            return True


@contextmanager
def breaking_proxy(target: int, cuts: Sequence[int]) -> Iterator[BreakingProxy]:
    """Listens on a free port of loopback."""
    with socket.create_server((_HOST, 0)) as listener:
        proxy = BreakingProxy(target=target, cuts=list(cuts), port=listener.getsockname()[1])
        thread = threading.Thread(target=proxy.serve, args=(listener,), daemon=True)
        thread.start()
        yield proxy
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
