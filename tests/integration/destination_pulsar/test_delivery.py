"""A commit returns when every row is acknowledged, and fails when one is not."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from penstock.data.types import Kind
from penstock.destinations.pulsar import PulsarConfig, PulsarDestination
from penstock.errors import (
    BugError,
    ConfigError,
    ConnectionFailed,
    DataError,
    PenstockError,
)
from penstock.sdk.destination import Normalisation, TableName, WriteMode
from penstock.testing.cells import Row
from penstock.testing.faults import Injected
from penstock.testing.feed import batch_of
from penstock.testing.lab import plan_for, simple_rows
from tests.doubles.pulsar_frames import ServerError
from tests.doubles.pulsar_gate import Gate, pulsar_gate
from tests.integration.destination_pulsar.conftest import Place, load, plan_of
from tests.servers.pulsar import Read, broker_process, compacted

_MEGABYTE = 1 << 20


def ids(messages: list[Read]) -> list[object]:
    return [message.row()["id"].cell for message in messages]


def test_rows_arrive_in_their_order(place: Place) -> None:
    rows = simple_rows(*range(20_000))
    assert load(PulsarDestination(place.config()), plan_of("visits"), rows) == 20_000
    assert ids(place.read("visits")) == list(range(20_000))


def test_a_row_that_is_not_acknowledged_fails_the_commit(opened: Callable[..., Place]) -> None:
    place = opened(answers_send=lambda before: "silence" if before else None)
    plan = plan_of("visits")
    destination = PulsarDestination(place.config(send_seconds=2))

    def write() -> None:
        with destination.open(plan) as writer:
            writer.write(batch_of(plan, simple_rows(1)))
            assert writer.commit(None) == 1
            writer.write(batch_of(plan, simple_rows(2)))
            writer.commit(None)

    with pytest.raises(ConnectionFailed, match="1 rows of it failed: Timeout"):
        write()
    assert len(place.behind("visits")) == 1


def test_a_writer_that_failed_takes_nothing_more(opened: Callable[..., Place]) -> None:
    place = opened(answers_send=lambda _: "silence")
    plan = plan_of("visits")
    with PulsarDestination(place.config(send_seconds=2)).open(plan) as writer:
        writer.write(batch_of(plan, simple_rows(1)))
        with pytest.raises(ConnectionFailed):
            writer.commit(None)
        with pytest.raises(BugError):
            writer.write(batch_of(plan, simple_rows(2)))
        with pytest.raises(BugError):
            writer.commit(None)


@pytest.mark.parametrize("answer", ["close", ServerError.PERSISTENCE], ids=str)
def test_a_broken_connection_loses_no_row(
    opened: Callable[..., Place], answer: ServerError | str
) -> None:
    place = opened(answers_send=lambda before: answer if before in (2, 5) else None)
    config = place.config(compression="none")
    rows: list[Row] = [{"id": n, "name": "x" * 20_000} for n in range(500)]
    assert load(PulsarDestination(config), plan_of("visits"), rows) == 500
    assert set(ids(place.read("visits"))) == set(range(500))
    assert place.gate.sent > 5


def test_a_broker_that_dies_fails_the_commit(tmp_path: Path) -> None:
    (tmp_path / "broker").mkdir()
    plan = plan_of("visits")
    with broker_process(tmp_path / "broker") as (broker, port):
        url = f"pulsar://127.0.0.1:{port}"
        config = PulsarConfig(service_url=url, operation_seconds=3, send_seconds=2, encoding="json")
        destination = PulsarDestination(config)

        def write() -> None:
            raw = replace(plan, columns=(), normalisation=Normalisation.RAW)
            with destination.open(raw) as writer:
                writer.write(batch_of(raw, [{"_airbyte_data": "{}"}] * 10))
                assert writer.commit(None) == 10
                broker.kill()
                broker.wait()
                writer.write(batch_of(raw, [{"_airbyte_data": "{}"}] * 1000))
                writer.commit(None)

        with pytest.raises(ConnectionFailed, match="1000 rows of it"):
            write()


def test_rows_that_are_held_are_not_sent_by_a_sync_that_fails(place: Place) -> None:
    plan = plan_of("visits")

    def write() -> None:
        with PulsarDestination(place.config()).open(plan) as writer:
            writer.write(batch_of(plan, simple_rows(*range(1000))))
            raise Injected

    with pytest.raises(Injected):
        write()
    assert place.behind("visits") == []


def test_rows_beyond_what_is_held_are_sent_before_their_commit(place: Place) -> None:
    plan = plan_of("visits")
    rows: list[Row] = [{"id": n, "name": "x" * 1000} for n in range(3000)]
    with PulsarDestination(place.config(held_megabytes=1)).open(plan) as writer:
        writer.write(batch_of(plan, rows))
        until = time.monotonic() + 60
        while len(place.behind("visits")) < 3000 and time.monotonic() < until:
            time.sleep(0.1)
        assert len(place.behind("visits")) == 3000
        assert writer.commit(None) == 3000


def test_sending_waits_for_a_slow_broker(opened: Callable[..., Place]) -> None:
    place = opened(answers_send=lambda _: "silence")
    config = place.config(send_seconds=2, pending_megabytes=1, compression="none", held_megabytes=0)
    plan = plan_of("visits")
    rows: list[Row] = [{"id": n, "name": os.urandom(5000).hex()} for n in range(1000)]

    def write() -> None:
        with PulsarDestination(config).open(plan) as writer:
            writer.write(batch_of(plan, rows))

    with pytest.raises(ConnectionFailed) as failed:
        write()
    lost = int(str(failed.value).split(" rows of it")[0].rsplit(" ", 1)[1])
    assert 0 < lost <= _MEGABYTE // 10_000 + 1


@pytest.mark.parametrize("compression", ["none", "lz4", "zlib", "zstd", "snappy"])
def test_every_compression_is_read_by_a_consumer(place: Place, compression: str) -> None:
    config = place.config(compression=compression)
    load(PulsarDestination(config), plan_of(compression), simple_rows(1, 2, 3))
    assert ids(place.read(compression)) == [1, 2, 3]


def test_a_row_larger_than_a_message_goes_in_parts_at_its_place(place: Place) -> None:
    large = os.urandom(4 * _MEGABYTE).hex()
    rows: list[Row] = [
        {"id": 1, "name": "small"},
        {"id": 2, "name": large},
        {"id": 3, "name": "small again"},
    ]
    config = place.config()
    assert load(PulsarDestination(config), plan_of("visits"), rows) == 3
    found = [message.row() for message in place.read("visits")]
    assert [row["name"].cell for row in found] == ["small", large, "small again"]


def test_a_row_larger_than_a_message_goes_to_the_dead_letters(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    large = os.urandom(4 * _MEGABYTE).hex()
    rows: list[Row] = [{"id": 1, "name": "small"}, {"id": 2, "name": large}]
    config = place.config(oversized="dead_letter")
    assert load(PulsarDestination(config), plan_of("visits"), rows) == 2
    assert ids(place.read("visits")) == [1]
    assert [m.row()["name"].cell for m in place.read("visits-dead-letter")] == [large]
    assert "rows larger than a message" in caplog.text


def test_a_row_larger_than_a_message_fails_where_that_is_asked_for(place: Place) -> None:
    rows: list[Row] = [{"id": 1, "name": os.urandom(4 * _MEGABYTE).hex()}]
    config = place.config(oversized="fail")
    with pytest.raises(DataError, match="bytes"):
        load(PulsarDestination(config), plan_of("visits"), rows)
    assert place.behind("visits") == []


def test_rows_have_the_key_and_the_time_they_were_read(place: Place) -> None:
    plan = plan_of("visits", WriteMode.APPEND_DEDUP)
    load(PulsarDestination(place.config()), plan, simple_rows(7, 8))
    found = place.read("visits")
    assert [message.key for message in found] == ["7", "8"]
    assert {message.event_at for message in found} == {1_700_000_000_123}


def test_a_row_deleted_at_the_source_is_a_tombstone(place: Place) -> None:
    kinds = {"id": Kind.STRING, "name": Kind.STRING, "_ab_cdc_deleted_at": Kind.STRING}
    table = TableName(schema=None, name="people")
    plan = plan_for(table, kinds, WriteMode.APPEND_DEDUP, key=["id"])
    rows: list[Row] = [
        {"id": "a", "name": "Asha"},
        {"id": "b", "name": "Bina"},
        {"id": "a", "_ab_cdc_deleted_at": "2024-01-01T00:00:00Z"},
    ]
    assert load(PulsarDestination(place.config()), plan, rows) == 3
    found = place.read("people")
    assert [(message.key, message.content is None) for message in found] == [
        ("a", False),
        ("b", False),
        ("a", True),
    ]
    assert [message.row()["name"].cell for message in compacted(found)] == ["Bina"]


def test_a_deletion_is_a_row_where_nothing_is_deduplicated(place: Place) -> None:
    kinds = {"id": Kind.STRING, "_ab_cdc_deleted_at": Kind.STRING}
    plan = plan_for(TableName(schema=None, name="people"), kinds, WriteMode.APPEND)
    rows: list[Row] = [{"id": "a", "_ab_cdc_deleted_at": "2024-01-01T00:00:00Z"}]
    load(PulsarDestination(place.config()), plan, rows)
    [message] = place.read("people")
    assert (message.key, message.row()["id"].cell) == ("", "a")


def test_keys_that_differ_are_different(place: Place) -> None:
    texts = ["null", None, "", "[null]", '["a"]', "a", "01", "1", "[]", '""']
    plan = plan_for(
        TableName(schema=None, name="keys"),
        {"id": Kind.STRING},
        WriteMode.APPEND_DEDUP,
        key=["id"],
    )
    load(PulsarDestination(place.config()), plan, [{"id": text} for text in texts])
    keys = [message.key for message in place.read("keys")]
    assert len(set(keys)) == len(texts)
    assert all(keys)
    assert keys[5:8] == ["a", "01", "1"]


def test_batches_by_key_are_read_by_a_consumer(place: Place) -> None:
    plan = plan_of("visits", WriteMode.APPEND_DEDUP)
    config = place.config(batches_by_key=True)
    load(PulsarDestination(config), plan, simple_rows(*range(50), *range(50)))
    assert sorted(ids(place.read("visits"))) == sorted([*range(50), *range(50)])


def test_two_streams_of_one_topic_are_refused(place: Place) -> None:
    destination = PulsarDestination(place.config(topic="{stream}"))
    one = plan_for(TableName(schema="a", name="visits"), {"id": Kind.INTEGER}, WriteMode.APPEND)
    other = replace(one, table=TableName(schema="b", name="visits"))
    with (
        destination.open(one),
        pytest.raises(ConfigError, match="would both be written"),
        destination.open(other),
    ):
        pass


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (ServerError.TOPIC_NOT_FOUND, "config"),
        (ServerError.TOPIC_TERMINATED, "config"),
        (ServerError.QUOTA, "resource_exhausted"),
        (ServerError.PRODUCER_BUSY, "resource_busy"),
        (ServerError.PRODUCER_FENCED, "superseded"),
        (ServerError.AUTHORIZATION, "access_denied"),
        (ServerError.INCOMPATIBLE_SCHEMA, "config"),
        (ServerError.PERSISTENCE, "connection_failed"),
    ],
    ids=str,
)
def test_what_the_broker_refuses_is_told_with_what_to_do(
    opened: Callable[..., Place], reason: ServerError, code: str
) -> None:
    place = opened(refuses_topic=lambda _: reason)
    with pytest.raises(PenstockError) as refused:
        load(PulsarDestination(place.config()), plan_of("visits"), simple_rows(1))
    assert refused.value.code == code
    assert refused.value.remedy


def test_rows_of_one_key_are_in_order_in_one_partition(tmp_path: Path) -> None:
    (tmp_path / "broker").mkdir()
    with (
        broker_process(tmp_path / "broker", partitions=3) as (_, port),
        pulsar_gate(Gate(broker=port)) as gate,
    ):
        place = Place(gate, "p")
        plan = plan_of("visits", WriteMode.APPEND_DEDUP)
        rows: list[Row] = [{"id": n % 20, "name": f"{n:05d}"} for n in range(2000)]
        assert load(PulsarDestination(place.config()), plan, rows) == 2000
        partitions = [place.read(f"visits-partition-{number}") for number in range(3)]
    keys = [{message.key for message in found} for found in partitions]
    assert all(keys)
    assert sum(map(len, keys)) == 20
    assert sum(map(len, partitions)) == 2000
    for found in partitions:
        for key in {message.key for message in found}:
            names = [str(m.row()["name"].cell) for m in found if m.key == key]
            assert names == sorted(names)
