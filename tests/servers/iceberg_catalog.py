"""A stand-in for an Iceberg REST catalogue: the routes that pyiceberg's own client calls.

It keeps its tables in a SQLite catalogue of pyiceberg's, and answers as the REST catalogue's
OpenAPI document says (apache/iceberg, open-api/rest-catalog-open-api.yaml). Every request must
carry the token.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import orjson
from pyiceberg.catalog.rest import CreateTableRequest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.table import CommitTableRequest, Table
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER

TOKEN = "a-token-of-the-tests"
_SEPARATOR = "\x1f"
_STATUSES: dict[type[Exception], int] = {
    NoSuchTableError: 404,
    NoSuchNamespaceError: 404,
    TableAlreadyExistsError: 409,
    NamespaceAlreadyExistsError: 409,
    CommitFailedException: 409,
}


@contextmanager
def catalog_served(folder: Path) -> Iterator[str]:
    """Starts the server on a free port; yields its address."""
    catalog = SqlCatalog(
        "stand-in", uri=f"sqlite:///{folder / 'rest.db'}", warehouse=f"file://{folder / 'rest'}"
    )
    handler = type("Handler", (_Handler,), {"catalog": catalog})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        catalog.close()


class _Handler(BaseHTTPRequestHandler):
    catalog: ClassVar[SqlCatalog]
    protocol_version = "HTTP/1.1"
    lock: ClassVar[threading.Lock] = threading.Lock()

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._send(401, _error(401, "NotAuthorizedException", "no valid token"))
            return
        path = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        try:
            with self.lock:
                status, answer = self._do(path[1:], body)
        except tuple(_STATUSES) as error:
            status = _STATUSES[type(error)]
            answer = _error(status, type(error).__name__, str(error))
        self._send(status, answer)

    def _do(self, path: list[str], body: bytes) -> tuple[int, Any]:
        match self.command, path:
            case "GET", ["config"]:
                return 200, {"defaults": {}, "overrides": {}}
            case "POST", ["namespaces"]:
                namespace = tuple(orjson.loads(body)["namespace"])
                self.catalog.create_namespace(namespace)
                return 200, {"namespace": namespace, "properties": {}}
            case _, ["namespaces", namespace]:
                return self._namespace(_parts(namespace))
            case _, ["namespaces", namespace, "tables"]:
                return self._tables(_parts(namespace), body)
            case _, ["namespaces", namespace, "tables", name]:
                return self._table((*_parts(namespace), name), body)
            case _:
                return 404, _error(404, "NoSuchRoute", "/".join(path))

    def _namespace(self, namespace: tuple[str, ...]) -> tuple[int, Any]:
        if self.command == "DELETE":
            self.catalog.drop_namespace(namespace)
            return 204, None
        if not self.catalog.namespace_exists(namespace):
            raise NoSuchNamespaceError(".".join(namespace))
        return 200, {"namespace": namespace, "properties": {}}

    def _tables(self, namespace: tuple[str, ...], body: bytes) -> tuple[int, Any]:
        if self.command == "GET":
            names = [name for _, name in self.catalog.list_tables(namespace)]
            return 200, {"identifiers": [{"namespace": namespace, "name": name} for name in names]}
        optional = {"location": None, "properties": {}}
        asked = CreateTableRequest.model_validate_json(orjson.dumps(optional | orjson.loads(body)))
        table = self.catalog.create_table(
            (*namespace, asked.name),
            asked.table_schema,
            location=asked.location,
            partition_spec=asked.partition_spec or UNPARTITIONED_PARTITION_SPEC,
            sort_order=asked.write_order or UNSORTED_SORT_ORDER,
            properties=asked.properties,
        )
        return 200, _loaded(table)

    def _table(self, identifier: tuple[str, ...], body: bytes) -> tuple[int, Any]:
        match self.command:
            case "GET" | "HEAD":
                return 200, _loaded(self.catalog.load_table(identifier))
            case "DELETE":
                self.catalog.drop_table(identifier)
                return 204, None
            case _:
                asked = CommitTableRequest.model_validate_json(body)
                table = self.catalog.load_table(identifier)
                self.catalog.commit_table(table, asked.requirements, asked.updates)
                return 200, _loaded(self.catalog.load_table(identifier))

    def _send(self, status: int, answer: Any) -> None:
        content = b"" if answer is None else orjson.dumps(answer)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _parts(namespace: str) -> tuple[str, ...]:
    return tuple(namespace.split(_SEPARATOR))


def _loaded(table: Table) -> dict[str, Any]:
    metadata = orjson.loads(table.metadata.model_dump_json(by_alias=True, exclude_none=True))
    return {"metadata-location": table.metadata_location, "metadata": metadata, "config": {}}


def _error(code: int, kind: str, message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": code}}
