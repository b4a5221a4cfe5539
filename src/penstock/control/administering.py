"""Changing who may do what, and in which workspaces: users, roles, tags, with an audit trail."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from penstock.control.access import Actor
from penstock.control.accounts import AuditEntry, Permission, Role, User
from penstock.control.configuring import Configuring
from penstock.control.house import House
from penstock.control.model import ConnectorKind, Tag, Workspace
from penstock.control.store import (
    Transaction,
    Window,
    audit,
    connections,
    connectors,
    people,
    workspaces,
)
from penstock.errors import ConfigError, ResourceBusy

MOST_TAGS: Final = 100
_LONGEST_TAG: Final = 30
_COLOR: Final = re.compile(r"[0-9a-fA-F]{6}")
_ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+")
_EVERYTHING: Final = 1_000


class Administering:
    """Each method is one transaction with its audit entry; `by` is who did it."""

    def __init__(self, house: House, configuring: Configuring) -> None:
        self._house = house
        self._configuring = configuring

    # --- workspaces and tags ----------------------------------------------------------------

    def create_workspace(
        self, name: str, *, by: Actor, notifications: Mapping[str, Any] | None = None
    ) -> Workspace:
        """Keeps a new workspace; raises ConfigError without a name."""
        made = Workspace(
            id=str(uuid.uuid4()),
            name=_named(name, "workspace"),
            notifications=dict(notifications or {}),
            created_at=self._now(),
        )
        with self._house.store.write() as tx:
            workspaces.create(tx, made)
            self._note(tx, by, "workspace.create", "workspace", made.id, made.id, name=made.name)
        return made

    def update_workspace(
        self,
        workspace_id: str,
        *,
        by: Actor,
        name: str | None = None,
        notifications: Mapping[str, Any] | None = None,
    ) -> Workspace:
        """Changes a workspace's name and what Airbyte's API says of its notifications."""
        with self._house.store.write() as tx:
            before = workspaces.get(tx, workspace_id)
            changed = replace(
                before,
                name=before.name if name is None else _named(name, "workspace"),
                notifications={**before.notifications, **(notifications or {})},
            )
            workspaces.save(tx, changed)
            self._note(
                tx,
                by,
                "workspace.update",
                "workspace",
                workspace_id,
                workspace_id,
                name=changed.name,
            )
        return changed

    def delete_workspace(self, workspace_id: str, *, by: Actor) -> None:
        """Removes a workspace with its connections, sources and destinations; tables stay."""
        with self._house.store.read() as tx:
            workspaces.get(tx, workspace_id)
            if len(workspaces.list_(tx, Window(limit=2)).items) < 2:
                raise ConfigError(
                    "This is the only workspace.", remedy="Make another one before you delete it."
                )
            mine = connections.Filter(workspace_ids=(workspace_id,))
            held = connections.list_(tx, Window(limit=_EVERYTHING), mine).items
            ends = [
                each
                for kind in ConnectorKind
                for each in connectors.list_(
                    tx, Window(limit=_EVERYTHING), kind, workspace_ids=(workspace_id,)
                ).items
            ]
        for connection in held:
            self._configuring.delete_connection(connection.id, actor=by.name)
        for end in ends:
            self._configuring.delete_connector(end.id, actor=by.name)
        with self._house.store.write() as tx:
            workspaces.delete_(tx, workspace_id, now=self._now())
            self._note(tx, by, "workspace.delete", "workspace", workspace_id, workspace_id)

    def create_tag(self, workspace_id: str, name: str, color: str, *, by: Actor) -> Tag:
        """Keeps a new tag; raises ResourceBusy when the workspace has one of that name."""
        made = Tag(id=str(uuid.uuid4()), workspace_id=workspace_id, name=name, color=color)
        with self._house.store.write() as tx:
            workspaces.get(tx, workspace_id)
            _require_tag(tx, made)
            connections.create_tag(tx, made)
            self._note(tx, by, "tag.create", "tag", made.id, workspace_id, name=name)
        return made

    def update_tag(
        self, tag_id: str, *, by: Actor, name: str | None = None, color: str | None = None
    ) -> Tag:
        """Changes a tag; raises ResourceBusy when the workspace has one of that name."""
        with self._house.store.write() as tx:
            before = connections.get_tag(tx, tag_id)
            changed = replace(before, name=name or before.name, color=color or before.color)
            _require_tag(tx, changed)
            connections.save_tag(tx, changed)
            self._note(tx, by, "tag.update", "tag", tag_id, before.workspace_id, name=changed.name)
        return changed

    def delete_tag(self, tag_id: str, *, by: Actor) -> None:
        """Removes a tag, also from its connections."""
        with self._house.store.write() as tx:
            found = connections.get_tag(tx, tag_id)
            connections.delete_tag(tx, tag_id)
            self._note(tx, by, "tag.delete", "tag", tag_id, found.workspace_id, name=found.name)

    # --- people -----------------------------------------------------------------------------

    def create_user(self, email: str, name: str, password_hash: str | None, *, by: Actor) -> User:
        """Keeps a new user, who may do nothing yet; ResourceBusy when the address is taken."""
        address = email.strip().lower()
        if not _ADDRESS.fullmatch(address):
            raise ConfigError(f"{email!r} is no e-mail address.", remedy="Write name@host.")
        made = User(
            id=str(uuid.uuid4()),
            email=address,
            name=name.strip() or address,
            password_hash=password_hash,
            created_at=self._now(),
        )
        with self._house.store.write() as tx:
            if people.user_by_email(tx, address) is not None:
                raise ResourceBusy(
                    f"{address} is a user already.", remedy="Change that one, or use another."
                )
            people.create_user(tx, made)
            self._note(tx, by, "user.create", "user", made.id, None, email=address)
        return made

    def update_user(
        self,
        user_id: str,
        *,
        by: Actor,
        name: str | None = None,
        password_hash: str | None = None,
        is_disabled: bool | None = None,
    ) -> User:
        """Changes a user; a new password or being disabled ends all sessions."""
        with self._house.store.write() as tx:
            before = people.user(tx, user_id)
            changed = replace(
                before,
                name=name or before.name,
                password_hash=password_hash or before.password_hash,
                is_disabled=before.is_disabled if is_disabled is None else is_disabled,
            )
            people.save_user(tx, changed)
            if changed.is_disabled:
                _require_administrator(tx)
            if password_hash is not None or changed.is_disabled:
                people.close_sessions_of(tx, user_id)
            self._note(
                tx,
                by,
                "user.password" if password_hash else "user.update",
                "user",
                user_id,
                None,
                email=before.email,
                is_disabled=changed.is_disabled,
            )
        return changed

    def delete_user(self, user_id: str, *, by: Actor) -> None:
        """Removes a user with tokens and sessions; what they made stays."""
        with self._house.store.write() as tx:
            found = people.user(tx, user_id)
            people.delete_user(tx, user_id)
            _require_administrator(tx)
            self._note(tx, by, "user.delete", "user", user_id, None, email=found.email)

    def grant(self, user_id: str, workspace_id: str | None, role: Role, *, by: Actor) -> Permission:
        """Gives a user a role in a workspace, or everywhere (None); instead of an earlier one."""
        made = Permission(
            id=str(uuid.uuid4()), user_id=user_id, workspace_id=workspace_id, role=role
        )
        with self._house.store.write() as tx:
            people.user(tx, user_id)
            if workspace_id is not None:
                workspaces.get(tx, workspace_id)
            for each in people.permissions_of(tx, user_id):
                if each.workspace_id == workspace_id:
                    made = replace(each, role=role)
            if any(made.id == each.id for each in people.permissions_of(tx, user_id)):
                people.save_permission(tx, made)
                _require_administrator(tx)
            else:
                people.grant(tx, made)
            self._note(tx, by, "permission.grant", "user", user_id, workspace_id, role=role.value)
        return made

    def change_role(self, permission_id: str, role: Role, *, by: Actor) -> Permission:
        """Makes a permission one of another role."""
        with self._house.store.read() as tx:
            found = people.permission(tx, permission_id)
        return self.grant(found.user_id, found.workspace_id, role, by=by)

    def revoke(self, permission_id: str, *, by: Actor) -> None:
        """Takes a role away; raises ConfigError when nobody could administer any more."""
        with self._house.store.write() as tx:
            found = people.permission(tx, permission_id)
            people.revoke(tx, permission_id)
            _require_administrator(tx)
            self._note(
                tx,
                by,
                "permission.revoke",
                "user",
                found.user_id,
                found.workspace_id,
                role=found.role.value,
            )

    def _now(self) -> datetime:
        return self._house.clock()

    def _note(  # noqa: PLR0917 (one entry, all that is known of it)
        self,
        tx: Transaction,
        by: Actor,
        action: str,
        target_kind: str,
        target_id: str,
        workspace_id: str | None,
        **detail: Any,
    ) -> None:
        entry = AuditEntry(
            at=self._now(),
            actor_id=by.id,
            actor=by.name,
            action=action,
            target_kind=target_kind,
            target_id=target_id,
            workspace_id=workspace_id,
            detail=detail,
        )
        audit.note(tx, entry)


def _named(name: str, what: str) -> str:
    if not name.strip():
        raise ConfigError(f"A {what} needs a name.", remedy="Give it one.")
    return name.strip()


def _require_tag(tx: Transaction, tag: Tag) -> None:
    if not tag.name.strip() or len(tag.name) > _LONGEST_TAG:
        raise ConfigError(
            f"A tag's name has 1 to {_LONGEST_TAG} characters.", remedy="Choose a shorter one."
        )
    if not _COLOR.fullmatch(tag.color):
        raise ConfigError(
            f"{tag.color!r} is no colour.", remedy="Write six hexadecimal digits, as 7c3aed."
        )
    others = [each for each in connections.list_tags(tx, (tag.workspace_id,)) if each.id != tag.id]
    if any(each.name == tag.name for each in others):
        raise ResourceBusy(f"There is a tag {tag.name} already.", remedy="Choose another name.")
    if len(others) >= MOST_TAGS:
        raise ConfigError(
            f"A workspace has {MOST_TAGS} tags at most.", remedy="Delete one that is not used."
        )


def _require_administrator(tx: Transaction) -> None:
    """Raises ConfigError, and so undoes the transaction, when nobody is left to administer."""
    for each in people.permissions_of(tx):
        is_wide = each.workspace_id is None and each.role is Role.ADMIN
        if is_wide and not people.user(tx, each.user_id).is_disabled:
            return
    raise ConfigError(
        "Nobody would be left who may administer this installation.",
        remedy="Give another user the role admin first.",
    )
