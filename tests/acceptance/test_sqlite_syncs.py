"""SQLite on the command line: into it and out of it, proved; nothing is to be installed."""

from __future__ import annotations

import json
import sqlite3

from tests.acceptance.conftest import Terminal


def test_a_file_moves_into_another_with_proof_and_then_only_what_was_added(
    terminal: Terminal,
) -> None:
    path = terminal.folder / "app.sqlite"
    words = ["sync", "sqlite", "sqlite", "--source.path", str(path)]
    words += ["--destination.path", "out.sqlite", "--json"]
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.execute("CREATE TABLE visits (id INTEGER PRIMARY KEY, code TEXT, fee REAL)")
        connection.executemany(
            "INSERT INTO visits VALUES (?, ?, ?)", [(n, f"{n:05d}", n / 4) for n in range(5000)]
        )
        first = terminal.run(*words)
        connection.execute("INSERT INTO visits VALUES (5000, '05000', 0)")
        second = terminal.run(*words)
        expected = connection.execute("SELECT count(*), sum(fee), max(code) FROM visits").fetchall()
    connection.close()
    assert [first.status, second.status] == [0, 0], first.err + second.err
    proofs = [
        json.loads(done.out.splitlines()[-1])["receipt"]["streams"][0] for done in (first, second)
    ]
    assert all(proof["rows_read"] == proof["rows_committed"] for proof in proofs)
    out = sqlite3.connect(terminal.folder / "out.sqlite")
    found = out.execute("SELECT count(*), sum(fee), max(code) FROM visits").fetchall()
    out.close()
    assert found == expected
