"""What applying a file changes, what it leaves, and what it refuses."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from penstock.control.declared.applying import Options
from penstock.control.declared.plan import Action, Origin, Plan
from penstock.control.history import StreamState
from penstock.control.model import Connection, ConnectionStatus, Connector
from penstock.control.service import ControlPlane
from penstock.control.store import connections, connectors, states, workspaces
from penstock.errors import ConfigError, UnknownName
from penstock.protocol.codec import decode_states
from tests.integration.control.plane import SCRIPTED, Site

CANARY = "canary-77aa"
FILE: dict[str, Any] = {
    "version": 1,
    "workspace": "Team",
    "tags": {"daily": {"color": "7c3aed"}},
    "sources": {"people": {"connector": "faker", "config": {"rows": 10}}},
    "destinations": {
        "lake": {
            "connector": "duckdb",
            "config": {"path": "md:x", "motherduck_api_key": "${secret:key}"},
        },
    },
    "connections": {
        "later": {"source": "people", "destination": "lake", "schedule": {"after": "nightly"}},
        "nightly": {
            "source": "people",
            "destination": "lake",
            "schedule": {"cron": "0 5 * * *", "time_zone": "Europe/Berlin"},
            "streams": [
                {"name": "users", "mode": "incremental_append", "cursor_field": ["updated_at"]}
            ],
            "tags": ["daily"],
        },
    },
}
SECRETS = {"key": CANARY}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    plane = Site(tmp_path_factory.mktemp("plane")).opened()
    yield plane
    plane.store.close()


@pytest.fixture
def plane(opened: ControlPlane) -> ControlPlane:
    """One whose earlier workspaces have other names: each test begins with none of this name."""
    found = opened.declaring.workspace("Team")
    if found is not None:
        with opened.store.write() as tx:
            workspaces.save(tx, replace(found, name=f"was {found.id}"))
    return opened


def changed(**parts: Any) -> dict[str, Any]:
    """Returns the file with settings of connections or sources changed: kind__name={…}."""
    file = copy.deepcopy(FILE)
    for key, settings in parts.items():
        kind, _, name = key.partition("__")
        file[kind][name] |= settings
    return file


def applied(plane: ControlPlane, file: Any = FILE, **options: Any) -> Plan:
    return plane.declaring.apply(file, Options(secrets=SECRETS, **options))


def found(plane: ControlPlane, name: str) -> Connection:
    workspace = plane.declaring.workspace("Team")
    assert workspace is not None
    with plane.store.read() as tx:
        (one,) = connections.named(tx, workspace.id, name)
    return one


def end(plane: ControlPlane, connector_id: str) -> Connector:
    with plane.store.read() as tx:
        return connectors.get(tx, connector_id)


def actions(plan: Plan) -> list[tuple[str, str, str]]:
    return [(each.action.value, each.kind, each.name) for each in plan.changes]


def test_a_first_apply_makes_everything_and_a_second_changes_nothing(plane: ControlPlane) -> None:
    assert actions(applied(plane)) == [
        ("create", "workspace", "Team"),
        ("create", "tag", "daily"),
        ("create", "source", "people"),
        ("create", "destination", "lake"),
        ("create", "connection", "later"),
        ("create", "connection", "nightly"),
    ]
    assert found(plane, "later").schedule.after == found(plane, "nightly").id
    destination = end(plane, found(plane, "nightly").destination_id)
    assert CANARY not in str(destination.config)
    with plane.store.read() as tx:
        config = plane.house.secrets.opened(tx, destination.config)
    assert config["motherduck_api_key"] == CANARY
    assert applied(plane).changes == ()
    assert plane.declaring.plan(FILE).changes == (), "a kept secret need not be given again"


def test_another_secret_is_a_change_and_neither_value_is_shown(plane: ControlPlane) -> None:
    applied(plane)
    other = Options(secrets={"key": "canary-other"})
    plan = plane.declaring.plan(FILE, other)
    assert actions(plan) == [("update", "destination", "lake")]
    assert "canary" not in str(plan)
    plane.declaring.apply(FILE, other)
    assert plane.declaring.plan(FILE, other).changes == ()


def test_what_was_changed_by_hand_is_told_from_what_the_file_changes(plane: ControlPlane) -> None:
    applied(plane)
    nightly = found(plane, "nightly")
    plane.configuring.update_connection(
        nightly.id, lambda before: replace(before, prefix="by_hand_", priority=3)
    )
    file = changed(connections__nightly={"priority": 5, "schema_policy": "propagate_fully"})
    (change,) = plane.declaring.plan(file).changes
    told = {each.path: (each.now, each.file, each.origin) for each in change.differences}
    assert told == {
        "prefix": ("by_hand_", None, Origin.DRIFT),
        "priority": (3, 5, Origin.BOTH),
        "schema_policy": (None, "propagate_fully", Origin.FILE),
    }
    applied(plane, file)
    assert (found(plane, "nightly").prefix, found(plane, "nightly").priority) == ("", 5)


def test_what_somebody_deleted_is_made_again_and_told(plane: ControlPlane) -> None:
    applied(plane)
    plane.configuring.delete_connection(found(plane, "later").id)
    (change,) = applied(plane).changes
    assert (change.action, change.name, change.was_removed) == (Action.CREATE, "later", True)


def test_only_prune_deletes_and_only_what_a_file_made(plane: ControlPlane) -> None:
    applied(plane)
    nightly = found(plane, "nightly")
    plane.configuring.create_connection(replace(nightly, id="by-hand", name="by hand"))
    file = copy.deepcopy(FILE)
    del file["connections"]["later"]
    plan = applied(plane, file)
    assert (plan.changes, plan.kept) == ((), ("connection later",))
    assert plan.unmanaged == ("connection by hand",)
    assert actions(applied(plane, file, prunes=True)) == [("delete", "connection", "later")]
    names = plane.declaring.export("Team").document["connections"].keys()
    assert names == {"by hand", "nightly"}


def with_position(plane: ControlPlane) -> str:
    nightly = found(plane, "nightly")
    message = {
        "type": "STREAM",
        "stream": {"stream_descriptor": {"name": "users"}, "stream_state": {"at": 5}},
    }
    plane.configuring.set_states(nightly.id, decode_states(json.dumps([message]).encode()))
    return nightly.id


def position(plane: ControlPlane, connection_id: str) -> list[StreamState]:
    with plane.store.read() as tx:
        return list(states.of_connection(tx, connection_id))


@pytest.mark.parametrize(
    "stream",
    [
        {"name": "users", "mode": "incremental_append", "cursor_field": ["created_at"]},
        {"name": "users", "mode": "full_refresh_append"},
    ],
    ids=["another cursor", "no cursor any more"],
)
def test_a_position_is_lost_only_when_that_is_allowed(
    plane: ControlPlane, stream: dict[str, Any]
) -> None:
    applied(plane)
    id_ = with_position(plane)
    file = changed(connections__nightly={"streams": [stream]})
    assert [each.resets for each in plane.declaring.plan(file).changes] == [("users",)]
    with pytest.raises(ConfigError, match="--allow-reset"):
        applied(plane, file)
    assert [each.state for each in position(plane, id_)] == ['{"at": 5}']
    applied(plane, file, allows_reset=True)
    assert [each.state for each in position(plane, id_)] == ["{}"]


def test_another_connector_takes_a_sources_place_and_its_positions_end(plane: ControlPlane) -> None:
    applied(plane)
    id_ = with_position(plane)
    file = changed(
        sources__people={"connector": "scripted", "config": {"rows": 3}},
    )
    file["connectors"] = {
        "source-scripted": {"title": "Scripted", "origin": {"executable": scripted()}}
    }
    plan = plane.declaring.plan(file)
    assert ("replace", "source", "people") in actions(plan)
    assert [each.resets for each in plan.changes if each.kind == "connection"] == [(), ("*",)]
    with pytest.raises(ConfigError, match="--allow-reset"):
        applied(plane, file)
    before = found(plane, "nightly").source_id
    applied(plane, file, allows_reset=True)
    assert found(plane, "nightly").source_id != before
    assert [each.state for each in position(plane, id_)] == ["{}"]
    with pytest.raises(UnknownName):
        end(plane, before)
    assert plane.declaring.plan(file).changes == ()


def scripted() -> str:
    return f"{sys.executable} {SCRIPTED}"


def test_a_connection_that_penstock_switched_off_is_drift(plane: ControlPlane) -> None:
    applied(plane)
    off = ConnectionStatus.INACTIVE
    plane.configuring.update_connection(
        found(plane, "nightly").id, lambda before: replace(before, status=off)
    )
    (change,) = plane.declaring.plan(FILE).changes
    assert [(each.path, each.origin) for each in change.differences] == [("active", Origin.DRIFT)]
    applied(plane)
    assert found(plane, "nightly").status is ConnectionStatus.ACTIVE


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ([], "no object of settings"),
        ({}, "version: is required"),
        ({"version": 2}, "version"),
        (changed(sources__people={"conector": "x"}), "sources.people.conector: is not a setting"),
        (changed(connections__nightly={"source": "nobody"}), 'there is no source "nobody"'),
        (changed(connections__nightly={"tags": ["x"]}), 'there is no tag "x"'),
        (changed(connections__nightly={"schedule": {"cron": "x"}}), 'connection "nightly"'),
        (changed(connections__nightly={"schedule": {"every": "1h", "cron": "x"}}), "keep one"),
        (changed(connections__nightly={"schedule": {"after": "later"}}), "circle"),
        (changed(connections__nightly={"schedule": {"every": "soon"}}), "schedule.every"),
        (
            changed(destinations__lake={"config": {"path": "x", "motherduck_api_key": CANARY}}),
            "motherduck_api_key is a secret",
        ),
        (
            {**FILE, "sources": {"people": {"connector": "fakr"}}},
            "of a connector there is not",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_file_changes_nothing_and_says_where(
    plane: ControlPlane, file: Any, said: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        applied(plane, file)
    assert said in str(raised.value)
    assert CANARY not in str(raised.value)
    assert plane.declaring.workspace("Team") is None


def test_a_secret_that_nobody_gave_is_named_before_anything_is_made(plane: ControlPlane) -> None:
    assert plane.declaring.plan(FILE).missing_secrets == ("key",)
    with pytest.raises(ConfigError, match="key"):
        plane.declaring.apply(FILE)
    assert plane.declaring.workspace("Team") is None


def test_two_objects_of_one_name_are_told_and_not_mixed_up(plane: ControlPlane) -> None:
    applied(plane)
    nightly = found(plane, "nightly")
    twin = replace(nightly, id=f"twin of {nightly.id}")
    plane.configuring.create_connection(twin)
    with pytest.raises(ConfigError, match='the connection "nightly"'):
        plane.declaring.export("Team")


def test_the_time_of_an_apply_is_kept_with_what_it_set(plane: ControlPlane) -> None:
    applied(plane)
    workspace = plane.declaring.workspace("Team")
    assert workspace is not None
    with plane.store.read() as tx:
        kept = workspaces.applied(tx, workspace.id)
    assert {each.name for each in kept} == {"daily", "people", "lake", "later", "nightly"}
    assert all((datetime.now(UTC) - each.applied_at).total_seconds() < 600 for each in kept)
    assert CANARY not in str(kept)


def test_an_apply_that_does_not_remember_leaves_the_workspace_to_the_pages(
    plane: ControlPlane,
) -> None:
    applied(plane, remembers=False)
    plan = plane.declaring.plan({"version": 1, "workspace": "Team"}, Options(prunes=True))
    assert plan.changes == ()
    assert len(plan.unmanaged) == 5
