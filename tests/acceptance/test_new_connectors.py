"""What `penstock new` writes is a connector: it passes its suite, is found, and moves rows."""

from __future__ import annotations

import json
import os
import re
import site
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from penstock.cli.main import run_command
from penstock.errors import ConfigError

PROJECTS = [
    ("source", "acme-crm", "rest"),
    ("source", "counted", "python"),
    ("destination", "lake", None),
]


def make(folder: Path, what: str, name: str, kind: str | None) -> Path:
    options = ["--kind", kind] if kind else []
    project = folder / f"{what}-{name}"
    assert run_command(["new", what, name, *options, "--folder", str(project)]) == 0
    return project


def run(*argv: str | Path, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        [str(word) for word in argv],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("what", "name", "kind"), PROJECTS, ids=[each[1] for each in PROJECTS])
def test_a_new_connector_passes_its_own_suite_and_is_tidy(
    tmp_path: Path, what: str, name: str, kind: str | None
) -> None:
    project = make(tmp_path, what, name, kind)
    for path in (path for path in project.rglob("*") if path.is_file()):
        assert re.findall(r"\{\{.*?\}\}", path.read_text()) == [], path
    argv = (sys.executable, "-m", "pytest", "-q", "--penstock-rounds=1")
    told = run(*argv, cwd=project, PYTHONPATH=str(project / "src"))
    assert "passed" in told
    assert "failed" not in told
    ruff = Path(sys.executable).with_name("ruff")
    run(ruff, "check", "--isolated", "--line-length=100", ".", cwd=project)
    run(ruff, "format", "--check", "--isolated", "--line-length=100", ".", cwd=project)
    assert (project / "docs" / f"{what}-{name}.md").exists()
    assert (project / ".gitignore").exists()


@contextmanager
def api_of(project: Path, python: Path) -> Iterator[str]:
    """Runs the project's own double of its API."""
    serve = "import tests.api as api\nwith api.serving() as a: print(a, flush=True); input()"
    process = subprocess.Popen(
        [python, "-c", serve],
        cwd=project,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.communicate("\n")


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A venv with this penstock and the three connectors installed beside it."""
    folder = tmp_path_factory.mktemp("installed")
    projects = [make(folder, *project) for project in PROJECTS]
    uv = Path(sys.executable).with_name("uv")
    run(uv, "venv", "-q", "--python", sys.executable, folder / "venv", cwd=folder)
    (place,) = (folder / "venv" / "lib").glob("python*/site-packages")
    here = [path for path in site.getsitepackages() if Path(path).is_dir()]
    lines = [f"import site; site.addsitedir({path!r})\n" for path in here]
    (place / "penstock_of_this_test.pth").write_text("".join(lines))
    python = folder / "venv" / "bin" / "python"
    run(uv, "pip", "install", "-q", "--no-deps", "--python", python, *projects, cwd=folder)
    return folder


@pytest.mark.network
@pytest.mark.slow
def test_installed_they_are_found_and_move_rows(venv: Path, tmp_path: Path) -> None:
    bin_ = venv / "venv" / "bin"
    penstock = (bin_ / "python", "-m", "penstock.cli")
    env = {"PENSTOCK_HOME": str(tmp_path / "home"), "PENSTOCK_REGISTRY": "off"}
    listed = json.loads(run(*penstock, "sources", "--json", cwd=tmp_path, **env))
    runs = {each["name"]: each["runs"] for each in listed}
    assert (runs["source-acme-crm"], runs["source-counted"]) == ("plugin", "plugin")
    spec = json.loads(run(bin_ / "source-acme-crm", "spec", cwd=tmp_path))["spec"]
    assert spec["connectionSpecification"]["properties"]["token"]["airbyte_secret"]
    with api_of(venv / "source-acme-crm", bin_ / "python") as address:
        settings = (f"--source.base-url={address}", "--source.token=${env:TOKEN}")
        target = ("duckdb", "--destination.path=out.duckdb")
        env["TOKEN"] = "letmein"
        run(*penstock, "check", "acme-crm", *settings, cwd=tmp_path, **env)
        run(*penstock, "sync", "acme-crm", *target, *settings, cwd=tmp_path, **env)
    with duckdb.connect(str(tmp_path / "out.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM customers").fetchone() == (120,)
        orders = connection.execute("SELECT count(*), sum(total) FROM orders").fetchone()
        assert orders == (120, 70)
    target = ("lake", "--destination.path=lake")
    run(*penstock, "sync", "counted", *target, cwd=tmp_path, **env)
    again = run(*penstock, "sync", "counted", *target, "--json", cwd=tmp_path, **env)
    receipt = json.loads(again.splitlines()[-1])["receipt"]
    assert (receipt["outcome"], receipt["streams"][0].get("rows_committed", 0)) == ("succeeded", 0)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["source", "Acme CRM"], "Use acme-crm."),
        (["source", "1x"], "Use a name such as acme-crm."),
        (["source", ""], "Use a name such as acme-crm."),
        (["source", "faker"], "There is a source faker already"),
        (["source", "source-faker"], "There is a source faker already"),
        (["destination", "duckdb"], "There is a destination duckdb already"),
        (["destination", "x", "--kind", "rest"], "--kind is for sources."),
        (["source", "x", "--folder", "full"], "full exists already and is not empty."),
        (["source", "x", "--folder", "file"], "file exists already and is not empty."),
        (["source", "x", "--folder", "file/x"], "file/x cannot be written"),
        (["sink", "x"], "penstock new --help"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_made_is_told_and_makes_nothing(
    argv: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    assert run_command(["new", *argv]) == ConfigError.exit_status
    assert words in " ".join(capsys.readouterr().err.split())
    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "source-x").mkdir()
    assert (make(tmp_path, "source", "x", None) / "pyproject.toml").exists()
