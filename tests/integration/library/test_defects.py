"""What PyAirbyte 0.71.3 gets wrong, verified by running it; each test shows the right behaviour."""

from __future__ import annotations

import datetime as dt

import duckdb
import pytest

from penstock.errors import ConfigError, ConnectorFailed, PenstockError
from penstock.library import exceptions as exc
from penstock.library.caches import DuckDBCache
from penstock.library.sources import get_source
from tests.integration.library.transcripts import (
    Replayed,
    global_state,
    record,
    state,
    status,
    stream,
    trace_error,
)

UTC = dt.UTC


def rows(cache: DuckDBCache, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in cache.run_sql_query(sql)]


def test_a_composite_primary_key_set_by_hand_merges(replayed: Replayed, cache: DuckDBCache) -> None:
    properties = {"tenant": {"type": "string"}, "id": {"type": "integer"}, "v": {"type": "string"}}
    lines = [
        record(tenant="a", id=1, v="old"),
        record(tenant="b", id=1, v="other tenant"),
        record(tenant="a", id=1, v="new"),
        status("STARTED"),
        status("COMPLETE"),
    ]
    source = replayed.source(replayed.write([stream(properties=properties)], lines))
    source.set_primary_key("items", ["tenant", "id"])
    source.read(cache)
    source.read(cache)
    found = rows(cache, "SELECT tenant, id, v FROM items ORDER BY ALL")
    assert found == [("a", 1, "new"), ("b", 1, "other tenant")]


def test_a_key_twice_in_one_batch_is_one_row(replayed: Replayed, cache: DuckDBCache) -> None:
    lines = [record(id=1, v="first"), record(id=1, v="last"), status("COMPLETE")]
    source = replayed.source(replayed.write([stream(key=[["id"]])], lines))
    source.read(cache)
    assert rows(cache, "SELECT id, v FROM items") == [(1, "last")]


def test_an_instant_keeps_its_time_zone(replayed: Replayed, cache: DuckDBCache) -> None:
    properties = {"at": {"type": "string", "format": "date-time"}}
    lines = [record(at="2024-01-01T03:04:05+02:00"), status("COMPLETE")]
    source = replayed.source(replayed.write([stream(properties=properties)], lines))
    source.read(cache)
    ((found,),) = rows(cache, 'SELECT "at" FROM items')
    assert found == dt.datetime(2024, 1, 1, 1, 4, 5, tzinfo=UTC)
    assert cache["items"].to_pandas()["at"][0].isoformat() == "2024-01-01T01:04:05+00:00"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ({"type": "string"}, "007"),
        ({"type": "string"}, "00491234"),
        ({"type": ["null", "integer"]}, 9007199254740993),
        ({"type": ["null", "integer"]}, None),
        ({"type": "string"}, "2024-01-01"),
    ],
    ids=["leading zeros", "phone", "beyond 2^53", "null", "a date in a text"],
)
def test_a_value_arrives_as_it_left(
    replayed: Replayed, cache: DuckDBCache, kind: dict[str, object], value: object
) -> None:
    lines = [record(v_at=value), record(v_at=None), status("COMPLETE")]
    source = replayed.source(replayed.write([stream(properties={"v_at": kind})], lines))
    source.read(cache)
    frame = cache["items"].to_pandas()
    assert [row["v_at"] for row in cache["items"]] == [value, None]
    first = frame["v_at"][0]
    assert (first == value) if value is not None else frame["v_at"].isna().all()


def test_objects_and_unions_land(replayed: Replayed, cache: DuckDBCache) -> None:
    properties = {
        "o": {"type": "object"},
        "u": {"type": ["string", "integer"]},
        "x": {"oneOf": [{"type": "object"}, {"type": "string"}]},
    }
    lines = [record(o={"a": [1, "2"]}, u=7, x={"b": None}), status("COMPLETE")]
    source = replayed.source(replayed.write([stream(properties=properties)], lines))
    source.read(cache)
    assert rows(cache, "SELECT o->>'$.a[1]', u, x->>'$.b' IS NULL FROM items") == [("2", "7", True)]


def test_a_global_state_is_kept_and_given_back(replayed: Replayed, cache: DuckDBCache) -> None:
    streams = [stream("a", cursor="id"), stream("b", cursor="id")]
    lines = [
        record("a", id=1),
        record("b", id=1),
        global_state("a", "b", lsn=42),
        status("COMPLETE", "a"),
        status("COMPLETE", "b"),
    ]
    source = replayed.source(replayed.write(streams, lines))
    source.read(cache)
    source.read(cache)
    first, second = replayed.calls("read")
    assert "--state" not in first
    assert second["--state"][0]["global"]["shared_state"] == {"lsn": 42}


def test_what_was_committed_before_a_crash_stays_and_is_continued(
    replayed: Replayed, cache: DuckDBCache
) -> None:
    streams = [stream("done", cursor="id"), stream("broken", cursor="id")]
    lines = [
        status("STARTED", "done"),
        record("done", id=1),
        state("done", at=1),
        status("COMPLETE", "done"),
        status("STARTED", "broken"),
        record("broken", id=1),
        state("broken", at=1),
    ]
    source = replayed.source(replayed.write(streams, lines, exit=1))
    with pytest.raises(exc.AirbyteConnectorFailedError):
        source.read(cache)
    assert rows(cache, "SELECT id FROM done") == [(1,)]
    assert rows(cache, "SELECT id FROM broken") == [(1,)]
    given = {one["stream"]["stream_descriptor"]["name"] for one in source.get_state(cache)}
    assert given == {"done", "broken"}


def test_an_error_trace_fails_the_read_even_with_exit_status_0(
    replayed: Replayed, cache: DuckDBCache
) -> None:
    lines = [record(id=1), trace_error("the vendor says no"), status("COMPLETE")]
    source = replayed.source(replayed.write([stream()], lines))
    with pytest.raises(ConnectorFailed, match="the vendor says no"):
        source.read(cache)
    with pytest.raises(exc.AirbyteConnectorReadError, match="the vendor says no"):
        source.get_records("items").fetch_all()


def test_a_stream_that_never_completed_is_no_success(
    replayed: Replayed, cache: DuckDBCache
) -> None:
    lines = [status("STARTED"), record(id=1), status("INCOMPLETE")]
    source = replayed.source(replayed.write([stream()], lines))
    with pytest.raises(exc.AirbyteConnectorFailedError):
        source.read(cache)


def test_an_error_says_what_the_connector_said(replayed: Replayed, cache: DuckDBCache) -> None:
    source = replayed.source(replayed.write([stream()], [], exit=3))
    with pytest.raises(exc.AirbyteConnectorFailedError) as raised:
        source.read(cache)
    assert "3" in raised.value.message
    assert raised.value.guidance


def test_two_sources_with_equal_stream_names_keep_their_own_states(
    replayed: Replayed, cache: DuckDBCache
) -> None:
    for name, at in (("source-one", 1), ("source-two", 2)):
        lines = [record(id=at, v=name), state(at=at), status("COMPLETE")]
        path = replayed.write([stream(cursor="id", key=[["id"]])], lines, name=name)
        replayed.source(path, name).read(cache, write_strategy="append")
    for name, at in (("source-one", 1), ("source-two", 2)):
        source = replayed.source(replayed.folder / f"{name}.json", name)
        assert source.get_state(cache)[0]["stream"]["stream_state"] == {"at": at}
    assert sorted(row["v"] for row in cache["items"]) == ["source-one", "source-two"]


def test_two_accounts_of_one_source_keep_their_own_states(
    replayed: Replayed, cache: DuckDBCache
) -> None:
    path = replayed.write([stream(cursor="id")], [record(id=1), state(at=1), status("COMPLETE")])
    replayed.source(path, account="first").read(cache)
    assert replayed.source(path, account="second").get_state(cache) == []
    assert replayed.source(path, account="first", token="rotated").get_state(cache) != []


def test_a_filter_filters_what_is_handed_out(replayed: Replayed, cache: DuckDBCache) -> None:
    lines = [*(record(id=number, v=str(number)) for number in range(10)), status("COMPLETE")]
    result = replayed.source(replayed.write([stream()], lines)).read(cache)
    some = result["items"].with_filter("id >= 3").with_filter("id < 6 OR id = 9")
    assert len(some) == 4
    assert sorted(some.to_pandas()["id"]) == [3, 4, 5, 9]
    assert some.to_arrow().count_rows() == 4
    assert sorted(row["id"] for row in some) == [3, 4, 5, 9]
    assert len(result["items"]) == 10


def test_the_first_record_can_be_taken_from_a_dropped_dataset(replayed: Replayed) -> None:
    lines = [record(id=1), record(id=2), status("COMPLETE")]
    source = replayed.source(replayed.write([stream()], lines))
    assert next(iter(source.get_records("items")))["id"] == 1


def test_table_statistics_count(replayed: Replayed, cache: DuckDBCache) -> None:
    source = replayed.source(replayed.write([stream()], [record(id=1), status("COMPLETE")]))
    source.read(cache)
    assert cache.fetch_table_statistics(["items"]) == {"items": {"num_rows": 1}}


def test_a_full_refresh_stream_is_not_asked_for_incrementally(
    replayed: Replayed, cache: DuckDBCache
) -> None:
    lines = [record(id=1), status("COMPLETE")]
    source = replayed.source(replayed.write([stream(modes=("full_refresh",))], lines))
    source.read(cache)
    (call,) = replayed.calls("read")
    assert call["--catalog"]["streams"][0]["sync_mode"] == "full_refresh"


def test_a_forced_refresh_does_not_spoil_the_state_after_it(
    replayed: Replayed, cache: DuckDBCache
) -> None:
    lines = [record(id=1), state(at=1), status("COMPLETE")]
    source = replayed.source(replayed.write([stream(cursor="id", key=[["id"]])], lines))
    source.read(cache)
    source.read(cache, force_full_refresh=True)
    source.read(cache)
    states = [call.get("--state") for call in replayed.calls("read")]
    assert states[1] is None
    assert states[2][0]["stream"]["stream_state"] == {"at": 1}
    assert rows(cache, "SELECT count(*) FROM items") == [(1,)]


def test_no_temporary_table_outlives_the_next_read(replayed: Replayed, cache: DuckDBCache) -> None:
    source = replayed.source(replayed.write([stream()], [record(id=1), status("COMPLETE")]))
    source.read(cache)
    with pytest.raises(PenstockError):
        replayed.source(replayed.write([stream()], [record(id=2)], exit=1)).read(cache)
    assert rows(cache, "SELECT id FROM items") == [(1,)]
    replayed.write([stream()], [record(id=3), status("COMPLETE")])
    source.read(cache)
    assert rows(cache, "SELECT id FROM items") == [(3,)]
    with duckdb.connect(str(cache.path), read_only=True) as connection:
        names = {name for (name,) in connection.execute("SHOW TABLES").fetchall()}
    assert names == {"items", "_airbyte_streams", "_penstock_state"}


def test_nothing_is_printed(
    replayed: Replayed, cache: DuckDBCache, capfd: pytest.CaptureFixture[str]
) -> None:
    source = replayed.source(replayed.write([stream()], [record(id=1), status("COMPLETE")]))
    source.check()
    source.read(cache)
    assert capfd.readouterr().out == ""


def test_a_wrong_configuration_is_told_whole(replayed: Replayed) -> None:
    source = replayed.source(replayed.folder / "none.json", account="NO", size="many")
    with pytest.raises(exc.AirbyteConnectorValidationFailedError) as raised:
        source.check()
    assert "account" in raised.value.message
    assert "size" in raised.value.message
    assert isinstance(raised.value, ConfigError)


def test_a_table_dropped_by_hand_is_read_whole_again(cache: DuckDBCache) -> None:
    streams = ["users", "products"]
    source = get_source("source-faker", config={"count": 10}, streams=streams)
    source.read(cache)
    cache.execute_sql("DROP TABLE users")
    assert source.read(cache).processed_records == 10
    assert len(cache["users"]) == 10
