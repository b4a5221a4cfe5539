"""Every message of native connectors is valid against the protocol's own models, strictly."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from penstock.destinations.duckdb import DuckDBDestination
from penstock.engine.briefing import catalog_for_destination
from penstock.engine.plan import Stored, plan_streams
from penstock.engine.settings import SyncSettings
from penstock.protocol.catalog import ConfiguredStream
from penstock.protocol.codec import decode_catalog, encode
from penstock.sdk.entrypoint import run_destination, run_source
from penstock.sources.faker import FakerSource
from penstock.sources.file import FileSource
from tests.integration.clients.conftest import Clients

pytestmark = [pytest.mark.network, pytest.mark.slow]

VALIDATE = """
import json, sys
from jsonschema import Draft202012Validator
from airbyte_protocol.models import AirbyteMessage, ConfiguredAirbyteCatalog
model = {"message": AirbyteMessage, "catalog": ConfiguredAirbyteCatalog}[sys.argv[1]]
validator = Draft202012Validator(model.model_json_schema())
count = 0
for line in sys.stdin.buffer:
    document = json.loads(line)
    problems = [f"{list(e.absolute_path)}: {e.message}" for e in validator.iter_errors(document)]
    model.model_validate(document)
    if problems:
        sys.exit(f"{line[:200]!r}: {problems}")
    count += 1
print(count)
"""


def valid(clients: Clients, lines: bytes, what: str = "message") -> int:
    """Returns how many documents there were; fails at one that is not valid."""
    return int(clients.run("-c", VALIDATE, what, stdin=lines).stdout)


class Files:
    """Writes the files of a command line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, **contents: Any) -> list[str]:
        argv = []
        for name, content in contents.items():
            path = self.folder / f"{name}.json"
            path.write_text(json.dumps(content))
            argv += [f"--{name}", str(path)]
        return argv


def said(source: Any, argv: list[str], status: int = 0) -> bytes:
    out = io.BytesIO()
    assert run_source(source, argv, out) == status
    return out.getvalue()


def chosen(catalog: bytes, *modes: str) -> dict[str, Any]:
    streams = json.loads(catalog)["catalog"]["streams"]
    return {
        "streams": [
            {"stream": stream, "sync_mode": modes[0], "destination_sync_mode": modes[1]}
            for stream in streams
        ]
    }


def test_what_sources_say_is_valid(clients: Clients, tmp_path: Path) -> None:
    (tmp_path / "visits.csv").write_text("id,name\n007,Zoë\n9007199254740993,\n")
    files = Files(tmp_path)
    lines = b""
    configs: tuple[tuple[Any, dict[str, Any], str], ...] = (
        (FakerSource, {"rows": 50, "products": 5, "state_every": 10}, "incremental"),
        (FileSource, {"path": str(tmp_path / "visits.csv")}, "full_refresh"),
    )
    for source, config, mode in configs:
        catalog = said(source, ["discover", *files(config=config)])
        lines += said(source, ["spec"]) + said(source, ["check", *files(config=config)]) + catalog
        read = ["read", *files(config=config, catalog=chosen(catalog, mode, "append"))]
        lines += said(source, read)
        lines += said(source, ["check", *files(config={"rows": -1})])
        lines += said(source, ["discover", *files(config={"rows": "many"})], status=2)
    assert valid(clients, lines) == len(lines.splitlines()) > 120


def test_what_destinations_say_is_valid(clients: Clients, tmp_path: Path) -> None:
    files = Files(tmp_path)
    config = {"rows": 50, "products": 5, "state_every": 10}
    catalog = said(FakerSource, ["discover", *files(config=config)])
    configured = chosen(catalog, "incremental", "append")
    messages = said(FakerSource, ["read", *files(config=config, catalog=configured)])
    target = {"path": str(tmp_path / "out.duckdb")}
    (tmp_path / "wrong").mkdir()
    wrong = Files(tmp_path / "wrong")
    out = io.BytesIO()
    for argv, stdin in (
        (["spec"], b""),
        (["check", *files(config=target)], b""),
        (["write", *files(config=target, catalog=configured)], messages),
        (["write", *wrong(config={}, catalog=configured)], b""),
    ):
        run_destination(DuckDBDestination, argv, io.BytesIO(stdin), out)
    lines = out.getvalue()
    assert b'"SPEC"' in lines
    assert lines.count(b'"STATE"') == messages.count(b'"STATE"')
    assert b'"config_error"' in lines
    assert valid(clients, lines) == len(lines.splitlines())


def test_the_catalogue_that_destination_programs_get_is_valid(
    clients: Clients, tmp_path: Path
) -> None:
    catalog = said(FakerSource, ["discover", *Files(tmp_path)(config={"rows": 5})])
    streams = decode_catalog(json.dumps(json.loads(catalog)["catalog"]).encode()).streams
    settings = SyncSettings(prefix="p_", namespace="marts")
    tasks = plan_streams(
        connection="c",
        streams=[ConfiguredStream(stream=stream) for stream in streams],
        settings=settings,
        capabilities=DuckDBDestination.capabilities,
        stored=Stored(by_stream={}),
        resumes_full_refresh=False,
        fence=1,
    )
    told, _ = catalog_for_destination(tasks, settings)
    assert valid(clients, encode(told) + b"\n", "catalog") == 1
