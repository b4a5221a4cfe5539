"""Every mode against real files: what is in the table, when, and who sees it."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import duckdb
import msgspec
import pytest

from penstock.data.types import Kind
from penstock.destinations.duckdb import DuckDBDestination
from penstock.errors import BugError, ConfigError, ProofFailed, ProtocolError, ResourceBusy
from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.state import State, StateType
from penstock.sdk.destination import (
    Normalisation,
    ReadsBack,
    StoresState,
    TableName,
    WriteMode,
)
from tests.integration.destination_duckdb.duckdb_landing import (
    AT,
    EVERY_KIND,
    ID_NAME,
    KEYED,
    RAW,
    STREAM,
    TABLE,
    batch,
    destination,
    names,
    plan,
    position,
    query,
    state,
    sync,
    tables,
)

OVERWRITES = [WriteMode.OVERWRITE, WriteMode.OVERWRITE_DEDUP]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


@pytest.fixture
def target(path: Path) -> DuckDBDestination:
    return destination(path)


def keyed(mode: WriteMode) -> dict[str, object]:
    return {"mode": mode, "key": ["id"] if mode.is_dedup else []}


def test_it_has_the_optional_powers(target: DuckDBDestination) -> None:
    assert isinstance(target, StoresState)
    assert isinstance(target, ReadsBack)


@pytest.mark.parametrize("mode", WriteMode)
def test_rows_land_and_are_counted_by_the_database(
    target: DuckDBDestination, path: Path, mode: WriteMode
) -> None:
    assert sync(target, plan(**keyed(mode)), ID_NAME, [(1, "a"), (2, None)], [(3, "c")]) == 3

    assert names(path) == [(1, "a"), (2, None), (3, "c")]
    assert tables(path) == ["_penstock_state", "users"]


@pytest.mark.parametrize("mode", WriteMode)
@pytest.mark.parametrize("kind", Kind)
def test_every_kind_comes_back_exactly(
    target: DuckDBDestination, mode: WriteMode, kind: Kind
) -> None:
    columns = [("id", Kind.INTEGER), ("value", kind)]
    values = [*EVERY_KIND[kind], None]
    sync(target, plan(columns, **keyed(mode)), columns, list(enumerate(values)))

    found = sorted(target.scan(TABLE).read_all().to_pylist(), key=lambda row: row["id"])

    assert [row["value"] for row in found] == values
    assert repr([row["value"] for row in found][:1]) == repr(found[:1][0]["value"]).join("[]")


@pytest.mark.parametrize("mode", [WriteMode.APPEND, WriteMode.OVERWRITE])
def test_raw_rows_are_one_json_column(
    target: DuckDBDestination, path: Path, mode: WriteMode
) -> None:
    raw_plan = plan(RAW, mode=mode, normalisation=Normalisation.RAW)
    sync(target, raw_plan, RAW, [('{"id": 1}',), (None,)])

    described = query(path, "DESCRIBE users")

    assert [(row[0], row[1]) for row in described] == [
        ("_airbyte_data", "JSON"),
        ("_airbyte_raw_id", "VARCHAR"),
        ("_airbyte_extracted_at", "TIMESTAMP WITH TIME ZONE"),
        ("_airbyte_meta", "JSON"),
        ("_airbyte_generation_id", "BIGINT"),
    ]
    assert set(query(path, "SELECT _airbyte_data FROM users")) == {('{"id": 1}',), (None,)}


def test_raw_ids_are_one_a_row_and_in_the_order_of_arrival(
    target: DuckDBDestination, path: Path
) -> None:
    rows = [(n, None) for n in range(3000)]
    with target.open(plan()) as writer:
        writer.write(batch(ID_NAME, rows[:1000]))
        writer.write(batch(ID_NAME, rows[1000:2000]))
        writer.commit(None)
        writer.write(batch(ID_NAME, rows[2000:]))
        writer.finish(None)

    ids = [uuid.UUID(text) for (text,) in query(path, "SELECT _airbyte_raw_id FROM users")]

    assert len(set(ids)) == 3000
    assert {made.version for made in ids} == {7}
    assert ids[:2000] == sorted(ids[:2000])


@pytest.mark.parametrize(("version", "zstd"), [("v1.0.0", set()), ("v1.2.0", {"ZSTD"})])
def test_a_file_of_an_older_storage_version_is_written_as_it_allows(
    path: Path, version: str, zstd: set[str]
) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{path}' AS old (STORAGE_VERSION '{version}')")
        connection.execute("CREATE TABLE old.mine (id INTEGER)")
    rows = [(n, str(n)) for n in range(5000)]

    assert sync(destination(path), plan(mode=WriteMode.OVERWRITE), ID_NAME, rows) == 5000

    assert query(path, "SELECT count(DISTINCT _airbyte_raw_id) FROM users") == [(5000,)]
    stored = query(
        path,
        "SELECT DISTINCT compression FROM pragma_storage_info('users')"
        " WHERE column_name = '_airbyte_raw_id' AND segment_type = 'VARCHAR'",
    )
    assert {name.upper() for (name,) in stored} & {"ZSTD"} == zstd


def test_meta_columns_are_airbytes(target: DuckDBDestination, path: Path) -> None:
    change = '[{"field":"name","change":"NULLED","reason":"SOURCE_RETRIEVAL_ERROR"}]'
    with target.open(plan(sync_id=7, generation_id=3)) as writer:
        writer.write(batch(ID_NAME, [(1, "a")]))
        writer.write(batch(ID_NAME, [(2, None)], changes=change))
        writer.finish(None)

    rows = query(path, "SELECT COLUMNS('_airbyte.*') FROM users ORDER BY id")

    ids = [uuid.UUID(row[0]) for row in rows]
    assert [i.version for i in ids] == [7, 7]
    assert ids[0] != ids[1]
    assert [row[1] for row in rows] == [AT, AT]
    assert [json.loads(row[2]) for row in rows] == [
        {"sync_id": 7, "changes": []},
        {"sync_id": 7, "changes": json.loads(change)},
    ]
    assert [row[3] for row in rows] == [3, 3]


@pytest.mark.parametrize("mode", WriteMode)
def test_zero_rows_leave_an_empty_table(
    target: DuckDBDestination, path: Path, mode: WriteMode
) -> None:
    if mode.is_overwrite:
        sync(target, plan(**keyed(mode)), ID_NAME, [(1, "old")])

    assert sync(target, plan(generation_id=1, **keyed(mode)), ID_NAME, []) == 0

    assert names(path) == []


def test_append_keeps_what_is_there(target: DuckDBDestination, path: Path) -> None:
    sync(target, plan(), ID_NAME, [(1, "a")])
    sync(target, plan(), ID_NAME, [(1, "a")])

    assert names(path) == [(1, "a"), (1, "a")]


@pytest.mark.parametrize("mode", WriteMode)
def test_an_error_rolls_back_to_the_last_commit(
    target: DuckDBDestination, path: Path, mode: WriteMode
) -> None:
    def interrupted() -> None:
        with target.open(plan(generation_id=1, **keyed(mode))) as writer:
            writer.write(batch(ID_NAME, [(1, "a")]))
            writer.commit(state(1))
            writer.write(batch(ID_NAME, [(2, "lost")] * 200_000))
            raise ConnectionError

    with pytest.raises(ConnectionError):
        interrupted()

    table = "users__gen1" if mode.is_overwrite else "users"
    assert names(path, table) == [(1, "a")]
    assert position(target) == 1


@pytest.mark.parametrize("mode", OVERWRITES)
def test_the_old_rows_are_seen_until_finish(
    target: DuckDBDestination, path: Path, mode: WriteMode
) -> None:
    sync(target, plan(**keyed(mode)), ID_NAME, [(1, "old")])
    with (
        duckdb.connect(path) as reader,
        target.open(plan(generation_id=1, **keyed(mode))) as writer,
    ):
        reader.execute("BEGIN")
        assert reader.execute("SELECT name FROM users").fetchall() == [("old",)]
        writer.write(batch(ID_NAME, [(1, "new")]))
        writer.commit(state(1))
        assert names(path) == [(1, "old")]
        writer.finish(None)
        assert reader.execute("SELECT name FROM users").fetchall() == [("old",)]
        reader.execute("COMMIT")
        assert reader.execute("SELECT name FROM users").fetchall() == [("new",)]

    assert tables(path) == ["_penstock_state", "users"]


@pytest.mark.parametrize("mode", OVERWRITES)
def test_leaving_without_finish_publishes_nothing(
    target: DuckDBDestination, path: Path, mode: WriteMode
) -> None:
    sync(target, plan(**keyed(mode)), ID_NAME, [(1, "old")])
    with target.open(plan(generation_id=1, **keyed(mode))) as writer:
        writer.write(batch(ID_NAME, [(2, "new")]))
        writer.commit(state(5))

    (stored,) = target.stored_states("c1")
    assert names(path) == [(1, "old")]
    assert (stored.generation_id, stored.is_complete) == (1, False)


@pytest.mark.parametrize("mode", OVERWRITES)
def test_a_resumed_overwrite_continues_its_staging(
    target: DuckDBDestination, path: Path, mode: WriteMode
) -> None:
    with target.open(plan(generation_id=1, **keyed(mode))) as writer:
        writer.write(batch(ID_NAME, [(1, "a")]))
        writer.commit(state(1))
    with target.open(plan(generation_id=1, resumes=True, **keyed(mode))) as writer:
        writer.write(batch(ID_NAME, [(2, "b")]))
        assert writer.finish(state(2)) == 1

    (stored,) = target.stored_states("c1")
    assert names(path) == [(1, "a"), (2, "b")]
    assert (stored.generation_id, stored.is_complete, position(target)) == (1, True, 2)


def test_an_overwrite_that_starts_over_drops_the_leftovers_and_their_state(
    target: DuckDBDestination, path: Path
) -> None:
    for generation in (1, 2):
        with target.open(plan(mode=WriteMode.OVERWRITE, generation_id=generation)) as writer:
            writer.write(batch(ID_NAME, [(1, "abandoned")]))
            writer.commit(state(1))
    with target.open(plan(mode=WriteMode.OVERWRITE, generation_id=3)):
        assert target.stored_states("c1") == ()

    assert tables(path) == ["_penstock_state", "users__gen3"]


def test_resuming_without_the_rows_of_the_earlier_attempt_fails(
    target: DuckDBDestination,
) -> None:
    resumed = plan(mode=WriteMode.OVERWRITE, generation_id=4, resumes=True)

    with pytest.raises(ProofFailed, match="users__gen4"), target.open(resumed):
        pass


def test_a_table_that_only_looks_like_staging_is_never_touched(
    target: DuckDBDestination, path: Path
) -> None:
    sync(target, plan(table=TableName(schema=None, name="users__gen1")), ID_NAME, [(9, "mine")])
    sync(target, plan(mode=WriteMode.OVERWRITE, generation_id=2), ID_NAME, [(1, "a")])

    with (
        pytest.raises(ConfigError, match="in the way"),
        target.open(plan(mode=WriteMode.OVERWRITE, generation_id=1)),
    ):
        pass
    assert names(path, "users__gen1") == [(9, "mine")]


def test_appending_from_the_state_of_an_unpublished_overwrite_is_refused(
    target: DuckDBDestination,
) -> None:
    with target.open(plan(mode=WriteMode.OVERWRITE, generation_id=1)) as writer:
        writer.write(batch(ID_NAME, [(1, "a")]))
        writer.commit(state(1))

    with pytest.raises(ConfigError, match="did not finish"), target.open(plan()):
        pass


def test_an_overwrite_without_states_forgets_the_state_of_the_rows_it_removed(
    target: DuckDBDestination,
) -> None:
    sync(target, plan(), ID_NAME, [(1, "a")])
    with target.open(plan(mode=WriteMode.OVERWRITE, generation_id=1)) as writer:
        writer.write(batch(ID_NAME, [(2, "b")]))
        writer.finish(None)

    (stored,) = target.stored_states("c1")
    assert (stored.state, stored.generation_id, stored.is_complete) == (None, 1, True)


def test_a_commit_without_state_keeps_the_state_stored_before(
    target: DuckDBDestination, path: Path
) -> None:
    sync(target, plan(), ID_NAME, [(1, "a")])
    before = target.stored_states("c1")
    with target.open(plan()) as writer:
        writer.write(batch(ID_NAME, [(2, "b")]))
        assert writer.commit(None) == 1

    assert target.stored_states("c1") == before
    assert names(path) == [(1, "a"), (2, "b")]


def test_an_older_attempt_can_neither_open_nor_commit(
    target: DuckDBDestination, path: Path
) -> None:
    with target.open(plan(fence=1)) as older:
        older.write(batch(ID_NAME, [(1, "older")]))
        with target.open(plan(fence=2)) as newer:
            newer.write(batch(ID_NAME, [(2, "newer")]))
            with pytest.raises(ResourceBusy, match="attempt 2 has taken over"):
                older.commit(state(1))
            newer.commit(state(2))
    with pytest.raises(ResourceBusy), target.open(plan(fence=1)):
        pass

    assert names(path) == [(2, "newer")]
    assert position(target) == 2


def test_a_reset_during_a_sync_is_not_undone_by_it(target: DuckDBDestination, path: Path) -> None:
    with target.open(plan()) as writer:
        writer.write(batch(ID_NAME, [(1, "a")]))
        target.forget_states("c1", [STREAM])
        with pytest.raises(ResourceBusy, match="reset while it synced"):
            writer.commit(state(1))

    assert target.stored_states("c1") == ()
    assert names(path) == []


def test_states_are_kept_per_connection_and_stream_and_can_be_forgotten(
    target: DuckDBDestination,
) -> None:
    other = StreamDescriptor("orders", "shop")
    sync(target, plan(), ID_NAME, [(1, "a")])
    sync(target, plan(connection="c2"), ID_NAME, [(1, "a")])
    orders = plan(stream=other, table=TableName(schema="shop", name="orders"))
    sync(target, orders, ID_NAME, [(1, "a")])

    assert {row.stream for row in target.stored_states("c1")} == {STREAM, other}
    target.forget_states("c1", [other])
    assert {row.stream for row in target.stored_states("c1")} == {STREAM}
    target.forget_states("c1", None)
    assert target.stored_states("c1") == ()
    assert len(target.stored_states("c2")) == 1


def test_a_global_state_is_kept_to_the_byte_and_fenced(target: DuckDBDestination) -> None:
    first = State(type=StateType.LEGACY, data=msgspec.Raw(b'{ "lsn" : 1.0e0, "x": "\\u00e9" }'))
    target.store_global_state("c1", first, 2)

    (stored,) = target.stored_states("c1")
    assert stored.stream is None
    assert stored.state is not None
    assert bytes(stored.state.data) == b'{ "lsn" : 1.0e0, "x": "\\u00e9" }'
    with pytest.raises(ResourceBusy):
        target.store_global_state("c1", first, 1)


def test_a_batch_of_another_shape_is_refused(target: DuckDBDestination) -> None:
    with target.open(plan()) as writer:
        with pytest.raises(ProtocolError, match="'name'"):
            writer.write(batch([("id", Kind.INTEGER), ("nom", Kind.STRING)], []))
        with pytest.raises(ProtocolError, match="double"):
            writer.write(batch([("id", Kind.NUMBER), ("name", Kind.STRING)], []))


def test_a_finished_writer_takes_nothing_more(target: DuckDBDestination) -> None:
    with target.open(plan()) as writer:
        writer.finish(None)
        with pytest.raises(BugError):
            writer.write(batch(ID_NAME, [(1, "a")]))


def test_two_streams_are_written_side_by_side(target: DuckDBDestination, path: Path) -> None:
    orders = plan(stream=StreamDescriptor("orders"), table=TableName(schema=None, name="orders"))
    with target.open(plan()) as left, target.open(orders) as right:
        left.write(batch(ID_NAME, [(1, "left")] * 300_000))
        right.write(batch(ID_NAME, [(1, "right")] * 300_000))
        right.finish(None)
        left.finish(None)

    assert query(path, "SELECT count(*) FROM users") == [(300_000,)]
    assert query(path, "SELECT count(*) FROM orders") == [(300_000,)]


@pytest.mark.parametrize(
    "name",
    [
        "select",
        "Mixed Case",
        'quo"te',
        "semi;colon'",
        "emoji 😀",
        "n" * 200,
        "per%cent",
        "new\nline",
    ],
)
def test_odd_identifiers_are_taken_as_they_are(
    target: DuckDBDestination, path: Path, name: str
) -> None:
    columns = [(name, Kind.INTEGER), ("other", Kind.STRING)]
    table = TableName(schema=name, name=name)
    for generation in (1, 2):
        odd = plan(
            columns,
            mode=WriteMode.OVERWRITE_DEDUP,
            key=[name],
            cursor=name,
            table=table,
            generation_id=generation,
        )
        sync(target, odd, columns, [(generation, "x")])

    assert target.count(table) == 1
    assert target.scan(table).read_all().column(name).to_pylist() == [2]
    assert query(path, "SELECT count(*) FROM duckdb_tables()") == [(2,)]


def test_a_table_of_1600_columns_lands_and_grows(target: DuckDBDestination) -> None:
    columns = [("id", Kind.INTEGER)] + [(f"c{i}", Kind.STRING) for i in range(1_599)]
    row = (1, *[f"v{i}" for i in range(1_599)])
    sync(target, plan(columns[:800]), columns[:800], [row[:800]])
    sync(target, plan(columns), columns, [row])

    assert target.count(TABLE) == 2
    assert len(target.scan(TABLE).schema) == 1_604


def test_counting_and_scanning_make_no_file(target: DuckDBDestination, path: Path) -> None:
    assert target.count(TABLE) == 0
    assert target.stored_states("c1") == ()
    target.forget_states("c1", None)
    with pytest.raises(ConfigError, match="no table"):
        target.scan(TABLE)

    assert not path.exists()


def test_a_scan_can_be_limited(target: DuckDBDestination) -> None:
    sync(target, plan(), ID_NAME, [(i, "x") for i in range(100)])

    assert target.scan(TABLE, limit=7).read_all().num_rows == 7


@pytest.mark.parametrize("mode", [WriteMode.APPEND_DEDUP, WriteMode.OVERWRITE_DEDUP])
def test_dedup_without_a_key_or_in_raw_form_is_refused(
    target: DuckDBDestination, mode: WriteMode
) -> None:
    raw = plan(RAW, mode=mode, key=["id"], normalisation=Normalisation.RAW)
    for wrong in (plan(mode=mode), plan(KEYED, mode=mode, key=["nope"]), raw):
        with pytest.raises(ConfigError), target.open(wrong):
            pass
