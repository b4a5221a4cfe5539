"""How a sync ended, for people: the receipt as a table, the error as lines, the exit status."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from penstock.cli import figures
from penstock.engine.events import Receipt, StreamReceipt
from penstock.errors import PenstockError

if TYPE_CHECKING:
    from rich.table import Table


def receipt_table(receipt: Receipt) -> Table:
    """Returns one row a stream: read = sent = committed, and whether that is so."""
    from rich.table import Table  # noqa: PLC0415 (75 ms, and --json never needs it)

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("stream", overflow="fold")
    table.add_column("table", overflow="fold")
    for name in ("read", "sent", "committed"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("proof", no_wrap=True)
    table.add_column("changed", justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    for stream in receipt.streams:
        table.add_row(
            str(stream.stream),
            stream.table,
            figures.rows(stream.rows_read)
            + (f" - {figures.rows(stream.rows_filtered)}" if stream.rows_filtered else ""),
            f"= {figures.rows(stream.rows_sent)}",
            f"= {figures.rows(stream.rows_committed)}"
            if is_proved(stream)
            else f"≠ {figures.rows(stream.rows_committed)}"
            if stream.rows_committed != stream.rows_sent
            else figures.rows(stream.rows_committed),
            "✓" if is_proved(stream) else f"✗ {stream.status}",
            figures.rows(stream.values_changed) if stream.values_changed else "",
            figures.duration(stream.seconds),
        )
    return table


def is_proved(stream: StreamReceipt) -> bool:
    """Tells whether a stream is complete and its three counts are one."""
    due = stream.rows_read - stream.rows_filtered
    counts = {due, stream.rows_sent, stream.rows_committed}
    return stream.status == "complete" and len(counts) == 1


def summary_lines(receipt: Receipt) -> Iterator[str]:
    """Yields what a person should know besides the table; the error is not among it."""
    for stream in receipt.streams:
        if stream.undeclared:
            names = ", ".join(stream.undeclared[:8]) + (", …" if len(stream.undeclared) > 8 else "")
            yield (
                f"note: {stream.stream} has properties its schema does not declare; "
                f"they were not loaded: {names}."
            )
        if stream.rows_filtered:
            rows = figures.count_of(stream.rows_filtered, "row")
            yield f"note: {rows} of {stream.stream} were left out by the filters asked for."
        if stream.values_changed:
            values = figures.count_of(stream.values_changed, "value")
            yield (f"note: {values} of {stream.stream} did not fit; `_airbyte_meta` tells which.")
    rows = figures.count_of(receipt.rows_committed, "row")
    speed = figures.rate(receipt.rows_committed, receipt.seconds)
    where = f"{figures.short(receipt.source)} → {receipt.destination}"
    took = f"{figures.duration(receipt.seconds)}{f' ({speed})' if speed else ''}"
    if receipt.is_proved:
        yield f"{where}: {rows} committed and proved in {took}."
    else:
        yield f"{where}: {receipt.outcome} after {took}; {rows} committed."
    yield f"connection {receipt.connection}, run {receipt.run_id}"


def exit_status_of(receipt: Receipt) -> int:
    """Returns the exit status of the error's class; 0 for a proved sync."""
    if receipt.is_proved:
        return 0
    return exit_status_of_error(receipt.error or {})


def exit_status_of_error(error: dict[str, Any] | None) -> int:
    """Returns the exit status of an error's document; 0 for none."""
    if error is None:
        return 0
    return _statuses().get(str(error.get("code")), PenstockError.exit_status)


def error_of(receipt: Receipt) -> PenstockError | None:
    """Returns the error of a failed sync, to be told like any other."""
    if receipt.error is None:
        return None
    document: dict[str, Any] = receipt.error
    return PenstockError(
        str(document.get("message", "The sync failed.")), remedy=str(document.get("remedy", ""))
    )


def _statuses() -> dict[str, int]:
    """Returns the exit status of every error code."""
    statuses: dict[str, int] = {}
    classes: list[type[PenstockError]] = [PenstockError]
    while classes:
        each = classes.pop()
        statuses[each.code] = each.exit_status
        classes += each.__subclasses__()
    return statuses
