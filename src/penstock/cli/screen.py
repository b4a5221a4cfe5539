"""What a person reads: results on standard output, progress and problems on standard error."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from typing import IO, Any

from penstock.errors import PenstockError

_WIDTH_OF_FILES = 120
"""Columns of a table that goes to a file or a pipe."""


def say_error(error: PenstockError, *, as_json: bool = False) -> None:
    """Writes one error on standard error: what happened, then what to do."""
    if as_json:
        import msgspec  # noqa: PLC0415 (`penstock --help` does without)

        document = msgspec.json.encode({"error": error.as_document()})
        sys.stderr.write(document.decode() + "\n")
        return
    sys.stderr.write(error_text(error.message, error.remedy, color=sys.stderr.isatty()))


def error_text(message: str, remedy: str, *, color: bool = False) -> str:
    """Returns an error as its lines."""
    red, dim, plain = ("\033[31m", "\033[2m", "\033[0m") if color else ("", "", "")
    lines = f"{red}error:{plain} {message.rstrip()}\n"
    return lines + (f"  {dim}→{plain} {remedy}\n" if remedy else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """Where one command writes."""

    is_quiet: bool = False
    out_file: IO[str] = field(default_factory=lambda: sys.stdout)
    err_file: IO[str] = field(default_factory=lambda: sys.stderr)

    @property
    def is_live(self) -> bool:
        """True when standard error is a terminal that can redraw."""
        return self.err_file.isatty() and not self.is_quiet

    def note(self, text: str) -> None:
        """Writes one line about what is being done; nothing when quiet."""
        if not self.is_quiet:
            self.err_file.write(text + "\n")
            self.err_file.flush()

    def warn(self, text: str) -> None:
        """Writes a warning, also when quiet."""
        self.err_file.write(f"warning: {text}\n")
        self.err_file.flush()

    def show(self, renderable: Any) -> None:
        """Writes a result: a rich table, or text."""
        from rich.console import Console  # noqa: PLC0415 (75 ms, and --json never needs it)

        is_unbounded = not self.out_file.isatty() and "COLUMNS" not in os.environ
        console = Console(
            file=self.out_file,
            width=_WIDTH_OF_FILES if is_unbounded else None,
            markup=False,
            highlight=False,
            emoji=False,
        )
        console.print(renderable, soft_wrap=isinstance(renderable, str))

    def write_json(self, value: Any) -> None:
        """Writes one JSON document on a line; decimals keep every digit."""
        import msgspec  # noqa: PLC0415 (`penstock --help` does without)

        encoder = msgspec.json.Encoder(decimal_format="number")
        self.out_file.write(encoder.encode(value).decode() + "\n")
        self.out_file.flush()
