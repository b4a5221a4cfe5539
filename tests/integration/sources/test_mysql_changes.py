"""What the reading of MySQL's log promises between two attempts, on a real MariaDB server."""

from __future__ import annotations

from itertools import takewhile

from penstock.sdk.stream import descriptor_of
from penstock.sdk.together import Rows, SharedRequest, SharedState
from penstock.sources.mysql.changes import CURSOR, DELETED_AT
from penstock.sources.mysql.source import Cdc
from tests.integration.sources.test_mysql_source import source_of
from tests.servers.mariadb import MariaDatabase


def test_what_changes_behind_an_interrupted_first_reading_is_as_the_table_has_it(
    mariadb: MariaDatabase,
) -> None:
    mariadb.run("CREATE TABLE a (id int PRIMARY KEY, n int)", "INSERT INTO a VALUES (1, 1), (2, 1)")
    source = source_of(mariadb, replication_method=Cdc())
    streams = [descriptor_of(stream) for stream in source.streams()]
    state, rows = None, []
    for change in ("DELETE FROM a WHERE id = 1", "UPDATE a SET n = 2", "UPDATE a SET n = 3"):
        attempt = source.read_together(SharedRequest(streams=streams, state=state))
        before_rows = list(takewhile(lambda item: not isinstance(item, Rows), attempt))
        state = [item for item in before_rows if isinstance(item, SharedState)][-1]
        rows += [{"id": 1, "n": 1, CURSOR: state.value["cursor"], DELETED_AT: None}]
        mariadb.run(change)
    for item in source.read_together(SharedRequest(streams=streams, state=state)):
        if isinstance(item, Rows):
            rows += item.rows.to_pylist()
    newest = {row["id"]: row for row in sorted(rows, key=lambda row: row[CURSOR])}
    assert newest[1][DELETED_AT] is not None
    assert (newest[2]["n"], newest[2][DELETED_AT]) == (3, None)
