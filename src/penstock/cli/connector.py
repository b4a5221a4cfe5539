"""`penstock connector`: a native connector as a program that speaks the Airbyte protocol."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from penstock.cli.check import is_destination
from penstock.engine.registry import load_destination_class, load_source_class
from penstock.errors import ConfigError
from penstock.sdk.entrypoint import run_destination, run_source

_VERBS = ("spec", "check", "discover", "read", "write")


def connector(
    name: Annotated[str, Parameter(help="Name of a native source or destination.")],
    verb: Annotated[str, Parameter(help=f"One of {', '.join(_VERBS)}.")],
    *options: Annotated[
        str,
        Parameter(
            allow_leading_hyphen=True,
            help="As the verb takes them: --config FILE, --catalog FILE, --state FILE.",
        ),
    ],
) -> int:
    """Runs a native connector as an Airbyte protocol program: messages on standard output.

    `write` reads messages from standard input. A name that both a source and a destination have
    is the source's, but for `write`; destination-NAME is the other.
    """
    if verb not in _VERBS:
        raise ConfigError(f'A connector has no verb "{verb}".', remedy=f"Use {', '.join(_VERBS)}.")
    argv = [verb, *options]
    if verb == "write" or is_destination(name):
        return run_destination(
            load_destination_class(name), argv, sys.stdin.buffer, sys.stdout.buffer
        )
    return run_source(load_source_class(name), argv, sys.stdout.buffer)
