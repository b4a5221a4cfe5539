"""The engine is a stand-in: a script called `docker` that runs the image's name as a program."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from penstock.engine.runners.container import container_runner, find_engine
from penstock.errors import ConfigError, ConnectionFailed, UnknownName
from tests.integration.engine.runners.programs import CATALOG, Row, Scripted, is_alive, wait_until

FAKE_DOCKER = """#!{python} -S
import json, os, sys
with open({calls!r}, "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
verb = sys.argv[1]
if verb == "ps":
    sys.exit({ps})
if verb == "image":
    sys.exit({image})
if verb == "pull":
    print({pull!r}); sys.exit(0 if {pull!r} == "done" else 1)
if verb == "run":
    mounts = dict(reversed(a.split(":")[:2]) for f, a in zip(sys.argv, sys.argv[1:]) if f == "-v")
    at = sys.argv.index({program!r})
    argv = [mounts.get(a, a) for a in sys.argv[at + 1:]]
    os.execv({python!r}, [{python!r}, "-S", {program!r}, *argv])
"""


class Docker:
    """Puts the stand-in on PATH, and tells what it was asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._log = folder / "calls"
        monkeypatch.setenv("PATH", str(folder))

    def install(
        self, program: Path | None = None, *, ps: int = 0, image: int = 0, pull: str = "done"
    ) -> str:
        script = self._folder / "docker"
        script.write_text(
            FAKE_DOCKER.format(
                python=sys.executable,
                calls=str(self._log),
                program=str(program),
                ps=ps,
                image=image,
                pull=pull,
            )
        )
        script.chmod(0o755)
        return str(script)

    @property
    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    folder = tmp_path / "bin"
    folder.mkdir()
    return Docker(folder, monkeypatch)


def test_without_an_engine_the_error_says_how_to_get_one(docker: Docker) -> None:
    with pytest.raises(ConfigError, match="neither Docker nor Podman is installed") as caught:
        container_runner("source-x", "img:1").spec()
    assert "https://docs.docker.com" in caught.value.remedy


def test_an_engine_whose_server_is_silent_does_not_count(docker: Docker) -> None:
    docker.install(ps=1)
    with pytest.raises(ConfigError, match="docker does not answer"):
        find_engine()


def test_a_missing_image_is_pulled_first(docker: Docker, scripted: Scripted) -> None:
    program = scripted.write("say(type='SPEC', spec={'connectionSpecification': {}})")
    docker.install(program, image=1)
    container_runner("source-x", str(program)).spec()
    assert [call[0] for call in docker.calls] == ["ps", "image", "pull", "run"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [("manifest unknown", UnknownName), ("connection refused", ConnectionFailed)],
)
def test_a_failed_pull_is_told(docker: Docker, words: str, expected: type[Exception]) -> None:
    docker.install(image=1, pull=words)
    with pytest.raises(expected, match=words):
        container_runner("source-x", "img:1").spec()


def test_the_image_reads_its_mounted_files(docker: Docker, scripted: Scripted) -> None:
    program = scripted.write("record(load('config')['n'])")
    docker.install(program)
    runner = container_runner("source-x", str(program), network="host", options=scripted.options())
    with runner.read({"n": 7, "password": "hush-hush"}, CATALOG, ()) as reading:
        rows = [item for item in reading if isinstance(item, Row)]
    assert len(rows) == 1
    run = docker.calls[-1]
    assert run[:4] == ["run", "--rm", "-i", "--name"]
    assert run[5:7] == ["--network", "host"]
    mounts = [run[n + 1].partition(":")[2] for n, word in enumerate(run) if word == "-v"]
    assert mounts == ["/airbyte/penstock/catalog.json", "/airbyte/penstock/config.json"]
    assert run[run.index(str(program)) :] == [
        str(program),
        "read",
        "--config",
        "/airbyte/penstock/config.json",
        "--catalog",
        "/airbyte/penstock/catalog.json",
    ]
    assert "hush-hush" not in json.dumps(docker.calls)


def test_mounted_files_are_open_inside_a_folder_that_is_not(
    docker: Docker, scripted: Scripted
) -> None:
    program = scripted.write(
        """
        file = os.stat(FILES["--config"]).st_mode & 0o777
        folder = os.stat(os.path.dirname(FILES["--config"])).st_mode & 0o777
        log("INFO", f"{file:o} {folder:o}")
        """
    )
    docker.install(program)
    runner = container_runner("source-x", str(program), options=scripted.options())
    with runner.read({}, CATALOG, ()) as reading:
        assert [item.message for item in reading] == ["666 700"]


def test_a_container_that_does_not_end_is_removed(docker: Docker, scripted: Scripted) -> None:
    program = scripted.write(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); record(os.getpid()); time.sleep(60)"
    )
    docker.install(program)
    runner = container_runner("source-x", str(program), options=scripted.options(grace=0.3))
    with runner.read({}, CATALOG, ()) as reading:
        process = json.loads(bytes(next(iter(reading)).record.data))["n"]
    assert wait_until(lambda: not is_alive(process))
    name = docker.calls[-2][4]
    assert docker.calls[-1] == ["rm", "-f", name]
