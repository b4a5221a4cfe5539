"""A document being applied: objects in the order of what they need, each by `Configuring`."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from penstock.control.configuring import Configuring
from penstock.control.declared.current import KINDS, Current, Key, current
from penstock.control.declared.document import (
    DeclaredConnection,
    DeclaredConnector,
    Document,
    schedule_of,
)
from penstock.control.declared.fitting import followed_first, full_name
from penstock.control.declared.plan import Action, Change, Plan, stream_name
from penstock.control.declared.secret_names import filled
from penstock.control.house import House
from penstock.control.model import (
    AppliedConfig,
    Connection,
    ConnectionStatus,
    Connector,
    ConnectorKind,
    Definition,
    StreamChoice,
    Tag,
    Workspace,
)
from penstock.control.store import connections, definitions, discoveries, workspaces
from penstock.errors import ConfigError, PenstockError, UnknownName


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a document is applied."""

    prunes: bool = False
    """Deletes what a file had made and this one leaves out."""
    allows_reset: bool = False
    """Lets streams begin anew whose position a change makes meaningless."""
    remembers: bool = True
    """Notes what was set, to tell drift next time; False leaves it to the pages."""
    secrets: Mapping[str, Any] = field(default_factory=dict)
    """Values for `${secret:NAME}`, to be kept encrypted."""
    managed_by: str = "penstock.yml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A document, what it is compared with, and what follows."""

    document: Document
    workspace: Workspace
    current: Current
    wanted: Mapping[Key, Any]
    plan: Plan


class Applying:
    """One document being applied: objects in the order of what they need."""

    def __init__(
        self,
        house: House,
        configuring: Configuring,
        prepared: Prepared,
        options: Options,
        actor: str | None,
    ) -> None:
        self._house = house
        self._configuring = configuring
        self._prepared = prepared
        self._options = options
        self._actor = actor
        self._ids = {key: each.id for key, each in prepared.current.items.items()}
        self._replaced: list[str] = []

    def run(self) -> None:
        """Does all changes; what was done stays done when one fails, and is named."""
        done: list[str] = []
        changes = {each.key: each for each in self._prepared.plan.changes}
        for key in self._order(changes):
            change = changes[key]
            try:
                self._do(change)
            except PenstockError as error:
                error.message = f"{change.kind} {change.name}: {error.message}"
                if done:
                    error.remedy += f" Before it was done: {', '.join(done)}; apply again after."
                raise
            done.append(f"{change.kind} {change.name}")
        for replaced in self._replaced:
            self._configuring.delete_connector(replaced, actor=self._actor)
        if self._options.remembers:
            self._remember()

    def _order(self, changes: Mapping[Key, Change]) -> Iterator[Key]:
        """Yields what is changed: made in the order of kinds, a followed connection first."""
        deleted = [key for key, each in changes.items() if each.action is Action.DELETE]
        for kind in ("workspace", *KINDS[:-1]):
            yield from (k for k in changes if k[0] == kind and k not in deleted)
        for name in followed_first(self._prepared.document.connections):
            if ("connection", name) in changes:
                yield ("connection", name)
        yield from deleted

    def _do(self, change: Change) -> None:
        if change.action is Action.DELETE:
            self._delete(change)
            return
        match change.kind:
            case "workspace":
                with self._house.store.write() as tx:
                    workspaces.create(tx, self._prepared.workspace)
            case "connector":
                self._set_connector(change)
            case "tag":
                self._set_tag(change)
            case "connection":
                self._set_connection(change)
            case _:
                self._set_end(change)

    def _set_connector(self, change: Change) -> None:
        declared: DeclaredConnector = self._prepared.document.connectors[change.name]
        known = self._known(change)
        base = (
            known
            if isinstance(known, Definition)
            else Definition(
                id=str(uuid.uuid4()),
                kind=ConnectorKind(change.name.partition("-")[0]),
                name=change.name,
                title=declared.title,
                workspace_id=self._prepared.workspace.id,
                is_custom=True,
                created_at=self._house.clock(),
            )
        )
        is_other = base.manifest is not None and declared.manifest != base.manifest
        made = replace(
            base,
            title=declared.title,
            version=declared.version,
            docker_repository=declared.docker_repository,
            origin=dict(declared.origin),
            manifest=declared.manifest,
            manifest_version=(base.manifest_version or 1) + is_other if declared.manifest else None,
            documentation_url=declared.documentation_url,
            spec=None,
            spec_version=None,
        )
        with self._house.store.write() as tx:
            if base is known:
                definitions.save(tx, made)
            else:
                definitions.create(tx, made)
        self._ids[change.key] = made.id

    def _set_tag(self, change: Change) -> None:
        color = self._prepared.document.tags[change.name].color
        with self._house.store.write() as tx:
            known = self._known(change)
            if isinstance(known, Tag):
                connections.save_tag(tx, replace(known, color=color))
                return
            made = Tag(
                id=str(uuid.uuid4()),
                workspace_id=self._prepared.workspace.id,
                name=change.name,
                color=color,
            )
            connections.create_tag(tx, made)
        self._ids[change.key] = made.id

    def _set_end(self, change: Change) -> None:
        kind = ConnectorKind(change.kind)
        declared = self._prepared.document.ends(kind)[change.name]
        known = self._known(change)
        kept = known.config if isinstance(known, Connector) else None
        config, missing = filled(declared.config, kept, self._options.secrets)
        if missing:
            raise ConfigError(
                f"Nobody has given {', '.join(sorted(missing))}.", remedy="Give it by --secrets."
            )
        managed_by = self._options.managed_by if self._options.remembers else None
        if isinstance(known, Connector) and change.action is Action.UPDATE:
            self._configuring.update_connector(
                known.id, config=config, managed_by=managed_by, actor=self._actor
            )
            return
        made = self._configuring.create_connector(
            workspace_id=self._prepared.workspace.id,
            definition_id=self._definition(kind, declared.connector),
            name=change.name,
            config=config,
            managed_by=managed_by,
            actor=self._actor,
        )
        self._ids[change.key] = made.id
        if isinstance(known, Connector):
            self._replaced.append(known.id)

    def _definition(self, kind: ConnectorKind, name: str) -> str:
        full = full_name(kind, name)
        with self._house.store.read() as tx:
            found = definitions.named(tx, kind, full, workspace_id=self._prepared.workspace.id)
        if found is None:
            raise UnknownName(f'There is no connector "{full}".', remedy="Declare it first.")
        return found.id

    def _set_connection(self, change: Change) -> None:
        declared = self._prepared.document.connections[change.name]
        known = self._known(change)
        change_of = self._as_declared(change.name, declared)
        tags = [self._ids["tag", each] for each in declared.tags]
        if isinstance(known, Connection):
            if change.resets:
                wanted = _streams_named(known, change.resets)
                self._configuring.reset_states(known.id, wanted, actor=self._actor)
            self._configuring.update_connection(known.id, change_of, tags=tags, actor=self._actor)
            return
        now = self._house.clock()
        blank = Connection(
            id=str(uuid.uuid4()),
            workspace_id=self._prepared.workspace.id,
            name=change.name,
            source_id=self._ids["source", declared.source],
            destination_id=self._ids["destination", declared.destination],
            created_at=now,
            updated_at=now,
        )
        made = self._configuring.create_connection(change_of(blank), tags=tags, actor=self._actor)
        self._ids[change.key] = made.id

    def _as_declared(
        self, name: str, declared: DeclaredConnection
    ) -> Callable[[Connection], Connection]:
        """Returns the function that makes a connection as the file has it."""
        ids = {of: id_ for (kind, of), id_ in self._ids.items() if kind == "connection"}
        source = self._ids["source", declared.source]
        with self._house.store.read() as tx:
            newest = discoveries.newest_catalog(tx, source)
        managed_by = self._options.managed_by if self._options.remembers else None

        def change(before: Connection) -> Connection:
            streams = self._streams(declared, before)
            is_chosen_anew = (streams, source) != (before.streams, before.source_id)
            is_on = before.status is ConnectionStatus.ACTIVE
            status = ConnectionStatus.ACTIVE if declared.active else ConnectionStatus.INACTIVE
            changed = replace(
                before,
                name=name,
                source_id=source,
                destination_id=self._ids["destination", declared.destination],
                schedule=schedule_of(declared.schedule, ids),
                stream_schedules=tuple(
                    schedule_of(each, ids, is_partial=True) for each in declared.stream_schedules
                ),
                streams=streams,
                namespace_rule=declared.namespace_rule,
                namespace_format=declared.namespace_format,
                prefix=declared.prefix,
                schema_policy=declared.schema_policy,
                backfills_new_columns=declared.backfills_new_columns,
                notifies_schema_changes=declared.notifies_schema_changes,
                priority=declared.priority,
                settings=declared.settings,
                hooks=tuple(declared.hooks),
                managed_by=managed_by or before.managed_by,
            )
            if is_chosen_anew or before.catalog_id is None:
                changed = replace(changed, catalog_id=newest.id if newest else None)
            if is_on is not declared.active:
                changed = replace(
                    changed,
                    status=status,
                    status_reason=None,
                    failed_runs_in_row=0,
                    failing_since=None,
                )
            return changed

        return change

    def _streams(
        self, declared: DeclaredConnection, before: Connection
    ) -> tuple[StreamChoice, ...] | None:
        if declared.streams is None:
            return None
        known = {each.key: each for each in before.streams or ()}
        return tuple(
            StreamChoice(
                name=each.name,
                namespace=each.namespace,
                mode=each.mode,
                cursor_field=tuple(each.cursor_field),
                primary_key=tuple(map(tuple, each.primary_key)),
                selected_fields=None
                if each.selected_fields is None
                else tuple(map(tuple, each.selected_fields)),
                mappers=tuple(
                    self._mappers(each.mappers, known.get((each.namespace or None, each.name)))
                ),
                destination_object_name=each.destination_object_name,
                include_files=each.include_files,
            )
            for each in declared.streams
        )

    def _mappers(
        self, given: Sequence[Mapping[str, Any]], before: StreamChoice | None
    ) -> Sequence[dict[str, Any]]:
        kept = list(before.mappers) if before else None
        mappers, missing = filled(list(given), kept, self._options.secrets)
        if missing:
            raise ConfigError(
                f"Nobody has given {', '.join(sorted(missing))}.", remedy="Give it by --secrets."
            )
        found: Sequence[dict[str, Any]] = mappers
        return found

    def _delete(self, change: Change) -> None:
        id_ = self._ids[change.key]
        match change.kind:
            case "connection":
                self._configuring.delete_connection(id_, actor=self._actor)
            case "tag":
                with self._house.store.write() as tx:
                    connections.delete_tag(tx, id_)
            case "connector":
                with self._house.store.write() as tx:
                    definitions.delete_(tx, id_, now=self._house.clock())
            case _:
                self._configuring.delete_connector(id_, actor=self._actor)

    def _remember(self) -> None:
        """Notes what the file has set, as an export would say it."""
        workspace = self._prepared.workspace
        now = self._house.clock()
        with self._house.store.write() as tx:
            after = current(tx, workspace)
            for kind, name in after.applied:
                if (kind, name) not in self._prepared.wanted and (kind, name) not in after.items:
                    workspaces.forget_applied(tx, workspace.id, kind, name)
            for kind, name in self._prepared.wanted:
                applied = AppliedConfig(
                    workspace_id=workspace.id,
                    kind=kind,
                    name=name,
                    document=after.items[kind, name].document,
                    applied_at=now,
                )
                workspaces.set_applied(tx, applied)

    def _known(self, change: Change) -> Connector | Connection | Definition | Tag | None:
        found = self._prepared.current.items.get(change.key)
        return found.value if found else None


def _streams_named(
    connection: Connection, names: Sequence[str]
) -> list[tuple[str | None, str]] | None:
    if "*" in names:
        return None
    return [
        each.key
        for each in connection.streams or ()
        if stream_name({"name": each.name, "namespace": each.namespace}) in names
    ]
