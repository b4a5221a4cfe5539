from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest

PENSTOCK = Path(sys.executable).parent / "penstock"
EMPTY_REGISTRY = Path(__file__).with_name("empty_registry.json")
"""So that nothing depends on Airbyte's being reachable."""
SCRIPTED = Path(__file__).with_name("scripted_source.py")


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Terminal:
    """Runs the real command in a folder and a home of its own."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def env(self) -> dict[str, str]:
        return {
            "PATH": f"{PENSTOCK.parent}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "PENSTOCK_HOME": str(self.home),
            "COLUMNS": "120",
            "PYTHONWARNINGS": "error",
            "PENSTOCK_REGISTRY": str(EMPTY_REGISTRY),
            **self.environment,
        }

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [PENSTOCK, *words],
            cwd=self.folder,
            env=self.env(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, stdin: str = "") -> Done:
        process = self.start(*words)
        out, err = process.communicate(stdin, timeout=120)
        assert "Traceback" not in err, err
        return Done(process.returncode, out, err)

    def query(self, sql: str, path: str = "out.duckdb") -> list[tuple[object, ...]]:
        with duckdb.connect(str(self.folder / path), read_only=True) as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


@pytest.fixture
def scripted() -> list[str]:
    """The words that name a small source of our own as an Airbyte program."""
    return ["--executable", f"{sys.executable} {SCRIPTED}"]
