"""Lakes on the command line: proved, merged, and read by each format's own reader."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pyiceberg.catalog import load_catalog

from tests.acceptance.conftest import Terminal

WORDS = ["--mode", "incremental_append_dedup", "--cursor", "visits=at"]
WORDS += ["--primary-key", "visits=id", "--json"]


def delta_rows(folder: Path) -> pa.Table:
    return DeltaTable(folder / "lake" / "visits").to_pyarrow_table()


def iceberg_rows(folder: Path) -> pa.Table:
    catalog = load_catalog("default", type="sql", uri=f"sqlite:///{folder}/catalog.db")
    return catalog.load_table("default.visits").scan().to_arrow()


@pytest.mark.parametrize(
    ("destination", "settings", "rows_of"),
    [
        ("delta", {"path": "lake"}, delta_rows),
        ("iceberg", {"catalog_uri": "sqlite:///catalog.db", "warehouse": "lake"}, iceberg_rows),
    ],
    ids=["delta", "iceberg"],
)
def test_rows_are_merged_into_a_lake_with_proof(
    terminal: Terminal,
    destination: str,
    settings: dict[str, str],
    rows_of: Callable[[Path], pa.Table],
) -> None:
    words = ["sync", "sqlite", destination, "--source.path", "app.sqlite", *WORDS]
    for name, value in settings.items():
        words += [f"--destination.{name}", value]
    with sqlite3.connect(terminal.folder / "app.sqlite", isolation_level=None) as connection:
        connection.execute("CREATE TABLE visits (id INTEGER PRIMARY KEY, code TEXT, at INTEGER)")
        connection.execute("BEGIN")  # else each row is a transaction, written to disk of its own
        connection.executemany(
            "INSERT INTO visits VALUES (?, ?, ?)", [(n, f"{n:05d}", n) for n in range(3000)]
        )
        connection.execute("COMMIT")
        first = terminal.run(*words)
        connection.execute("UPDATE visits SET code = 'new', at = 5000 WHERE id = 7")
        connection.execute("INSERT INTO visits VALUES (3000, '03000', 5001)")
        second = terminal.run(*words)
        expected = connection.execute("SELECT id, code FROM visits ORDER BY id").fetchall()
    connection.close()
    assert [first.status, second.status] == [0, 0], first.err + second.err
    proof = json.loads(second.out.splitlines()[-1])["receipt"]["streams"][0]
    assert proof["rows_read"] == proof["rows_committed"] > 0
    rows = rows_of(terminal.folder)
    assert sorted(zip(*rows.select(["id", "code"]).to_pydict().values(), strict=True)) == expected
