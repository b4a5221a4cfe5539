"""Makes `docs/reference/rest.md` of the classes of `penstock.sdk.rest`: every option, as coded."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MARK = re.compile(r"^<!-- options: (?P<module>[\w.]+):(?P<name>\w+) -->$", re.MULTILINE)
_INIT_DOC = "__init__"


@dataclass(frozen=True)
class Option:
    """One field or parameter."""

    name: str
    type: str
    default: str
    about: str


def rest_reference(template: Path) -> str:
    """Returns the page: the template, each mark replaced by what the code says of a name."""
    return _MARK.sub(lambda found: _section(found["module"], found["name"]), template.read_text())


def _section(module_name: str, name: str) -> str:
    module = importlib.import_module(module_name)
    subject = getattr(module, name)
    tree = ast.parse(inspect.getsource(module))
    node = next(
        each
        for each in tree.body
        if isinstance(each, ast.ClassDef | ast.FunctionDef) and each.name == name
    )
    about = _prose(inspect.getdoc(subject) or "")
    if isinstance(node, ast.FunctionDef):
        return "\n\n".join([about, _table(list(_parameters(node)))])
    options = list(_fields(node)) or list(_parameters(_init(node)))
    init = _prose(ast.get_docstring(_init(node)) or "") if not list(_fields(node)) else ""
    return "\n\n".join(part for part in (about, init, _table(options)) if part)


def _fields(node: ast.ClassDef) -> Iterator[Option]:
    for place, each in enumerate(node.body):
        if not isinstance(each, ast.AnnAssign) or not isinstance(each.target, ast.Name):
            continue
        following = node.body[place + 1] if place + 1 < len(node.body) else None
        yield Option(
            name=each.target.id,
            type=ast.unparse(each.annotation),
            default=_default(each.value),
            about=_text_of(following),
        )


def _init(node: ast.ClassDef) -> ast.FunctionDef:
    return next(
        each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == _INIT_DOC
    )


def _parameters(node: ast.FunctionDef) -> Iterator[Option]:
    arguments = node.args
    plain = [each for each in arguments.args if each.arg != "self"]
    defaults = [*[None] * (len(plain) - len(arguments.defaults)), *arguments.defaults]
    every = [*zip(plain, defaults, strict=True)]
    every += [*zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    for each, default in every:
        annotation = ast.unparse(each.annotation) if each.annotation else ""
        yield Option(name=each.arg, type=annotation, default=_default(default), about="")


def _default(value: ast.expr | None) -> str:
    """Returns a default as it is written; what a factory makes, by the factory's name."""
    if value is None:
        return "**required**"
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "field":
        given: dict[str | None, Any] = {word.arg: word.value for word in value.keywords}
        if "default_factory" in given:
            return f"`{ast.unparse(given['default_factory'])}()`"
        return f"`{ast.unparse(given['default'])}`" if "default" in given else "**required**"
    return f"`{ast.unparse(value)}`"


def _text_of(node: ast.stmt | None) -> str:
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return " ".join(str(node.value.value).split()) if is_text else ""


def _table(options: list[Option]) -> str:
    has_words = any(option.about for option in options)
    head = ["Option", "Type", "Default", *(["What it does"] if has_words else [])]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for option in options:
        cells = [f"`{option.name}`", f"`{option.type}`", option.default]
        cells += [option.about] if has_words else []
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _prose(text: str) -> str:
    """Returns a docstring's paragraphs, each on one line."""
    return "\n\n".join(" ".join(part.split()) for part in textwrap.dedent(text).split("\n\n"))
