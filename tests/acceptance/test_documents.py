"""The documents are executed: the tutorial's commands, the help in the reference."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Step:
    command: str
    expected: tuple[str, ...]


def steps_of(page: Path) -> list[Step]:
    """Returns the commands of a page's console blocks, each with the output under it."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL)
    return [step for block in blocks for step in steps_in(block)]


def steps_in(block: str) -> Iterator[Step]:
    """Yields the commands of one console block."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *expected = part.rstrip("\n").split("\n")
        yield Step(command, tuple(expected))


def files_of(page: Path) -> dict[str, str]:
    """Returns the files a page tells to write: a block after a line that ends in `name`:."""
    found = re.findall(r"`([\w.]+)`:\n\n```\w+\n(.*?)```", page.read_text(), re.DOTALL)
    return dict(found)


def differs(expected: tuple[str, ...], output: str) -> str | None:
    """Returns what is missing: `…` is any text in a line, a line of `…` any number of lines.

    Runs of blanks count as one, as columns are as wide as their widest value.
    """
    pattern = "".join(
        "(?:.*\n)*?"
        if line.strip() == "…"
        else ".*".join(re.escape(part) for part in _squeezed(line).split("…")) + "\n"
        for line in expected
    )
    text = "".join(f"{_squeezed(line)}\n" for line in output.splitlines())
    if re.fullmatch(pattern.replace(r"\ .*", ".*").replace(r".*\ ", ".*"), text):
        return None
    return f"expected\n{chr(10).join(expected)}\nbut it was\n{output}"


def _squeezed(line: str) -> str:
    return " ".join(line.split())


def environment(home: Path) -> dict[str, str]:
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "PENSTOCK_HOME": str(home / ".penstock"),
        "COLUMNS": "120",
        "PYTHONWARNINGS": "error",
    }


PAGES = {
    "tutorial/first-sync.md": 10,
    "how-to/change-data-on-the-way.md": 2,
}
"""Pages whose commands are run as written, and how many they have at the least."""


@pytest.mark.parametrize(("page", "commands"), PAGES.items())
def test_the_commands_of_a_page_work_as_written(tmp_path: Path, page: str, commands: int) -> None:
    steps = steps_of(ROOT / "docs" / page)
    assert len(steps) >= commands
    for name, text in files_of(ROOT / "docs" / page).items():
        (tmp_path / name).write_text(text)
    for step in steps:
        done = subprocess.run(
            ["bash", "-c", step.command],
            cwd=tmp_path,
            env=environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0 or step.expected, f"$ {step.command}\n{done.stdout}"
        difference = differs(step.expected, done.stdout) if step.expected else None
        assert difference is None, f"$ {step.command}\n{difference}"


@pytest.mark.parametrize(
    ("expected", "output", "same"),
    [
        (("a … c",), "a   bb  c", True),
        (("a … c",), "a b", False),
        (("…", "z"), "x\ny\nz", True),
        (("z", "…"), "z", True),
        (("z",), "z\nmore", False),
        (("n.n",), "nxn", False),
    ],
)
def test_an_expected_output_is_compared_by_shape(
    expected: tuple[str, ...], output: str, same: bool
) -> None:
    assert (differs(expected, output) is None) is same


RUNNER = """
import json, sys, types
page = types.ModuleType("page")
sys.modules["page"] = page
for number, block in enumerate(json.load(sys.stdin), 1):
    exec(compile(block, f"block {number}", "exec"), page.__dict__)
"""


@pytest.mark.parametrize(
    ("page", "count"), [("reference/rest.md", 9), ("how-to/write-a-rest-source.md", 1)]
)
def test_the_examples_of_a_page_run(page: str, count: int) -> None:
    text = (ROOT / "docs" / page).read_text()
    # Files shown whole are run by tests of their own.
    text = re.sub(r"<!-- code: .*?<!-- /code -->", "", text, flags=re.DOTALL)
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= count
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUNNER],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        input=json.dumps(blocks),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_generated_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/generate_docs.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_readme_opens_with_the_two_commands() -> None:
    opening = (ROOT / "README.md").read_text()[:1200]
    assert opening.index("make demo") < opening.index("make test")
    assert opening.index("make test") < opening.index("pip install penstock")
