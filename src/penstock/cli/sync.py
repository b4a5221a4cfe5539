"""`penstock sync`: two names and their settings become a RunSpec, which the engine runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Annotated

from cyclopts import Parameter

from penstock.cli import figures
from penstock.cli.arguments import keys_of, list_of, pairs_of
from penstock.cli.endpoints import ReadyDestination, ReadySource, ready_both
from penstock.cli.interrupt import stop_on_signal
from penstock.cli.options import (
    OUTPUT,
    STREAMS,
    DestinationOptions,
    Json,
    LimitOptions,
    Quiet,
    SourceOptions,
)
from penstock.cli.outcome import error_of, exit_status_of, receipt_table, summary_lines
from penstock.cli.progress import announcer, follow, giving_back, make_follower
from penstock.cli.screen import Screen, say_error
from penstock.cli.shapes import HELP as SHAPES_HELP
from penstock.cli.shapes import read_shapes
from penstock.engine.catalog import Choices, Mode, configure, parse_mode
from penstock.engine.events import Receipt
from penstock.engine.home import data_home
from penstock.engine.identity import connection_name
from penstock.engine.receipts import load_receipts
from penstock.engine.run import run
from penstock.engine.settings import RunSpec, SyncSettings
from penstock.errors import ConfigError
from penstock.protocol.catalog import ConfiguredCatalog, DestinationSyncMode
from penstock.sdk.destination import Normalisation

_MODE_NAMES = ", ".join(mode.value for mode in Mode)
_WITHOUT_KEYS = frozenset({DestinationSyncMode.APPEND, DestinationSyncMode.OVERWRITE})


def sync(  # noqa: PLR0913 (the options of the main command; each is documented for --help)
    source: Annotated[str, Parameter(help="Name of the source, as faker or source-faker@7.2.1.")],
    destination: Annotated[str, Parameter(help="Name of the destination, as duckdb.")],
    /,
    *,
    source_options: SourceOptions | None = None,
    destination_options: DestinationOptions | None = None,
    streams: Annotated[
        list[str] | None,
        Parameter(group=STREAMS, negative=(), help="Names of the streams, as a,b; else all."),
    ] = None,
    mode: Annotated[
        list[str] | None,
        Parameter(
            group=STREAMS,
            negative=(),
            help="How to read and write, for all or as stream=mode. Without it, the best each "
            f"stream supports. One of: {_MODE_NAMES}.",
        ),
    ] = None,
    primary_key: Annotated[
        list[str] | None,
        Parameter(group=STREAMS, negative=(), help="Columns that identify a row: stream=a,b."),
    ] = None,
    cursor: Annotated[
        list[str] | None,
        Parameter(
            group=STREAMS,
            negative=(),
            help="Column that grows with every change: stream=updated_at.",
        ),
    ] = None,
    normalisation: Annotated[
        Normalisation,
        Parameter(
            group=STREAMS,
            show_default=True,
            help="typed: a column a property; raw: one JSON column.",
        ),
    ] = Normalisation.TYPED,
    namespace: Annotated[
        str | None, Parameter(group=STREAMS, help="Schema to write to in the destination.")
    ] = None,
    prefix: Annotated[
        str, Parameter(group=STREAMS, help="Put before the name of every table.")
    ] = "",
    shapes: Annotated[str | None, Parameter(group=STREAMS, help=SHAPES_HELP)] = None,
    connection: Annotated[
        str | None,
        Parameter(
            group=STREAMS,
            help="Name this sync goes by: the next one of the same name continues it. "
            "Without it, a name made from all settings.",
        ),
    ] = None,
    full_refresh: Annotated[
        bool,
        Parameter(
            group=STREAMS,
            negative=(),
            help="Begin anew: read everything, and replace what is there once it is complete.",
        ),
    ] = False,
    limits: LimitOptions | None = None,
    verbose: Annotated[
        bool, Parameter(group=OUTPUT, negative=(), help="Show every line the connectors log.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Moves data from a source into a destination, and proves that it arrived.

    The next sync of the same connection continues where this one committed. Exit status: 0 proved,
    2 settings, 3 access, 4 try again, 5 no space, 6 data, 7 protocol, 8 connector, 9 not proved,
    130 stopped.
    """
    screen = Screen(is_quiet=quiet or json)
    choices = _choices(streams, mode, primary_key, cursor)
    here, there = ready_both((source, source_options), (destination, destination_options), screen)
    screen.note(f"Discovering the streams of {figures.short(here.runner.description)}…")
    configured = _configured(
        here, there, choices, normalisation=normalisation, is_full_refresh=full_refresh
    )
    name = connection or connection_name(
        (here.ref, here.spec), (there.ref, there.spec), namespace=namespace, prefix=prefix
    )
    if connection is None:
        _note_new_name(name, screen)
    spec = RunSpec(
        connection=name,
        source=here.ref,
        destination=there.ref,
        catalog=configured,
        shapes=read_shapes(shapes),
        settings=SyncSettings(
            normalisation=normalisation.value,
            namespace=namespace,
            prefix=prefix,
            **asdict(limits or LimitOptions()),
        ),
    )
    follower = make_follower(screen, is_json=json, is_verbose=verbose)
    with giving_back(follower), stop_on_signal(announcer(follower, screen)) as stop:
        receipt = follow(run(spec, stop=stop, data_dir=data_home()), follower)
    if not json:
        show_outcome(receipt, Screen(is_quiet=quiet))
    return exit_status_of(receipt)


def show_outcome(receipt: Receipt, screen: Screen) -> None:
    """Shows the receipt, and the error of a failed sync; only the latter when quiet."""
    if not screen.is_quiet:
        if receipt.streams:
            screen.show(receipt_table(receipt))
        for line in summary_lines(receipt):
            screen.show(line)
    error = error_of(receipt)
    if error is not None:
        screen.out_file.flush()
        say_error(error)


def _choices(
    streams: Sequence[str] | None,
    modes: Sequence[str] | None,
    primary_keys: Sequence[str] | None,
    cursors: Sequence[str] | None,
) -> Choices:
    for_all = [text for text in modes or () if "=" not in text]
    if len(for_all) > 1:
        raise ConfigError(
            f"--mode is given {len(for_all)} times for all streams: {', '.join(for_all)}.",
            remedy="Keep one; write the others as --mode stream=mode.",
        )
    by_stream = pairs_of(
        "--mode",
        (text for text in modes or () if "=" in text),
        example="--mode users=incremental_append",
    )
    keys = pairs_of("--primary-key", primary_keys or (), example="--primary-key orders=id")
    return Choices(
        streams=list_of(streams) if streams else None,
        default_mode=parse_mode(for_all[0]) if for_all else None,
        modes={stream: parse_mode(text) for stream, text in by_stream.items()},
        primary_keys=keys_of(keys),
        cursors=pairs_of("--cursor", cursors or (), example="--cursor orders=updated_at"),
    )


def _configured(
    here: ReadySource,
    there: ReadyDestination,
    choices: Choices,
    *,
    normalisation: Normalisation,
    is_full_refresh: bool,
) -> ConfiguredCatalog:
    modes = there.modes
    if normalisation is Normalisation.RAW and choices.default_mode is None:
        # A key inside the JSON column cannot be compared: raw is never deduplicated.
        modes &= _WITHOUT_KEYS
    return configure(
        here.discover(),
        replace(
            choices,
            destination_modes=modes,
            # Larger than any generation before it, and than any that follows one by one.
            refresh_generation=int(time.time()) if is_full_refresh else None,
        ),
    )


def _note_new_name(name: str, screen: Screen) -> None:
    """Says when a changed setting makes a sync begin anew beside one that could continue."""
    stem = name.rpartition("-")[0]
    known = dict.fromkeys(
        receipt.connection
        for receipt in load_receipts(data_home())
        if receipt.connection.startswith(f"{stem}-") and receipt.is_proved
    )
    if known and name not in known:
        screen.note(
            f"New connection {name}: its settings differ from those of {next(iter(known))}; "
            "--connection NAME continues that one."
        )
