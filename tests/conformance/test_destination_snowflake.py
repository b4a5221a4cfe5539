"""Snowflake keeps a chosen part of the promises, by the real client against fakesnow."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import fakesnow
import pytest

from penstock.data.types import Kind
from penstock.destinations.snowflake import SnowflakeConfig, SnowflakeDestination
from penstock.errors import ConfigError
from penstock.sdk.destination import WriteMode
from penstock.testing.destination_suite import DestinationSuite
from penstock.testing.lab import Lab, plan_for, simple_plan, simple_rows

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")  # fakesnow's own
_SERVER: dict[str, Any] = {}


@pytest.fixture(scope="module", autouse=True)
def _server() -> Iterator[None]:
    with fakesnow.server() as address:
        _SERVER.update(address)
        yield
        _SERVER.clear()


class _Suite:
    destination = SnowflakeDestination
    schema = None
    read_table = DestinationSuite.read_table

    def config(self, place: Path) -> SnowflakeConfig:
        return SnowflakeConfig(
            account="fakesnow",
            username=_SERVER["user"],
            password=_SERVER["password"],
            host=_SERVER["host"],
            port=_SERVER["port"],
            is_plain_http=True,
            database="DB",
            schema="P" + hashlib.sha256(str(place).encode()).hexdigest()[:12].upper(),
        )


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(suite=_Suite(), place=tmp_path)


def test_check_leaves_nothing_behind(lab: Lab) -> None:
    lab.connect().check()
    lab.connect().check()
    assert lab.connect().count(lab.table("visits")) == 0


@pytest.mark.parametrize("mode", list(WriteMode))
def test_rows_of_two_commits_land_in_every_mode(lab: Lab, mode: WriteMode) -> None:
    plan = simple_plan(lab.table("visits"), mode, generation_id=1)
    lab.load(plan, simple_rows(1, 2), simple_rows(3))
    lab.holds(plan, simple_rows(1, 2, 3), "both commits")


@pytest.mark.parametrize("mode", [WriteMode.APPEND_DEDUP, WriteMode.OVERWRITE_DEDUP])
def test_the_last_row_of_a_key_replaces_the_earlier(lab: Lab, mode: WriteMode) -> None:
    plan = simple_plan(lab.table("visits"), mode)
    lab.load(plan, simple_rows(1, 2), simple_rows(2, name="new"))
    lab.holds(plan, [*simple_rows(1), *simple_rows(2, name="new")], "the merged rows")


def test_an_overwrite_shows_the_older_rows_until_it_is_finished(lab: Lab) -> None:
    old = simple_plan(lab.table("visits"), WriteMode.OVERWRITE, generation_id=1)
    lab.load(old, simple_rows(1))
    new = simple_plan(lab.table("visits"), WriteMode.OVERWRITE, generation_id=2)
    lab.load(new, simple_rows(2), finish=False)
    lab.holds(old, simple_rows(1), "the older generation")
    lab.load(new, simple_rows(3))
    lab.holds(new, simple_rows(3), "the newer generation")


def test_exact_values_come_back(lab: Lab) -> None:
    kinds = {
        "i": Kind.INTEGER,
        "s": Kind.STRING,
        "b": Kind.BOOLEAN,
        "d": Kind.DECIMAL,
        "day": Kind.DATE,
        "t": Kind.TIMESTAMP_TZ,
        "j": Kind.JSON,
        "f": Kind.NUMBER,
    }
    row = {
        "i": 2**63 - 1,
        "s": "007 it's \\ é",
        "b": False,
        "d": Decimal("12345678901234567890123456789.123456789"),
        "day": 19782,
        "t": 1704164645123456,
        "j": '{"a":[0,false,null]}',
        "f": 0.1,
    }
    plan = plan_for(lab.table("values"), kinds, WriteMode.APPEND)
    rows = [row, {**dict.fromkeys(kinds), "t": row["t"]}]
    lab.load(plan, rows)
    lab.holds(plan, rows, "the values")


@pytest.mark.xfail(strict=True, reason="fakesnow: a NULL TIMESTAMP_TZ is read back as 1970")
def test_an_instant_that_is_null_stays_null(lab: Lab) -> None:
    plan = plan_for(lab.table("nulls"), {"t": Kind.TIMESTAMP_TZ}, WriteMode.APPEND)
    lab.load(plan, [{"t": None}])
    lab.holds(plan, [{"t": None}], "the value")


def test_a_configuration_without_credentials_is_refused() -> None:
    with pytest.raises(ConfigError, match="either a password or a private key"):
        SnowflakeDestination(SnowflakeConfig(account="a", username="u", database="d"))
