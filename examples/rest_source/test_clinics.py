"""Holds the clinics source to the suite of every source, against an API on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
from examples.rest_source.clinics import ClinicsConfig, ClinicsSource

from penstock.testing.source_suite import SourceSuite

CLINICS = [
    {"id": number, "name": f"Clinic {number}", "updated_at": f"2024-05-{1 + number // 24:02d}"
     f"T{number % 24:02d}:00:00Z"}
    for number in range(120)
]  # fmt: skip


class _Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        if self.headers["Authorization"] != "Bearer letmein":
            self._send(401, {"error": "wrong token"})
        elif url.path == "/clinics":
            since, size = query.get("since", "")[:19], int(query["size"])
            self._send(200, {"items": [c for c in CLINICS if str(c["updated_at"]) >= since][:size]})
        else:
            after = int(query.get("after", 0))
            visits = [{"id": after + n, "cost": 12.5 + n} for n in range(2)]
            self._send(200, {"items": visits, "next": after + 2 if after < 4 else None})

    def _send(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Stays quiet."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of the API, while the tests of this file run."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Api)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


class TestClinics(SourceSuite):
    """Every promise of a source."""

    source = ClinicsSource
    lookback_rows = 1
    future_states: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "clinics": {"cursor": "2099-01-01T00:00:00Z"}
    }

    @pytest.fixture(autouse=True)
    def _api(self, address: str) -> None:
        self.address = address

    def config(self, place: Path) -> ClinicsConfig:
        del place
        return ClinicsConfig(base_url=self.address, token="letmein")
