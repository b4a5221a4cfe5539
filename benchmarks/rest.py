"""Pages of 1,000 JSON records from a local server into DuckDB: penstock, a bare loop, the peers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.contest import Attempt, Contender, Table, contest, say
from benchmarks.datasets import messages_data
from benchmarks.generate import facts_path, load_facts
from benchmarks.ours import full_refresh, home_in, proved
from benchmarks.peers import install
from benchmarks.places import PROGRAMS
from benchmarks.rest_server import NOTHING, serving
from benchmarks.verify import verify

OURS, RECORDWISE = "penstock", "penstock, each record through Python"
LOOP, CDK, DLT = "httpx + orjson, nothing else", "airbyte-cdk > /dev/null", "dlt"
OURS_START, LOOP_START = "penstock, an empty page", "httpx + orjson, an empty page"
"""What is left without records: starting Python, importing, opening and closing."""
PEER_SECONDS = 1200


def tables(*, quick: bool) -> Iterator[Table]:
    """Measures one table."""
    rows = 200_000 if quick else 500_000
    data = messages_data(rows)
    table = Table(path="rest", title=f"REST API, {rows:,} records in pages of 1,000", rows=rows)
    say("making the pages")
    with serving(data) as url:
        yield contest(table, _contenders(url, data))


def _contenders(url: str, data: Path) -> list[Contender]:
    return [
        Contender(
            label=OURS,
            installed=install("penstock"),
            prepare=partial(_penstock, url, data, "text"),
        ),
        Contender(
            label=RECORDWISE,
            installed=install("penstock"),
            prepare=partial(_penstock, url, data, "values"),
        ),
        Contender(label=LOOP, installed=install("penstock"), prepare=partial(_loop, url, data)),
        Contender(
            label=OURS_START,
            installed=install("penstock"),
            prepare=partial(_penstock, f"{url}/{NOTHING}", data, "nothing"),
        ),
        Contender(
            label=LOOP_START,
            installed=install("penstock"),
            prepare=partial(_loop, f"{url}/{NOTHING}", data),
        ),
        Contender(
            label=CDK,
            installed=install("airbyte-cdk"),
            prepare=partial(_cdk, url, data),
            rounds=1,
            timeout_seconds=PEER_SECONDS,
        ),
        Contender(
            label=DLT,
            installed=install("dlt"),
            prepare=partial(_dlt, url, data),
            rounds=1,
            timeout_seconds=PEER_SECONDS,
        ),
    ]


def _penstock(url: str, data: Path, way: str, folder: Path) -> Attempt:
    database = folder / "out.duckdb"
    program = str(PROGRAMS / "penstock_rest.py")
    return Attempt(
        command=(
            *(install("penstock").python, program, url),
            *(str(database), str(facts_path(data)), way),
        ),
        environment=home_in(folder),
        judge=proved(lambda _: None if way == "nothing" else verify(database, data)),
    )


def _loop(url: str, data: Path, folder: Path) -> Attempt:
    del folder
    program = str(PROGRAMS / "orjson_rest.py")
    rows = 0 if url.endswith(NOTHING) else load_facts(data).rows
    return Attempt(command=(install("penstock").python, program, f"{url}/users", str(rows)))


def _cdk(url: str, data: Path, folder: Path) -> Attempt:
    """Airbyte's low-code source, which only writes messages: the other tools load as well."""
    schema = load_facts(data).json_schema
    stream = {"name": "users", "json_schema": schema, "supported_sync_modes": ["full_refresh"]}
    catalog = {"streams": [full_refresh(stream)]}
    config = {"__injected_declarative_manifest": _manifest(url, schema)}
    for name, content in (("config", config), ("catalog", catalog)):
        (folder / f"{name}.json").write_text(json.dumps(content))
    return Attempt(
        command=(
            *(install("airbyte-cdk").program("source-declarative-manifest"), "read"),
            *("--config", str(folder / "config.json"), "--catalog", str(folder / "catalog.json")),
        ),
        discard_output=True,
    )


def _manifest(url: str, schema: dict[str, Any]) -> dict[str, Any]:
    pages = {"type": "PageIncrement", "page_size": 1000, "start_from_page": 1}
    requester = {"type": "HttpRequester", "url_base": url, "path": "/users", "http_method": "GET"}
    option = {"type": "RequestOption", "inject_into": "request_parameter", "field_name": "page"}
    retriever = {
        "type": "SimpleRetriever",
        "requester": requester,
        "record_selector": {
            "type": "RecordSelector",
            "extractor": {"type": "DpathExtractor", "field_path": ["items"]},
        },
        "paginator": {
            "type": "DefaultPaginator",
            "pagination_strategy": {**pages, "inject_on_first_request": True},
            "page_token_option": option,
        },
    }
    stream = {
        "type": "DeclarativeStream",
        "name": "users",
        "primary_key": ["id"],
        "retriever": retriever,
        "schema_loader": {"type": "InlineSchemaLoader", "schema": schema},
    }
    return {
        "version": "6.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["users"]},
        "streams": [stream],
        "spec": {
            "type": "Spec",
            "connection_specification": {"type": "object", "properties": {}},
        },
    }


def _dlt(url: str, data: Path, folder: Path) -> Attempt:
    database = folder / "out.duckdb"
    program = str(PROGRAMS / "dlt_rest.py")
    return Attempt(
        command=(install("dlt").python, program, url, str(database), str(folder / "working")),
        judge=lambda _: verify(database, data),
    )
