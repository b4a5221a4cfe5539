"""The tables are what the migrations make of them, and nobody's data is at risk."""

from __future__ import annotations

import re
import stat
import threading
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from penstock.control.store import Store, connections, migrate, runs
from penstock.control.store.migrate import newest_revision, require_current, revision_of, upgrade
from penstock.control.store.tables import metadata
from penstock.errors import ConfigError
from tests.integration.control.samples import NOW, a_run, world


def test_the_migrations_make_exactly_the_tables_of_the_code(empty_store: Store) -> None:
    upgrade(empty_store)
    with empty_store.read() as tx:
        context = MigrationContext.configure(tx, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_second_upgrade_does_nothing(empty_store: Store) -> None:
    assert upgrade(empty_store).did_anything
    again = upgrade(empty_store)
    assert (again.did_anything, again.after) == (False, newest_revision())


def test_receipts_kept_before_sizes_were_counted_have_theirs_after_the_upgrade(
    empty_store: Store,
) -> None:
    scripts = Config()
    scripts.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    with empty_store.write() as tx:
        scripts.attributes["connection"] = tx
        command.upgrade(scripts, "0003")
    kept = world(empty_store)
    with empty_store.write() as tx:
        run = runs.enqueue(tx, a_run(kept.connection))
        values = {"run": run.id, "receipt": '{"é": 1}', "at": "2026-11-21 06:00:00.000000+00:00"}
        tx.execute(
            text(
                "INSERT INTO receipts (run_id, attempt, receipt, ended_at)"
                " VALUES (:run, 1, :receipt, :at)"
            ),
            values,
        )
    upgrade(empty_store)
    with empty_store.read() as tx:
        assert runs.receipts_bytes(tx) == len('{"é": 1}'.encode())
        assert runs.receipt(tx, run.id) == '{"é": 1}'


def test_an_upgrade_of_sqlite_leaves_a_backup_that_opens(tmp_path: Path) -> None:
    store = Store.of_file(tmp_path / "penstock.db")
    upgrade(store)
    world(store)
    with store.write() as tx:
        _set_revision(tx, "0001")
    _drop_history(store)
    done = upgrade(store, now=NOW)
    assert done.backup is not None
    assert stat.S_IMODE(done.backup.stat().st_mode) == 0o600
    copy = Store.of_file(done.backup)
    assert revision_of(copy) == "0001"
    with copy.read() as tx:
        assert connections.get(tx, "c1").name == "connection c1"
    copy.close()
    with store.read() as tx:
        assert connections.get(tx, "c1").name == "connection c1"
    store.close()


def test_tables_of_a_newer_penstock_are_refused(empty_store: Store) -> None:
    upgrade(empty_store)
    with empty_store.write() as tx:
        _set_revision(tx, "9999")
    for act in (upgrade, require_current):
        with pytest.raises(ConfigError, match="newer penstock"):
            act(empty_store)


def test_without_migrating_the_way_to_do_it_is_named(empty_store: Store) -> None:
    with pytest.raises(ConfigError, match="db upgrade"):
        require_current(empty_store)


def test_servers_that_start_together_upgrade_once(empty_store: Store) -> None:
    others = [Store(empty_store.url) for _ in range(4)]
    failures: list[Exception] = []

    def start(store: Store) -> None:
        try:
            upgrade(store)
        except Exception as error:  # noqa: BLE001 (told by the test itself)
            failures.append(error)

    threads = [threading.Thread(target=start, args=(each,)) for each in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in others:
        each.close()
    assert failures == []
    assert revision_of(empty_store) == newest_revision()


def _set_revision(tx: object, revision: str) -> None:
    tx.execute(text("UPDATE alembic_version SET version_num = :new"), {"new": revision})  # type: ignore[attr-defined]


def _drop_history(store: Store) -> None:
    """Takes a database back to its first revision, which made no table that refers to runs."""
    script = ScriptDirectory(str(Path(migrate.__file__).with_name("migrations")))
    later = [each for each in script.walk_revisions() if each.revision > "0001"]
    source = "".join(Path(str(each.path)).read_text() for each in later)
    made = re.findall(r'create_table\(\s*"(\w+)"', source)
    with store.engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.execute("PRAGMA foreign_keys = OFF")
        for name in made:
            raw.execute(f"DROP TABLE {name}")
        raw.execute("PRAGMA foreign_keys = ON")
