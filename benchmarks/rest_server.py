"""Serves the records of a file of Airbyte messages as pages of 1,000, ready made.

On a thread of the harness: what it costs is in no measurement, and it outlives each of them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import orjson

PAGE_ROWS = 1000


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
    return [*made, b'{"items":[]}']


@contextmanager
def serving(data: Path) -> Iterator[str]:
    """Serves the pages while the context lasts, at the address it gives."""
    handler = type("Handler", (_Handler,), {"bodies": pages(data)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    bodies: ClassVar[list[bytes]]
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 20

    def do_GET(self) -> None:
        number = int(parse_qs(urlsplit(self.path).query)["page"][0])
        body = self.bodies[min(number, len(self.bodies)) - 1]
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stays quiet."""
