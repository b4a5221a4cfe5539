from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.control.store import Store
from penstock.control.store.migrate import upgrade


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A database without tables: every test with it runs on both kinds."""
    if request.param == "sqlite":
        made = Store.of_file(tmp_path / "penstock.db")
    else:
        made = Store(request.getfixturevalue("postgres").url)
    yield made
    made.close()


@pytest.fixture
def store(empty_store: Store) -> Store:
    upgrade(empty_store)
    return empty_store
