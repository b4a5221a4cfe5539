"""Whatever the pages or the API have made is exported, and applied again changes nothing."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.cli.plain_yaml import PlainLoader, write_yaml
from penstock.control.builtin import definition_id
from penstock.control.declared.applying import Options
from penstock.control.model import (
    Connection,
    ConnectionStatus,
    ModeName,
    NamespaceRule,
    Schedule,
    ScheduleKind,
    SchemaPolicy,
    StreamChoice,
    Tag,
    Workspace,
)
from penstock.control.service import ControlPlane
from penstock.control.store import connections, workspaces
from tests.integration.control.plane import Site

CANARY = "canary-5b1f"
NOW = datetime(2026, 11, 21, tzinfo=UTC)
texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8)
names = st.one_of(
    texts.filter(str.strip),
    st.sampled_from(["no", "1e3", "0x1f", "007", "null", "2024-01-31", "a/b}", "~", "12", "= x"]),
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
paths = st.lists(names, min_size=1, max_size=2).map(tuple)
choices = st.builds(
    StreamChoice,
    name=names,
    namespace=st.none() | names,
    mode=st.sampled_from(ModeName),
    cursor_field=st.just(()) | paths,
    primary_key=st.lists(paths, max_size=2).map(tuple),
    selected_fields=st.none() | st.lists(paths, min_size=1, max_size=2).map(tuple),
    mappers=st.lists(
        st.fixed_dictionaries(
            {
                "type": st.just("encryption"),
                "mapperConfiguration": st.fixed_dictionaries(
                    {"key": st.sampled_from([CANARY, "${env:KEY}"]), "targetField": names}
                ),
            },
            optional={"id": st.uuids().map(str)},
        ),
        max_size=2,
        unique_by=lambda mapper: mapper.get("id", ""),
    ).map(tuple),
    destination_object_name=st.none() | names,
    include_files=st.booleans(),
)
seconds = st.integers(10, 10**6)
schedules = st.one_of(
    st.just(Schedule()),
    st.builds(
        Schedule,
        kind=st.just(ScheduleKind.INTERVAL),
        interval_seconds=seconds,
        jitter_seconds=st.integers(0, 5000),
    ),
    st.builds(
        Schedule,
        kind=st.just(ScheduleKind.CRON),
        cron=st.sampled_from(["5 4 * * *", "0 30 5 * * ?", "0 0 12 ? * MON-FRI 2040"]),
        time_zone=st.sampled_from(["UTC", "Europe/Berlin"]),
    ),
)
of_streams = st.lists(st.tuples(st.none() | names, names), min_size=1, max_size=2).map(tuple)
partial = st.builds(
    lambda schedule, streams: Schedule(
        kind=schedule.kind,
        interval_seconds=schedule.interval_seconds,
        cron=schedule.cron,
        streams=streams,
    ),
    schedules,
    of_streams,
)
hooks = st.fixed_dictionaries(
    {"type": st.just("sql"), "statements": st.lists(names, min_size=1, max_size=2)},
    optional={
        "name": names,
        "when": st.sampled_from(["succeeded", "failed", "always"]),
        "timeout_seconds": st.integers(1, 21600),
    },
) | st.fixed_dictionaries({"type": st.just("command"), "command": names})
fields = st.fixed_dictionaries(
    {
        "status": st.sampled_from([ConnectionStatus.ACTIVE, ConnectionStatus.INACTIVE]),
        "schedule": schedules,
        "stream_schedules": st.lists(partial, max_size=2).map(tuple),
        "streams": st.none()
        | st.lists(choices, min_size=1, max_size=3, unique_by=lambda each: each.key).map(tuple),
        "namespace_rule": st.sampled_from(NamespaceRule),
        "namespace_format": st.none() | names,
        "prefix": st.just("") | names,
        "schema_policy": st.sampled_from(SchemaPolicy),
        "backfills_new_columns": st.booleans(),
        "notifies_schema_changes": st.booleans(),
        "priority": st.integers(-5, 5),
        "settings": st.dictionaries(names, values, max_size=2),
        "hooks": st.lists(hooks, max_size=2).map(tuple),
    }
)
configs = st.fixed_dictionaries(
    {"rows": st.integers(1, 1000)}, optional={"seed": st.integers(0, 2**40)}
)


@contextmanager
def opened(folder: Path) -> Iterator[ControlPlane]:
    plane = Site(folder).opened()
    try:
        yield plane
    finally:
        plane.store.close()


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with opened(tmp_path_factory.mktemp("here")) as plane:
        yield plane


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with opened(tmp_path_factory.mktemp("there")) as plane:
        yield plane


def fill(plane: ControlPlane, made: dict[str, Any]) -> str:
    """Makes a workspace as the pages do, and returns its name."""
    workspace = Workspace(id=str(uuid.uuid4()), name=f"w {uuid.uuid4()}", created_at=NOW)
    tag = Tag(id=str(uuid.uuid4()), workspace_id=workspace.id, name=made["tag"], color="7c3aed")
    with plane.store.write() as tx:
        workspaces.create(tx, workspace)
        connections.create_tag(tx, tag)
    source = plane.configuring.create_connector(
        workspace_id=workspace.id,
        definition_id=definition_id("source-faker"),
        name=made["source"],
        config=made["config"],
    )
    destination = plane.configuring.create_connector(
        workspace_id=workspace.id,
        definition_id=definition_id("destination-duckdb"),
        name=made["destination"],
        config={"path": "md:x", "motherduck_api_key": made["secret"]},
    )
    previous = None
    for name, of in made["connections"].items():
        schedule = of["schedule"]
        if previous is not None and schedule.kind is ScheduleKind.MANUAL:
            schedule = Schedule(kind=ScheduleKind.AFTER, after=previous)
        kept = plane.configuring.create_connection(
            Connection(
                id=str(uuid.uuid4()),
                workspace_id=workspace.id,
                name=name,
                source_id=source.id,
                destination_id=destination.id,
                created_at=NOW,
                updated_at=NOW,
                **{**of, "schedule": schedule},
            ),
            tags=[tag.id],
        )
        previous = kept.id
    return workspace.name


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    made=st.fixed_dictionaries(
        {
            "source": names,
            "destination": names,
            "tag": names,
            "config": configs,
            "secret": st.sampled_from([CANARY, "${env:TOKEN}", "${vault:kv/x#y}", "a ${env:B}"]),
            "connections": st.dictionaries(names, fields, max_size=3),
        }
    )
)
def test_what_was_made_by_hand_exports_and_applies_again_without_a_difference(
    made: dict[str, Any], here: ControlPlane, there: ControlPlane
) -> None:
    name = fill(here, made)
    exported = here.declaring.export(name)
    text = write_yaml(exported.document)
    assert CANARY not in text
    document = yaml.load(text, Loader=PlainLoader)

    assert document == exported.document
    assert here.declaring.plan(document).changes == ()

    secrets = dict.fromkeys(exported.secrets, CANARY)
    there.declaring.apply(document, Options(secrets=secrets))
    again = there.declaring.export(name)
    assert again.document == document
    assert again.secrets == exported.secrets
    assert there.declaring.plan(document, Options(secrets=secrets)).changes == ()
