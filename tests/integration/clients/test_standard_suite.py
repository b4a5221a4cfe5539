"""The CDK's own standard tests, run by its pytest in its venv, on native sources."""

from __future__ import annotations

import json
import re

import pytest

from tests.integration.clients.conftest import Clients

pytestmark = [pytest.mark.network, pytest.mark.slow]

SUITE = '''
import json, subprocess, tempfile
from pathlib import Path
from airbyte_cdk.models import AirbyteMessageSerializer, Type
from airbyte_cdk.sources import Source
from airbyte_cdk.test import standard_tests

pytest_plugins = ["airbyte_cdk.test.standard_tests.pytest_hooks"]


class Program(Source):
    """Runs the executable for each verb and hands its messages on."""

    check_config_against_spec = False

    @classmethod
    def read_catalog(cls, path):
        return json.loads(Path(path).read_text())

    def spec(self, logger):
        return next(m.spec for m in self.said("spec") if m.type == Type.SPEC)

    def check(self, logger, config):
        found = [m.connectionStatus for m in self.said("check", config=config)]
        return next(status for status in found if status is not None)

    def discover(self, logger, config):
        return next(m.catalog for m in self.said("discover", config=config) if m.catalog)

    def read(self, logger, config, catalog, state=None):
        yield from self.said("read", config=config, catalog=catalog)

    def said(self, verb, **files):
        with tempfile.TemporaryDirectory() as folder:
            argv = ["./PROGRAM", verb]
            for name, content in files.items():
                path = Path(folder, name)
                path.write_text(json.dumps(content))
                argv += ["--" + name, str(path)]
            done = subprocess.run(argv, capture_output=True, cwd=Path(__file__).parent)
        messages = [AirbyteMessageSerializer.load(json.loads(l)) for l in done.stdout.splitlines()]
        if done.returncode and not any(m.trace and m.trace.error for m in messages):
            raise RuntimeError(done.stderr.decode())
        return messages


class TestProgram(standard_tests.SourceTestSuiteBase):
    connector = Program
'''
ACCEPTANCE = """
connector_image: penstock/PROGRAM:dev
acceptance_tests:
  spec:
    tests:
      - config_path: config.json
  connection:
    tests:
      - config_path: config.json
        status: succeed
      - config_path: wrong.json
        status: failed
  discovery:
    tests:
      - config_path: config.json
  basic_read:
    tests:
      - config_path: config.json
        empty_streams:
          - name: LEFT_OUT
            bypass_reason: see LEFT_OUT
"""
LEFT_OUT = "users"
"""Faker's stream that is not read here: the suite parses its integers beyond 64 bits as floats, and
holds its times, which are the protocol's `time_without_timezone`, to JSON Schema's `time`."""
METADATA = """
data:
  dockerRepository: penstock/PROGRAM
  name: PROGRAM
  dockerImageTag: dev
  tags:
    - language:python
"""


@pytest.mark.parametrize(
    ("name", "config", "wrong"),
    [
        ("source-faker", {"rows": 60, "products": 5, "state_every": 20}, {"rows": -1}),
        ("source-file", {"path": "HERE/visits.csv"}, {"path": "HERE/nothing.csv"}),
    ],
    ids=["faker", "file"],
)
def test_the_cdks_standard_tests_pass(
    clients: Clients, name: str, config: dict[str, object], wrong: dict[str, object]
) -> None:
    here = clients.folder
    (here / "visits.csv").write_text("id,name\n1,Zoë\n2,\n")
    clients.program(name)
    for file, content in (("config.json", config), ("wrong.json", wrong)):
        (here / file).write_text(json.dumps(content).replace("HERE", str(here)))
    (here / "test_program.py").write_text(SUITE.replace("PROGRAM", name))
    (here / "acceptance-test-config.yml").write_text(
        ACCEPTANCE.replace("PROGRAM", name).replace("name: LEFT_OUT", f"name: {LEFT_OUT}")
    )
    (here / "metadata.yaml").write_text(METADATA.replace("PROGRAM", name))
    argv = ("-m", "pytest", "-q", "-rA", "-k", "not image", "-p", "no:cacheprovider")
    done = clients.run(*argv, "test_program.py", fails=True)
    assert done.returncode == 0, done.stdout
    for test in ("test_spec", "test_check", "test_discover", "test_basic_read"):
        assert re.search(rf"^PASSED .*::{test}", done.stdout, re.MULTILINE), done.stdout
