"""Serves the records of a file of Airbyte messages as pages of 1,000, ready made.

A program of its own: it shares no interpreter with what is measured, and all it does for a page is
to find it and to send it. What it costs is in no measurement, and it outlives each of them.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import orjson

from benchmarks.places import PROJECT

PAGE_ROWS = 1000
NOTHING = "nothing"
"""The path below which every page is empty: what remains is the cost of starting."""
_EMPTY = b'{"items":[]}'
_ASKED = re.compile(rb"GET /(\w+)\S*?[?&]page=(\d+)")


def pages(data: Path) -> list[bytes]:
    """Returns the bodies of all pages; the last one is empty."""
    made: list[bytes] = []
    rows: list[bytes] = []
    with data.open("rb") as file:
        for line in file:
            message = orjson.loads(line)
            if message["type"] == "RECORD":
                rows.append(orjson.dumps(message["record"]["data"]))
            if len(rows) == PAGE_ROWS:
                made.append(b'{"items":[' + b",".join(rows) + b"]}")
                rows = []
    if rows:
        made.append(b'{"items":[' + b",".join(rows) + b"]}")
    return [*made, _EMPTY]


@contextmanager
def serving(data: Path) -> Iterator[str]:
    """Serves the pages while the context lasts, at the address it gives."""
    command = [sys.executable, "-m", "benchmarks.rest_server", str(data)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            port = server.stdout.readline().strip()
            if not port:
                raise RuntimeError("the server of the pages did not start")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def _answers(bodies: list[bytes]) -> list[bytes]:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return [head % len(body) + body for body in bodies]


def _serve(client: socket.socket, answers: list[bytes]) -> None:
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    waiting = b""
    with client:
        while received := client.recv(1 << 16):
            waiting += received
            while b"\r\n\r\n" in waiting:
                request, _, waiting = waiting.partition(b"\r\n\r\n")
                asked = _ASKED.match(request)
                number = int(asked[2]) if asked else 0
                is_nothing = asked is None or asked[1] == NOTHING.encode()
                client.sendall(answers[-1 if is_nothing else min(number, len(answers)) - 1])


def main() -> None:
    """Prints its port and serves until it is ended, a thread for each connection."""
    answers = _answers(pages(Path(sys.argv[1])))
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            client, _ = server.accept()
            Thread(target=_serve, args=(client, answers), daemon=True).start()


if __name__ == "__main__":
    main()
