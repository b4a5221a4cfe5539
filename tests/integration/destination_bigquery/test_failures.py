"""What goes wrong at BigQuery is told with what to do, or repeated where that is safe."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.cloud.bigquery.retry import DEFAULT_RETRY

from penstock.destinations.bigquery import BigQueryConfig, BigQueryDestination, session
from penstock.errors import (
    AccessDenied,
    ConfigError,
    ConnectionFailed,
    PenstockError,
    ResourceBusy,
    ResourceExhausted,
)
from penstock.sdk.destination import TableName, WriteMode
from penstock.testing.cells import found_rows
from penstock.testing.feed import batch_of, state_at
from penstock.testing.lab import Lab, simple_plan, simple_rows
from tests.doubles.bigquery_server import BigQueryServer, key_file, running

_VISITS = TableName(schema=None, name="visits")
_CONFLICT = "invalidQuery: Transaction is aborted due to concurrent update against table"


@pytest.fixture
def server() -> Iterator[BigQueryServer]:
    with running() as started:
        yield started


@pytest.fixture
def config(server: BigQueryServer) -> BigQueryConfig:
    return BigQueryConfig(
        project_id=server.project,
        dataset_id="landing",
        credentials_json=server.key(),
        endpoint=server.url,
    )


@pytest.fixture
def lab(config: BigQueryConfig, tmp_path: Path) -> Lab:
    class Suite:
        destination = BigQueryDestination
        schema = None

        def config(self, _place: Path) -> BigQueryConfig:
            return config

    return Lab(suite=Suite(), place=tmp_path)  # type: ignore[arg-type]  # reads by the destination


def refusal(config: BigQueryConfig) -> PenstockError:
    with pytest.raises(PenstockError) as raised:
        BigQueryDestination(config).check()
    assert raised.value.remedy
    assert "PRIVATE KEY" not in f"{raised.value!r} {raised.value.as_document()}"
    return raised.value


def count(lab: Lab) -> int:
    return BigQueryDestination(lab.suite.config(lab.place)).count(_VISITS)


@pytest.mark.parametrize("mode", [WriteMode.APPEND, WriteMode.APPEND_DEDUP])
def test_a_commit_whose_answer_is_lost_happens_once(
    lab: Lab, server: BigQueryServer, mode: WriteMode
) -> None:
    plan = simple_plan(_VISITS, mode)
    with lab.connect().open(plan) as writer:
        writer.write(batch_of(plan, simple_rows(1, 2)))
        writer.commit(state_at(plan, 1))
        writer.write(batch_of(plan, simple_rows(3)))
        server.job_faults.extend(["lost"] * 2)  # the load, and the script
        assert writer.commit(state_at(plan, 2)) == 1
    assert not server.job_faults
    assert count(lab) == 3


def test_a_transaction_that_another_one_aborted_is_repeated(
    lab: Lab, server: BigQueryServer
) -> None:
    plan = simple_plan(_VISITS, WriteMode.APPEND)
    with lab.connect().open(plan) as writer:
        writer.write(batch_of(plan, simple_rows(1)))
        server.job_faults.extend(["", _CONFLICT, _CONFLICT])
        assert writer.commit(state_at(plan, 1)) == 1
    assert count(lab) == 1


def test_a_table_that_others_never_leave_alone_is_told(lab: Lab, server: BigQueryServer) -> None:
    plan = simple_plan(_VISITS, WriteMode.APPEND)
    with lab.connect().open(plan) as writer:
        writer.write(batch_of(plan, simple_rows(1)))
        server.job_faults.extend(["", *[_CONFLICT] * 8])
        with pytest.raises(ResourceBusy, match="concurrent"):
            writer.commit(state_at(plan, 1))
    assert count(lab) == 0


@pytest.mark.parametrize("step", range(4), ids=["rows", "copy", "marks", "state"])
def test_an_overwrite_that_breaks_while_it_is_published_is_repeated(
    lab: Lab, server: BigQueryServer, step: int
) -> None:
    plan = simple_plan(_VISITS, WriteMode.OVERWRITE, generation_id=1)
    lab.load(plan, simple_rows(1))
    plan = replace(plan, generation_id=2)
    with lab.connect().open(plan) as writer:
        writer.write(batch_of(plan, simple_rows(7, 8)))
        writer.commit(state_at(plan, 1))
        server.job_faults.extend([""] * step + ["quotaExceeded: Quota exceeded: your project"])
        with pytest.raises(ResourceExhausted):
            writer.finish(state_at(plan, 2))
    seen = sorted(row["id"].cell for row in _rows(lab))
    assert seen in ([1], [7, 8])
    with lab.connect().open(replace(plan, resumes=True)) as writer:
        writer.finish(state_at(plan, 2))
    assert sorted(row["id"].cell for row in _rows(lab)) == [7, 8]
    assert server.warehouse.tables("landing") == ["_penstock_state", "visits"]


def _rows(lab: Lab) -> list[dict[str, object]]:  # type: ignore[type-arg]
    destination = BigQueryDestination(lab.suite.config(lab.place))
    return found_rows(destination.scan(_VISITS).read_all())  # type: ignore[return-value]


def test_nothing_but_tables_and_state_is_left(lab: Lab, server: BigQueryServer) -> None:
    for mode in WriteMode:
        table = TableName(schema=None, name=f"t_{mode}")
        plan = simple_plan(table, mode)
        lab.load(plan, simple_rows(1, 2), simple_rows(3))
    tables = ["_penstock_state", *(f"t_{mode}" for mode in WriteMode)]
    assert server.warehouse.tables("landing") == sorted(tables)


def test_what_a_killed_attempt_leaves_goes_by_itself(lab: Lab, server: BigQueryServer) -> None:
    plan = simple_plan(_VISITS, WriteMode.APPEND)
    writer = lab.connect().open(plan).__enter__()
    writer.write(batch_of(plan, simple_rows(1)))
    writer.commit(None)
    left = [name for name in server.warehouse.tables("landing") if "incoming" in name]
    assert len(left) == 1
    assert server.warehouse.options["landing", left[0]].expires is not None


def test_a_large_load_goes_in_pieces(lab: Lab, server: BigQueryServer) -> None:
    plan = simple_plan(_VISITS, WriteMode.APPEND)
    rows = [{"id": n, "name": f"{n * 7919:x}" * 400} for n in range(20_000)]
    lab.load(plan, rows)
    assert count(lab) == 20_000
    assert [r.method for r in server.asked if r.path.startswith("/upload")]


def test_another_project_is_told(config: BigQueryConfig) -> None:
    error = refusal(replace(config, project_id="project-two"))
    assert isinstance(error, ConfigError)
    assert "project-two" in error.message
    assert "project_id" in error.remedy


def test_a_dataset_elsewhere_is_told(config: BigQueryConfig, server: BigQueryServer) -> None:
    server.warehouse.make_dataset("landing", "EU")
    error = refusal(config)
    assert isinstance(error, ConfigError)
    assert "EU" in error.message
    assert "dataset_location" in error.remedy


def test_a_missing_permission_is_told(config: BigQueryConfig, server: BigQueryServer) -> None:
    server.may_use = False
    error = refusal(config)
    assert isinstance(error, AccessDenied)
    assert "BigQuery Job User" in error.remedy


def test_a_key_that_google_refuses_is_told(config: BigQueryConfig, server: BigQueryServer) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    key = key_file(stranger.decode(), server.url)
    error = refusal(replace(config, credentials_json=key))
    assert isinstance(error, AccessDenied)
    assert "invalid_grant" in error.message


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("no/such/key.json", "neither JSON text nor the path"),
        ("{", "not JSON"),
        ('{"type": "authorized_user"}', "no key of a service account"),
        ('{"type": "service_account"}', "lacks client_email"),
        (
            json.dumps(
                {
                    "type": "service_account",
                    "client_email": "a",
                    "private_key": "canary-PRIVATE KEY",
                    "token_uri": "b",
                }
            ),
            "damaged",
        ),
    ],
    ids=["missing", "broken", "another kind", "incomplete", "damaged"],
)
def test_a_key_that_cannot_be_read_is_told(config: BigQueryConfig, key: str, told: str) -> None:
    error = refusal(replace(config, credentials_json=key))
    assert isinstance(error, ConfigError)
    assert told in error.message


def test_the_machines_own_credentials_are_used(
    config: BigQueryConfig, server: BigQueryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "adc.json"
    key.write_text(server.key())
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    BigQueryDestination(replace(config, credentials_json=None)).check()
    assert "/token" in server.paths()


def test_an_unreachable_endpoint_is_told(
    config: BigQueryConfig, server: BigQueryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_RETRY", DEFAULT_RETRY.with_timeout(1.0))
    error = refusal(replace(config, endpoint="http://127.0.0.1:9"))
    assert isinstance(error, ConnectionFailed)


def test_a_name_that_bigquery_refuses_is_told(lab: Lab) -> None:
    plan = simple_plan(_VISITS, WriteMode.APPEND)
    column = replace(plan.columns[1], name="_table_suffix")
    with (
        pytest.raises(ConfigError, match="_table_suffix"),
        lab.connect().open(replace(plan, columns=(plan.columns[0], column))),
    ):
        pass


def test_a_column_too_many_is_told(lab: Lab) -> None:
    plan = simple_plan(_VISITS, WriteMode.APPEND)
    many = tuple(replace(plan.columns[1], name=f"c{n}", source=f"c{n}") for n in range(10_001))
    with pytest.raises(ConfigError, match="10000"), lab.connect().open(replace(plan, columns=many)):
        pass


def test_no_credential_is_logged(
    lab: Lab, server: BigQueryServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    lab.load(simple_plan(_VISITS, WriteMode.APPEND_DEDUP), simple_rows(1))
    logged = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    body = server.key().split("\\n")[3]
    assert "canary" not in logged
    assert body not in logged
