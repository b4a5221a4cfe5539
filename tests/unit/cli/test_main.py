from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.cli.document import read_document
from penstock.cli.main import COMMANDS, run_command
from penstock.errors import ConfigError


def loaded_by(arguments: list[str]) -> set[str]:
    program = (
        "import sys\n"
        "from penstock.cli.main import run_command\n"
        f"run_command({arguments!r})\n"
        "sys.stderr.write('\\n'.join(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


def test_help_loads_neither_arrow_nor_duckdb_nor_a_command() -> None:
    loaded = loaded_by(["--help"])
    assert "penstock.cli.main" in loaded
    heavy = {"pyarrow", "duckdb", "numpy", "pandas", "httpx", "fsspec", "jsonschema", "yaml"}
    assert not heavy & loaded
    assert not {f"penstock.cli.{name}" for name, _ in COMMANDS} & loaded


def test_importing_penstock_loads_neither_arrow_nor_duckdb() -> None:
    program = "import penstock, sys; print('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not {"pyarrow", "duckdb", "numpy", "cyclopts", "rich"} & set(done.stdout.split())


@pytest.mark.parametrize("command", [name for name, _ in COMMANDS])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command([command, "--help"]) == 0
    assert f"penstock {command}" in capsys.readouterr().out


def test_an_unknown_command_is_told_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["snyc"]) == 2
    assert capsys.readouterr().err == (
        'error: There is no command "snyc".\n  → Did you mean `penstock sync`?\n'
    )


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["sync", "faker"], "DESTINATION"),
        (["sync", "faker", "duckdb", "--stream", "a"], "--streams"),
        (["preview", "faker", "--limit", "ten"], "ten"),
    ],
    ids=["missing", "unknown option", "wrong type"],
)
def test_a_wrong_command_line_is_one_error_and_no_traceback(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(argv) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert words in err
    assert f"penstock {argv[0]} --help" in err
    assert "Traceback" not in err


def test_an_error_is_json_where_json_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["receipt", "nowhere", "--json", "--bogus"]) == 2
    document = json.loads(capsys.readouterr().err)
    assert document["error"]["code"] == "config"


def test_what_nobody_expected_is_told_in_a_line_and_kept_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path))
    (tmp_path / "receipts" / "a").mkdir(parents=True)
    (tmp_path / "receipts" / "a" / "r1.json").mkdir()
    assert run_command(["receipt"]) == 70
    err = capsys.readouterr().err
    assert "IsADirectoryError" in err
    assert "Traceback" not in err
    (kept,) = (tmp_path / "crashes").iterdir()
    assert str(kept) in err
    assert "Traceback" in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_run_spec_that_is_none_names_the_place() -> None:
    with pytest.raises(ConfigError, match=r"\$\.source"):
        read_document(b'{"connection": "c", "source": 1}')


def test_a_servers_runner_starts_without_the_command_line() -> None:
    program = (
        "import atexit, sys\n"
        "from penstock.cli.attended import main\n"
        "atexit.register(lambda: print('\\n'.join(sys.modules)))\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input="{}\n", capture_output=True, text=True, check=False
    )
    loaded = done.stdout.split()
    assert done.returncode == 2
    assert "is not a RunSpec" in done.stderr
    assert "penstock.engine.run" in loaded
    assert not {"cyclopts", "rich", "penstock.cli.main"} & set(loaded)


def test_a_thread_that_is_waited_for_has_its_say_before_a_command_leaves() -> None:
    program = (
        "import threading, time\n"
        "from penstock.cli.ending import leave\n"
        "threading.Thread(target=lambda: (time.sleep(0.2), print('said'))).start()\n"
        "leave(3)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (3, b"said\n")
