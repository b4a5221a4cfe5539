"""`penstock db`: the control plane's database, brought up to date, or copied to another."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from penstock.cli.screen import Screen
from penstock.control.service import open_store
from penstock.control.store import Store
from penstock.control.store.copying import copy_all
from penstock.control.store.migrate import newest_revision, revision_of
from penstock.control.store.migrate import upgrade as upgrade_store
from penstock.engine.home import data_home

db = App(name="db", help="Bring the control plane's database up to date, or copy it.")

DataDir = Annotated[
    Path | None, Parameter(help="Folder of the server's files, as given to `penstock up`.")
]
DatabaseUrl = Annotated[
    str | None,
    Parameter(
        env_var="PENSTOCK_DATABASE_URL",
        help="Instead of the SQLite file in the data folder: postgresql://user@host/database.",
    ),
]


@db.command
def upgrade(*, data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Brings the tables to this penstock's revision; a SQLite file is backed up first.

    `penstock up` does it by itself. Where several servers share a database, start them with
    --no-migrate and run this once.
    """
    store = opened(data_dir, database_url)
    try:
        done = upgrade_store(store)
    finally:
        store.close()
    screen = Screen()
    if done.backup is not None:
        screen.show(f"The database as it was is in {done.backup}.")
    if done.did_anything:
        screen.show(f"{store.shown} is now of revision {done.after}.")
    else:
        screen.show(f"{store.shown} is of revision {done.after} already.")


@db.command
def status(*, data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Shows where the database is, its revision, and the one this penstock needs."""
    store = opened(data_dir, database_url)
    try:
        found = revision_of(store)
    finally:
        store.close()
    Screen().show(f"{store.shown}: revision {found or 'none'}; needed is {newest_revision()}.")


@db.command
def copy(
    origin: Annotated[str, Parameter(help="URL of the database to copy from.")],
    target: Annotated[str, Parameter(help="URL of a new database to copy to.")],
    /,
) -> None:
    """Copies everything into a new database: from SQLite to PostgreSQL, or back.

    Stop the server first. Tables are made in the new database. Secrets stay encrypted: give the
    new server the same key, the file secrets.key of the data folder or PENSTOCK_SECRET_KEY.
    """
    source, sink = Store(origin), Store(target)
    try:
        upgrade_store(sink)
        counts = copy_all(source, sink, now=datetime.now(UTC))
    finally:
        source.close()
        sink.close()
    total = sum(counts.values())
    Screen().show(f"{total} rows of {len(counts)} tables are in {sink.shown} now.")


def opened(data_dir: Path | None, database_url: str | None) -> Store:
    """Returns the store that a server with these options would use."""
    folder = server_folder(data_dir)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return open_store(folder, database_url)


def server_folder(data_dir: Path | None) -> Path:
    """Returns the folder of the server's database, key and logs."""
    return data_dir or data_home() / "server"
