"""What the reading of MySQL's log promises between two attempts, on a real MariaDB server."""

from __future__ import annotations

from itertools import takewhile

from penstock.sdk.stream import descriptor_of
from penstock.sdk.together import Rows, SharedRequest, SharedState
from penstock.sources.mysql.source import Cdc
from tests.integration.sources.test_mysql_source import source_of
from tests.servers.mariadb import MariaDatabase


def test_a_row_that_is_deleted_after_an_interrupted_first_reading_is_told(
    mariadb: MariaDatabase,
) -> None:
    mariadb.run("CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1), (2)")
    source = source_of(mariadb, replication_method=Cdc())
    streams = [descriptor_of(stream) for stream in source.streams()]
    first = source.read_together(SharedRequest(streams=streams, state=None))
    before_rows = list(takewhile(lambda item: not isinstance(item, Rows), first))
    committed = [item for item in before_rows if isinstance(item, SharedState)][-1]
    mariadb.run("DELETE FROM a WHERE id = 1")
    second = source.read_together(SharedRequest(streams=streams, state=committed))
    told = [row for item in second if isinstance(item, Rows) for row in item.rows.to_pylist()]
    assert [(row["id"], row["_ab_cdc_deleted_at"] is not None) for row in told] == [
        (2, False),
        (1, True),
    ]
