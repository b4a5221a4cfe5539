"""`penstock secrets`: the key that the control plane's secrets are encrypted under."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from cyclopts import App

from penstock.cli.db import DatabaseUrl, DataDir, opened, server_folder
from penstock.cli.screen import Screen
from penstock.control.secrets import (
    KEY_VARIABLE,
    KeyRing,
    SecretStore,
    load_keys,
    new_key,
    write_keys,
)
from penstock.control.service import KEY_FILE
from penstock.control.store import Store, servers
from penstock.errors import ConfigError, ResourceBusy

secrets = App(name="secrets", help="Change the key that secrets are encrypted under.")


@secrets.command
def rotate(
    *, data_dir: DataDir = None, database_url: DatabaseUrl = None, drop_old: bool = False
) -> None:
    """Encrypts every secret under a new key.

    The key file gets a new first line. Older keys stay in it, for backups of the database;
    --drop-old removes them. With PENSTOCK_SECRET_KEY put the new key before the old one, with a
    comma between, and run this. Stop the server first.
    """
    folder = server_folder(data_dir)
    file = folder / KEY_FILE
    store = opened(data_dir, database_url)
    try:
        _refuse_running(store)
        ring = load_keys(file, makes_file=False)
        is_given = bool(os.environ.get(KEY_VARIABLE))
        if is_given and len(ring.keys) < 2:
            raise ConfigError(
                f"{KEY_VARIABLE} holds one key, so there is nothing to change to.",
                remedy="Set it to NEW,OLD, each 32 bytes in base64; openssl rand -base64 32.",
            )
        if not is_given:
            ring = KeyRing((new_key(), *ring.keys))
            write_keys(ring, file)
        count = SecretStore(ring).rotate(store)
        if drop_old and not is_given:
            write_keys(KeyRing(ring.keys[:1]), file)
    finally:
        store.close()
    Screen().show(f"{count} secrets are encrypted under the key {ring.current.id} now.")


def _refuse_running(store: Store) -> None:
    with store.read() as tx:
        running = servers.alive(tx, datetime.now(UTC) - timedelta(minutes=1))
    if running:
        raise ResourceBusy(
            f"A server is running on {store.shown}: process {running[0].pid}.",
            remedy="Stop it, and change the key then.",
        )
