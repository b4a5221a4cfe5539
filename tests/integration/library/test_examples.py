"""The notebook and the page of the library run as they are written."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]


def shown(code: str, names: dict[str, Any]) -> Any:
    """Runs a cell as a notebook does, and returns the value of its last expression."""
    *statements, last = ast.parse(code).body
    if not isinstance(last, ast.Expr):
        return exec(compile(code, "cell", "exec"), names)
    exec(compile(ast.Module(statements, []), "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def test_the_notebook_runs() -> None:
    notebook = json.loads((ROOT / "examples/switch_from_pyairbyte.ipynb").read_text())
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names: dict[str, Any] = {}
    values = [shown(cell, names) for cell in code]
    assert values[0] == ["users", "products", "purchases"]
    assert values[1] == 2_100
    assert values[2]["users"] == (1_000, 1_000, 1_000)
    assert len(values[3]) == 5
    assert len(values[4]) == 3
    assert values[5][0] == values[5][1] > 0
    assert values[6] == 0
    assert "@" in values[7]


def test_the_script_of_the_switch_page_runs() -> None:
    page = (ROOT / "docs/how-to/switch-from-pyairbyte.md").read_text()
    (script,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    shown(script, names)
    assert len(names["df"]) == 100
