"""`penstock receipt`: what syncs did, from what they left on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from penstock.cli import figures
from penstock.cli.options import Json
from penstock.cli.outcome import error_of, exit_status_of, receipt_table, summary_lines
from penstock.cli.screen import Screen, error_text
from penstock.engine.events import Receipt
from penstock.engine.home import data_home
from penstock.engine.receipts import find_receipt, load_receipts

if TYPE_CHECKING:
    from rich.table import Table

_SHORT_ID = 8
"""As much of a run's id as the list shows; `penstock receipt` finds it by that."""


def receipt(
    name: Annotated[
        str | None, Parameter(help="A connection (its newest run) or a run; else the newest.")
    ] = None,
    /,
    *,
    all: Annotated[
        bool, Parameter(negative=(), help="List every run, of the connection if one is named.")
    ] = False,
    json: Json = False,
) -> int:
    """Shows what a sync did: rows read, sent and committed.

    The exit status is the one the sync had, so that a script can ask later.
    """
    screen = Screen()
    if all:
        return _list(name, screen, is_json=json)
    found = find_receipt(data_home(), name)
    if json:
        screen.write_json(found)
        return exit_status_of(found)
    screen.show(f"{found.outcome} {found.started_at}")
    if found.streams:
        screen.show(receipt_table(found))
    for line in summary_lines(found):
        screen.show(line)
    error = error_of(found)
    if error is not None:
        screen.show(error_text(error.message, error.remedy).rstrip())
    return exit_status_of(found)


def _list(name: str | None, screen: Screen, *, is_json: bool) -> int:
    receipts = load_receipts(data_home(), name)
    if not receipts:
        find_receipt(data_home(), name)
    if is_json:
        for each in receipts:
            screen.write_json(each)
    else:
        screen.show(_history(receipts))
    return 0


def _history(receipts: tuple[Receipt, ...]) -> Table:
    from rich.table import Table  # noqa: PLC0415 (75 ms, and --json never needs it)

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("started", no_wrap=True)
    table.add_column("connection", overflow="fold")
    table.add_column("outcome", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("run", no_wrap=True)
    for each in receipts:
        table.add_row(
            each.started_at[:16].replace("T", " "),
            each.connection,
            each.outcome,
            figures.rows(each.rows_committed),
            figures.duration(each.seconds),
            each.run_id[:_SHORT_ID],
        )
    return table
