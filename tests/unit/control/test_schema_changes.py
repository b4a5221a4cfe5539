from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from penstock.control.model import Connection, ModeName, SchemaPolicy, StreamChoice
from penstock.control.schema_changes import best_choice, decide, differences

NOW = datetime(2026, 11, 21, tzinfo=UTC)
USERS = {"id": {"type": "integer"}, "at": {"type": "string"}, "name": {"type": "string"}}
CONNECTION = Connection(
    id="c",
    workspace_id="w",
    name="c",
    source_id="s",
    destination_id="d",
    streams=(
        StreamChoice(
            name="users",
            mode=ModeName.INCREMENTAL_DEDUPED_HISTORY,
            cursor_field=("at",),
            primary_key=(("id",),),
        ),
    ),
    catalog_id="old",
    created_at=NOW,
    updated_at=NOW,
)


def catalog(**streams: dict[str, Any]) -> dict[str, Any]:
    return {
        "streams": [
            {"name": name, "json_schema": {"properties": properties}}
            for name, properties in streams.items()
        ]
    }


OLD = catalog(users=USERS)


def without(name: str) -> dict[str, Any]:
    return catalog(users={key: kind for key, kind in USERS.items() if key != name})


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        pytest.param(OLD, [], id="nothing"),
        pytest.param(
            catalog(users={**USERS, "age": {}}), [("add_field", "age", False)], id="new-column"
        ),
        pytest.param(without("name"), [("remove_field", "name", False)], id="column-gone"),
        pytest.param(without("at"), [("remove_field", "at", True)], id="cursor-gone"),
        pytest.param(without("id"), [("remove_field", "id", True)], id="key-gone"),
        pytest.param(
            catalog(users={**USERS, "name": {"type": "object"}}),
            [("update_field", "name", False)],
            id="other-type",
        ),
        pytest.param(catalog(users=USERS, orders={}), [("add_stream", "", False)], id="new-stream"),
        pytest.param(catalog(), [("remove_stream", "", False)], id="stream-gone"),
    ],
)
def test_each_difference_is_found_and_breaking_ones_are_known(
    new: dict[str, Any], expected: list[tuple[str, str, bool]]
) -> None:
    found = differences(CONNECTION, OLD, new)
    assert [(each.transform, each.field, each.is_breaking) for each in found] == expected


def test_a_stream_that_is_not_chosen_may_change_as_it_likes() -> None:
    old = catalog(users=USERS, other={"x": {}})
    assert differences(CONNECTION, old, catalog(users=USERS, other={"y": {}})) == ()


@pytest.mark.parametrize("policy", SchemaPolicy)
def test_a_breaking_change_pauses_whatever_the_policy(policy: SchemaPolicy) -> None:
    connection = replace(CONNECTION, schema_policy=policy)
    new = without("id")
    decided = decide(connection, differences(connection, OLD, new), new, "new")
    assert decided.pauses
    assert decided.connection.has_breaking_change
    assert decided.connection.catalog_id == "old"


def test_policies_differ_for_a_new_column_and_a_new_stream() -> None:
    new = catalog(users={**USERS, "age": {}}, orders={"id": {}})
    outcomes = {}
    for policy in SchemaPolicy:
        connection = replace(CONNECTION, schema_policy=policy)
        decided = decide(connection, differences(connection, OLD, new), new, "new")
        names = [choice.name for choice in decided.connection.streams or ()]
        outcomes[policy] = (decided.connection.catalog_id, names, decided.pauses)
    assert outcomes == {
        SchemaPolicy.IGNORE: ("old", ["users"], False),
        SchemaPolicy.DISABLE_CONNECTION: ("old", ["users"], True),
        SchemaPolicy.PROPAGATE_COLUMNS: ("new", ["users"], False),
        SchemaPolicy.PROPAGATE_FULLY: ("new", ["users", "orders"], False),
    }


def test_a_new_column_joins_selected_fields_and_is_backfilled_on_request() -> None:
    choice = replace((CONNECTION.streams or ())[0], selected_fields=(("id",), ("at",)))
    connection = replace(
        CONNECTION,
        streams=(choice,),
        schema_policy=SchemaPolicy.PROPAGATE_COLUMNS,
        backfills_new_columns=True,
    )
    new = catalog(users={**USERS, "age": {}})
    decided = decide(connection, differences(connection, OLD, new), new, "new")
    (changed,) = decided.connection.streams or ()
    assert changed.selected_fields == (("id",), ("at",), ("age",))
    assert decided.backfills == ((None, "users"),)


def test_a_new_stream_is_read_as_little_and_written_as_exactly_as_it_allows() -> None:
    stream = {
        "name": "t",
        "namespace": "n",
        "supported_sync_modes": ["full_refresh", "incremental"],
        "default_cursor_field": ["at"],
        "source_defined_primary_key": [["id"]],
    }
    assert best_choice(stream).mode is ModeName.INCREMENTAL_DEDUPED_HISTORY
    assert best_choice({"name": "t"}).mode is ModeName.FULL_REFRESH_OVERWRITE
