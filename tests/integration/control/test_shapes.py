"""Selected fields, mappers, namespaces, changed schemas, patience: as a connection says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from penstock.control import discovery
from penstock.control.history import RunStatus
from penstock.control.house import Patience
from penstock.control.model import (
    ConnectionStatus,
    DiscoveredCatalog,
    ModeName,
    NamespaceRule,
    SchemaPolicy,
    StreamChoice,
)
from penstock.control.retries import RetryLimits
from penstock.control.store import Store, Window, connections, discoveries, events, states
from penstock.errors import ConfigError
from tests.integration.control.plane import Site, connect, connect_scripted, ended, log_text
from tests.integration.control.samples import NOW, later, world

KEY = "000102030405060708090a0b0c0d0eca"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_fields_mappers_and_namespace_are_as_the_connection_says(site: Site) -> None:
    mappers = (
        {"type": "hashing", "mapperConfiguration": {"targetField": "email"}},
        {
            "id": "m2",
            "type": "encryption",
            "mapperConfiguration": {
                "algorithm": "AES",
                "targetField": "last_name",
                "key": KEY,
                "mode": "GCM",
                "padding": "NoPadding",
            },
        },
    )
    choice = StreamChoice(
        name="users",
        mode=ModeName.FULL_REFRESH_OVERWRITE,
        selected_fields=(("email",), ("last_name",)),
        mappers=mappers,
    )
    with site.running() as plane:
        connection = connect(
            site,
            plane,
            streams=(choice,),
            namespace_rule=NamespaceRule.CUSTOM_FORMAT,
            namespace_format="raw_${SOURCE_NAMESPACE}",
            prefix="x_",
        )
        run = ended(plane, plane.request_run(connection.id))
        assert run.status is RunStatus.SUCCEEDED, log_text(plane, run)
        again = plane.configuring.update_connection(connection.id, lambda it: it)
        assert again.streams == connection.streams
    for path in (site.folder / "data").rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path
    columns = {
        name
        for (name,) in site.rows(
            "SELECT column_name FROM duckdb_columns() WHERE table_name = 'x_users'"
            " AND schema_name LIKE 'raw%' AND column_name NOT LIKE '\\_airbyte%' ESCAPE '\\'"
        )
    }
    assert {"email_hashed", "last_name_encrypted"} <= columns
    assert not {"email", "last_name", "first_name"} & columns


def test_a_run_that_says_nothing_for_too_long_is_ended(site: Site) -> None:
    patience = Patience(silence_seconds=1.0, stop_seconds=1.0, lease_seconds=5.0)
    with site.running(patience=patience, retries=RetryLimits(complete_in_row=1)) as plane:
        connection = connect_scripted(site, plane, rows=5, seconds_a_row=60)
        run = ended(plane, plane.request_run(connection.id))
    assert (run.status, run.attempt) == (RunStatus.FAILED, 1)
    assert run.failure is not None
    assert run.failure.failure_type == "heartbeat_timeout"


@pytest.mark.parametrize("policy", SchemaPolicy)
def test_a_new_column_is_treated_by_policy_and_told_once(
    store: Store, policy: SchemaPolicy
) -> None:
    kept = world(store)
    old, new = _catalog("old", "id", "updated_at"), _catalog("new", "id", "updated_at", "age")
    connection = replace(
        kept.connection,
        catalog_id="old",
        schema_policy=policy,
        backfills_new_columns=True,
        streams=(replace((kept.connection.streams or ())[0], selected_fields=None),),
    )
    with store.write() as tx:
        discoveries.keep_catalog(tx, old)
        discoveries.keep_catalog(tx, new)
        connections.save(tx, connection)
    for _ in range(2):
        with store.write() as tx:
            now = connections.get(tx, "c1")
            discovery.apply(tx, now, new, now=NOW, may_backfill=True)
    with store.read() as tx:
        found = connections.get(tx, "c1")
        told = events.timeline(tx, Window(), kinds=["schema.changed"]).items
        overrides = states.of_connection(tx, "c1")
    propagates = policy in (SchemaPolicy.PROPAGATE_COLUMNS, SchemaPolicy.PROPAGATE_FULLY)
    assert found.catalog_id == ("new" if propagates else "old")
    assert (found.status is ConnectionStatus.INACTIVE) == (
        policy is SchemaPolicy.DISABLE_CONNECTION
    )
    assert len(told) == 1
    assert [each.is_override for each in overrides] == ([True] if propagates else [])


def test_a_vanished_key_pauses_the_connection_until_it_is_changed(store: Store) -> None:
    kept = world(store)
    old, new = _catalog("old", "id", "updated_at"), _catalog("new", "updated_at")
    with store.write() as tx:
        discoveries.keep_catalog(tx, old)
        discoveries.keep_catalog(tx, new)
        connections.save(tx, replace(kept.connection, catalog_id="old"))
        discovery.apply(tx, connections.get(tx, "c1"), new, now=NOW)
        paused = connections.get(tx, "c1")
        (event,) = events.timeline(tx, Window(), kinds=["schema.breaking"]).items
    assert paused.has_breaking_change
    assert paused.status is ConnectionStatus.INACTIVE
    assert "users.id" in (paused.status_reason or "")
    assert event.data["paused"] is True


def test_a_connector_that_cannot_be_reached_says_so_and_nothing_is_kept(site: Site) -> None:
    with site.running() as plane:
        connection = connect_scripted(site, plane, rows=3, token="wrong")
        with pytest.raises(ConfigError, match="bad token"):
            plane.check(connection.source_id)


def _catalog(name: str, *fields: str) -> DiscoveredCatalog:
    properties = {field: {"type": "string"} for field in fields}
    stream = {
        "name": "users",
        "namespace": "public",
        "json_schema": {"properties": properties},
        "supported_sync_modes": ["full_refresh", "incremental"],
    }
    return DiscoveredCatalog(
        id=name,
        connector_id="w1-source",
        catalog={"streams": [stream]},
        digest=name,
        config_digest="c",
        discovered_at=later(0) - timedelta(hours=1 if name == "old" else 0),
    )
