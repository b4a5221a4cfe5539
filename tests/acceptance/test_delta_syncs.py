"""Delta Lake on the command line: proved, merged, and read by Delta's own reader."""

from __future__ import annotations

import json
import sqlite3

from deltalake import DeltaTable

from tests.acceptance.conftest import Terminal


def test_rows_are_merged_into_a_delta_table_with_proof(terminal: Terminal) -> None:
    words = ["sync", "sqlite", "delta", "--source.path", "app.sqlite"]
    words += [
        "--destination.path",
        "lake",
        "--mode",
        "incremental_append_dedup",
        "--cursor",
        "visits=at",
    ]
    words += ["--primary-key", "visits=id", "--json"]
    with sqlite3.connect(terminal.folder / "app.sqlite", isolation_level=None) as connection:
        connection.execute("CREATE TABLE visits (id INTEGER PRIMARY KEY, code TEXT, at INTEGER)")
        connection.executemany(
            "INSERT INTO visits VALUES (?, ?, ?)", [(n, f"{n:05d}", n) for n in range(3000)]
        )
        first = terminal.run(*words)
        connection.execute("UPDATE visits SET code = 'new', at = 5000 WHERE id = 7")
        connection.execute("INSERT INTO visits VALUES (3000, '03000', 5001)")
        second = terminal.run(*words)
        expected = connection.execute("SELECT id, code FROM visits ORDER BY id").fetchall()
    connection.close()
    assert [first.status, second.status] == [0, 0], first.err + second.err
    proof = json.loads(second.out.splitlines()[-1])["receipt"]["streams"][0]
    assert proof["rows_read"] == proof["rows_committed"] > 0
    rows = DeltaTable(terminal.folder / "lake" / "visits").to_pyarrow_table(columns=["id", "code"])
    assert sorted(zip(*rows.to_pydict().values(), strict=True)) == expected
