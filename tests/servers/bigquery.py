"""The double of BigQuery for the tests: one server a session, one dataset a place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from penstock.destinations.bigquery import BigQueryConfig
from penstock.destinations.bigquery.connection import Address, client_of, credentials_of
from tests.doubles.bigquery_server import BigQueryServer, running

_ADDRESS_FILE: Final = "bigquery-double.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class BigQueryAccess:
    """How any process of a test reaches the double."""

    url: str
    key: str

    def config(self, place: Path, *, key: str | None = None) -> BigQueryConfig:
        """Returns a configuration whose dataset is this place's own."""
        return BigQueryConfig(
            project_id="project-one",
            dataset_id=dataset_of(place),
            credentials_json=key or self.key,
            endpoint=self.url,
        )


def dataset_of(place: Path) -> str:
    return "place_" + hashlib.sha256(str(place).encode()).hexdigest()[:16]


def access_near(place: Path) -> BigQueryAccess:
    """Returns the session's double in any process that knows a folder of one of its tests."""
    for folder in place.parents:
        address = folder / _ADDRESS_FILE
        if address.exists():
            return BigQueryAccess(**json.loads(address.read_text()))
    pytest.fail(f"No double was started for {place}: ask for the fixture bigquery_server.")


def discard(place: Path) -> None:
    """Removes the dataset of a place from the double."""
    access = access_near(place)
    with closing(client_of(_address(access, place), credentials_of(_address(access, place)))) as c:
        c.delete_dataset(dataset_of(place), delete_contents=True, not_found_ok=True)


def _address(access: BigQueryAccess, place: Path) -> Address:
    return Address(
        project="project-one",
        dataset=dataset_of(place),
        location="US",
        credentials=access.key,
        endpoint=access.url,
    )


@pytest.fixture(scope="session")
def bigquery_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BigQueryServer]:
    """The session's double, which processes of a test find by `access_near`."""
    with running() as server:
        address = tmp_path_factory.getbasetemp() / _ADDRESS_FILE
        address.write_text(json.dumps({"url": server.url, "key": server.key()}))
        yield server
