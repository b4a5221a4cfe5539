"""Queries about users, what they may do, and how they prove who they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select, update

from penstock.control.accounts import Application, LoginLink, Permission, Session, Token, User
from penstock.control.store import rows
from penstock.control.store.database import Transaction
from penstock.control.store.tables import (
    applications,
    login_links,
    permissions,
    sessions,
    tokens,
    users,
)


def create_user(tx: Transaction, user: User) -> None:
    """Keeps a new user; the caller has looked whether the address is free."""
    rows.put(tx, users, user)


def save_user(tx: Transaction, user: User) -> None:
    """Writes all that a user has; raises UnknownName without one."""
    rows.replace_row(tx, users, user, what="user")


def user(tx: Transaction, user_id: str) -> User:
    """Returns a user; raises UnknownName without one."""
    found = rows.one(tx, User, select(users).where(users.c.id == user_id))
    if found is None:
        raise rows.unknown("user", user_id)
    return found


def user_by_email(tx: Transaction, email: str) -> User | None:
    """Returns the user with an address, in any case."""
    return rows.one(tx, User, select(users).where(users.c.email == email.strip().lower()))


def list_users(
    tx: Transaction, window: rows.Window, *, ids: Sequence[str] | None = None
) -> rows.Page[User]:
    """Returns users, the oldest first."""
    query = select(users)
    if ids is not None:
        query = query.where(users.c.id.in_(ids))
    return rows.page(tx, User, query, keys=(users.c.created_at, users.c.id), window=window)


def count_users(tx: Transaction) -> int:
    """Returns how many users there are."""
    return int(tx.execute(select(func.count()).select_from(users)).scalar() or 0)


def delete_user(tx: Transaction, user_id: str) -> None:
    """Removes a user with permissions, tokens, applications and sessions."""
    if not tx.execute(delete(users).where(users.c.id == user_id)).rowcount:
        raise rows.unknown("user", user_id)


def grant(tx: Transaction, permission: Permission) -> None:
    """Gives a user a role."""
    rows.put(tx, permissions, permission)


def save_permission(tx: Transaction, permission: Permission) -> None:
    """Writes all that a permission has; raises UnknownName without one."""
    rows.replace_row(tx, permissions, permission, what="permission")


def permission(tx: Transaction, permission_id: str) -> Permission:
    """Returns a permission; raises UnknownName without one."""
    query = select(permissions).where(permissions.c.id == permission_id)
    found = rows.one(tx, Permission, query)
    if found is None:
        raise rows.unknown("permission", permission_id)
    return found


def permissions_of(tx: Transaction, user_id: str | None = None) -> tuple[Permission, ...]:
    """Returns the permissions of a user, or of all."""
    query = select(permissions).order_by(permissions.c.id)
    if user_id is not None:
        query = query.where(permissions.c.user_id == user_id)
    return rows.every(tx, Permission, query)


def revoke(tx: Transaction, permission_id: str) -> None:
    """Takes a role away; raises UnknownName without one."""
    if not tx.execute(delete(permissions).where(permissions.c.id == permission_id)).rowcount:
        raise rows.unknown("permission", permission_id)


def create_token(tx: Transaction, token: Token) -> None:
    """Keeps a new token's hash."""
    rows.put(tx, tokens, token)


def token_by_hash(tx: Transaction, token_hash: str) -> Token | None:
    """Returns the token with that hash, whether or not it still counts."""
    return rows.one(tx, Token, select(tokens).where(tokens.c.token_hash == token_hash))


def tokens_of(tx: Transaction, user_id: str) -> tuple[Token, ...]:
    """Returns a user's tokens, the newest first."""
    query = select(tokens).where(tokens.c.user_id == user_id)
    return rows.every(tx, Token, query.order_by(tokens.c.created_at.desc(), tokens.c.id))


def touch_token(tx: Transaction, token_id: str, *, now: datetime) -> None:
    """Notes that a token was used."""
    tx.execute(update(tokens).where(tokens.c.id == token_id).values(last_used_at=now))


def revoke_token(tx: Transaction, token_id: str, *, now: datetime) -> None:
    """Makes a token worthless; raises UnknownName without one."""
    if not tx.execute(
        update(tokens).where(tokens.c.id == token_id).values(revoked_at=now)
    ).rowcount:
        raise rows.unknown("token", token_id)


def create_application(tx: Transaction, application: Application) -> None:
    """Keeps a new application."""
    rows.put(tx, applications, application)


def find_application(tx: Transaction, application_id: str) -> Application | None:
    """Returns an application; None without one."""
    query = select(applications).where(applications.c.id == application_id)
    return rows.one(tx, Application, query)


def application(tx: Transaction, application_id: str) -> Application:
    """Returns an application; raises UnknownName without one."""
    found = find_application(tx, application_id)
    if found is None:
        raise rows.unknown("application", application_id)
    return found


def application_by_client(tx: Transaction, client_id: str) -> Application | None:
    """Returns the application with a client id."""
    return rows.one(
        tx, Application, select(applications).where(applications.c.client_id == client_id)
    )


def applications_of(tx: Transaction, user_id: str) -> tuple[Application, ...]:
    """Returns a user's applications, the oldest first."""
    query = select(applications).where(applications.c.user_id == user_id)
    return rows.every(tx, Application, query.order_by(applications.c.created_at))


def delete_application(tx: Transaction, application_id: str) -> None:
    """Removes an application; raises UnknownName without one."""
    if not tx.execute(delete(applications).where(applications.c.id == application_id)).rowcount:
        raise rows.unknown("application", application_id)


def open_session(tx: Transaction, session: Session) -> None:
    """Keeps a new session."""
    rows.put(tx, sessions, session)


def session(tx: Transaction, id_hash: str, *, now: datetime) -> Session | None:
    """Returns a session that has not expired."""
    query = select(sessions).where(sessions.c.id_hash == id_hash, sessions.c.expires_at > now)
    return rows.one(tx, Session, query)


def touch_session(tx: Transaction, id_hash: str, *, now: datetime, expires_at: datetime) -> None:
    """Notes that a session is used, and lets it last."""
    tx.execute(
        update(sessions)
        .where(sessions.c.id_hash == id_hash)
        .values(seen_at=now, expires_at=expires_at)
    )


def close_session(tx: Transaction, id_hash: str) -> None:
    """Ends a session; one that has ended already is no error."""
    tx.execute(delete(sessions).where(sessions.c.id_hash == id_hash))


def close_sessions_of(tx: Transaction, user_id: str) -> None:
    """Ends all sessions of a user."""
    tx.execute(delete(sessions).where(sessions.c.user_id == user_id))


def forget_expired(tx: Transaction, *, now: datetime) -> None:
    """Removes sessions and login links that have expired."""
    tx.execute(delete(sessions).where(sessions.c.expires_at <= now))
    tx.execute(delete(login_links).where(login_links.c.expires_at <= now))


def create_link(tx: Transaction, link: LoginLink) -> None:
    """Keeps a new login link's hash."""
    rows.put(tx, login_links, link)


def use_link(tx: Transaction, link_hash: str, *, now: datetime) -> LoginLink | None:
    """Returns the link and makes it worthless; None when it was used, or has expired."""
    done = tx.execute(
        update(login_links)
        .where(
            login_links.c.link_hash == link_hash,
            login_links.c.used_at.is_(None),
            login_links.c.expires_at > now,
        )
        .values(used_at=now)
    )
    if not done.rowcount:
        return None
    return rows.one(tx, LoginLink, select(login_links).where(login_links.c.link_hash == link_hash))
