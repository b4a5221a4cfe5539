"""`penstock user`: who signs in to the server, for whoever has its files."""

from __future__ import annotations

import getpass
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import App, Parameter

from penstock.cli.db import DatabaseUrl, DataDir, opened
from penstock.cli.screen import Screen
from penstock.control.access import Access
from penstock.control.accounts import User
from penstock.control.store import Store, people
from penstock.control.store.migrate import upgrade
from penstock.errors import ConfigError, UnknownName

user = App(name="user", help="Set the password of somebody who signs in to the server.")

Email = Annotated[str | None, Parameter(help="Address of the user; the first administrator.")]


@user.command
def password(
    email: Annotated[str | None, Parameter(help="Address; the first administrator.")] = None,
    /,
    *,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Sets a user's password, read without echo or from a pipe, and ends their sessions."""
    if sys.stdin.isatty():
        given = getpass.getpass("New password: ")
        if getpass.getpass("Once more: ") != given:
            raise ConfigError("The two passwords differ.", remedy="Try again.")
    else:
        given = sys.stdin.readline().rstrip("\r\n")
    store = opened(data_dir, database_url)
    try:
        upgrade(store)
        access = Access(store)
        found = user_named(store, access, email)
        kept = access.hash_password(given)
        with store.write() as tx:
            people.save_user(tx, replace(people.user(tx, found.id), password_hash=kept))
            people.close_sessions_of(tx, found.id)
    finally:
        store.close()
    Screen().show(f"{found.email} signs in with the new password now.")


def user_named(store: Store, access: Access, email: str | None) -> User:
    """Returns the user with an address, or the first administrator; UnknownName for none."""
    first = access.first_user(datetime.now(UTC))
    if email is None:
        return first
    with store.read() as tx:
        found = people.user_by_email(tx, email)
    if found is None:
        raise UnknownName(
            f"There is no user {email}.", remedy=f"The first administrator is {first.email}."
        )
    return found
