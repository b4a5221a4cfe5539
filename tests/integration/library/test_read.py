"""The script of PyAirbyte's users: sources, reads, results, datasets, caches, destinations."""

from __future__ import annotations

import datetime as dt
import json
import logging
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
import sqlalchemy

import penstock as ab
from penstock.engine.events import Event, StreamProgress
from penstock.errors import AccessDenied, ConfigError, ResourceBusy
from penstock.library import exceptions as exc
from penstock.library.caches import DuckDBCache
from penstock.library.destinations import get_destination
from penstock.library.progress import Quiet
from tests.integration.engine.runners.destination_program import write_destination
from tests.integration.library.transcripts import Replayed, record, state, status, stream


def test_the_script_of_the_brief_runs(tmp_path: Path) -> None:
    source = ab.get_source("source-faker", install_if_missing=True, config={"count": 100})
    source.check()
    assert source.get_available_streams() == ["users", "products", "purchases"]
    source.select_all_streams()
    cache = ab.get_default_cache()
    result = source.read(cache=cache)
    frame = cache["users"].to_pandas()
    assert len(frame) == len(result["users"]) == 100
    assert result.processed_records == 300
    assert (tmp_path / ".cache/default_cache/default_cache.duckdb").exists()


def test_a_native_connector_is_said_to_be_one(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="penstock"):
        assert ab.get_source("source-faker").is_native
    assert "source-faker (native)" in caplog.text


def test_the_second_read_continues(cache: DuckDBCache) -> None:
    source = ab.get_source("source-faker", config={"count": 10}, streams=["users"])
    assert source.read(cache).processed_records == 10
    assert source.read(cache).processed_records == 0
    assert source.read(cache, force_full_refresh=True).processed_records == 10
    assert len(cache["users"]) == 10


@pytest.mark.parametrize(
    ("strategy", "expected"), [("merge", 10), ("append", 20), ("replace", 10), ("auto", 10)]
)
def test_a_strategy_says_what_becomes_of_older_rows(
    cache: DuckDBCache, strategy: str, expected: int
) -> None:
    source = ab.get_source("source-faker", config={"count": 10}, streams="users")
    source.read(cache)
    source.read(cache, write_strategy=strategy, force_full_refresh=True)
    assert len(cache["users"]) == expected
    assert source.read(cache, write_strategy="merge").processed_records == 0


def test_a_state_given_by_hand_is_where_the_read_starts(
    replayed: Replayed, cache: DuckDBCache
) -> None:
    lines = [record(id=8), state(at=8), status("COMPLETE")]
    source = replayed.source(replayed.write([stream(cursor="id")], lines))
    given = [state(at=7)["state"]]
    source.read(cache, state=json.dumps(given))
    (call,) = replayed.calls("read")
    assert call["--state"] == given
    assert source.get_state(cache)[0]["stream"]["stream_state"] == {"at": 8}
    source.reset_state(cache)
    assert source.get_state(cache) == []


def test_a_result_is_a_mapping_of_its_own_streams(cache: DuckDBCache) -> None:
    source = ab.get_source("source-faker", config={"count": 5}, streams=["users", "products"])
    result = source.read(cache)
    assert list(result) == ["users", "products"]
    assert "purchases" not in result
    with pytest.raises(KeyError):
        result["purchases"]
    assert {name: len(dataset) for name, dataset in result.streams.items()} == {
        "users": 5,
        "products": 100,
    }
    assert [name for name, _ in cache] == ["products", "users"]
    assert all(stream.rows_read == stream.rows_committed for stream in result.receipt.streams)


def test_a_dataset_comes_in_every_form(replayed: Replayed, cache: DuckDBCache) -> None:
    properties = {
        "id": {"type": ["null", "integer"]},
        "big": {"type": "integer", "airbyte_type": "big_integer"},
        "at": {"type": "string", "format": "date-time"},
        "o": {"type": "object"},
    }
    big = 123456789012345678901234567890
    lines = [
        record(id=9007199254740993, big=big, at="2024-01-01T00:00:00Z", o={"a": 1}),
        record(id=None, big=None, at=None, o=None),
        status("COMPLETE"),
    ]
    source = replayed.source(replayed.write([stream(properties=properties)], lines))
    dataset = source.read(cache)["items"]
    frame = dataset.to_pandas()
    assert frame["id"].tolist() == [9007199254740993, pd.NA]
    assert frame["big"][0] == Decimal(big)
    polars = dataset.to_polars()
    assert polars["id"].to_list() == [9007199254740993, None]
    assert isinstance(dataset.to_reader(), pa.RecordBatchReader)
    assert dataset.to_arrow(max_chunk_size=1).count_rows() == 2
    first = next(iter(dataset))
    assert first["at"] == dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    assert json.loads(first["o"]) == {"a": 1}
    assert dataset.column_names[:4] == ["id", "big", "at", "o"]
    assert dataset == cache["items"]
    document = next(iter(dataset.to_documents("id", ["o"])))
    assert document.content.startswith("# 9007199254740993")


def test_sqlalchemy_reads_a_cache_where_it_is_installed(cache: DuckDBCache) -> None:
    source = ab.get_source("source-faker", config={"count": 5}, streams=["users"])
    result = source.read(cache)
    table = result["users"].to_sql_table()
    engine = result.get_sql_engine()
    with engine.connect() as connection:
        query = sqlalchemy.select(table.c.id).where(table.c.id > 3).order_by(table.c.id)
        assert connection.execute(query).scalars().all() == [4, 5]
    engine.dispose()
    assert len(result["users"].with_filter(table.c.id > 3)) == 2


def test_sql_runs_on_a_cache(cache: DuckDBCache) -> None:
    ab.get_source("source-faker", config={"count": 5}, streams="*").read(cache)
    assert cache.run_sql_query("SELECT count(*) AS n FROM users") == [{"n": 5}]
    assert len(cache.run_sql_query("SELECT * FROM products", max_records=7)) == 7
    cache.execute_sql(["CREATE TABLE mine AS SELECT 1 AS one", "INSERT INTO mine VALUES (2)"])
    assert cache.run_sql_query("SELECT sum(one) AS s FROM mine") == [{"s": 3}]
    with pytest.raises(ConfigError):
        cache.run_sql_query("SELECT * FROM nowhere")
    with pytest.raises(ConfigError, match="not one SELECT"):
        cache.run_sql_query("CREATE TABLE other (a INT)")


def test_records_come_as_they_were_sent(replayed: Replayed) -> None:
    properties = {"Id": {"type": "integer"}, "o": {"type": "object"}, "absent": {}}
    big = 2**80
    lines = [record(Id=big, o={"a": [1, None]}, extra="x"), record(Id=2), status("COMPLETE")]
    source = replayed.source(replayed.write([stream(properties=properties)], lines))
    first = source.get_records("items", limit=1).fetch_all()
    (only,) = list(first)
    assert only.without_internal_columns() == {"Id": big, "o": {"a": [1, None]}, "absent": None}
    assert only["ID"] == big
    assert only["_airbyte_extracted_at"] == dt.datetime(2023, 11, 14, 22, 13, 20, tzinfo=dt.UTC)
    (loose,) = source.get_records("items", limit=1, prune_undeclared_fields=False)
    assert loose["extra"] == "x"
    (named,) = source.get_records("items", limit=1, normalize_field_names=True)
    assert next(iter(named)) == "id"


def test_leaving_records_early_stops_the_source(replayed: Replayed) -> None:
    lines = [*(record(id=number) for number in range(50_000)), status("COMPLETE")]
    source = replayed.source(replayed.write([stream()], lines))
    with source.get_records("items") as records:
        assert next(records)["id"] == 0
    assert list(records) == []
    stop = threading.Event()
    seen = 0
    for _ in source.get_records("items", stop_event=stop):
        seen += 1
        stop.set()
    assert seen == 1


def test_samples_and_documents(capsys: pytest.CaptureFixture[str]) -> None:
    source = ab.get_source("source-faker", config={"count": 5}, streams="*")
    samples = source.get_samples(limit=2)
    assert [len(each or []) for each in samples.values()] == [2, 2, 2]
    source.print_samples("users", limit=1)
    assert "users (1)" in capsys.readouterr().out
    documents = list(source.get_documents("users", "email", ["note"], ["id"]))
    assert documents[0].id == "1"
    assert documents[0].metadata == {"id": 1}
    assert documents[0].last_modified is not None


def test_the_specification_is_printed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source = ab.get_source("source-faker")
    source.print_config_spec("json")
    assert json.loads(capsys.readouterr().out)["properties"]["rows"]
    source.print_config_spec("yaml", output_file=tmp_path / "spec.yaml")
    assert "properties:" in (tmp_path / "spec.yaml").read_text()


def test_unknown_things_are_told_with_the_nearest_names(replayed: Replayed) -> None:
    with pytest.raises(exc.AirbyteConnectorNotRegisteredError, match="faker"):
        ab.get_source("source-fakr!")
    source = ab.get_source("source-faker", config={})
    with pytest.raises(exc.AirbyteStreamNotFoundError, match=r"user.*purchase.*Did you mean"):
        source.select_streams(["user", "purchase", "products"])
    with pytest.raises(exc.PyAirbyteNoStreamsSelectedError):
        source.read()
    with pytest.raises(exc.PyAirbyteInputError, match="strategy"):
        source.read(write_strategy="upsert")
    source.set_primary_key("users", ["nope"])
    with pytest.raises(exc.PyAirbyteInputError, match="no column"):
        source.get_configured_catalog("users")


def test_a_missing_configuration_is_asked_for() -> None:
    source = ab.get_source("source-faker")
    source.select_streams(["anything"])
    with pytest.raises(exc.AirbyteConnectorConfigurationMissingError):
        source.check()


def test_contradicting_arguments_are_refused() -> None:
    with pytest.raises(exc.PyAirbyteInputError, match="pip_url, docker_image"):
        ab.get_source("source-x", pip_url="x", docker_image=True)
    with pytest.raises(exc.PyAirbyteInputError, match="version"):
        ab.get_source("source-x", pip_url="x", version="1.2.3")


def test_a_refused_token_is_a_failed_check(replayed: Replayed) -> None:
    source = replayed.source(replayed.write([stream()], []), token="wrong")
    with pytest.raises(exc.AirbyteConnectorCheckFailedError, match="refused") as raised:
        source.check()
    assert isinstance(raised.value, ConfigError)
    assert not isinstance(raised.value, AccessDenied)
    assert raised.value.connector_name == "source-replayed"


def test_a_missing_connector_is_not_installed_unasked(tmp_path: Path) -> None:
    with pytest.raises(exc.AirbyteConnectorInstallationError, match="not installed"):
        ab.get_source(
            "source-x", pip_url="airbyte-source-x", install_if_missing=False, install_root=tmp_path
        )


def test_secrets_are_filled_in_everywhere(
    replayed: Replayed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", "tweet")
    nested = {"list": [{"deep": "secret_reference::CANARY"}]}
    path = replayed.write([stream()], [])
    source = replayed.source(path, token="secret_reference::CANARY", nested=nested)
    source.check()
    (call,) = replayed.calls("check")
    assert call["--config"]["token"] == "tweet"
    assert call["--config"]["nested"] == {"list": [{"deep": "tweet"}]}
    assert source.get_config()["token"] == "secret_reference::CANARY"


def test_a_locked_cache_is_a_clear_error(cache: DuckDBCache) -> None:
    source = ab.get_source("source-faker", config={"count": 5}, streams="*")
    source.read(cache)
    hold = (
        f"import duckdb, sys; held = duckdb.connect({str(cache.path)!r});"
        " print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(exc.PyAirbyteCacheError) as raised:
            source.read(cache)
        assert isinstance(raised.value, ResourceBusy)
        assert str(holder.pid) in str(raised.value)


def test_two_streams_in_one_table_are_refused(replayed: Replayed, cache: DuckDBCache) -> None:
    source = replayed.source(replayed.write([stream("My Items"), stream("my_items")], []))
    with pytest.raises(ConfigError, match="both land in table"):
        source.read(cache)


def test_a_name_without_a_letter_still_lands(replayed: Replayed, cache: DuckDBCache) -> None:
    lines = [record("漢", id=1), status("COMPLETE", "漢")]
    result = replayed.source(replayed.write([stream("漢")], lines)).read(cache)
    assert len(result["漢"]) == 1
    assert list(cache.streams) == ["漢"]


def test_replacing_the_table_of_another_source_warns(
    replayed: Replayed, cache: DuckDBCache
) -> None:
    path = replayed.write([stream()], [record(id=1), status("COMPLETE")])
    replayed.source(path, "source-one").read(cache)
    with pytest.warns(exc.PyAirbyteDataLossWarning, match="source-one"):
        replayed.source(path, "source-two").read(cache)


def test_a_prefix_and_a_schema_keep_sources_apart(tmp_path: Path) -> None:
    path = tmp_path / "shared.duckdb"
    source = ab.get_source("source-faker", config={"count": 5}, streams="users")
    plain = DuckDBCache(path)
    prefixed = DuckDBCache(path, table_prefix="x_", schema_name="raw")
    source.read(plain)
    assert source.read(prefixed).processed_records == 5
    assert list(plain.streams) == list(prefixed.streams) == ["users"]
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM raw.x_users").fetchall() == [(5,)]


def test_a_memory_cache_is_gone_when_closed() -> None:
    source = ab.get_source("source-faker", config={"count": 5}, streams="users")
    with DuckDBCache(":memory:") as cache:
        assert len(source.read(cache)["users"]) == 5
        path = cache.path
        assert path.exists()
    assert not path.exists()


def test_tables_can_be_made_before_rows_come(cache: DuckDBCache) -> None:
    source = ab.get_source("source-faker", config={"count": 5})
    cache.create_source_tables(source, ["users"])
    assert list(cache.streams) == ["users"]
    assert len(cache["users"]) == 0
    assert source.read(cache, streams=["users"]).processed_records == 5


def test_a_source_is_written_to_a_destination_and_continued(tmp_path: Path) -> None:
    config = {"path": str(tmp_path / "out.duckdb")}
    source = ab.get_source("source-faker", config={"count": 10}, streams="*")
    destination = get_destination("destination-duckdb", config=config)
    destination.check()
    assert destination.write(source).processed_records == 120
    assert destination.write(source).processed_records == 0
    assert destination.write(source, force_full_refresh=True).processed_records == 120
    assert len(destination.get_sql_cache()["users"]) == 10


def test_what_was_read_is_written_elsewhere_as_it_is(cache: DuckDBCache, tmp_path: Path) -> None:
    result = ab.get_source("source-faker", config={"count": 10}, streams="*").read(cache)
    path = tmp_path / "copy.duckdb"
    destination = get_destination("destination-duckdb", config={"path": str(path)})
    assert destination.write(result).processed_records == 120
    columns = "* EXCLUDE (_airbyte_raw_id, _airbyte_extracted_at, _airbyte_meta)"
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"ATTACH '{cache.path}' AS origin (READ_ONLY)")
        for table in ("users", "products", "purchases"):
            lost = connection.execute(
                f"(SELECT {columns} FROM origin.main.{table} EXCEPT SELECT {columns} FROM {table})"
            ).fetchall()
            assert lost == []


@pytest.mark.parametrize(
    "modes", [("append", "overwrite", "append_dedup"), ("append", "overwrite")]
)
def test_airbytes_destinations_are_written_to_and_continued(
    tmp_path: Path, modes: tuple[str, ...]
) -> None:
    program = write_destination(tmp_path / "there", modes=modes)
    destination = get_destination(
        "destination-scripted", config={"place": "here"}, local_executable=program
    )
    destination.check()
    assert destination.config_spec["required"] == ["place"]
    assert not destination.is_cache_supported
    source = ab.get_source("source-faker", config={"count": 10}, streams=["users"])
    assert destination.write(source).processed_records == 10
    assert destination.write(source).processed_records == 0
    assert destination.write(source, force_full_refresh=True).processed_records == 10
    told = json.loads((tmp_path / "there" / "catalogs").read_text().splitlines()[0])
    mode = told["streams"][0]["destination_sync_mode"]
    assert mode == ("append_dedup" if "append_dedup" in modes else "append")


def test_what_was_read_is_written_to_an_airbyte_destination(
    cache: DuckDBCache, tmp_path: Path
) -> None:
    result = ab.get_source("source-faker", config={"count": 10}, streams=["users"]).read(cache)
    program = write_destination(tmp_path / "there")
    destination = get_destination(
        "destination-scripted", config={"place": "here"}, local_executable=program
    )
    assert destination.write(result, write_strategy="replace").processed_records == 10
    lines = map(json.loads, (tmp_path / "there" / "lines").read_text().splitlines())
    records = [line["record"]["data"] for line in lines if line["type"] == "RECORD"]
    assert sorted(record["id"] for record in records) == list(range(1, 11))
    assert set(records[0]["address"]) == {"street", "city", "postcode"}


def test_a_destination_is_installed_only_where_that_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(exc.AirbyteConnectorInstallationError, match="not installed"):
        get_destination("destination-elsewhere", install_if_missing=False, install_root=tmp_path)
    with pytest.raises(exc.PyAirbyteInputError, match="several ways"):
        get_destination("destination-x", docker_image=True, pip_url="x")
    with pytest.raises(exc.AirbyteConnectorValidationFailedError, match="place"):
        get_destination(
            "destination-x", config={}, local_executable=write_destination(tmp_path / "there")
        ).validate_config()


def test_a_read_that_is_interrupted_lets_go_of_the_cache(
    replayed: Replayed, cache: DuckDBCache
) -> None:
    class Interrupting(Quiet):
        def tell(self, event: Event) -> None:
            if isinstance(event, StreamProgress) and event.rows_read:
                raise KeyboardInterrupt

    path = replayed.write([stream(cursor="id")], [record(id=1), state(at=1), status("COMPLETE")])
    source = replayed.source(path)
    with pytest.raises(KeyboardInterrupt) as kept:
        source.read(cache, progress=Interrupting())
    assert kept.tb is not None
    look = f"import duckdb; duckdb.connect({str(cache.path)!r}).execute('SHOW TABLES')"
    subprocess.run([sys.executable, "-c", look], check=True, timeout=60)


def test_json_of_a_native_source_is_handed_out_as_json() -> None:
    source = ab.get_source("source-faker", config={"count": 1})
    (user,) = source.get_records("users")
    assert set(user["address"]) == {"street", "city", "postcode"}
    product = next(source.get_records("products"))
    assert isinstance(product["tags"], list)


@pytest.mark.network
@pytest.mark.slow
def test_airbytes_own_connector_runs_where_it_is_asked_for(cache: DuckDBCache) -> None:
    source = ab.get_source(
        "source-faker", config={"count": 50, "parallelism": 1}, use_python=True, streams="*"
    )
    source.check()
    result = source.read(cache)
    assert not source.is_native
    assert {name: len(dataset) for name, dataset in result.items()} == {
        "products": 50,
        "users": 50,
        "purchases": 50,
    }
    assert source.get_state(cache)
