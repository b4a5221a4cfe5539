"""What the reading of MySQL's log promises between two attempts, on a real MariaDB server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

import pytest

from penstock.data.items import Emptied
from penstock.errors import ConfigError
from penstock.protocol.catalog import StreamDescriptor
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


class Log:
    """A source that reads the log, and what it tells."""

    def __init__(self, database: MariaDatabase) -> None:
        self.database = database

    def items(
        self,
        state: SharedState | None,
        streams: Sequence[StreamDescriptor] | None = None,
        **method: Any,
    ) -> Iterator[Any]:
        source = source_of(self.database, replication_method=Cdc(**method))
        known = [descriptor_of(stream) for stream in source.streams()]
        return source.read_together(SharedRequest(streams=streams or known, state=state))

    def interrupted(self, state: SharedState | None = None) -> SharedState:
        """Reads the first rows, and returns what was told before them."""
        items = self.items(state)
        before = list(takewhile(lambda item: not isinstance(item, Rows), items))
        items.close()  # type: ignore[attr-defined]  # a generator
        return [item for item in before if isinstance(item, SharedState)][-1]

    def whole(
        self,
        state: SharedState | None,
        streams: Sequence[StreamDescriptor] | None = None,
        **method: Any,
    ) -> tuple[list[Any], SharedState]:
        """Returns each row's key, with whether it was deleted, and the last state.

        Where a table is emptied, its name stands among them.
        """
        rows: list[Any] = []
        last = state
        for item in self.items(state, streams, **method):
            if isinstance(item, SharedState):
                last = item
            elif isinstance(item, Emptied):
                rows.append(item.stream.name)
            elif isinstance(item, Rows):
                told = item.rows.to_pylist()
                rows += [(row["id"], row[DELETED_AT] is not None) for row in told]
        assert last is not None
        return rows, last


@pytest.fixture
def log(mariadb: MariaDatabase) -> Log:
    mariadb.run("CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1), (2), (3)")
    return Log(mariadb)


@pytest.mark.parametrize("lost", ["TRUNCATE a", "DROP TABLE a"])
def test_a_table_whose_rows_went_after_an_interrupted_first_reading_is_refused(
    log: Log, lost: str
) -> None:
    state = log.interrupted()
    made = "CREATE TABLE IF NOT EXISTS a (id int PRIMARY KEY)"
    log.database.run(lost, made, "INSERT INTO a VALUES (3), (4)")
    for given in (state, log.interrupted(state)):
        with pytest.raises(ConfigError, match=r"was (truncated|dropped)"):
            log.whole(given)
    rows, last = log.whole(state, truncates="skip")
    assert [row for row in rows if not row[1]] == [(3, False), (4, False)]
    assert log.whole(last)[0] == []


def test_a_table_truncated_before_its_first_reading_is_read(log: Log) -> None:
    log.interrupted()
    log.database.run("TRUNCATE a", "INSERT INTO a VALUES (4)")
    assert log.whole(None)[0] == [(4, False)]


def test_a_table_that_came_after_the_state_may_have_been_truncated_before_it_was_read(
    log: Log,
) -> None:
    only_a = [StreamDescriptor("a", log.database.name)]
    _, state = log.whole(None, only_a)
    log.database.run(
        "CREATE TABLE b (id int PRIMARY KEY)",
        "INSERT INTO b VALUES (1)",
        "TRUNCATE b",
        "INSERT INTO b VALUES (2)",
    )
    rows, state = log.whole(state)
    assert [row for row in rows if not row[1]] == [(2, False)]
    log.database.run("TRUNCATE b", "INSERT INTO b VALUES (3)")
    assert log.whole(state)[0] == ["b", (3, False)]


def test_a_stream_that_was_left_out_does_not_continue_as_if_nothing_had_happened(log: Log) -> None:
    log.database.run("CREATE TABLE b (id int PRIMARY KEY)", "INSERT INTO b VALUES (1)")
    _, state = log.whole(None)
    only_b = [StreamDescriptor("b", log.database.name)]
    log.database.run("DELETE FROM a WHERE id = 1", "INSERT INTO a VALUES (4)")
    for _ in range(2):
        rows, state = log.whole(state, only_b)
        assert rows == []
    with pytest.raises(ConfigError, match="was left out of syncs since"):
        log.whole(state, truncates="refuse")
    assert log.whole(state, truncates="skip")[0] == [(2, False), (3, False), (4, False)]
    for given in (state, log.interrupted(state)):
        rows, last = log.whole(given)
        assert rows == ["a", (2, False), (3, False), (4, False)]
    log.database.run("DELETE FROM a WHERE id = 2")
    assert log.whole(last)[0] == [(2, True)]
