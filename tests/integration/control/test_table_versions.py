"""A table's version grows with what is written to it, and with nothing else."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from penstock.control.store import Store, workspaces
from penstock.control.store.table_versions import with_parents
from penstock.control.store.tables import instance, permissions, users
from tests.integration.control.samples import world

SETTINGS = frozenset({"instance"})
PEOPLE = with_parents((users, permissions))


def test_tables_whose_rows_take_others_with_them_are_among_them() -> None:
    assert {"users", "permissions", "workspaces"} <= PEOPLE
    assert with_parents((instance,)) == SETTINGS


def test_a_write_counts_for_its_tables_alone(store: Store) -> None:
    world(store)
    settings, people = store.version_of(SETTINGS), store.version_of(PEOPLE)
    with store.write() as tx:
        workspaces.set_setting(tx, "some", {"setting": 1})
        assert store.version_of(SETTINGS) == settings  # nobody sees it yet
    assert store.version_of(SETTINGS) > settings
    assert store.version_of(PEOPLE) == people


def test_what_is_only_read_counts_for_none(store: Store) -> None:
    before = store.version_of(SETTINGS)
    with store.write() as tx:
        assert workspaces.setting(tx, "some") is None
    assert store.version_of(SETTINGS) == before


def test_a_statement_that_does_not_say_its_table_counts_for_all(store: Store) -> None:
    settings, people = store.version_of(SETTINGS), store.version_of(PEOPLE)
    with store.write() as tx:
        tx.execute(text("DELETE FROM instance"))
    assert store.version_of(SETTINGS) > settings
    assert store.version_of(PEOPLE) > people


def test_a_write_that_failed_may_have_been_one(store: Store) -> None:
    before = store.version_of(SETTINGS)
    with pytest.raises(ZeroDivisionError):
        fails(store)
    assert store.version_of(SETTINGS) > before


def fails(store: Store) -> float:
    with store.write() as tx:
        workspaces.set_setting(tx, "some", {"setting": 1})
        return 1 / 0
