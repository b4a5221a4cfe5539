"""The command line's front door: which commands there are, and how every one of them ends."""

from __future__ import annotations

import gc
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, version
from keyword import iskeyword
from pathlib import Path

from cyclopts import App, CycloptsError, Parameter

from penstock.cli.arguments import gather_settings, take_flag
from penstock.cli.screen import say_error
from penstock.errors import BugError, Cancelled, ConfigError, PenstockError, UnknownName

COMMANDS = (
    ("sync", "Move data from a source into a destination, and prove that it arrived."),
    ("preview", "Show the first rows of a stream."),
    ("discover", "List the streams of a source, or the columns of one."),
    ("check", "Prove that a source or destination can be reached with its settings."),
    ("certify", "Prove promise by promise that a connector keeps its contract."),
    ("sources", "List the sources, or the settings of one."),
    ("destinations", "List the destinations, or the settings of one."),
    ("receipt", "Show what a sync did: rows read, sent and committed."),
    ("state", "Show, set or reset where a connection continues."),
    ("manifest", "Try out a low-code manifest: its requests, responses and records."),
    ("new", "Write a connector project that works, to be made into your own."),
    ("up", "Start the server: pages, API, schedule and runs."),
    ("source", "Make, list, check and remove the server's sources."),
    ("destination", "Make, list, check and remove the server's destinations."),
    ("connection", "Make, list, sync, pause and remove the server's connections."),
    ("validate", "Judge a configuration file without a server."),
    ("plan", "Show what applying a configuration file would change."),
    ("apply", "Make sources, destinations and connections as a file says."),
    ("export", "Write what the server has as a configuration file."),
    ("import", "Take over what an Airbyte server has, positions included."),
    ("token", "Make keys for programs that call the server's API."),
    ("user", "Set the password of somebody who signs in to the server."),
    ("login-link", "Write a link that signs somebody in to the server, once."),
    ("mcp", "Answer an assistant: list, preview and query what a file offers (MCP)."),
    ("connector", "Run a native connector as an Airbyte protocol program."),
    ("db", "Bring the control plane's database up to date, or copy it."),
    ("secrets", "Change the key that secrets are encrypted under."),
    ("run", "Show and cancel the server's runs; or run one sync described on standard input."),
)
_OBJECTS = 50_000
"""New objects between two looks for cycles. A page of 1,000 records is some thousand, none of them
in a cycle: with Python's 700 a sixth of a record-wise stream's time goes into looking."""
_BROKEN_PIPE_STATUS = 141  # what a shell shows for a process that SIGPIPE ended


def make_app(chosen: str | None = None) -> App:
    """Returns the command tree; a command's module is loaded only when it is used.

    The chosen command's help is its docstring, the others' their line in the list of commands.
    """
    app = App(
        name="penstock",
        help="Moves data from any API, database or file into any warehouse, and proves that "
        "it arrived: rows read = sent = committed.",
        help_epilogue="Any command takes --debug, which shows the traceback of an error.",
        version=installed_version,
        result_action="return_value",
        # Markdown joins a docstring's lines; the list of commands does without its 50 ms.
        help_format="plaintext" if chosen is None or chosen.startswith("-") else "markdown",
        default_parameter=Parameter(show_default=False),
    )
    for name, summary in COMMANDS:
        module = name.replace("-", "_") + ("_" if iskeyword(name) else "")
        app.command(
            f"penstock.cli.{module}:{module}", name=name, help=None if name == chosen else summary
        )
    return app


def main() -> None:
    """Runs the command line and ends the process with its exit status."""
    gc.set_threshold(_OBJECTS)
    sys.exit(run_command(sys.argv[1:]))


def run_command(argv: Sequence[str]) -> int:
    """Runs one command line and returns its exit status; the only place that ends errors."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    # Arrow's allocator keeps freed memory for reuse 10 ms long, in every thread: a tenth of a
    # sync's peak, which this gives back (microsoft/mimalloc, "Environment Options"). Arrow reads
    # it when it is first imported, which is later.
    os.environ.setdefault("MIMALLOC_PURGE_DELAY", "0")
    tokens, is_debug = take_flag(argv, "--debug")
    with _shown_log(is_debug=is_debug):
        return _run(tokens, is_debug=is_debug)


def _run(tokens: Sequence[str], *, is_debug: bool) -> int:
    try:
        _require_command(tokens)
        result = make_app(next(iter(tokens), None))(
            gather_settings(tokens), print_error=False, exit_on_error=False
        )
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (`| head`) has gone; nothing more may be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE_STATUS
    except CycloptsError as error:
        return _end(_usage_error(error, tokens), tokens, is_debug=is_debug)
    except PenstockError as error:
        return _end(error, tokens, is_debug=is_debug)
    except KeyboardInterrupt:
        return _end(
            Cancelled("Stopped.", remedy="What was committed stays."), tokens, is_debug=is_debug
        )
    except Exception as error:  # noqa: BLE001 (this is the door: nothing may pass it untold)
        return _end(_bug(error), tokens, is_debug=is_debug)
    return result if isinstance(result, int) else 0


def installed_version() -> str:
    """Returns the version of the installed package."""
    try:
        return version("penstock")
    except PackageNotFoundError:
        return "0 (not installed)"


@contextmanager
def _shown_log(*, is_debug: bool) -> Iterator[None]:
    """Shows what penstock's own modules log, on standard error, while the command lasts."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines() if not is_debug else logging.Formatter("%(name)s: %(message)s"))
    logger = logging.getLogger("penstock")
    before = logger.handlers, logger.level, logger.propagate
    logger.handlers = [handler]
    logger.setLevel(logging.INFO if is_debug else logging.WARNING)
    logger.propagate = False
    try:
        yield
    finally:
        logger.handlers, logger.propagate = before[0], before[2]
        logger.setLevel(before[1])


class _Lines(logging.Formatter):
    """Writes "warning: …", as the command line's own warnings are written.

    A traceback goes to a file, whose place is written instead.
    """

    def format(self, record: logging.LogRecord) -> str:
        line = f"{record.levelname.lower()}: {record.getMessage()}"
        error = record.exc_info[1] if record.exc_info else None
        return line if error is None else f"{line} ({_keep_traceback(error)})"


def _end(error: PenstockError, tokens: Sequence[str], *, is_debug: bool) -> int:
    if is_debug:
        traceback.print_exception(error.__cause__ if isinstance(error, BugError) else error)
    say_error(error, as_json="--json" in tokens)
    return error.exit_status


def _require_command(tokens: Sequence[str]) -> None:
    """Raises UnknownName for a command there is not, without loading those there are."""
    names = [name for name, _ in COMMANDS]
    if tokens and not tokens[0].startswith("-") and tokens[0] not in names:
        near = get_close_matches(tokens[0], names, n=1)
        raise UnknownName(
            f'There is no command "{tokens[0]}".',
            remedy=f"Did you mean `penstock {near[0]}`?" if near else "See `penstock --help`.",
        )


def _usage_error(error: CycloptsError, tokens: Sequence[str]) -> ConfigError:
    command = next((token for token in tokens if not token.startswith("-")), "")
    known = command in {name for name, _ in COMMANDS}
    return ConfigError(
        " ".join(str(error).split()),
        remedy=f"See `penstock {command} --help`." if known else "See `penstock --help`.",
    )


def _bug(error: Exception) -> BugError:
    """Returns the error to show for one that nobody expected; its traceback goes to a file."""
    bug = BugError(
        f"Penstock failed in a way it does not know: {type(error).__name__}: {error}",
        remedy=f"Please report it with {_keep_traceback(error)}.",
    )
    bug.__cause__ = error
    return bug


def _keep_traceback(error: BaseException) -> str:
    from penstock.engine.home import data_home  # noqa: PLC0415 (only after a crash)

    text = "".join(traceback.format_exception(error))
    try:
        folder = data_home() / "crashes"
        folder.mkdir(mode=0o700, exist_ok=True)
        path: Path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.txt"
        path.touch(mode=0o600)
        path.write_text(f"penstock {installed_version()}, Python {sys.version}\n\n{text}")
    except OSError as problem:
        return f"what --debug shows (its traceback could not be kept: {problem})"
    return f"the traceback in {path}"


if __name__ == "__main__":
    main()
