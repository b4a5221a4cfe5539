"""The rules of the house, checked: layers, light imports, first lines, lengths."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "penstock"
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = {"pyarrow", "duckdb", "numpy", "pandas", "polars", "httpx", "fsspec", "psycopg", "mcp"}
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


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, contextlib\n"
        "from penstock.cli.main import main\n"
        "sys.argv = ['penstock', '--help']\n"
        "with contextlib.suppress(SystemExit):\n"
        "    main()\n"
        "print('LOADED', *sorted(m for m in sys.modules if '.' not in m))\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    loaded = set(shown.split("LOADED", 1)[1].split())
    assert loaded & HEAVY == set()
