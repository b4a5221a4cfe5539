"""What doubles of vendors share: a server on localhost, and the script of faults to come."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

FAULTS = ("429", "429:0.25", "429:Mon, 01 Jan 2024 01:00:07 GMT", "500", "html", "html200")
FAULTS += ("truncated", "reset")
"""Faults that pass: whoever asks again gets the right answer."""


@dataclass(frozen=True)
class Request:
    """What was asked."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def form(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(self.body.decode()).items()}


@dataclass(frozen=True)
class Answer:
    """What is answered; a body that is not bytes is sent as JSON."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    is_data: bool = False
    """Whether it is a page of records: these the faults fall on."""

    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class DoublesHandler(BaseHTTPRequestHandler):
    """What every double does alike: send an answer, or fail as a server or network does."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # one segment an answer: else Nagle waits for the other side
    refusal: bytes = b'{"error": "no"}'

    def log_message(self, format: str, *args: Any) -> None:
        """Stays quiet."""

    def send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def fail(self, fault: str, content: bytes, headers: dict[str, str] | None = None) -> None:
        """Answers with a fault of the script in place of `content`."""
        kind, _, value = fault.partition(":")
        match kind:
            case "429":
                self.send(429, b"slow down", {"Retry-After": value} if value else {})
            case "500" | "400" | "403" | "404":
                self.send(int(kind), self.refusal)
            case "html":
                self.send(502, b"<html>Bad gateway</html>")
            case "html200":
                self.send(200, b"<html>Please log in</html>")
            case "truncated":
                self.send(200, content[: len(content) // 2], headers)
            case "reset":
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2])
                self.wfile.flush()
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.close_connection = True
            case _:
                raise AssertionError(fault)


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serves on a free port while the context lasts, at the address it gives."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Vendor:
    """A vendor's server: subclasses answer; faults come in the order of the script."""

    faults: deque[str | None] = field(default_factory=deque)
    """One for each page of records to come; None for an answer as it should be."""
    after_page: Callable[[], None] = lambda: None
    """Called after each page of records: changes what the next will hold."""
    asked: list[Request] = field(default_factory=list)
    url: str = ""
    lock: threading.RLock = field(default_factory=threading.RLock)
    last_pages: dict[str, bytes] = field(default_factory=dict)
    """The page given last, of each path."""

    def answer(self, request: Request) -> Answer:
        raise NotImplementedError

    def paths(self) -> list[str]:
        """Returns the paths asked for, in order."""
        return [request.path for request in self.asked]


@contextmanager
def serving(vendor: Vendor) -> Iterator[Vendor]:
    """Serves the double while the context lasts."""
    with listening(_handler(vendor)) as vendor.url:
        yield vendor


def _handler(vendor: Vendor) -> type[BaseHTTPRequestHandler]:
    class Handler(DoublesHandler):
        def do_GET(self) -> None:
            self._answer("GET")

        def do_POST(self) -> None:
            self._answer("POST")

        def do_PUT(self) -> None:
            self._answer("PUT")

        def do_PATCH(self) -> None:
            self._answer("PATCH")

        def do_DELETE(self) -> None:
            self._answer("DELETE")

        def _answer(self, method: str) -> None:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query, keep_blank_values=True)
            request = Request(
                method=method,
                path=parts.path,
                query={name: values[-1] for name, values in query.items()},
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self.rfile.read(int(self.headers.get("Content-Length", 0))),
            )
            with vendor.lock:
                vendor.asked.append(request)
                answer = vendor.answer(request)
                content = answer.content()
                is_page = answer.is_data and answer.status == 200
                fault = vendor.faults.popleft() if is_page and vendor.faults else None
                if fault == "again":
                    self.send(200, vendor.last_pages.get(request.path, content))
                    return
                if fault is not None:
                    self.fail(fault, content)
                    return
                if is_page:
                    vendor.last_pages[request.path] = content
                self.send(answer.status, content, answer.headers)
                if is_page:
                    vendor.after_page()

    return Handler
