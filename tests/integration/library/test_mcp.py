"""`penstock mcp` asked by the real client, over standard input and output and over HTTP."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import duckdb
import httpx
import httpx2
import pytest
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from penstock.library.mcp.offers import Shelf, offers_of
from penstock.library.mcp.server import make_server
from tests.integration.library.transcripts import (
    PROGRAM,
    Replayed,
    record,
    state,
    status,
    stream,
    trace_error,
)

PENSTOCK = Path(sys.executable).with_name("penstock")
READING = {
    "list_connectors",
    "show_spec",
    "list_sources",
    "check_source",
    "list_streams",
    "show_columns",
    "preview_rows",
    "list_caches",
    "run_sql",
}


@dataclass
class Assistant:
    """One client, its answers as JSON, and every text it was ever given."""

    client: Client
    heard: list[str] = field(default_factory=list)

    async def ask(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        answer = await self.client.call_tool(tool, arguments)
        self.heard.append(answer.model_dump_json())
        assert not answer.is_error, answer.content
        assert answer.structured_content is not None
        return dict(answer.structured_content)

    async def fail(self, tool: str, /, **arguments: Any) -> str:
        answer = await self.client.call_tool(tool, arguments)
        self.heard.append(answer.model_dump_json())
        assert answer.is_error, answer.structured_content
        return "".join(getattr(part, "text", "") for part in answer.content)


@dataclass
class Office:
    """A folder with a file of offers, where `penstock mcp` is started."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def offer(self, **document: Any) -> None:
        (self.folder / "offers.yaml").write_text(json.dumps(document))

    def command(self, *words: str) -> list[str]:
        return [str(PENSTOCK), "mcp", "--config", str(self.folder / "offers.yaml"), *words]

    def env(self) -> dict[str, str]:
        home = str(self.folder / "home")
        return {"PENSTOCK_REGISTRY": "off", "PENSTOCK_HOME": home, **self.environment}

    @asynccontextmanager
    async def assistant(self, *words: str) -> AsyncIterator[Assistant]:
        program, *arguments = self.command(*words)
        parameters = StdioServerParameters(
            command=program, args=arguments, env=self.env(), cwd=str(Path("/"))
        )
        with (self.folder / "stderr.txt").open("a") as errors:
            async with Client(stdio_client(parameters, errlog=errors)) as client:
                yield Assistant(client)

    @property
    def said(self) -> str:
        return (self.folder / "stderr.txt").read_text()


@pytest.fixture
def office(tmp_path: Path) -> Office:
    made = Office(tmp_path)
    made.offer(
        sources={"shop": {"connector": "source-faker", "config": {"count": 50}}},
        caches={"main": {"type": "duckdb", "config": {"db_path": "main.duckdb"}}},
    )
    return made


def run(work: Callable[[], Awaitable[None]]) -> None:
    anyio.run(work)


def test_an_assistant_looks_and_nothing_is_written(office: Office) -> None:
    async def work() -> None:
        async with office.assistant() as assistant:
            tools = (await assistant.client.list_tools()).tools
            assert {tool.name for tool in tools} == READING
            assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
            assert all(tool.description for tool in tools)
            names = await assistant.ask("list_connectors", search="FAK")
            assert [each["name"] for each in names["connectors"]] == ["source-faker"]
            spec = await assistant.ask("show_spec", connector="destination-duckdb")
            assert "path" in spec["json_schema"]["properties"]
            assert await assistant.ask("check_source", source="shop") == {
                "source": "shop",
                "status": "succeeded",
            }
            found = await assistant.ask("list_streams", source="shop")
            assert [each["name"] for each in found["streams"]] == ["users", "products", "purchases"]
            assert found["streams"][0]["primary_key"] == ["id"]
            rows = await assistant.ask("preview_rows", source="shop", stream="users", limit=2)
            assert [row[0] for row in rows["rows"]] == [1, 2]
            (cache,) = (await assistant.ask("list_caches"))["caches"]
            assert cache["tables"] == []
            assert "no DuckDB file" in await assistant.fail("run_sql", cache="main", sql="SELECT 1")
            assert "sync_to_cache" in await assistant.fail(
                "sync_to_cache", source="shop", cache="main"
            )

    run(work)
    assert not list(office.folder.rglob("*.duckdb"))


def test_an_assistant_that_may_write_syncs_continues_and_queries(office: Office) -> None:
    told: list[str] = []

    async def hear(_done: float, _total: float | None, message: str | None) -> None:
        told.append(message or "")

    async def work() -> None:
        async with office.assistant("--allow-writes") as assistant:
            synced = await assistant.client.call_tool(
                "sync_to_cache", {"source": "shop", "cache": "main"}, progress_callback=hear
            )
            assert synced.structured_content is not None
            assert synced.structured_content["rows_committed"] == 200
            again = await assistant.ask("sync_to_cache", source="shop", cache="main")
            assert again["rows_committed"] == 0
            some = await assistant.ask(
                "run_sql", cache="main", sql="SELECT id FROM users ORDER BY id", limit=3
            )
            assert (some["columns"], some["rows"]) == (["id"], [[1], [2], [3]])
            assert some["rows_left_out"] == "There are more than 3."
            whole = await assistant.ask("run_sql", cache="main", sql="SELECT count(*) FROM users")
            assert whole["rows"] == [[50]]
            assert "rows_left_out" not in whole
            refused = await assistant.fail("run_sql", cache="main", sql="DELETE FROM users")
            assert "SELECT" in refused
            (cache,) = (await assistant.ask("list_caches"))["caches"]
            assert {each["stream"]: each["rows"] for each in cache["tables"]}["users"] == 50

    run(work)
    assert any(re.fullmatch(r"users: 50 rows committed", message) for message in told)
    with duckdb.connect(str(office.folder / "main.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM users").fetchall() == [(50,)]


def test_no_secret_reaches_the_client_or_the_log(office: Office, replayed: Replayed) -> None:
    lines = [
        record(id=1, v="the row holds canary-token-1"),
        record(id=2, v="and canary-host-2"),
        trace_error("refused canary-token-1 at canary-host-2 by canary-file-3"),
    ]
    path = replayed.write([stream()], lines, exit=1)
    (office.folder / "token.txt").write_text("canary-file-3\n")
    office.environment["HOST"] = "canary-host-2"
    (office.folder / ".env").write_text("TOKEN=canary-token-1\n")
    config = {
        "transcript": str(path),
        "token": "secret_reference::TOKEN",
        "nested": {"host": "${env:HOST}", "list": ["${file:token.txt}"]},
    }
    executable = f"{sys.executable} {PROGRAM}"
    offered = {"connector": "source-replayed", "local_executable": executable}
    office.offer(
        sources={
            "good": {**offered, "config": config},
            "bad": {**offered, "config": {**config, "token": "wrong", "size": "canary-size-4"}},
        },
        caches={"main": {"type": "duckdb", "config": {"db_path": "main.duckdb"}}},
    )
    heard: list[str] = []

    async def work() -> None:
        async with office.assistant("--allow-writes") as assistant:
            await assistant.ask("list_sources")
            await assistant.ask("check_source", source="good")
            await assistant.ask("list_streams", source="good")
            rows = await assistant.ask("preview_rows", source="good", stream="items", limit=2)
            assert rows["rows"] == [[1, "the row holds ****"], [2, "and ****"]]
            failed = await assistant.fail("preview_rows", source="good", stream="items", limit=9)
            assert "refused ****" in failed
            assert "refused ****" in await assistant.fail(
                "sync_to_cache", source="good", cache="main"
            )
            await assistant.fail("check_source", source="bad")
            heard.extend(assistant.heard)

    run(work)
    everything = "\n".join([*heard, office.said])
    assert re.findall(r"canary-[\w-]+", everything.replace("canary-size-4", "")) == []
    (office.folder / ".env").unlink()

    async def without() -> None:
        async with office.assistant() as assistant:
            assert "TOKEN" in await assistant.fail("check_source", source="good")

    run(without)


def test_a_cancelled_sync_ends_and_is_continued(office: Office, replayed: Replayed) -> None:
    lines = [record(id=1, v="a"), state(at=1), {"sleep": 60}, record(id=2), status("COMPLETE")]
    path = replayed.write([stream(key=[["id"]], cursor="id")], lines)
    office.offer(
        sources={
            "slow": {
                "connector": "source-replayed",
                "config": {"transcript": str(path)},
                "local_executable": f"{sys.executable} {PROGRAM}",
            }
        },
        caches={"main": {"type": "duckdb", "config": {"db_path": "main.duckdb"}}},
    )

    slow = {"source": "slow", "cache": "main"}

    async def work() -> None:
        async with office.assistant("--allow-writes") as assistant:
            seen: list[dict[str, Any]] = []
            with anyio.move_on_after(6) as scope:
                async with anyio.create_task_group() as both:
                    both.start_soon(partial(assistant.ask, "sync_to_cache", **slow))
                    await anyio.sleep(2)
                    seen.extend((await assistant.ask("list_caches"))["caches"])
            assert scope.cancelled_caught
            assert ["in use" in cache["busy"] for cache in seen] == [True]
            with anyio.fail_after(30):
                rows = await assistant.ask("run_sql", cache="main", sql="SELECT id FROM items")
            assert rows["rows"] == [[1]]

    run(work)


def test_http_is_for_whoever_has_the_token(office: Office) -> None:
    environment = {**os.environ, **office.env()}
    with subprocess.Popen(
        office.command("--http", "0"), env=environment, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stderr is not None
            announced = server.stderr.readline()
            found = re.search(r"(http://127\.0\.0\.1:\d+/mcp), .* token (\S+)", announced)
            assert found is not None, announced
            address, token = found.groups()

            async def work() -> None:
                async with httpx.AsyncClient() as web:
                    for headers in ({}, {"Authorization": "Bearer nonsense"}):
                        answer = await web.post(address, json={}, headers=headers)
                        assert answer.status_code == 401
                    rebound = {"Authorization": f"Bearer {token}", "Host": "evil.example"}
                    assert (await web.post(address, json={}, headers=rebound)).status_code >= 400
                headers = {"Authorization": f"Bearer {token}"}
                async with (
                    _http_client(headers) as web,
                    Client(streamable_http_client(address, http_client=web)) as client,
                ):
                    assistant = Assistant(client)
                    found = await assistant.ask("check_source", source="shop")
                    assert found["status"] == "succeeded"

            run(work)
        finally:
            server.terminate()
            server.communicate(timeout=30)


def _http_client(headers: dict[str, str]) -> Any:
    return httpx2.AsyncClient(headers=headers, timeout=30)


def test_sql_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    path = tmp_path / "main.duckdb"
    duckdb.connect(str(path)).close()
    cache = {"type": "duckdb", "config": {"db_path": str(path)}}
    shelf = Shelf(offers_of({"caches": {"main": cache}}), may_install=False)
    server = make_server(shelf, may_write=False, query_seconds=0.3)

    async def work() -> None:
        async with Client(server) as client:
            slow = "SELECT count(*) FROM range(10_000_000) a, range(1_000_000) b WHERE a.range%7=3"
            said = await Assistant(client).fail("run_sql", cache="main", sql=slow)
            assert "longer than 0.3 seconds" in said

    run(work)


def test_an_uninstalled_connector_is_not_installed_for_an_assistant(office: Office) -> None:
    office.offer(sources={"crm": {"connector": "source-hubspot", "pip_url": "airbyte-source-x"}})

    async def work() -> None:
        async with office.assistant() as assistant:
            said = await assistant.fail("check_source", source="crm")
            assert "is not installed" in said
            assert "--allow-writes" in said

    run(work)


def test_without_its_package_the_command_says_what_to_install(office: Office) -> None:
    code = "import sys; sys.modules['mcp'] = None; from penstock.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *office.command()[1:]],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **office.env()},
    )
    assert done.returncode == 2
    assert "pip install 'penstock[mcp]'" in done.stderr
