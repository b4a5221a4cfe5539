"""The tutorial on developing a connector, followed step by step against an account on localhost."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.test_documents import ROOT, Step, differs, environment, steps_in
from tests.doubles.smartsheet_server import Sheet, SmartsheetServer, columns_of
from tests.doubles.vendor import serving

PAGE = ROOT / "docs/tutorial/develop-a-connector.md"
_PART = re.compile(
    r"`(?P<name>[\w.]+)`:\n\n```\w+\n(?P<text>.*?)```"
    r"|```console\n(?P<console>.*?)```|<!-- here the test (?P<deed>[\w ]+) -->",
    re.DOTALL,
)


@dataclass(frozen=True)
class File:
    name: str
    text: str


def parts_of(page: str) -> Iterator[File | Step | str]:
    """Yields files to write, commands to run, and what the reader does elsewhere, in order."""
    for part in _PART.finditer(page):
        if part["name"]:
            yield File(part["name"], part["text"])
        elif part["deed"]:
            yield part["deed"]
        else:
            yield from steps_in(part["console"])


@pytest.fixture
def server() -> Iterator[SmartsheetServer]:
    columns = columns_of(
        ("Patient", "TEXT_NUMBER"), ("Fee", "TEXT_NUMBER"), ("Day", "DATE"), ("Paid", "CHECKBOX")
    )
    sheet = Sheet(id=4583173393803140, name="Visits", columns=columns)
    sheet.add({"Patient": "Asha", "Fee": 0, "Day": "2024-06-01", "Paid": False})
    sheet.seconds += 600
    sheet.add({"Patient": "Binod", "Day": "2024-06-02", "Paid": True})
    sheet.seconds += 600
    sheet.add({"Patient": "Chandra", "Fee": 250})
    with serving(SmartsheetServer(sheets=[sheet])) as double:
        assert isinstance(double, SmartsheetServer)
        yield double


def test_every_step_of_the_tutorial_works_as_written(
    tmp_path: Path, server: SmartsheetServer
) -> None:
    surroundings = {**environment(tmp_path), "SMARTSHEET_TOKEN": server.token}
    commands = 0
    for part in parts_of(PAGE.read_text()):
        match part:
            case File(name="config.json", text=text):
                config = {**json.loads(text), "base_url": f"{server.url}/2.0"}
                (tmp_path / "config.json").write_text(json.dumps(config))
            case File(name=name, text=text):
                mode = (tmp_path / name).stat().st_mode if (tmp_path / name).exists() else None
                (tmp_path / name).write_text(text)
                if mode is not None:
                    (tmp_path / name).chmod(mode)
            case Step(command=command, expected=expected):
                commands += 1
                done = subprocess.run(
                    ["bash", "-c", command],
                    cwd=tmp_path,
                    env=surroundings,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    check=False,
                    timeout=120,
                )
                assert done.returncode == 0 or expected, f"$ {command}\n{done.stdout}"
                difference = differs(expected, done.stdout) if expected else None
                assert difference is None, f"$ {command}\n{difference}"
                assert server.token not in done.stdout
            case deed:
                assert deed == "edits the sheet"
                sheet = server.sheets[0]
                sheet.seconds += 600
                sheet.edit(sheet.rows[1], "Fee", 120)
    assert commands >= 14
