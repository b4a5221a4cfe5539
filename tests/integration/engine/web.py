"""A loopback web server for tests: serves bytes, remembers what was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Web:
    """What is served: a path gives bytes, a status, or a function of the whole request line."""

    pages: dict[str, bytes | int | Callable[[str], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    address: str = ""


@contextmanager
def serving(pages: dict[str, bytes | int | Callable[[str], bytes]]) -> Iterator[Web]:
    """Serves the pages on 127.0.0.1 until the context is left."""
    web = Web(pages=pages)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            web.asked.append(self.path)
            web.headers.append(dict(self.headers))
            page = web.pages.get(self.path.partition("?")[0], 404)
            body = page(self.path) if callable(page) else page
            status = body if isinstance(body, int) else 200
            content = body if isinstance(body, bytes) else b"no"
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
