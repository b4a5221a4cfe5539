"""SQL of somebody not trusted, on a DuckDB file: rows, and nothing else."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from penstock.destinations.duckdb import DuckDBConfig, DuckDBDestination
from penstock.errors import ConfigError, PenstockError, ResourceExhausted
from penstock.sdk.destination import ConfinesSql

SECRET = "canary-in-a-file"


@pytest.fixture
def destination(tmp_path: Path) -> DuckDBDestination:
    (tmp_path / "secret.txt").write_text(SECRET)
    made = DuckDBDestination(DuckDBConfig(path=str(tmp_path / "x.duckdb")))
    made.execute([("CREATE TABLE items AS SELECT range AS id FROM range(5000)", ())])
    return made


def test_a_select_gives_at_most_the_rows_asked_for(destination: DuckDBDestination) -> None:
    assert isinstance(destination, ConfinesSql)
    found = destination.query_confined("SELECT id FROM items ORDER BY id", seconds=30, rows=1_500)
    assert found.column("id").to_pylist() == list(range(1_500))
    few = destination.query_confined("SELECT 1 AS one WHERE false", seconds=30, rows=5)
    assert (few.num_rows, few.schema.names) == (0, ["one"])


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE items",
        "DELETE FROM items",
        "CREATE TABLE other AS SELECT 1",
        "CREATE TEMP TABLE other AS SELECT 1",
        "SELECT 1; DROP TABLE items",
        "WITH gone AS (DELETE FROM items RETURNING *) SELECT * FROM gone",
        "SELECT * FROM query('DROP TABLE items')",
        "SELECT * FROM force_checkpoint()",
        "COPY items TO '{folder}/out.csv'",
        "EXPORT DATABASE '{folder}/out'",
        "ATTACH '{folder}/other.duckdb'",
        "SELECT * FROM read_text('{folder}/secret.txt')",
        "SELECT * FROM read_csv('{folder}/secret.txt')",
        "SELECT * FROM '{folder}/secret.txt'",
        "SELECT * FROM glob('{folder}/*')",
        "SELECT * FROM read_json('http://127.0.0.1:9/x')",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "SELECT * FROM duckdb_secrets()",
        "SELECT * FROM destination",
        "PRAGMA database_list",
        "",
    ],
)
def test_anything_but_looking_is_refused(
    destination: DuckDBDestination, tmp_path: Path, sql: str
) -> None:
    before = _files(tmp_path)
    with pytest.raises(PenstockError) as raised:
        destination.query_confined(sql.format(folder=tmp_path), seconds=30, rows=10)
    assert SECRET not in str(raised.value)
    assert _files(tmp_path) == before


def test_sql_that_takes_too_long_is_stopped(destination: DuckDBDestination) -> None:
    with pytest.raises(ResourceExhausted, match=r"longer than 0\.5 seconds"):
        destination.query_confined(
            "SELECT count(*) FROM range(10_000_000) a, range(1_000_000) b WHERE a.range % 7 = 3",
            seconds=0.5,
            rows=1,
        )
    assert destination.query_confined("SELECT 1", seconds=30, rows=1).num_rows == 1


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    missing = DuckDBDestination(DuckDBConfig(path=str(tmp_path / "none.duckdb")))
    with pytest.raises(ConfigError, match="no DuckDB file"):
        missing.query_confined("SELECT 1", seconds=30, rows=1)
    assert list(tmp_path.iterdir()) == []


def _files(folder: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
