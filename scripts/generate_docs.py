"""Writes the pages that are made from the code; with --check, says which are out of date."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
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

_VERBS = {
    "state": ("get", "set", "reset"),
    "db": ("upgrade", "status", "copy"),
    "secrets": ("rotate",),
}


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
    return {ROOT / "docs/reference/cli.md": cli_reference()}


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
