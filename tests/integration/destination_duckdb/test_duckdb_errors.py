"""What can go wrong around the file: one clear error each, and nothing left behind."""

from __future__ import annotations

import inspect
import os
import resource
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from penstock.destinations.duckdb import DuckDBConfig, DuckDBDestination
from penstock.errors import (
    AccessDenied,
    BugError,
    ConfigError,
    PenstockError,
    ResourceBusy,
    ResourceExhausted,
)
from penstock.sdk.duckdb.connection import connect
from penstock.sdk.duckdb.failures import as_penstock_error
from penstock.sdk.duckdb.place import Place, place_of
from tests.integration.destination_duckdb.duckdb_landing import (
    ID_NAME,
    TABLE,
    batch,
    destination,
    names,
    plan,
    state,
    sync,
)


def test_check_leaves_nothing_behind(tmp_path: Path) -> None:
    destination(tmp_path / "deep" / "er" / "warehouse.duckdb").check()
    assert list(tmp_path.iterdir()) == []

    path = tmp_path / "warehouse.duckdb"
    sync(destination(path), plan(), ID_NAME, [(1, "a")])
    before = sorted(tmp_path.iterdir())
    destination(path, schema="elsewhere").check()
    assert sorted(tmp_path.iterdir()) == before
    with duckdb.connect(path) as connection:
        schemas = connection.execute("SELECT schema_name FROM duckdb_schemas()").fetchall()
    assert ("elsewhere",) not in schemas


@pytest.mark.parametrize("path", [":memory:", " "])
def test_a_path_that_is_no_file_is_refused(path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        DuckDBDestination(DuckDBConfig(path=path))

    assert caught.value.context["field"] == "path"


def test_a_file_of_another_kind_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear database, " * 1_000)

    with pytest.raises(ConfigError, match="not a DuckDB database"):
        destination(path).check()

    assert path.read_text() == "Dear database, " * 1_000


def test_an_empty_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    path.touch()

    with pytest.raises(ConfigError, match="is empty") as caught:
        destination(path).check()

    assert "Remove the file" in caught.value.remedy


def test_where_files_have_no_second_name_a_database_is_made_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "warehouse.duckdb"
    connect(place_of(str(path))).close()
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PenstockError) as caught:
        destination(tmp_path).check()

    assert not isinstance(caught.value, BugError)


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match="cannot be made"):
        destination(tmp_path / "file" / "warehouse.duckdb").check()


def test_a_file_open_in_another_process_is_busy_and_names_it(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    script = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(ResourceBusy) as caught:
            destination(path).check()
        other.communicate("\n")

    assert str(other.pid) in caught.value.message
    destination(path).check()


def fill(target: DuckDBDestination) -> None:
    with target.open(plan()) as writer:
        for number in range(100):
            writer.write(batch(ID_NAME, [(i, f"{number}-{i * 7919}") for i in range(20_000)]))
        writer.finish(state(2))


def test_a_full_disk_ends_the_sync_and_keeps_what_was_committed(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    target = destination(path)
    sync(target, plan(), ID_NAME, [(0, "kept")])
    limit = path.stat().st_size + (1 << 20)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(ResourceExhausted) as caught:
            fill(target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert "Free space" in caught.value.remedy
    assert names(path) == [(0, "kept")]


def test_a_view_in_the_place_of_the_table_is_a_matter_of_settings(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute("CREATE VIEW users AS SELECT 1 AS id")

    with (
        pytest.raises(ConfigError),
        destination(path).open(plan(mode=plan().mode.OVERWRITE)) as writer,
    ):
        writer.finish(None)

    assert destination(path).count(TABLE) == 1


def test_every_error_class_of_the_driver_is_translated() -> None:
    classes = [
        found
        for _, found in inspect.getmembers(duckdb, inspect.isclass)
        if issubclass(found, duckdb.Error)
    ]
    assert len(classes) > 20

    for driver_class in classes:
        translated = as_penstock_error(driver_class("Some words"), Place(database="w.duckdb"))
        assert translated.remedy
        assert "Some words" in translated.message


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('Cannot open file "/x": Permission denied', AccessDenied),
        ("Could not write all bytes: No space left on device", ResourceExhausted),
        ("Out of Memory Error: failed to allocate data of size 1", ResourceExhausted),
        (
            "Trying to read a database file with version number 99, but we can only read"
            " versions between 64 and 68",
            ConfigError,
        ),
    ],
)
def test_known_messages_become_the_error_that_helps(
    message: str, expected: type[PenstockError]
) -> None:
    assert (
        type(as_penstock_error(duckdb.IOException(message), Place(database="w.duckdb"))) is expected
    )
