"""`penstock login-link`: a link that signs somebody in once, for whoever has the server's files."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from cyclopts import Parameter

from penstock.cli.db import DatabaseUrl, DataDir, opened
from penstock.cli.screen import Screen
from penstock.cli.user import Email, user_named
from penstock.control.access import Access


def login_link(
    *,
    email: Email = None,
    address: Annotated[
        str, Parameter(show_default=True, help="Where the server is.")
    ] = "http://127.0.0.1:8787",
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Writes a link that signs a user in once, within a day."""
    store = opened(data_dir, database_url)
    try:
        access = Access(store)
        secret = access.new_link(user_named(store, access, email), datetime.now(UTC))
    finally:
        store.close()
    Screen().show(f"{address.rstrip('/')}/login#{secret}")
