"""`penstock token`: keys for programs that call the server's API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from cyclopts import App, Parameter

from penstock.cli.db import DatabaseUrl, DataDir, opened
from penstock.cli.screen import Screen
from penstock.cli.user import Email, user_named
from penstock.control.access import Access

token = App(name="token", help="Make keys for programs that call the server's API.")


@token.command
def create(
    name: Annotated[str, Parameter(help="What it is for.")],
    /,
    *,
    email: Email = None,
    scope: Annotated[
        list[str] | None,
        Parameter(negative=(), help="read, run, edit or admin; without it all the user may."),
    ] = None,
    days: Annotated[int | None, Parameter(help="Days until it expires.")] = None,
    application: Annotated[
        bool,
        Parameter(negative=(), help="Make a client id and secret instead, as Airflow takes them."),
    ] = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Makes a token and writes it, this once, on standard output.

    Programs send it as `Authorization: Bearer TOKEN`.
    """
    now = datetime.now(UTC)
    store = opened(data_dir, database_url)
    try:
        access = Access(store)
        user = user_named(store, access, email)
        screen = Screen()
        if application:
            made, secret = access.new_application(user, name, now)
            screen.show(f"{made.client_id} {secret}")
        else:
            expires = None if days is None else now + timedelta(days=days)
            _, secret = access.new_token(user, name, now, scopes=scope or (), expires_at=expires)
            screen.show(secret)
    finally:
        store.close()
    what = "client id and secret" if application else "token"
    screen.note(f"This {what} of {user.email} is not shown again.")
