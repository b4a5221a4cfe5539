"""The file source against a real HTTP server, buckets of three clouds, and files of others."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import polars as pl
import pytest

from penstock.errors import AccessDenied, ConfigError, ConnectionFailed, TransientError
from penstock.protocol.catalog import SyncMode
from penstock.sdk.stream import State
from penstock.sources.file.stream import FileStream
from tests.servers.buckets import SCHEMES, SERVED
from tests.unit.sources.file.reading_files import items_of, kinds_of, rows_in, rows_of, stream_of

LINES = b"id,code\n" + b"".join(b"%d,%05d\n" % (row, row) for row in range(50_000))


class Web:
    """A web server that can break connections off, and remembers what it was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"/a.csv": LINES}
        self.asked: list[tuple[str, str, str | None]] = []
        self.breaks = 0
        self.status: list[int] = []
        self.validators = True
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                web.answer(self, body=False)

            def do_GET(self) -> None:
                web.answer(self, body=True)

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, handler: BaseHTTPRequestHandler, *, body: bool) -> None:
        path = handler.path.split("?")[0]
        wanted = handler.headers.get("Range")
        self.asked.append((handler.command, handler.path, wanted))
        if body and self.status:
            handler.send_error(self.status.pop(0))
            return
        if path == "/secret.csv" and handler.headers.get("Authorization") != "Bearer t0ken":
            handler.send_error(401)
            return
        content = self.files.get(path)
        if content is None:
            handler.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        handler.send_response(206 if start else 200)
        if self.validators:
            handler.send_header("ETag", f'"{hash(content)}"')
            handler.send_header("Last-Modified", formatdate(1_700_000_000, usegmt=True))
        handler.send_header("Content-Length", str(len(content) - start))
        handler.end_headers()
        if not body:
            return
        if self.breaks:
            self.breaks -= 1
            handler.wfile.write(content[start : start + 100_000])
            handler.wfile.flush()
            handler.connection.close()
            return
        handler.wfile.write(content[start:])


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web()
    thread = threading.Thread(target=web.server.serve_forever)
    thread.start()
    yield web
    web.server.shutdown()
    web.server.server_close()
    thread.join()


def test_a_web_file_is_read_and_fetched_once_for_discovery_and_reading(web: Web) -> None:
    stream = stream_of(f"{web.url}/a.csv?token=hidden")
    assert kinds_of(stream) == {"id": "integer", "code": "string"}
    rows = rows_of(stream)
    assert len(rows) == 50_000
    assert rows[7] == {"id": 7, "code": "00007"}
    assert [command for command, _, _ in web.asked].count("GET") == 1


def test_a_broken_download_continues_where_it_broke_off(web: Web) -> None:
    web.breaks = 2
    assert len(rows_of(stream_of(f"{web.url}/a.csv"))) == 50_000
    ranges = [wanted for command, _, wanted in web.asked if command == "GET"]
    assert ranges[0] is None
    assert all(wanted is not None and wanted.startswith("bytes=") for wanted in ranges[1:])


def test_a_busy_server_is_asked_again_and_then_given_up(web: Web) -> None:
    web.status = [503]
    assert len(rows_of(stream_of(f"{web.url}/a.csv"))) == 50_000
    web.status = [503] * 5
    web.files["/b.csv"] = LINES
    with pytest.raises(TransientError, match="answered 503"):
        rows_of(stream_of(f"{web.url}/b.csv"))


def test_a_file_without_validators_is_read_in_every_sync(web: Web) -> None:
    web.validators = False
    stream = stream_of(f"{web.url}/a.csv", file_columns=True)
    items = items_of(stream, None, SyncMode.INCREMENTAL)
    states = [item.value for item in items if isinstance(item, State)]
    again = rows_in(items_of(stream, states[-1], SyncMode.INCREMENTAL))
    assert len(again) == 50_000
    assert again[0]["_ab_source_file_url"] == f"{web.url}/a.csv"


def test_an_unchanged_web_file_is_not_read_again(web: Web) -> None:
    stream = stream_of(f"{web.url}/a.csv", file_columns=True)
    items = items_of(stream, None, SyncMode.INCREMENTAL)
    states = [item.value for item in items if isinstance(item, State)]
    assert rows_in(items_of(stream, states[-1], SyncMode.INCREMENTAL)) == []


def test_packed_web_files_and_headers_of_the_storage_options_work(web: Web) -> None:
    web.files["/secret.csv"] = gzip.compress(LINES)
    storage = {"headers": {"Authorization": "Bearer t0ken"}}
    rows = rows_of(stream_of(f"{web.url}/secret.csv", storage_options=storage))
    assert len(rows) == 50_000
    with pytest.raises(AccessDenied, match="answered 401"):
        stream_of(f"{web.url}/secret.csv").check()


def test_a_missing_page_and_an_unreachable_host_are_named_without_the_query(web: Web) -> None:
    with pytest.raises(ConfigError, match="answered 404") as missing:
        stream_of(f"{web.url}/none.csv?token=hidden").check()
    assert "hidden" not in str(missing.value)
    with pytest.raises(ConnectionFailed) as unreachable:
        stream_of("http://127.0.0.1:9/x.csv?token=hidden").check()
    assert "hidden" not in str(unreachable.value)


@dataclass(frozen=True)
class Bucket:
    """A bucket named visits, and how it is reached."""

    scheme: str
    options: dict[str, Any]

    @property
    def system(self) -> Any:
        return fsspec.filesystem(self.scheme, **self.options)


@pytest.fixture(params=SCHEMES)
def bucket(request: pytest.FixtureRequest) -> Iterator[Bucket]:
    scheme = request.param
    with SERVED[scheme]("visits") as options:
        yield Bucket(scheme, options)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_bucket_is_read_by_pattern_and_incrementally(bucket: Bucket) -> None:
    scheme, system = bucket.scheme, bucket.system
    system.pipe("visits/2025/a.csv", b"id,code\n1,007\n")
    system.pipe("visits/2025/b.csv.gz", gzip.compress(b"id,code\n2,8\n"))
    system.pipe("visits/2024/old.csv", b"id,code\n9,9\n")
    pattern = f"{scheme}://visits/2025/*"

    def stream(path: str = pattern) -> FileStream:
        return stream_of(path, storage_options=bucket.options)

    assert kinds_of(stream())["code"] == "string"
    items = items_of(stream(), None, SyncMode.INCREMENTAL)
    assert {(row["id"], row["code"]) for row in rows_in(items)} == {(1, "007"), (2, "8")}
    assert {row["_ab_source_file_url"] for row in rows_in(items)} == {
        f"{scheme}://visits/2025/a.csv",
        f"{scheme}://visits/2025/b.csv.gz",
    }
    state = [item.value for item in items if isinstance(item, State)][-1]
    system.pipe("visits/2025/c.csv", b"id,code\n3,c\n")
    items = items_of(stream(), state, SyncMode.INCREMENTAL)
    assert [(row["id"], row["code"]) for row in rows_in(items)] == [(3, "c")]
    state = [item.value for item in items if isinstance(item, State)][-1]
    system.pipe("visits/2025/a.csv", b"id,code\n1,008\n")
    rows = rows_in(items_of(stream(), state, SyncMode.INCREMENTAL))
    assert [(row["id"], row["code"]) for row in rows] == [(1, "008")]
    with pytest.raises(ConfigError, match="No file matches"):
        stream(f"{scheme}://visits/2026/*").check()
    with pytest.raises(ConfigError, match=r"does not exist|No file"):
        stream(f"{scheme}://nothing-here/x.csv").check()


FRAME = pd.DataFrame(
    {
        "id": [1, 2, 2**53 + 1],
        "code": ["007", "", None],
        "amount": [0.1, 19.99, 1e-7],
        "at": pd.to_datetime(["2024-02-29T10:00:00Z", "2024-03-01T00:00:00Z", None]),
        "text": ["a,b", 'q"\n', "é"],
    }
)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".jsonl", ".json", ".parquet"])
def test_files_of_pandas_are_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    if ".csv" in suffix:
        FRAME.to_csv(path, index=False)
    elif suffix == ".parquet":
        FRAME.to_parquet(path)
    else:
        FRAME.to_json(path, orient="records", lines=suffix == ".jsonl", date_format="iso")
    rows = rows_of(stream_of(path))
    assert [row["id"] for row in rows] == [1, 2, 2**53 + 1]
    assert rows[0]["code"] == "007"
    assert [row["amount"] for row in rows] == [0.1, 19.99, 1e-7]
    assert [row["text"] for row in rows] == ["a,b", 'q"\n', "é"]
    assert rows[0]["at"].isoformat().startswith("2024-02-29T10:00:00")


def test_files_of_polars_are_read(tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": [1, 2], "tags": [["a"], []], "name": ["x", None]})
    frame.write_parquet(tmp_path / "a.parquet")
    frame.write_ndjson(tmp_path / "a.jsonl")
    for name in ("a.parquet", "a.jsonl"):
        stream = stream_of(tmp_path / name)
        assert kinds_of(stream) == {"id": "integer", "tags": "json", "name": "string"}
        assert [(row["id"], row["tags"], row["name"]) for row in rows_of(stream)] == [
            (1, '["a"]', "x"),
            (2, "[]", None),
        ]
