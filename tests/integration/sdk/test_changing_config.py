"""A refresh token good only once: whoever runs the source has the next one before it is used."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.data.items import Batch, ConfigChange
from penstock.engine.kept_config import KeptConfigs
from penstock.engine.runners.in_process import InProcessRunner
from penstock.engine.runners.program import Program, ProgramRunner, RunOptions
from penstock.engine.runners.runner import SourceRunner
from penstock.errors import AccessDenied, ConfigError, PenstockError
from penstock.protocol.catalog import ConfiguredCatalog, ConfiguredStream
from penstock.protocol.codec import decode_line, encode
from penstock.protocol.messages import MessageType
from penstock.sdk.entrypoint import run_source
from tests.doubles import rotating_source
from tests.doubles.rest_api import RestApi, rows_of, serving
from tests.doubles.rotating_source import RotatingSource

Settings = dict[str, Any]


@pytest.fixture
def api() -> Iterator[RestApi]:
    with serving(RestApi(rows=rows_of(35), token="none-given-yet")) as served:
        yield served


@pytest.fixture
def config(api: RestApi) -> Settings:
    token = {"client_id": "c", "refresh_token": api.refresh_token}
    return {"url": api.url, "credentials": token}


def in_process(folder: Path) -> SourceRunner:
    return InProcessRunner("rotating", RotatingSource, kept=KeptConfigs(folder))


def as_program(folder: Path) -> SourceRunner:
    program = Program(argv=(sys.executable, str(rotating_source.__file__)))
    options = RunOptions(kept=KeptConfigs(folder))
    return ProgramRunner("rotating", program, "a program", options=options)


RUNNERS = pytest.mark.parametrize("run", [in_process, as_program])


def people(runner: SourceRunner, config: Settings) -> ConfiguredCatalog:
    streams = runner.discover(config).streams
    return ConfiguredCatalog(streams=tuple(ConfiguredStream(stream=one) for one in streams))


@RUNNERS
def test_every_verb_goes_on_with_the_token_of_the_one_before(
    run: Any, config: Settings, api: RestApi, tmp_path: Path
) -> None:
    run(tmp_path).check(config)
    run(tmp_path).check(config)
    catalog = people(run(tmp_path), config)
    for _ in range(2):
        with run(tmp_path).read(config, catalog, ()) as reading:
            items = list(reading)
        assert sum(item.rows.num_rows for item in items if isinstance(item, Batch)) == 35
        (change,) = [item for item in items if isinstance(item, ConfigChange)]
        assert change.config["credentials"]["refresh_token"] == api.refresh_token
        assert change.config["url"] == api.url
    assert api.tokens_given == 5


@RUNNERS
def test_token_is_on_disk_before_the_first_record(
    run: Any, config: Settings, api: RestApi, tmp_path: Path
) -> None:
    catalog = people(run(tmp_path), config)
    with run(tmp_path).read(config, catalog, ()) as reading:
        next(item for item in reading if isinstance(item, Batch))
        newest = KeptConfigs(tmp_path).newest("rotating", config)
        assert newest["credentials"]["refresh_token"] == api.refresh_token


@RUNNERS
def test_token_outlives_a_read_that_fails(
    run: Any, config: Settings, api: RestApi, tmp_path: Path
) -> None:
    catalog = people(run(tmp_path), config)
    api.faults.extend([None, *["400"] * 3])
    with pytest.raises(PenstockError), run(tmp_path).read(config, catalog, ()) as reading:
        list(reading)
    api.faults.clear()
    run(tmp_path).check(config)


@RUNNERS
def test_new_token_of_the_user_wins_over_the_kept_one(
    run: Any, config: Settings, api: RestApi, tmp_path: Path
) -> None:
    run(tmp_path).check(config)
    api.refresh_token = "canary-refresh-50"
    with pytest.raises(ConfigError):
        run(tmp_path).check(config)
    again = {**config, "credentials": {"client_id": "c", "refresh_token": "canary-refresh-50"}}
    run(tmp_path).check(again)
    run(tmp_path).check(again)


def test_setting_given_by_an_older_name_stays_under_it(
    config: Settings, api: RestApi, tmp_path: Path
) -> None:
    config["credentials"] = {"client_id": "c", "old_name": api.refresh_token}
    in_process(tmp_path).check(config)
    in_process(tmp_path).check(config)
    newest = KeptConfigs(tmp_path).newest("rotating", config)
    assert newest["credentials"] == {"client_id": "c", "old_name": api.refresh_token}


def test_source_that_nobody_listens_to_says_so(
    config: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    given = rotating_source.Credentials(**config["credentials"])
    RotatingSource(rotating_source.RotatingConfig(url=config["url"], credentials=given)).check()
    assert "nobody keeps the new one" in caplog.text
    assert "canary" not in caplog.text


@pytest.mark.parametrize("verb", ["check", "discover", "read"])
def test_program_writes_a_control_message_before_its_answer(
    verb: str, config: Settings, api: RestApi, tmp_path: Path
) -> None:
    files = {"config": json.dumps(config).encode()}
    if verb == "read":
        files["catalog"] = encode(people(in_process(tmp_path), config))
        config["credentials"]["refresh_token"] = api.refresh_token
        files["config"] = json.dumps(config).encode()
    arguments = [verb]
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        arguments += [f"--{name}", str(tmp_path / name)]
    out = io.BytesIO()
    assert run_source(RotatingSource, arguments, out) == 0
    lines = out.getvalue().splitlines()
    kinds = [decode_line(line).type for line in lines]
    answer = {
        "check": MessageType.CONNECTION_STATUS,
        "discover": MessageType.CATALOG,
        "read": MessageType.RECORD,
    }[verb]
    assert kinds.index(MessageType.CONTROL) < kinds.index(answer)
    control = json.loads(lines[kinds.index(MessageType.CONTROL)])["control"]
    assert control.keys() == {"type", "emitted_at", "connectorConfig"}
    assert control["type"] == "CONNECTOR_CONFIG"
    assert isinstance(control["emitted_at"], int)
    changed = {"client_id": "c", "refresh_token": api.refresh_token}
    assert control["connectorConfig"] == {"config": {"url": api.url, "credentials": changed}}


def test_login_that_is_refused_does_not_show_any_token(
    config: Settings, api: RestApi, tmp_path: Path
) -> None:
    config["credentials"]["refresh_token"] = "canary-refresh-spent"
    with pytest.raises(AccessDenied) as caught:
        in_process(tmp_path).check(config)
    assert "canary" not in str(caught.value.as_document())
