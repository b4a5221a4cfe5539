"""Receipts on disk: one JSON file a run, under the connection's name in the data directory."""

from __future__ import annotations

from pathlib import Path

import msgspec

from penstock.engine.events import Receipt
from penstock.engine.state_store import file_name_of, write_durably
from penstock.errors import DataError, UnknownName

_FOLDER = "receipts"


def save_receipt(receipt: Receipt, data_dir: Path) -> Path:
    """Writes the receipt, durably and whole or not at all; returns its path."""
    path = data_dir / _FOLDER / file_name_of(receipt.connection) / f"{_id_of(receipt)}.json"
    write_durably(path, msgspec.json.encode(receipt))
    return path


def load_receipts(data_dir: Path, connection: str | None = None) -> tuple[Receipt, ...]:
    """Returns the receipts of one connection, or of all, the newest first."""
    root = data_dir / _FOLDER
    folder = file_name_of(connection) if connection is not None else "*"
    receipts = [_read(path) for path in root.glob(f"{folder}/*.json")]
    return tuple(sorted(receipts, key=lambda each: (each.started_at, each.run_id), reverse=True))


def find_receipt(data_dir: Path, name: str | None = None) -> Receipt:
    """Returns the newest receipt of the connection `name`, or of the run `name`, or of all.

    A run may be named by the start of its id. Raises UnknownName when there is none.
    """
    if name is not None and (of_connection := load_receipts(data_dir, name)):
        return of_connection[0]
    receipts = load_receipts(data_dir)
    matching = [each for each in receipts if name is None or each.run_id.startswith(name)]
    exact = [each for each in matching if each.run_id == name]
    if exact or len({each.run_id for each in matching}) == 1 or (matching and name is None):
        return (exact or matching)[0]
    if matching:
        raise UnknownName(
            f'"{name}" is the beginning of {len(matching)} runs.',
            remedy=f"Write more of it: {', '.join(each.run_id for each in matching[:5])}.",
        )
    if name is None or not receipts:
        raise UnknownName(
            f"No sync has left a receipt in {data_dir}.",
            remedy="Run one: penstock sync faker duckdb --destination.path out.duckdb",
        )
    from_newest = list(dict.fromkeys(each.connection for each in receipts))
    raise UnknownName(
        f'No connection or run is named "{name}".',
        remedy=f"Choose from: {', '.join(from_newest[:10])}.",
    )


def _read(path: Path) -> Receipt:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Receipt)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(
            f"The receipt {path} cannot be read: {error}.",
            remedy="It was changed after it was written; move it away to list the others.",
            path=path,
        ) from error


def _id_of(receipt: Receipt) -> str:
    """Returns the run's id as a file name; ids come from outside too (`penstock run`)."""
    return file_name_of(receipt.run_id)
