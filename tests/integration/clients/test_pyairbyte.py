"""The real PyAirbyte, in its own venv, reads native connectors through one-line executables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.clients.conftest import Clients

pytestmark = [pytest.mark.network, pytest.mark.slow]

READ = """
import json, sys
import airbyte as ab
name, config, database = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
source = ab.get_source(name, config=config, local_executable="./" + name)
source.check()
source.select_all_streams()
cache = ab.DuckDBCache(db_path=database)
result = source.read(cache=cache, force_full_refresh=False)
told = {"processed": result.processed_records}
for stream in source.get_selected_streams():
    frame = cache[stream].to_pandas()
    told[stream] = {"rows": len(frame), "columns": sorted(map(str, frame.columns))}
print("TOLD " + json.dumps(told))
"""


def told_by(clients: Clients, name: str, config: dict[str, object]) -> dict[str, object]:
    out = clients.run("-c", READ, name, json.dumps(config), "cache.duckdb").stdout
    line = next(line for line in out.splitlines() if line.startswith("TOLD "))
    found: dict[str, object] = json.loads(line.removeprefix("TOLD "))
    return found


def test_pyairbyte_reads_faker_and_continues_it(clients: Clients) -> None:
    clients.program("source-faker")
    config = {"rows": 300, "products": 20, "state_every": 100}
    told = told_by(clients, "source-faker", config)
    rows = {name: told[name]["rows"] for name in ("users", "products", "purchases")}  # type: ignore[index]
    assert (told["processed"], rows) == (620, {"users": 300, "products": 20, "purchases": 300})
    again = told_by(clients, "source-faker", config)
    assert again["processed"] == 0


def test_pyairbyte_reads_a_file(clients: Clients, tmp_path: Path) -> None:
    clients.program("source-file")
    (tmp_path / "visits.csv").write_text("id,name\n007,Zoë\n9007199254740993,\n")
    told = told_by(clients, "source-file", {"path": str(tmp_path / "visits.csv")})
    assert told["processed"] == 2
    assert {"id", "name"} <= set(told["visits"]["columns"])  # type: ignore[index]


def test_pyairbyte_is_told_what_is_wrong_with_a_configuration(clients: Clients) -> None:
    clients.program("source-faker")
    script = READ.replace("source.check()", "source.check(); raise SystemExit('accepted')")
    done = clients.run("-c", script, "source-faker", '{"rows": -1}', "cache.duckdb", fails=True)
    assert done.returncode != 0
    assert "rows" in done.stderr + done.stdout
    assert "accepted" not in done.stderr
