"""What the reading of PostgreSQL's log promises between two attempts, on a real server."""

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
from penstock.sources.postgres import PostgresSource
from penstock.sources.postgres.source import Cdc
from tests.integration.sources.test_postgres_source import config_of
from tests.servers.postgres import PostgresDatabase


class Log:
    """A source that reads the log, and what it tells."""

    def __init__(self, database: PostgresDatabase) -> None:
        self.database = database
        self.slot = database.name[:40]

    def items(
        self,
        state: SharedState | None,
        streams: Sequence[StreamDescriptor] | None = None,
        **method: Any,
    ) -> Iterator[Any]:
        cdc = Cdc(replication_slot=self.slot, **method)
        config = config_of(self.database, schemas=("public",), replication_method=cdc)
        source = PostgresSource(config)
        known = [descriptor_of(stream) for stream in source.streams()]
        return source.read_together(SharedRequest(streams=streams or known, state=state))

    def interrupted(self) -> SharedState:
        """Reads the first rows, and returns what was told before them."""
        items = self.items(None)
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
                rows += [(row["id"], row["_ab_cdc_deleted_at"] is not None) for row in told]
        assert last is not None
        return rows, last


@pytest.fixture
def log(postgres: PostgresDatabase) -> Iterator[Log]:
    postgres.run("CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1), (2), (3)")
    made = Log(postgres)
    yield made
    postgres.run(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
        f" WHERE database = '{postgres.name}'"
    )


@pytest.mark.parametrize("is_told", [True, False], ids=["state kept", "state lost"])
def test_rows_that_go_after_an_interrupted_first_reading_are_told(log: Log, is_told: bool) -> None:
    state = log.interrupted()
    log.database.run("DELETE FROM a WHERE id = 1", "UPDATE a SET id = 20 WHERE id = 2")
    rows, _ = log.whole(state if is_told else None)
    assert sorted(rows) == [(1, True), (2, True), (3, False), (20, False)]


def test_a_table_truncated_after_an_interrupted_first_reading_is_refused(log: Log) -> None:
    state = log.interrupted()
    log.database.run("TRUNCATE a", "INSERT INTO a VALUES (3), (4)")
    with pytest.raises(ConfigError, match="was truncated"):
        log.whole(state)
    rows, last = log.whole(state, truncates="skip")
    assert rows == [(3, False), (4, False)]
    assert log.whole(last) == ([], last)


def test_a_table_truncated_before_its_first_reading_is_read(log: Log) -> None:
    log.interrupted()
    log.database.run("TRUNCATE a", "INSERT INTO a VALUES (4)")
    assert log.whole(None)[0] == [(4, False)]


def test_a_truncated_table_is_emptied_between_the_rows_around_it(log: Log) -> None:
    _, state = log.whole(None)
    log.database.run("INSERT INTO a VALUES (4)", "TRUNCATE a", "INSERT INTO a VALUES (1)")
    rows, state = log.whole(state)
    assert rows == [(4, False), "a", (1, False)]
    assert log.whole(state)[0] == []


def test_a_table_made_anew_is_emptied_and_read(log: Log) -> None:
    _, state = log.whole(None)
    log.database.run(
        "DROP TABLE a", "CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (9)"
    )
    interrupted = log.items(state)
    kept = list(takewhile(lambda item: not isinstance(item, Rows), interrupted))
    interrupted.close()  # type: ignore[attr-defined]  # a generator
    before_rows = [item for item in kept if isinstance(item, SharedState)][-1]
    for given in (state, before_rows):
        rows, last = log.whole(given)
        assert rows == ["a", (9, False)]
    log.database.run("DELETE FROM a")
    assert log.whole(last)[0] == [(9, True)]


def test_a_table_made_anew_is_refused_for_its_old_rows_are_in_no_log(log: Log) -> None:
    _, state = log.whole(None)
    log.database.run(
        "DROP TABLE a", "CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (9)"
    )
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"public\.a was dropped and made anew") as refused:
            log.whole(state, truncates="refuse")
    assert "--full-refresh" in refused.value.remedy
    rows, state = log.whole(state, truncates="skip")
    assert rows == [(9, False)]
    log.database.run("DELETE FROM a")
    assert log.whole(state)[0] == [(9, True)]


def test_a_table_taken_out_of_the_publication_is_refused(log: Log) -> None:
    _, state = log.whole(None)
    log.database.run("CREATE TABLE b (id int PRIMARY KEY)")
    log.database.run(
        "ALTER PUBLICATION penstock ADD TABLE b", "ALTER PUBLICATION penstock DROP TABLE a"
    )
    log.database.run("DELETE FROM a WHERE id = 1")
    for _ in range(2):
        with pytest.raises(ConfigError, match="taken out of the publication"):
            log.whole(state)


def test_a_stream_that_was_left_out_does_not_continue_as_if_nothing_had_happened(log: Log) -> None:
    log.database.run("CREATE TABLE b (id int PRIMARY KEY)", "INSERT INTO b VALUES (1)")
    _, state = log.whole(None)
    only_b = [StreamDescriptor("b", "public")]
    log.database.run("DELETE FROM a WHERE id = 1", "INSERT INTO a VALUES (4)")
    for _ in range(2):
        rows, state = log.whole(state, only_b)
        assert rows == []
    with pytest.raises(ConfigError, match=r"public\.a was left out of syncs since"):
        log.whole(state, truncates="refuse")
    assert sorted(log.whole(state, truncates="skip")[0]) == [(2, False), (3, False), (4, False)]
    rows, state = log.whole(state)
    assert rows == ["a", (2, False), (3, False), (4, False)]
    log.database.run("DELETE FROM a WHERE id = 2")
    assert log.whole(state)[0] == [(2, True)]
