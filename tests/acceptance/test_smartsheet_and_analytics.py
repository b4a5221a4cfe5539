"""Smartsheet and Google Analytics from the command line, killed on the way, and as programs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.acceptance.conftest import Terminal
from tests.doubles.analytics_server import AnalyticsServer, events, key_file
from tests.doubles.smartsheet_server import SmartsheetServer, visits
from tests.doubles.vendor import Vendor, serving

EVERYTHING = (
    "SELECT * EXCLUDE (_airbyte_raw_id, _airbyte_extracted_at, _airbyte_generation_id,"
    " _airbyte_meta) FROM {table} ORDER BY ALL"
)
TODAY = datetime.now(ZoneInfo("Asia/Kolkata")).date()


@dataclass
class Account:
    """A vendor's account, what is to be read of it, and how it can change."""

    source: str
    server: Vendor
    config: dict[str, Any]
    stream: str
    table: str
    rows: Callable[[], int]
    change: Callable[[], None]
    secret: str

    def config_file(self, folder: Path) -> str:
        path = folder / "config.json"
        path.write_text(json.dumps(self.config))
        return str(path)

    def command(self, terminal: Terminal, path: str = "out.duckdb") -> list[str]:
        return [
            "sync",
            self.source,
            "duckdb",
            f"--source-config={self.config_file(terminal.folder)}",
            f"--destination.path={path}",
            f"--streams={self.stream}",
            f"--connection={path}",
            "--mode=incremental_append_dedup",
            "--commit-bytes=1",
        ]


def smartsheet(server: SmartsheetServer) -> Account:
    sheet = server.sheets[0]

    def change() -> None:
        sheet.delete(sheet.rows[-2])
        sheet.edit(sheet.rows[5], "Paid", True)
        sheet.add({"Patient": "new"})
        sheet.add({"Patient": "newer"})

    credentials = {"auth_type": "access_token", "access_token": server.token}
    return Account(
        source="smartsheet",
        server=server,
        config={"credentials": credentials, "base_url": f"{server.url}/2.0"},
        stream="Visits",
        table="visits",
        rows=lambda: len(sheet.rows),
        change=change,
        secret=server.token,
    )


def analytics(server: AnalyticsServer) -> Account:
    def change() -> None:
        yesterday = TODAY - timedelta(days=1)
        server.events = [
            event
            for event in server.events
            if event.at.date() != yesterday or event.country == "India"
        ]
        server.events += events(1, last=TODAY, a_day=24)

    def rows() -> int:
        return len({(e.at.date(), e.page, e.country) for e in server.events})

    report = {
        "name": "by_page",
        "dimensions": ["date", "pagePath", "country"],
        "metrics": ["eventCount"],
    }
    config = {
        "credentials": {"auth_type": "Service", "credentials_json": key_file(server)},
        "property_ids": [server.property_id],
        "base_url": f"{server.url}/v1beta",
        "start_date": (TODAY - timedelta(days=12)).isoformat(),
        "custom_reports": [report],
        "page_rows": 7,
    }
    return Account(
        source="google-analytics",
        server=server,
        config=config,
        stream="by_page",
        table="by_page",
        rows=rows,
        change=change,
        secret=key_file(server).split("\\n")[2],
    )


@pytest.fixture(params=["smartsheet", "analytics"])
def account(request: pytest.FixtureRequest) -> Iterator[Account]:
    if request.param == "smartsheet":
        with serving(SmartsheetServer(sheets=[visits(45)], largest_page=5)) as server:
            assert isinstance(server, SmartsheetServer)
            yield smartsheet(server)
        return
    now = datetime.now(ZoneInfo("UTC"))
    with serving(AnalyticsServer(events=events(12, last=TODAY), now=now)) as server:
        assert isinstance(server, AnalyticsServer)
        yield analytics(server)


def test_second_sync_brings_what_changed_and_takes_what_is_gone(
    terminal: Terminal, account: Account
) -> None:
    count = f"SELECT count(*) FROM {account.table}"
    for change in (lambda: None, account.change):
        change()
        done = terminal.run(*account.command(terminal))
        assert done.status == 0, done.err
        assert [(account.rows(),)] == terminal.query(count)
    whole = terminal.run(*account.command(terminal, "whole.duckdb"))
    assert whole.status == 0, whole.err
    everything = EVERYTHING.format(table=account.table)
    assert terminal.query(everything, "whole.duckdb") == terminal.query(everything)


def test_sync_killed_between_record_and_checkpoint_loses_nothing(
    terminal: Terminal, account: Account
) -> None:
    children: list[subprocess.Popen[str]] = []
    pages = [0]

    def kill() -> None:
        pages[0] += 1
        if pages[0] in (3, 8, 15):
            os.kill(children[-1].pid, signal.SIGKILL)

    account.server.after_page = kill
    for _ in range(4):
        children.append(terminal.start(*account.command(terminal)))
        _, told = children[-1].communicate(timeout=120)
    assert [child.returncode for child in children] == [-signal.SIGKILL] * 3 + [0], told
    account.server.after_page = lambda: None
    whole = terminal.run(*account.command(terminal, "whole.duckdb"))
    assert whole.status == 0, whole.err
    everything = EVERYTHING.format(table=account.table)
    assert terminal.query(everything, "whole.duckdb") == terminal.query(everything)


def test_source_is_an_airbyte_program(terminal: Terminal, account: Account) -> None:
    config = account.config_file(terminal.folder)
    name = account.source
    spec = terminal.run("connector", name, "spec")
    assert json.loads(spec.out)["spec"]["connectionSpecification"]["properties"]
    check = terminal.run("connector", name, "check", "--config", config)
    assert '"SUCCEEDED"' in check.out
    found = terminal.run("connector", name, "discover", "--config", config)
    streams = json.loads(found.out.splitlines()[-1])["catalog"]["streams"]
    chosen = next(stream for stream in streams if stream["name"] == account.stream)
    catalog = terminal.folder / "catalog.json"
    configured = {
        "stream": chosen,
        "sync_mode": "incremental",
        "destination_sync_mode": "append_dedup",
    }
    catalog.write_text(json.dumps({"streams": [configured]}))
    words = ["connector", name, "read", "--config", config, "--catalog", str(catalog)]
    read = terminal.run(*words)
    assert read.status == 0, read.out
    messages = [json.loads(line) for line in read.out.splitlines()]
    states = [message["state"] for message in messages if message["type"] == "STATE"]
    counted = sum(state["sourceStats"]["recordCount"] for state in states)
    assert counted == account.rows()
    assert counted == sum(message["type"] == "RECORD" for message in messages)
    (terminal.folder / "state.json").write_text(json.dumps(states[-1:]))
    again = terminal.run(*words, "--state", str(terminal.folder / "state.json"))
    assert again.status == 0, again.out
    assert again.out.count('"RECORD"') < counted / 2


def test_no_secret_is_shown_or_left_behind(terminal: Terminal, account: Account) -> None:
    done = terminal.run(*account.command(terminal), "--debug")
    check = terminal.run(
        "check", account.source, f"--source-config={terminal.folder / 'config.json'}"
    )
    account.server.faults.extend(["403"])
    failed = terminal.run(*account.command(terminal, "other.duckdb"))
    assert failed.status != 0
    told = [*vars(done).values(), *vars(check).values(), *vars(failed).values()]
    assert [text for text in told if account.secret in str(text)] == []
    left = [
        path.name
        for path in terminal.folder.rglob("*")
        if path.is_file() and path.name != "config.json"
        if account.secret.encode() in path.read_bytes()
    ]
    assert left == []
