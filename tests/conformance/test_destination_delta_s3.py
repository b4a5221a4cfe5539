"""Delta tables in a bucket keep the promises that depend on it, SIGKILL included."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.destinations.delta import DeltaConfig, DeltaDestination
from penstock.testing.destination_suite import DestinationSuite, cases_of
from penstock.testing.lab import Lab
from tests.servers.bucket import KEYS, bucket_served

_ADDRESS_FILE = "delta-bucket-address"


class S3Suite(DestinationSuite):
    """Run by chosen cases: the whole suite, which a folder passes, takes minutes in a bucket."""

    destination = DeltaDestination
    loaded_once = ("penstock.destinations.delta.writer", "s3fs")

    def config(self, place: Path) -> DeltaConfig:
        address = next(
            file.read_text()
            for file in (folder / _ADDRESS_FILE for folder in place.parents)
            if file.exists()
        )
        prefix = hashlib.sha256(str(place).encode()).hexdigest()[:16]
        return DeltaConfig(
            path=f"s3://delta-suite/{prefix}", storage_options={**KEYS, "endpoint_url": address}
        )


@pytest.fixture(scope="session")
def _s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Starts a server whose address any process finds from the folder of a test."""
    with bucket_served("delta-suite") as address:
        (tmp_path_factory.getbasetemp() / _ADDRESS_FILE).write_text(address)
        yield


_CHOSEN = {
    "test_value_comes_back_exactly": "string: new lines",
    "test_old_table_stays_visible_until_finish": "overwrite_dedup",
    "test_a_resumed_generation_keeps_its_committed_rows": "overwrite",
    "test_two_streams_are_written_by_two_threads": "append",
    "test_an_attempt_overtaken_while_open_is_refused": "append_dedup",
    "test_forgetting_removes_what_is_named_and_nothing_else": None,
    "test_killed_at_random_moments_and_repeated_equals_one_clean_run": "append_dedup",
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.usefixtures("_s3")
@pytest.mark.parametrize("test", list(_CHOSEN))
def test_a_bucket_keeps_a_promise(test: str, tmp_path: Path) -> None:
    cases = [c for c in cases_of(S3Suite) if (c.test, c.name) == (test, _CHOSEN[test])]
    suite = S3Suite()
    [case] = cases
    case.run(suite, Lab(suite=suite, place=tmp_path, rounds=1, seed=0))
