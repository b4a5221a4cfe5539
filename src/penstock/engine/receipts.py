"""Receipts on disk: one JSON file a run, under the connection's name in the data directory."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from urllib.parse import quote

import msgspec

from penstock.engine.events import Receipt
from penstock.errors import DataError, UnknownName

_FOLDER = "receipts"


def data_home() -> Path:
    """Returns the data directory, `$PENSTOCK_HOME` or `~/.penstock`, made private (0700)."""
    named = os.environ.get("PENSTOCK_HOME")
    home = Path(named).expanduser() if named else Path.home() / ".penstock"
    if not home.is_dir():
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return home


def save_receipt(receipt: Receipt, data_dir: Path) -> Path:
    """Writes the receipt, durably and whole or not at all; returns its path."""
    folder = data_dir / _FOLDER / _file_name(receipt.connection)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{_file_name(receipt.run_id)}.json"
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".writing-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(receipt), indent=2))
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def load_receipts(data_dir: Path, connection: str | None = None) -> tuple[Receipt, ...]:
    """Returns the receipts of one connection, or of all, the newest first."""
    root = data_dir / _FOLDER
    pattern = f"{_escaped(connection)}/*.json" if connection is not None else "*/*.json"
    receipts = [_read(path) for path in root.glob(pattern) if not path.name.startswith(".")]
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


def _file_name(name: str) -> str:
    """Returns a name that is safe as one part of a path, and different for different names."""
    escaped = quote(name, safe=" +@,=")
    return escaped.replace(".", "%2E") if set(escaped) <= {"."} else escaped


def _escaped(name: str) -> str:
    """Returns the folder's name for `glob`, its own wildcards taken literally."""
    return "".join(f"[{each}]" if each in "*?[" else each for each in _file_name(name))
