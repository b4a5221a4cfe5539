"""A native source inside the process: canonical batches, in order, that can be stopped."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from penstock.data.items import Batch, Checkpoint, Item, StatusChange, Undeclared
from penstock.data.json_rows import JsonRows
from penstock.data.lines import RecordTexts
from penstock.data.types import columns_of
from penstock.engine.runners.in_process import InProcessRunner
from penstock.errors import AccessDenied, ConfigError, ConnectorFailed, DataError
from penstock.protocol.catalog import ConfiguredCatalog, ConfiguredStream, SyncMode
from penstock.protocol.state import State as StateMessage
from penstock.sdk.stream import State
from penstock.sources.faker import FakerSource
from tests.unit.sdk.scripted_source import ScriptedStream, catalog, source_of

CONFIG = {"token": "canary-7f3a9"}
ROWS = [{"id": 1, "name": "a"}, {"id": 2, "name": None}]


def read(
    runner: InProcessRunner,
    chosen: ConfiguredCatalog,
    config: dict[str, Any] | None = None,
    states: tuple[StateMessage, ...] = (),
    *,
    is_raw: bool = False,
) -> list[Item]:
    with runner.read(config or CONFIG, chosen, states, is_raw=is_raw) as reading:
        return list(reading)


def table(items: list[Item], name: str) -> pa.Table:
    batches = [i.rows for i in items if isinstance(i, Batch) and i.stream.name == name]
    return pa.Table.from_batches(batches)


def faker_catalog(**config: Any) -> ConfiguredCatalog:
    streams = InProcessRunner("faker", FakerSource).discover(config).streams
    return ConfiguredCatalog(
        streams=tuple(
            ConfiguredStream(stream=stream, sync_mode=SyncMode.INCREMENTAL) for stream in streams
        )
    )


def test_it_describes_itself() -> None:
    runner = InProcessRunner("faker", FakerSource)
    assert (runner.name, runner.description) == ("faker", "faker (native)")
    assert runner.resumes_full_refresh
    assert "rows" in runner.spec().connection_specification["properties"]


def test_every_kind_arrives_as_canonical_arrow_without_changes() -> None:
    config = {"rows": 500, "products": 40}
    runner, chosen = InProcessRunner("faker", FakerSource), faker_catalog(**config)
    items = read(runner, chosen, config)
    for stream, count in (("users", 500), ("products", 40), ("purchases", 500)):
        found = table(items, stream)
        declared = next(s.stream for s in chosen.streams if s.stream.name == stream)
        columns = columns_of(declared.json_schema)
        assert found.num_rows == count
        assert found.schema.names == [
            *(column.name for column in columns),
            "_airbyte_extracted_at",
            "_airbyte_changes",
        ]
        assert found.schema.types[:-2] == [column.arrow_type for column in columns]
        assert found["_airbyte_changes"].null_count == count


def test_items_keep_the_order_of_the_source() -> None:
    stream = ScriptedStream(name="a", script=[ROWS, State({"n": 2}), [ROWS[0]]])
    items = read(InProcessRunner("x", source_of(stream)), catalog(stream))
    assert [type(item) for item in items] == [
        StatusChange,
        StatusChange,
        Batch,
        Checkpoint,
        Batch,
        Checkpoint,
        StatusChange,
    ]
    claims = [claim for item in items if isinstance(item, Checkpoint) for claim in item.claims]
    assert [(claim.claimed, claim.counted) for claim in claims] == [(2.0, 2), (1.0, 1)]


def test_raw_rows_are_whole_records() -> None:
    stream = ScriptedStream(name="a", script=[ROWS, pa.RecordBatch.from_pylist(ROWS)])
    items = read(InProcessRunner("x", source_of(stream)), catalog(stream), is_raw=True)
    texts = table(items, "a")["_airbyte_data"].to_pylist()
    assert [json.loads(text) for text in texts] == ROWS * 2


def test_only_undeclared_properties_are_reported_not_those_left_out_on_purpose() -> None:
    row = {"id": 1, "name": "a", "surprise": True}
    stream = ScriptedStream(name="a", script=[[row], pa.RecordBatch.from_pylist([row])])
    narrow = msgspec.structs.replace(
        catalog(stream).streams[0].stream, json_schema={"properties": {"id": {"type": "integer"}}}
    )
    chosen = ConfiguredCatalog(streams=(ConfiguredStream(stream=narrow),))
    items = read(InProcessRunner("x", source_of(stream)), chosen)
    assert table(items, "a").schema.names[0] == "id"
    assert {i.properties for i in items if isinstance(i, Undeclared)} == {("surprise",)}


def test_a_huge_arrow_page_is_cut() -> None:
    huge = pa.RecordBatch.from_pydict({"id": list(range(100)), "name": ["x" * 1_000_000] * 100})
    stream = ScriptedStream(name="a", script=[huge])
    items = read(InProcessRunner("x", source_of(stream)), catalog(stream))
    batches = [item for item in items if isinstance(item, Batch)]
    assert len(batches) == 4
    assert table(items, "a")["id"].to_pylist() == list(range(100))


def test_stopping_ends_the_iteration_without_an_error() -> None:
    stream = ScriptedStream(name="a", script=[ROWS] * 10)
    found: list[Item] = []
    runner = InProcessRunner("x", source_of(stream))
    with runner.read(CONFIG, catalog(stream), ()) as reading:
        for item in reading:
            found.append(item)
            if isinstance(item, Batch):
                reading.stop()
    assert sum(isinstance(item, Batch) for item in found) == 1
    assert stream.closed == ["a"]


def test_a_failure_of_the_source_comes_out_of_the_iteration() -> None:
    stream = ScriptedStream(name="a", script=[ROWS, DataError("Odd.", remedy="Mend.")])
    runner = InProcessRunner("x", source_of(stream))
    with pytest.raises(DataError, match="Odd"):
        read(runner, catalog(stream))


def test_a_wrong_configuration_is_told_before_anything_is_read() -> None:
    runner = InProcessRunner("faker", FakerSource)
    with pytest.raises(ConfigError, match="rows: must be an integer"):
        read(runner, faker_catalog(), {"rows": "many"})


@pytest.mark.parametrize(
    ("token", "error"), [("denied", AccessDenied), ("broken canary-7f3a9", ConnectorFailed)]
)
def test_check_raises_what_is_wrong_without_secrets(token: str, error: type[Exception]) -> None:
    runner = InProcessRunner("x", source_of())
    with pytest.raises(error) as caught:
        runner.check({"token": token})
    assert "canary-7f3a9" not in str(caught.value)


def test_check_returns_when_all_is_well() -> None:
    InProcessRunner("x", source_of()).check(CONFIG)


def test_rows_before_one_that_has_no_json_form_are_passed_on() -> None:
    pages = [[{"id": number}] for number in range(5)]
    stream = ScriptedStream(name="a", script=[*pages, [{"id": object()}]])
    items: list[Item] = []
    with (
        pytest.raises(DataError),
        InProcessRunner("x", source_of(stream)).read(CONFIG, catalog(stream), ()) as reading,
    ):
        items.extend(reading)
    assert table(items, "a")["id"].to_pylist() == list(range(5))


def test_json_texts_arrive_as_the_rows_they_say() -> None:
    texts = [b'{"id":9007199254740993,"name":"Zo\\u00eb"}', b'{"id":2}']
    page = JsonRows(texts=RecordTexts.of(texts))
    stream = ScriptedStream(name="a", script=[page, State({"n": 1}), ROWS])
    items = read(InProcessRunner("x", source_of(stream)), catalog(stream))
    found = table(items, "a")
    assert found["id"].to_pylist() == [9007199254740993, 2, 1, 2]
    assert found["name"].to_pylist() == ["Zoë", None, "a", None]
    assert [type(item).__name__ for item in items if isinstance(item, Batch | Checkpoint)] == [
        *("Batch", "Checkpoint", "Batch", "Checkpoint")
    ]
