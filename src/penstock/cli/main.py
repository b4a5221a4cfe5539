"""The command line's front door: which commands there are, and what is wrong with a line."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from keyword import iskeyword

from cyclopts import App, CycloptsError, Parameter

from penstock.cli.arguments import gather_settings, take_flag
from penstock.cli.ending import (
    OBJECTS,
    ended,
    installed_version,
    leave,
    prepare_process,
    shown_log,
)
from penstock.errors import ConfigError, UnknownName

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
    gc.set_threshold(OBJECTS)
    leave(run_command(sys.argv[1:]))


def run_command(argv: Sequence[str]) -> int:
    """Runs one command line and returns its exit status."""
    prepare_process()
    tokens, is_debug = take_flag(argv, "--debug")
    with shown_log(is_debug=is_debug):
        return ended(lambda: _run(tokens), is_debug=is_debug, as_json="--json" in tokens)


def _run(tokens: Sequence[str]) -> object:
    _require_command(tokens)
    try:
        return make_app(next(iter(tokens), None))(
            gather_settings(tokens), print_error=False, exit_on_error=False
        )
    except CycloptsError as error:
        raise _usage_error(error, tokens) from error


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


if __name__ == "__main__":
    main()
