"""The library keeps to itself: nothing at import, no network it was not asked for, one logger."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

import penstock as ab
from penstock.library.caches import DuckDBCache
from tests.integration.library.transcripts import PROGRAM, Replayed, record, status, stream

WATCHED = """
import sys
def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "urllib.Request"):
        sys.stderr.write(f"NETWORK {event} {args}\\n")
sys.addaudithook(watch)
"""


def _alone(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs code as a user's script: an empty home and folder, Airbyte's registry as it comes."""
    environment = {"HOME": str(folder / "home"), "PATH": "/usr/bin:/bin", "CI": "1"}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", WATCHED + code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_import_writes_nothing_and_calls_nobody(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    done = _alone(
        "import penstock as ab\nfor name in dir(ab): getattr(ab, name)\n"
        "ab.get_source('source-faker', config={'count': 1})\nab.get_default_cache()",
        tmp_path,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [path.name for path in tmp_path.rglob("*")] == ["home"]


def test_a_read_without_a_network_needs_none(tmp_path: Path, replayed: Replayed) -> None:
    path = replayed.write([stream()], [record(id=1), status("COMPLETE")])
    code = f"""
import penstock as ab
cache = ab.new_local_cache("mine")
for source in (
    ab.get_source("source-faker", config={{"count": 3}}, streams="users"),
    ab.get_source("source-replayed", config={{"transcript": {str(path)!r}}}, streams="*",
                  local_executable={f"{sys.executable} {PROGRAM}"!r}),
):
    source.check()
    print(source.read(cache).processed_records)
"""
    done = _alone(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "3\n1\n"
    assert "NETWORK" not in done.stderr


def test_all_that_is_said_goes_through_one_logger(
    cache: DuckDBCache, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        ab.get_source("source-faker", config={"count": 3}, streams="users").read(cache)
    assert {record.name.split(".")[0] for record in caplog.records} == {"penstock"}
    assert logging.getLogger("penstock").handlers == []
    assert logging.getLogger("penstock").propagate
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
