"""A stateful REST API on localhost: rows that change while read, pages of every kind, faults."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.doubles.vendor import DoublesHandler, listening

Row = dict[str, Any]


def rows_of(count: int) -> list[Row]:
    """Rows with ids around 2^53 + 1, nulls, and instants a second apart."""
    return [
        {
            "id": 9007199254740993 + number,
            "name": None if number % 3 == 0 else f"Zoë 🩺 {number}",
            "amount": f"{number}.10",
            "updated_at": f"2024-01-01T00:{number // 60:02d}:{number % 60:02d}.000Z",
            "voided": number % 7 == 3,
        }
        for number in range(count)
    ]


@dataclass
class RestApi:
    """What the API holds, what it has been asked, and which faults are to come."""

    rows: list[Row] = field(default_factory=list)
    token: str = "canary-token-1"
    refuses_with: int = 401
    faults: deque[str | None] = field(default_factory=deque)
    """One for each data request to come; None for an answer as it should be."""
    after_page: Callable[[RestApi], None] = lambda api: None
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    tokens_given: int = 0
    login_faults: list[str] = field(default_factory=list)
    """One for each login to come: "429", "429:7"."""
    kids: int = 3
    refresh_token: str = "canary-refresh-1"
    connections: int = 0
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(  # noqa: PLR0911 (one return a way of paging)
        self, path: str, query: dict[str, str]
    ) -> tuple[Any, dict[str, str]]:
        """Returns the body of a data request, and further headers."""
        kind, _, rest = path.strip("/").partition("/")
        if kind == "kids":
            last = int(rest)
            return [{"id": number, "of": last} for number in range(self.kids)], {}
        size = int(query.get("size", 10))
        rows = self.rows
        if kind == "keyset":
            rows = sorted(rows, key=lambda row: (row["updated_at"], row["id"]))
            since, until = query.get("since", ""), query.get("until", "9")
            rows = [row for row in rows if since <= row["updated_at"] < until]
            start = int(query.get("page", 0)) * size
            return {"items": rows[start : start + size]}, {}
        if kind == "ids":
            rows = [row for row in rows if row["id"] > int(query.get("since", 0))]
            return {"items": rows[:size]}, {}
        start = int(query.get("from", 0))
        if kind == "page":
            start = (int(query["page"]) - 1) * size
        elif kind == "offset":
            start, size = int(query["offset"]), min(size, int(query["limit"]))
        end = start + size
        page, more = rows[start:end], end < len(rows)
        target = f"{self.url}/{kind}?{urlencode({**query, 'from': end})}"
        match kind:
            case "link":
                link = f'<{self.url}/old>; rel="prev", <{target}>; rel=next' if more else ""
                return page, {"Link": link} if more else {}
            case "next":
                return {"items": page, "next": target if more else None}, {}
            case "token":
                return {"data": {"items": page, "next": str(end) if more else None}}, {}
            case _:
                pages = -(-len(rows) // size)
                return {"items": page, "pages": pages, "total": len(rows)}, {}


@contextmanager
def serving(api: RestApi) -> Iterator[RestApi]:
    """Serves the API while the context lasts."""
    with listening(_handler(api)) as api.url:
        yield api


def _handler(api: RestApi) -> type[BaseHTTPRequestHandler]:  # noqa: C901 (a class)
    class Handler(DoublesHandler):
        def setup(self) -> None:
            super().setup()
            with api.lock:
                api.connections += 1

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
            with api.lock:
                api.asked.append(self.path)
                api.headers.append(dict(self.headers))
                if self.headers.get("Authorization") != f"Bearer {api.token}":
                    self.send(api.refuses_with, b'{"error":"refused"}')
                    return
                fault = api.faults.popleft() if api.faults else None
                if fault == "elsewhere":
                    self.send(200, b'{"items":[],"next":"https://evil.example/next"}')
                    return
                body, headers = api.answer(parts.path, query)
                text = json.dumps(body).encode()
                if fault == "expiry":
                    api.token = f"canary-token-{api.tokens_given + 1}"
                    self.send(api.refuses_with, b'{"error":"TokenExpiredException"}')
                    return
                if fault is not None:
                    self._fail(fault, text, headers, body)
                    return
                self.send(200, text, headers)
                api.after_page(api)

        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            sent = {key: values[-1] for key, values in parse_qs(form).items()}
            with api.lock:
                if api.login_faults:
                    kind, _, wait = api.login_faults.pop(0).partition(":")
                    self.send(int(kind), b"busy", {"Retry-After": wait} if wait else {})
                    return
                if sent.get("grant_type") == "refresh_token":
                    if sent["refresh_token"] != api.refresh_token:
                        refused = {"error": "invalid_grant", "error_description": form}
                        self.send(400, json.dumps(refused).encode())
                        return
                    number = int(api.refresh_token.rsplit("-", 1)[1]) + 1
                    api.refresh_token = f"canary-refresh-{number}"
                elif sent.get("client_secret", sent.get("password", "right")) == "wrong-secret":
                    refused = {"error": "invalid_client", "error_description": form}
                    self.send(401, json.dumps(refused).encode())
                    return
                api.tokens_given += 1
                api.token = f"canary-token-{api.tokens_given}"
                answer = {"access_token": api.token, "expires_in": 3600}
                answer["refresh_token"] = api.refresh_token
                self.send(200, json.dumps(answer).encode())

        def _fail(self, fault: str, text: bytes, headers: dict[str, str], body: Any) -> None:
            match fault:
                case "null":
                    self.send(200, json.dumps({**body, "items": None}).encode(), headers)
                case "empty":
                    self.send(200, json.dumps({**body, "items": []}).encode(), headers)
                case "again":
                    first, _ = api.answer("/page", {"page": "1"})
                    self.send(200, json.dumps(first).encode())
                case _:
                    self.refusal = b'{"message":"no, %b"}' % api.token.encode()
                    self.fail(fault, text, headers)

    return Handler
