"""Writes the pages that are made from the code; with --check, says which are out of date."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_END = "<!-- end of settings -->"
_SETTINGS = re.compile(
    rf"(?P<begin><!-- settings ?(?P<group>\w*), made by `make docs` -->).*?{_END}", re.DOTALL
)
"""Where a connector's page has its settings, or those of one class of its configuration."""
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


def main(arguments: list[str]) -> int:
    """Writes every page, or compares it; returns the exit status."""
    is_check = "--check" in arguments
    stale = [path for path, text in pages().items() if _is_stale(path, text)]
    for path in stale:
        if is_check:
            sys.stderr.write(f"{path.relative_to(ROOT)} is out of date: run `make docs`\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(pages()[path])
            sys.stderr.write(f"wrote {path.relative_to(ROOT)}\n")
    return 1 if is_check and stale else 0


def pages() -> dict[Path, str]:
    """Returns the text of every generated page."""
    return {ROOT / "docs/reference/cli.md": cli_reference(), **connector_pages()}


def connector_pages() -> dict[Path, str]:
    """Returns the connectors' pages with their settings between the marks, where they have any."""
    found = {}
    for path in sorted((ROOT / "docs/connectors").glob("source-*.md")):
        text = path.read_text()
        made = _SETTINGS.sub(lambda mark, name=path.stem: _filled(mark, name), text)
        if made.count(_END):
            found[path] = made
    return found


def _filled(mark: re.Match[str], source: str) -> str:
    return f"{mark['begin']}\n\n{_settings(source, mark['group'])}\n{_END}"


def _settings(source: str, group: str) -> str:
    """Returns the settings of a source, or of one of its groups that stand in a list."""
    from penstock.engine.registry import load_source_class  # noqa: PLC0415
    from penstock.sdk.config import settings_table  # noqa: PLC0415

    config = load_source_class(source).Config
    return settings_table(getattr(sys.modules[config.__module__], group) if group else config)


def cli_reference() -> str:
    """Returns the help of every command, one section each."""
    from penstock.cli.main import COMMANDS  # noqa: PLC0415 (needs the environment)

    parts = [_HEAD.format(statuses=_statuses())]
    words: list[list[str]] = [[]]
    for name, _ in COMMANDS:
        words.append([name])
        if name == "state":
            words += [[name, verb] for verb in ("get", "set", "reset")]
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
