"""Buckets of three clouds keep every promise of a destination, SIGKILL included."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from penstock.destinations.files import FilesConfig, FilesDestination
from penstock.testing.destination_suite import DestinationSuite, cases_of
from penstock.testing.lab import Lab
from tests.servers.buckets import SCHEMES, SERVED

_BUCKET = "files-suite"


class BucketSuite(DestinationSuite):
    """Run by chosen cases: the whole suite, which a folder passes, takes minutes in a bucket."""

    destination = FilesDestination
    scheme: ClassVar[str]

    def config(self, place: Path) -> FilesConfig:
        prefix = hashlib.sha256(str(place).encode()).hexdigest()[:16]
        return FilesConfig(
            path=f"{self.scheme}://{_BUCKET}/{prefix}", storage_options=_options(place, self.scheme)
        )


class S3Suite(BucketSuite):
    scheme = "s3"
    loaded_once = ("penstock.destinations.files.writer", "s3fs")


class AzureSuite(BucketSuite):
    scheme = "az"
    loaded_once = ("penstock.destinations.files.writer", "adlfs")


class GoogleSuite(BucketSuite):
    scheme = "gs"
    loaded_once = ("penstock.destinations.files.writer", "gcsfs")


_SUITES = {suite.scheme: suite for suite in (S3Suite, AzureSuite, GoogleSuite)}
_CHOSEN = {
    "test_value_comes_back_exactly": "string: new lines",
    "test_old_table_stays_visible_until_finish": "overwrite",
    "test_a_resumed_generation_keeps_its_committed_rows": "overwrite",
    "test_reader_during_overwrite_sees_the_old_or_the_new_table": "overwrite",
    "test_two_streams_are_written_by_two_threads": "append",
    "test_an_attempt_overtaken_while_open_is_refused": "overwrite",
    "test_forgetting_removes_what_is_named_and_nothing_else": None,
    "test_failing_between_any_two_calls_and_continuing_equals_one_clean_run": "overwrite",
    "test_killed_at_random_moments_and_repeated_equals_one_clean_run": "append",
}


@pytest.fixture(scope="session", params=SCHEMES)
def scheme(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Starts a server that any process finds from the folder of a test."""
    with SERVED[request.param](_BUCKET) as options:
        file = tmp_path_factory.getbasetemp() / _file_name(request.param)
        file.write_text(json.dumps(options))
        yield request.param


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("test", list(_CHOSEN))
def test_a_bucket_keeps_a_promise(scheme: str, test: str, tmp_path: Path) -> None:
    suite = _SUITES[scheme]
    [case] = [c for c in cases_of(suite) if (c.test, c.name) == (test, _CHOSEN[test])]
    case.run(suite(), Lab(suite=suite(), place=tmp_path, rounds=1, seed=0))


def _options(place: Path, scheme: str) -> dict[str, Any]:
    files = (folder / _file_name(scheme) for folder in place.parents)
    return dict(json.loads(next(file for file in files if file.exists()).read_text()))


def _file_name(scheme: str) -> str:
    return f"files-bucket-{scheme}.json"
