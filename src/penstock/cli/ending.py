"""How every command ends: its errors told, its exit status, what nobody expected kept in a file."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NoReturn

from penstock.cli.screen import say_error
from penstock.errors import BugError, Cancelled, PenstockError

OBJECTS = 50_000
"""New objects between two looks for cycles. A page of 1,000 records is some thousand, none of them
in a cycle: with Python's 700 a sixth of a record-wise stream's time goes into looking."""
_BROKEN_PIPE_STATUS = 141  # what a shell shows for a process that SIGPIPE ended


def prepare_process() -> None:
    """Sets what the process needs before anything heavy is loaded."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    # Arrow's allocator keeps freed memory for reuse 10 ms long, in every thread: a tenth of a
    # sync's peak, which this gives back (microsoft/mimalloc, "Environment Options"). Arrow reads
    # it when it is first imported, which is later.
    os.environ.setdefault("MIMALLOC_PURGE_DELAY", "0")


def ended(act: Callable[[], object], *, is_debug: bool = False, as_json: bool = False) -> int:
    """Does something and returns its exit status; the only place that ends errors."""
    try:
        result = act()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (`| head`) has gone; nothing more may be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE_STATUS
    except PenstockError as error:
        return _told(error, is_debug=is_debug, as_json=as_json)
    except KeyboardInterrupt:
        stopped = Cancelled("Stopped.", remedy="What was committed stays.")
        return _told(stopped, is_debug=is_debug, as_json=as_json)
    except Exception as error:  # noqa: BLE001 (this is the door: nothing may pass it untold)
        return _told(_bug(error), is_debug=is_debug, as_json=as_json)
    return result if isinstance(result, int) else 0


def leave(status: int) -> NoReturn:
    """Ends the process with this status, without taking its objects apart one by one.

    That takes a good part of a short command's time. What registered with `atexit` is called and
    output is flushed, as ever; a thread that is waited for is waited for.
    """
    others = set(threading.enumerate()) - {threading.main_thread()}
    if not all(thread.daemon for thread in others):
        sys.exit(status)
    atexit._run_exitfuncs()  # noqa: SLF001 (CPython's name for it since 2.0; there is no other)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # closed, or nobody reads it: `ended` has told it
            stream.flush()
    os._exit(status)


def installed_version() -> str:
    """Returns the version of the installed package."""
    try:
        return version("penstock")
    except PackageNotFoundError:
        return "0 (not installed)"


@contextmanager
def shown_log(*, is_debug: bool = False) -> Iterator[None]:
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


def _told(error: PenstockError, *, is_debug: bool, as_json: bool) -> int:
    if is_debug:
        traceback.print_exception(error.__cause__ if isinstance(error, BugError) else error)
    say_error(error, as_json=as_json)
    return error.exit_status


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
