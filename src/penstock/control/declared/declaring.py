"""The door to configuration as code: export, plan, apply."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from penstock.control.configuring import Configuring
from penstock.control.declared.applying import Applying, Options, Prepared
from penstock.control.declared.current import KINDS, Current, Key, current, plain
from penstock.control.declared.document import (
    DeclaredConnection,
    DeclaredEnd,
    Document,
    read_document,
)
from penstock.control.declared.fitting import full_name, require_fit
from penstock.control.declared.plan import Action, Change, Plan, compare
from penstock.control.declared.secret_names import filled, names_of, settled
from penstock.control.house import House
from penstock.control.model import Connection, Connector, ConnectorKind, Definition, Workspace
from penstock.control.store import Transaction, Window, definitions, states, workspaces
from penstock.errors import ConfigError, UnknownName

_ALL: Final = Window(limit=100_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A workspace as a document, and the secrets that are not in it."""

    document: Mapping[str, Any]
    secrets: tuple[str, ...]
    """Names that have to be given where it is applied to another server."""


class Declaring:
    """Reads and sets a whole workspace. What it sets goes through `Configuring`."""

    def __init__(self, house: House, configuring: Configuring) -> None:
        self._house = house
        self._configuring = configuring

    def workspace(self, name: str | None) -> Workspace | None:
        """Returns the workspace of that name, or the first; None where there is none."""
        with self._house.store.read() as tx:
            found = workspaces.list_(tx, _ALL).items
        same = [each for each in found if name is None or each.name == name]
        if name is not None and len(same) > 1:
            raise ConfigError(
                f'There are {len(same)} workspaces called "{name}".', remedy="Rename one."
            )
        return same[0] if same else None

    def export(self, name: str | None = None) -> Exported:
        """Returns a workspace as a document; raises UnknownName without one."""
        workspace = self.workspace(name)
        if workspace is None:
            raise UnknownName(f'There is no workspace "{name}".', remedy="See the pages' list.")
        with self._house.store.read() as tx:
            found = current(tx, workspace)
        return Exported(document=found.document(), secrets=tuple(sorted(found.secrets())))

    def plan(self, given: Any, options: Options | None = None) -> Plan:
        """Returns what applying a document would do; raises ConfigError for one that cannot be."""
        return self._prepared(given, options or Options()).plan

    def apply(
        self, given: Any, options: Options | None = None, *, actor: str | None = None
    ) -> Plan:
        """Makes a workspace as a document says, and returns what was done.

        Everything that can be known before is checked before anything is changed. Raises
        ConfigError where a position would be lost without `allows_reset`, or a secret is missing.
        """
        options = options or Options()
        prepared = self._prepared(given, options)
        plan = prepared.plan
        if plan.missing_secrets:
            raise ConfigError(
                "These secrets are to be kept by the server, and nobody has given them: "
                + ", ".join(plan.missing_secrets)
                + ".",
                remedy="Write them into a file, NAME: value a line, and give it by --secrets; "
                "or write ${env:NAME} instead.",
            )
        if plan.resets and not options.allows_reset:
            listed = "; ".join(f"{each.name}: {', '.join(each.resets)}" for each in plan.resets)
            raise ConfigError(
                f"Streams would lose their position and be read anew ({listed}).",
                remedy="Add --allow-reset if that is meant.",
            )
        Applying(self._house, self._configuring, prepared, options, actor).run()
        return plan

    def _prepared(self, given: Any, options: Options) -> Prepared:
        document = read_document(given)
        workspace = self.workspace(document.workspace)
        is_new = workspace is None
        if workspace is None:
            now = self._house.clock()
            name = document.workspace or "Default"
            workspace = Workspace(id=str(uuid.uuid4()), name=name, created_at=now)
        found = self._with_specs(workspace, document)
        with self._house.store.read() as tx:
            now_held = current(tx, workspace)
            require_fit(document, now_held, found)
            wanted, missing = self._wanted(tx, document, now_held, options)
            with_state = frozenset(
                name
                for (kind, name), each in now_held.items.items()
                if kind == "connection" and states.of_connection(tx, each.id)
            )
        plan = compare(now_held, wanted, with_state=with_state, prunes=options.prunes)
        if is_new:
            first = Change(action=Action.CREATE, kind="workspace", name=workspace.name)
            plan = replace(plan, changes=(first, *plan.changes))
        plan = replace(plan, missing_secrets=tuple(sorted(missing)))
        return Prepared(
            document=document, workspace=workspace, current=now_held, wanted=wanted, plan=plan
        )

    def _with_specs(self, workspace: Workspace, document: Document) -> dict[str, Definition]:
        """Returns the connectors that are used, by name, each asked for its specification."""
        found: dict[str, Definition] = {}
        for kind in ConnectorKind:
            for name, end in document.ends(kind).items():
                full = full_name(kind, end.connector)
                if full in found or full in document.connectors:
                    continue
                with self._house.store.read() as tx:
                    definition = definitions.named(tx, kind, full, workspace_id=workspace.id)
                    if definition is None:
                        near = [
                            each.name.removeprefix(f"{kind}-")
                            for each in definitions.list_(
                                tx, _ALL, kind=kind, workspace_id=workspace.id
                            ).items
                        ]
                if definition is None:
                    raise UnknownName(
                        f'The {kind} "{name}" is of a connector there is not: "{end.connector}".',
                        remedy="Choose among: " + ", ".join(sorted(near)) + "; or declare it under "
                        f"connectors, as {full}.",
                    )
                spec = self._configuring.spec_of(definition.id)
                found[full] = replace(definition, spec=spec)
        return found

    def _wanted(
        self, tx: Transaction, document: Document, now: Current, options: Options
    ) -> tuple[dict[Key, Any], frozenset[str]]:
        """Returns the file's objects by kind and name, and the secrets nobody has given."""
        missing: set[str] = set()
        wanted: dict[Key, Any] = {}

        def opened(place: Mapping[str, Any]) -> Any:
            return self._house.secrets.opened(tx, {"it": place})["it"]

        for key, part in _parts(document):
            known = now.items.get(key)
            written = plain(part) if isinstance(part, msgspec.Struct) else part
            if names_of(written):
                _, unknown = filled(written, _kept(known), options.secrets)
                missing |= unknown
            wanted[key] = settled(
                written,
                _kept(known),
                known.document if known else None,
                options.secrets,
                opened,
            )
        return wanted, frozenset(missing)


def _parts(document: Document) -> Iterator[tuple[Key, Any]]:
    """Yields every object of a document; a tag of a connection is one, declared or not."""
    for kind in KINDS:
        for name, part in getattr(document, f"{kind}s").items():
            if isinstance(part, DeclaredEnd):
                prefix = f"{kind}-"
                yield (
                    (kind, name),
                    msgspec.structs.replace(part, connector=part.connector.removeprefix(prefix)),
                )
            elif isinstance(part, DeclaredConnection):
                yield (kind, name), msgspec.structs.replace(part, tags=sorted(set(part.tags)))
            else:
                yield (kind, name), part


def _kept(known: Any) -> Any:
    """Returns an object's kept secrets, at the places where its document has their names."""
    if known is None:
        return None
    value = known.value
    if isinstance(value, Connector):
        return {"config": value.config}
    if isinstance(value, Connection):
        streams = [{"mappers": list(each.mappers)} for each in value.streams or ()]
        return {"streams": streams, "hooks": list(value.hooks), "settings": value.settings}
    return None
