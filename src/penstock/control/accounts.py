"""Who may do what, as frozen values: users, tokens, sessions, the audit log."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Role(StrEnum):
    """What somebody may do, each more than the one before."""

    READER = "reader"
    RUNNER = "runner"
    EDITOR = "editor"
    ADMIN = "admin"

    def allows(self, needed: Role) -> bool:
        """Tells whether this role includes the needed one."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who signs in."""

    id: str
    email: str
    """In lower case; no two users have the same."""
    name: str
    password_hash: str | None = None
    """Argon2; None: cannot sign in by password."""
    is_disabled: bool = False
    created_at: datetime
    last_login_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """A role of a user, in one workspace or everywhere."""

    id: str
    user_id: str
    workspace_id: str | None
    """None: the whole instance."""
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A key for programs; shown once, kept only as its hash."""

    id: str
    user_id: str
    name: str
    token_hash: str
    """SHA-256, hexadecimal; tokens are random, so no slow hash is needed."""
    prefix: str
    """The first characters, to tell tokens apart in a list."""
    scopes: tuple[str, ...] = ()
    """As `connections:write`; empty: all its user may."""
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A client that gets short tokens for its id and secret (client credentials)."""

    id: str
    user_id: str
    name: str
    client_id: str
    secret_hash: str
    secret_id: str | None = None
    """The secret itself in the secret store: Airbyte's API shows it again when listed."""
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A signed-in browser."""

    id_hash: str
    """SHA-256 of the cookie's value."""
    user_id: str
    csrf_token: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    address: str | None = None
    user_agent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginLink:
    """A link that signs somebody in once."""

    link_hash: str
    user_id: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One thing somebody did."""

    id: int = 0
    at: datetime
    actor_id: str | None
    actor: str
    """Name or address, kept when the user is gone."""
    action: str
    """As `connection.update`."""
    target_kind: str
    target_id: str
    workspace_id: str | None = None
    address: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    """What changed; secrets are masked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotentReply:
    """What a request with an Idempotency-Key was answered; None while it is being answered."""

    key: str
    actor_id: str
    request_digest: str
    status: int | None = None
    body: str | None = None
    created_at: datetime
    expires_at: datetime
