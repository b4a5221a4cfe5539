"""Writes the pages that are made from the code; with --check, says which are out of date."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rest_reference import rest_reference

ROOT = Path(__file__).resolve().parent.parent
_SETTINGS = re.compile(
    r"(?P<begin><!-- settings: (?P<module>[\w.]+):(?P<name>\w+) -->)\n.*?"
    r"(?P<end><!-- /settings -->)",
    re.DOTALL,
)
_HEAD = """\
# Command line

Made from `--help` by `make docs`; a test compares it. Every command takes `--debug`, which shows
the traceback of an error. Results go to standard output, progress and problems to standard error.

## Exit status

| Status | Meaning |
|---|---|
| 0 | done; a sync: every stream proved complete |
{statuses}

"""
_CODE = re.compile(
    r"(?P<begin><!-- code: (?P<path>[\w./]+)(?:: class (?P<name>\w+))? -->)\n.*?"
    r"(?P<end><!-- /code -->)",
    re.DOTALL,
)

_VERBS = {
    "state": ("get", "set", "reset"),
    "db": ("upgrade", "status", "copy"),
    "secrets": ("rotate",),
    "source": ("list", "show", "create", "check", "delete"),
    "destination": ("list", "show", "create", "check", "delete"),
    "connection": ("list", "show", "create", "sync", "pause", "resume", "delete"),
    "run": ("list", "show", "cancel", "logs"),
    "import": ("airbyte",),
    "manifest": ("test",),
}


def main(arguments: list[str]) -> int:
    """Writes every page, or compares it; returns the exit status."""
    is_check = "--check" in arguments
    texts = pages()
    stale = [path for path, text in texts.items() if _is_stale(path, text)]
    for path in stale:
        if is_check:
            sys.stderr.write(f"{path.relative_to(ROOT)} is out of date: run `make docs`\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(texts[path])
            sys.stderr.write(f"wrote {path.relative_to(ROOT)}\n")
    return 1 if is_check and stale else 0


def pages() -> dict[Path, str]:
    """Returns the text of every generated page, and of those with a generated part."""
    made = {
        ROOT / "docs/reference/cli.md": cli_reference(),
        ROOT / "docs/reference/openapi.json": openapi_document(),
        ROOT / "docs/reference/penstock.schema.json": configuration_schema(),
        ROOT / "docs/reference/rest.md": rest_reference(ROOT / "docs/reference/rest.in.md"),
    }
    made |= {path: with_settings(path.read_text()) for path in ROOT.glob("docs/connectors/*.md")}
    made |= {path: with_code(path.read_text()) for path in ROOT.glob("docs/how-to/*.md")}
    return made


def openapi_document() -> str:
    """Returns the API's own description, from which the pages' client is made."""
    from penstock.control.service import Setup, open_control_plane  # noqa: PLC0415
    from penstock.server.app import create_app  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        plane = open_control_plane(Setup(data_dir=Path(folder), version="0"))
        # The version is no part of the contract: it changes with every release.
        described = create_app(plane, version="1").openapi()
        plane.store.close()
    return json.dumps(described, indent=1, sort_keys=True) + "\n"


def configuration_schema() -> str:
    """Returns the JSON Schema of penstock.yml, for editors."""
    from penstock.control.declared.document import json_schema  # noqa: PLC0415

    return json.dumps(json_schema(), indent=1) + "\n"


def with_code(page: str) -> str:
    """Returns a page with the files, or classes of them, that stand in it as they are now.

    They stand between `<!-- code: path -->` (or `path: class Name`) and `<!-- /code -->`.
    """

    def code(found: re.Match[str]) -> str:
        text = (ROOT / found["path"]).read_text()
        if found["name"]:
            node = next(n for n in ast.parse(text).body if getattr(n, "name", "") == found["name"])
            text = (ast.get_source_segment(text, node) or "") + "\n"
        return f"{found['begin']}\n\n```python\n{text}```\n\n{found['end']}"

    return _CODE.sub(code, page)


def with_settings(page: str) -> str:
    """Returns a connector's page with its tables of settings as the code has them.

    A table stands between `<!-- settings: module:Class -->` and `<!-- /settings -->`.
    """
    from penstock.sdk.config import settings_table  # noqa: PLC0415 (needs the environment)

    def table(found: re.Match[str]) -> str:
        config_class = getattr(importlib.import_module(found["module"]), found["name"])
        return f"{found['begin']}\n\n{settings_table(config_class)}\n{found['end']}"

    return _SETTINGS.sub(table, page)


def cli_reference() -> str:
    """Returns the help of every command, one section each."""
    from penstock.cli.main import COMMANDS  # noqa: PLC0415 (needs the environment)

    parts = [_HEAD.format(statuses=_statuses())]
    words: list[list[str]] = [[]]
    for name, _ in COMMANDS:
        words.append([name])
        words += [[name, verb] for verb in _VERBS.get(name, ())]
    for command in words:
        title = " ".join(["penstock", *command])
        parts.append(f"## {title}\n\n```text\n{_help(command)}\n```\n\n")
    return "".join(parts).rstrip() + "\n"


def _statuses() -> str:
    import penstock.errors as errors  # noqa: PLC0415, PLR0402 (needs the environment)

    meanings: dict[int, list[str]] = {}
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, errors.PenstockError):
            meanings.setdefault(value.exit_status, []).append(f"`{value.code}`")
    rows = [f"| {status} | {', '.join(codes)} |" for status, codes in sorted(meanings.items())]
    rows.append("| 141 | the reader of standard output went away |")
    return "\n".join(rows)


def _help(command: list[str]) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "COLUMNS": "98",
        "TERM": "dumb",
        "NO_COLOR": "1",
        "PYTHONIOENCODING": "utf-8",
    }
    done = subprocess.run(  # noqa: S603 (our own program)
        [sys.executable, "-m", "penstock.cli", *command, "--help"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return "\n".join(line.rstrip() for line in done.stdout.rstrip().splitlines())


def _is_stale(path: Path, text: str) -> bool:
    return not path.exists() or path.read_text() != text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
