"""Iceberg tables keep every promise of a destination, in an SQL catalogue and in a REST one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.destinations.iceberg import IcebergConfig, IcebergDestination
from penstock.testing.destination_suite import DestinationSuite, cases_of
from penstock.testing.lab import Lab
from tests.servers.iceberg_catalog import TOKEN, catalog_served

_ADDRESS_FILE = "iceberg-catalogue-address"


class _Iceberg(DestinationSuite):
    destination = IcebergDestination
    loaded_once = (
        "penstock.destinations.iceberg.writer",
        "penstock.destinations.iceberg.rest",
        "pyiceberg.catalog.sql",
        "pyiceberg.io.pyarrow",
    )


@pytest.mark.whole
class TestIceberg(_Iceberg):
    def config(self, place: Path) -> IcebergConfig:
        return IcebergConfig(
            catalog_uri=f"sqlite:///{place / 'catalog.db'}", warehouse=str(place / "lake")
        )

    def wrong_config(self, place: Path) -> IcebergConfig:
        return IcebergConfig(
            catalog_uri=f"sqlite:///{place / 'nowhere' / 'catalog.db'}", warehouse="lake"
        )


class RestSuite(_Iceberg):
    """One catalogue for all tests, each with a namespace of its own."""

    def config(self, place: Path) -> IcebergConfig:
        folder = next(f for f in place.parents if (f / _ADDRESS_FILE).exists())
        address = (folder / _ADDRESS_FILE).read_text()
        namespace = str(place.relative_to(folder)).replace("/", ".")
        return IcebergConfig(
            catalog_uri=address, warehouse="stand-in", token=TOKEN, namespace=namespace
        )


@pytest.fixture(scope="session")
def _rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Starts a catalogue whose address any process finds from the folder of a test."""
    with catalog_served(tmp_path_factory.mktemp("catalogue")) as address:
        (tmp_path_factory.getbasetemp() / _ADDRESS_FILE).write_text(address)
        yield


_CHOSEN = {
    "test_check_passes_twice_and_leaves_nothing_behind": None,
    "test_value_comes_back_exactly": "date: 44 BC",
    "test_all_kinds_come_back_at_once": "append_dedup",
    "test_a_thousand_columns_land": "append",
    "test_a_changed_schema_loses_nothing": "integer to string-append_dedup",
    "test_an_overwrite_takes_the_new_schema": "integer to string-overwrite_dedup",
    "test_many_random_rows_are_deduplicated_by_the_rule": "append_dedup",
    "test_reader_during_overwrite_sees_the_old_or_the_new_table": "overwrite",
    "test_two_streams_are_written_by_two_threads": "append",
    "test_an_attempt_overtaken_while_open_is_refused": "append_dedup",
    "test_forgetting_removes_what_is_named_and_nothing_else": None,
    "test_failing_between_any_two_calls_and_continuing_equals_one_clean_run": "overwrite",
    "test_killed_at_random_moments_and_repeated_equals_one_clean_run": "append_dedup",
}
"""What depends on the format most; the whole suite takes minutes (`make whole`)."""
_CHOSEN_OVER_REST = (
    "test_check_passes_twice_and_leaves_nothing_behind",
    "test_an_overwrite_takes_the_new_schema",
    "test_two_streams_are_written_by_two_threads",
    "test_an_attempt_overtaken_while_open_is_refused",
    "test_killed_at_random_moments_and_repeated_equals_one_clean_run",
)


@pytest.mark.slow
@pytest.mark.parametrize("test", list(_CHOSEN))
def test_an_sql_catalogue_keeps_a_promise(test: str, tmp_path: Path) -> None:
    _keeps(TestIceberg, test, tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("_rest")
@pytest.mark.parametrize("test", _CHOSEN_OVER_REST)
def test_a_rest_catalogue_keeps_a_promise(test: str, tmp_path: Path) -> None:
    _keeps(RestSuite, test, tmp_path)


def _keeps(kind: type[DestinationSuite], test: str, place: Path) -> None:
    [case] = [c for c in cases_of(kind) if (c.test, c.name) == (test, _CHOSEN[test])]
    suite = kind()
    case.run(suite, Lab(suite=suite, place=place, rounds=1, seed=0))
