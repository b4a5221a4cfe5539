"""Who somebody is and what they may do: passwords, sessions, tokens, one-time links, roles.

Secrets given out are random (256 bits) and kept only as their SHA-256: nothing in the database
signs anybody in. Passwords are kept as Argon2id hashes (RFC 9106).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from penstock.control.accounts import Application, LoginLink, Permission, Role, Session, Token, User
from penstock.control.recent_actors import RecentActors
from penstock.control.store import people, workspaces
from penstock.control.store.database import Store, Transaction
from penstock.control.store.rows import Window
from penstock.errors import AccessDenied, ConfigError, TransientError

SESSION_LASTS: Final = timedelta(days=14)
LINK_LASTS: Final = timedelta(hours=24)
GRANT_LASTS: Final = timedelta(minutes=15)
"""Airbyte's tokens for applications last as long."""
TOKEN_PREFIX: Final = "pst_"  # noqa: S105 (says what kind of secret follows)
_GRANT_PREFIX: Final = "psa_"
_GRANT_KEY: Final = "grant_key"
_SHORTEST_PASSWORD: Final = 10
_TOUCHED_AT_MOST: Final = timedelta(minutes=1)
SCOPES: Final = ("read", "run", "edit", "admin")
"""What a token may at most, each more than the one before; without any it may all its user may."""
_ROLE_OF_SCOPE: Final = dict(zip(SCOPES, Role, strict=True))


class NotSignedIn(ConfigError):
    """The request needs somebody, and says nobody, or somebody we do not know."""

    code = "not_signed_in"
    exit_status = 3


class TooManyTries(TransientError):
    """Somebody guesses; `wait_seconds` until the next try counts."""

    code = "too_many_tries"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Somebody who asks for something, and what they may do."""

    user: User
    permissions: tuple[Permission, ...]
    scopes: tuple[str, ...] = ()
    session: Session | None = None
    """Of a browser: its unsafe requests need the CSRF token."""
    via: str = "session"
    """session, token, application or password."""

    @property
    def id(self) -> str:
        return self.user.id

    @property
    def name(self) -> str:
        return self.user.email

    def role(self, workspace_id: str | None) -> Role | None:
        """Returns the highest role in a workspace (None: in the whole instance)."""
        roles = [
            each.role
            for each in self.permissions
            if each.workspace_id is None or each.workspace_id == workspace_id
        ]
        highest = max(roles, key=list(Role).index, default=None)
        if highest is None or not self.scopes:
            return highest
        allowed = max((_ROLE_OF_SCOPE[s] for s in self.scopes), key=list(Role).index)
        return highest if allowed.allows(highest) else allowed

    def may(self, needed: Role, workspace_id: str | None) -> bool:
        """Tells whether the actor has a role at least."""
        role = self.role(workspace_id)
        return role is not None and role.allows(needed)

    def require(self, needed: Role, workspace_id: str | None) -> None:
        """Raises AccessDenied unless the actor has a role at least."""
        if not self.may(needed, workspace_id):
            where = "in this workspace" if workspace_id else "for the whole installation"
            raise AccessDenied(
                f"{self.name} may not do this: it needs the role {needed} {where}.",
                remedy="Ask an administrator for the role, or use a token with a wider scope.",
            )

    def require_whole(self) -> None:
        """Raises AccessDenied for a token of some scopes: it could make itself a wider one."""
        if self.scopes:
            raise AccessDenied(
                "A token with scopes may not make tokens or applications.",
                remedy="Sign in, or use a token without scopes.",
            )

    def workspace_ids(self) -> tuple[str, ...] | None:
        """Returns the workspaces the actor sees; None for all."""
        if any(each.workspace_id is None for each in self.permissions):
            return None
        return tuple(each.workspace_id for each in self.permissions if each.workspace_id)


@dataclass(slots=True)
class TryLimit:
    """Slows down guessing: after five failures a name waits, longer with each one more."""

    free: int = 5
    first_wait_seconds: float = 2.0
    longest_wait_seconds: float = 900.0
    remembered: int = 10_000
    _failures: OrderedDict[str, tuple[int, datetime]] = field(default_factory=OrderedDict)

    def check(self, name: str, now: datetime) -> None:
        """Raises TooManyTries while a name has to wait."""
        count, at = self._failures.get(name, (0, now))
        if count < self.free:
            return
        wait = min(self.first_wait_seconds * 2 ** (count - self.free), self.longest_wait_seconds)
        left = wait - (now - at).total_seconds()
        if left > 0:
            raise TooManyTries(
                "There were too many failed tries to sign in.",
                remedy=f"Try again in {max(1, round(left))} seconds.",
                wait_seconds=left,
            )

    def failed(self, name: str, now: datetime) -> None:
        """Notes a failure; the oldest names are forgotten, so that memory stays bounded."""
        count, _ = self._failures.pop(name, (0, now))
        self._failures[name] = (count + 1, now)
        while len(self._failures) > self.remembered:
            self._failures.popitem(last=False)

    def succeeded(self, name: str) -> None:
        """Forgets the failures of a name."""
        self._failures.pop(name, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A session just opened; `cookie` is shown this once."""

    session: Session
    cookie: str


class Access:
    """Signs people and programs in. Safe to use from any number of threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._hasher = PasswordHasher()
        self._nobody = self._hasher.hash(secrets.token_urlsafe(16))
        """Verified when there is no such user: the answer takes as long either way."""
        self._tries = TryLimit()
        self._recent = RecentActors(store)

    # --- the beginning -------------------------------------------------------------------

    def has_passwords(self) -> bool:
        """Tells whether anybody can sign in by password."""
        with self._store.read() as tx:
            window = Window(limit=1000)
            return any(user.password_hash for user in people.list_users(tx, window).items)

    def first_user(self, now: datetime) -> User:
        """Returns the first administrator, made when there is nobody yet."""
        with self._store.write() as tx:
            if people.count_users(tx):
                for each in people.permissions_of(tx):
                    if each.workspace_id is None and each.role is Role.ADMIN:
                        return people.user(tx, each.user_id)
            user = User(id=_new_id(), email="admin@localhost", name="Administrator", created_at=now)
            people.create_user(tx, user)
            permission = Permission(
                id=_new_id(), user_id=user.id, workspace_id=None, role=Role.ADMIN
            )
            people.grant(tx, permission)
            return user

    def new_link(self, user: User, now: datetime) -> str:
        """Returns the secret of a link that signs a user in once, within a day."""
        secret = secrets.token_urlsafe(32)
        link = LoginLink(
            link_hash=_digest(secret), user_id=user.id, created_at=now, expires_at=now + LINK_LASTS
        )
        with self._store.write() as tx:
            people.create_link(tx, link)
        return secret

    # --- people --------------------------------------------------------------------------

    def hash_password(self, password: str) -> str:
        """Returns what is kept of a password; raises ConfigError for one too short."""
        if len(password) < _SHORTEST_PASSWORD:
            raise ConfigError(
                f"A password needs {_SHORTEST_PASSWORD} characters.",
                remedy="Choose a longer one; a few words make a good one.",
            )
        return self._hasher.hash(password)

    def sign_in(
        self, email: str, password: str, now: datetime, *, address: str = "", agent: str = ""
    ) -> Opened:
        """Opens a session; raises NotSignedIn for a wrong pair, TooManyTries for a guesser."""
        user = self._proved(email, password, now, address)
        return self._opened(user, now, address=address, agent=agent)

    def follow_link(
        self, secret: str, now: datetime, *, address: str = "", agent: str = ""
    ) -> Opened:
        """Opens a session by a one-time link; raises NotSignedIn for one used or expired."""
        with self._store.write() as tx:
            link = people.use_link(tx, _digest(secret), now=now)
            user = people.user(tx, link.user_id) if link else None
        if user is None or user.is_disabled:
            raise NotSignedIn(
                "This link was used already, or has expired.",
                remedy="Get a new one: penstock up prints it, and so does `penstock login-link`.",
            )
        return self._opened(user, now, address=address, agent=agent)

    def sign_out(self, cookie: str) -> None:
        """Ends the session of a browser."""
        with self._store.write() as tx:
            people.close_session(tx, _digest(cookie))

    # --- whoever asks --------------------------------------------------------------------

    def recent(self, secret: str) -> Actor | None:
        """Returns whose token or session it is if they asked a moment ago; reads no database."""
        return self._recent.get(_digest(secret))

    def by_session(self, cookie: str, now: datetime) -> Actor:
        """Returns whose browser it is; raises NotSignedIn when the session has ended."""
        version, digest = self._recent.version, _digest(cookie)
        with self._store.read() as tx:
            session = people.session(tx, digest, now=now)
            actor = session and self._actor(tx, session.user_id, session=session)
        if not session or not actor:
            raise NotSignedIn("The session has ended.", remedy="Sign in again.")
        if now - session.seen_at > _TOUCHED_AT_MOST:
            with self._store.write() as tx:
                people.touch_session(tx, session.id_hash, now=now, expires_at=now + SESSION_LASTS)
        self._recent.keep(digest, actor, version=version)
        return actor

    def by_token(self, secret: str, now: datetime) -> Actor:
        """Returns whose token or application grant it is; raises NotSignedIn for neither."""
        if secret.startswith(_GRANT_PREFIX):
            return self._by_grant(secret, now)
        version, digest = self._recent.version, _digest(secret)
        with self._store.read() as tx:
            token = people.token_by_hash(tx, digest)
            counts = (
                token is not None
                and token.revoked_at is None
                and (token.expires_at is None or token.expires_at > now)
            )
            actor = (
                self._actor(tx, token.user_id, scopes=token.scopes, via="token")
                if token and counts
                else None
            )
        if token is None or actor is None:
            raise NotSignedIn(
                "The token is not known, or no longer valid.",
                remedy="Make a new one: Settings, Tokens, or `penstock token create NAME`.",
            )
        if token.last_used_at is None or now - token.last_used_at > _TOUCHED_AT_MOST:
            with self._store.write() as tx:
                people.touch_token(tx, token.id, now=now)
        self._recent.keep(digest, actor, version=version)
        return actor

    def by_password(self, name: str, password: str, now: datetime, address: str = "") -> Actor:
        """Returns who it is by HTTP Basic: a user, a client's id and secret, or any name and token.

        Raises NotSignedIn and TooManyTries.
        """
        if password.startswith((TOKEN_PREFIX, _GRANT_PREFIX)):
            return self.by_token(password, now)
        with self._store.read() as tx:
            application = people.application_by_client(tx, name)
            actor = self._actor(tx, application.user_id, via="application") if application else None
        if application is not None:
            if actor is None or not _is_same(application.secret_hash, password):
                raise _wrong_client()
            return actor
        user = self._proved(name, password, now, address)
        with self._store.read() as tx:
            found = self._actor(tx, user.id, via="password")
        if found is None:
            raise _wrong_pair()
        return found

    # --- programs ------------------------------------------------------------------------

    def new_token(
        self,
        user: User,
        name: str,
        now: datetime,
        *,
        scopes: Sequence[str] = (),
        expires_at: datetime | None = None,
    ) -> tuple[Token, str]:
        """Returns a new token and its secret, which is shown this once."""
        unknown = [scope for scope in scopes if scope not in SCOPES]
        if unknown:
            raise ConfigError(
                f"There is no scope {', '.join(unknown)}.",
                remedy=f"Choose among: {', '.join(SCOPES)}.",
            )
        secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
        token = Token(
            id=_new_id(),
            user_id=user.id,
            name=name,
            token_hash=_digest(secret),
            prefix=secret[:8],
            scopes=tuple(scopes),
            created_at=now,
            expires_at=expires_at,
        )
        with self._store.write() as tx:
            people.create_token(tx, token)
        return token, secret

    def new_application(
        self, user: User, name: str, now: datetime, *, secret_id: str | None = None
    ) -> tuple[Application, str]:
        """Returns a new application and its client secret."""
        secret = secrets.token_urlsafe(32)
        application = Application(
            id=_new_id(),
            user_id=user.id,
            name=name,
            client_id=_new_id(),
            secret_hash=_digest(secret),
            secret_id=secret_id,
            created_at=now,
        )
        with self._store.write() as tx:
            people.create_application(tx, application)
        return application, secret

    def grant(self, client_id: str, client_secret: str, now: datetime) -> tuple[str, int]:
        """Returns a short-lived token for a client's id and secret, and its seconds.

        Raises NotSignedIn for a wrong pair.
        """
        with self._store.read() as tx:
            application = people.application_by_client(tx, client_id)
        if application is None or not _is_same(application.secret_hash, client_secret):
            raise _wrong_client()
        expires = int((now + GRANT_LASTS).timestamp())
        body = base64.urlsafe_b64encode(msgspec.json.encode([application.id, expires])).decode()
        return f"{_GRANT_PREFIX}{body}.{self._signature(body)}", int(GRANT_LASTS.total_seconds())

    # --- within --------------------------------------------------------------------------

    def _by_grant(self, secret: str, now: datetime) -> Actor:
        body, _, signature = secret.removeprefix(_GRANT_PREFIX).partition(".")
        if hmac.compare_digest(self._signature(body).encode(), signature.encode()):
            application_id, expires = msgspec.json.decode(
                base64.urlsafe_b64decode(body), type=tuple[str, int]
            )
            if datetime.fromtimestamp(expires, UTC) > now:
                with self._store.read() as tx:
                    application = people.find_application(tx, application_id)
                    actor = application and self._actor(tx, application.user_id, via="application")
                if actor:
                    return actor
        raise NotSignedIn(
            "The access token is not valid, or has expired.",
            remedy="Ask for another with the client's id and secret.",
        )

    def _signature(self, body: str) -> str:
        with self._store.read() as tx:
            kept = workspaces.setting(tx, _GRANT_KEY)
        if kept is None:
            with self._store.write() as tx:
                kept = workspaces.setting(tx, _GRANT_KEY) or {"key": secrets.token_hex(32)}
                workspaces.set_setting(tx, _GRANT_KEY, kept)
        digest = hmac.digest(bytes.fromhex(kept["key"]), body.encode(), "sha256")
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def _proved(self, email: str, password: str, now: datetime, address: str) -> User:
        email = email.strip().lower()
        for name in (f"email:{email}", f"address:{address}") if address else (f"email:{email}",):
            self._tries.check(name, now)
        with self._store.read() as tx:
            user = people.user_by_email(tx, email)
        known = user.password_hash if user and not user.is_disabled else None
        try:
            self._hasher.verify(known or self._nobody, password)
        except (VerificationError, InvalidHashError):
            known = None
        if user is None or known is None:
            self._tries.failed(f"email:{email}", now)
            if address:
                self._tries.failed(f"address:{address}", now)
            raise _wrong_pair()
        self._tries.succeeded(f"email:{email}")
        if self._hasher.check_needs_rehash(known):
            user = replace(user, password_hash=self._hasher.hash(password))
        return user

    def _opened(self, user: User, now: datetime, *, address: str, agent: str) -> Opened:
        cookie = secrets.token_urlsafe(32)
        session = Session(
            id_hash=_digest(cookie),
            user_id=user.id,
            csrf_token=secrets.token_urlsafe(24),
            created_at=now,
            seen_at=now,
            expires_at=now + SESSION_LASTS,
            address=address or None,
            user_agent=agent[:200] or None,
        )
        with self._store.write() as tx:
            people.forget_expired(tx, now=now)
            people.open_session(tx, session)
            people.save_user(tx, replace(user, last_login_at=now))
        return Opened(session=session, cookie=cookie)

    def _actor(
        self,
        tx: Transaction,
        user_id: str,
        *,
        session: Session | None = None,
        scopes: tuple[str, ...] = (),
        via: str = "session",
    ) -> Actor | None:
        user = people.user(tx, user_id)
        if user.is_disabled:
            return None
        return Actor(
            user=user,
            permissions=people.permissions_of(tx, user_id),
            session=session,
            scopes=scopes,
            via=via,
        )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _is_same(digest: str, secret: str) -> bool:
    return hmac.compare_digest(digest, _digest(secret))


def _new_id() -> str:
    return str(uuid.uuid4())


def _wrong_pair() -> NotSignedIn:
    return NotSignedIn(
        "E-mail address and password do not fit.",
        remedy="Try again; an administrator can set a new password.",
    )


def _wrong_client() -> NotSignedIn:
    return NotSignedIn(
        "The client's id and secret do not fit.",
        remedy="Make a new application: Settings, Applications.",
    )
