"""The source suite passes a right source and finds what is wrong with each wrong one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, get_args

import pytest

from penstock.testing.gaps import not_done
from penstock.testing.source_suite import SourceSuite
from tests.conformance.small_source import Flaw, SmallConfig, SmallSource

FLAWS = {
    "skips a row when it resumes": "test_each_state_continues_with_exactly_the_rows_after_it",
    "repeats a row when it resumes": "test_each_state_continues_with_exactly_the_rows_after_it",
    "yields the state before its rows": "test_each_state_continues_with_exactly_the_rows_after_it",
    "leaves out the last state": "test_last_state_leaves_nothing_to_read",
    "reads other rows each time": "test_two_full_reads_are_equal",
    "declares an integer and sends text": "test_values_are_what_the_schema_declares",
    "sends a property it does not declare": "test_values_are_what_the_schema_declares",
    "has a key outside of the schema": "test_schema_of_each_stream_is_valid_and_has_key_and_cursor",
    "has equal primary keys": "test_primary_keys_are_unique",
    "leaves a thread running": "test_closing_early_releases_threads_and_files",
    "leaves a file open": "test_closing_early_releases_threads_and_files",
    "takes a broken state for none": "test_broken_state_is_refused_or_reads_nothing",
    "state of tuples": "test_states_are_json_objects",
}


class TestSmallSource(SourceSuite):
    source = SmallSource
    wrong_configs: ClassVar[dict[str, dict[str, Any]]] = {
        "rows": {"rows": 5000},
        "password": {"password": 7},
    }
    future_states: ClassVar[dict[str, dict[str, Any]]] = {"people": {"next": 10**9}}

    def config(self, place: Path) -> SmallConfig:
        return SmallConfig()

    def empty_config(self, place: Path) -> SmallConfig:
        return SmallConfig(rows=0)


class TestSmallSourceInArrow(TestSmallSource):
    def config(self, place: Path) -> SmallConfig:
        return SmallConfig(as_arrow=True)


class TestNamedGap(SourceSuite):
    """A gap makes the suite green only while the promise is broken."""

    source = SmallSource
    gaps = (
        not_done("test_two_full_reads_are_equal", reason="the names are random"),
        not_done("test_each_state_continues_with_exactly_the_rows_after_it", reason="the same"),
    )

    def config(self, place: Path) -> SmallConfig:
        return SmallConfig(flaw="reads other rows each time")


def test_every_flaw_has_a_test() -> None:
    assert set(get_args(Flaw)) - {"none"} == set(FLAWS)


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_wrong_source_is_found_by_its_test(flaw: str) -> None:
    suite = TestSmallSource()
    with pytest.raises(AssertionError):
        getattr(suite, FLAWS[flaw])(SmallSource(SmallConfig(flaw=flaw)))
