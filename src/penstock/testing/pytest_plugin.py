"""Options of the suites for pytest: how often processes are killed, and with which seed.

Load it with `-p penstock.testing.pytest_plugin` or, in the top `conftest.py`,
`pytest_plugins = ["penstock.testing.pytest_plugin"]`. It is no entry point: pytest would then
rewrite every module of penstock in the tests of everybody who only has it installed. Without it
the suites run with the defaults.
"""

from __future__ import annotations

import pytest

DEFAULT_ROUNDS = 2


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds --penstock-rounds and --penstock-seed."""
    group = parser.getgroup("penstock", "conformance suites of penstock")
    group.addoption(
        "--penstock-rounds",
        type=int,
        default=DEFAULT_ROUNDS,
        help="rounds of killing a real process, per write mode (default: %(default)s)",
    )
    group.addoption(
        "--penstock-seed",
        type=int,
        default=0,
        help="seed of all that is random in the suites (default: %(default)s)",
    )


def pytest_report_header(config: pytest.Config) -> str:
    """Tells how to repeat this run."""
    rounds = config.getoption("--penstock-rounds")
    return f"penstock suites: --penstock-rounds={rounds} --penstock-seed={seed_of(config)}"


def seed_of(config: pytest.Config) -> int:
    """Returns the seed of this run."""
    return int(config.getoption("--penstock-seed"))
