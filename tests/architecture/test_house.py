"""The rules of the house, checked: layers, light imports, first lines, lengths."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "penstock"
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = {"pyarrow", "duckdb", "numpy", "pandas", "polars", "httpx", "fsspec", "psycopg", "mcp"}
SERVER = {"fastapi", "starlette", "uvicorn", "sqlalchemy", "alembic", "cryptography"}
"""What only the server and its control plane are made of."""
FORBIDDEN = {"airbyte", "airbyte_cdk"}


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def test_imports_go_from_left_to_right_only() -> None:
    checked = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_module_says_on_its_first_line_what_is_only_there(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring, f"{_name(path)} has no docstring"
    assert path.read_text().startswith('"""')


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_module_has_at_most_500_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 500


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_airbytes_own_packages_are_never_imported(path: Path) -> None:
    assert not _imports(path) & FORBIDDEN


@pytest.mark.parametrize("statement", ["import penstock", "import penstock.cli.main"])
def test_importing_the_front_doors_loads_nothing_heavy(statement: str) -> None:
    code = f"import sys; {statement}; print(*sorted(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert set(loaded) & HEAVY == set()


def _loaded(arguments: list[str], folder: Path, *, first: str = "") -> set[str]:
    """Returns the modules, whole names, that one command line has loaded when it is done."""
    code = (
        f"import sys; {first}\n"
        "from penstock.cli.main import run_command\n"
        "status = run_command(sys.argv[1:])\n"
        "print('LOADED', *sorted(sys.modules), flush=True)\n"
        "sys.exit(status)\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")},
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    return set(shown.stdout.split("LOADED", 1)[1].split())


def _tops(modules: set[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules}


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    loaded = _loaded(["--help"], tmp_path)
    unneeded = HEAVY | SERVER | {"msgspec", "orjson", "yaml", "jsonschema", "packaging"}
    assert _tops(loaded) & unneeded == set()
    assert {module for module in loaded if module.startswith("penstock.engine")} == set()


SYNC = ("sync", "faker", "duckdb", "--source.rows", "10", "--destination.path", "out.duckdb")


def test_a_native_sync_loads_only_what_moves_data(tmp_path: Path) -> None:
    loaded = _loaded([*SYNC, "--quiet"], tmp_path)
    unneeded = SERVER | {"httpx", "fsspec", "yaml", "jsonschema", "packaging", "pandas", "psycopg"}
    assert _tops(loaded) & unneeded == set()
    layers = {f"penstock.{layer}" for layer in ("control", "server", "library", "testing")}
    assert {".".join(module.split(".")[:2]) for module in loaded} & layers == set()


def test_a_sync_runs_where_there_is_no_numpy(tmp_path: Path) -> None:
    assert "duckdb" in _loaded([*SYNC, "--quiet"], tmp_path, first="sys.modules['numpy'] = None")


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_only_what_two_extras_bring_imports_numpy(path: Path) -> None:
    has_extra = _name(path).startswith(
        ("sdk/postgres/", "sources/postgres/", "destinations/postgr", "sdk/mysql/")
    )
    assert has_extra or "numpy" not in _imports(path)
