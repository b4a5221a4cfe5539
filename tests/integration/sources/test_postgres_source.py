"""What a user of the PostgreSQL source gets, on a real server."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from penstock.data.batch import BatchBuilder
from penstock.data.types import Kind, columns_of, kind_of_arrow
from penstock.errors import (
    AccessDenied,
    ConfigError,
    ConnectionFailed,
    ResourceBusy,
    StateOutdated,
)
from penstock.protocol.catalog import SyncMode
from penstock.sdk.stream import ReadRequest, State, Stream, catalog_stream
from penstock.sources.postgres import PostgresSource, PostgresSourceConfig
from tests.servers.postgres import PostgresDatabase, PostgresServer

FULL, INCREMENTAL = SyncMode.FULL_REFRESH, SyncMode.INCREMENTAL

TYPES = [
    ("smallint", "-32768", Kind.INTEGER, -32768),
    ("integer", "2147483647", Kind.INTEGER, 2147483647),
    ("bigint", "-9223372036854775808", Kind.INTEGER, -(2**63)),
    ("boolean", "false", Kind.BOOLEAN, False),
    ("numeric", "'0.1234567890123456789012345'", Kind.STRING, "0.1234567890123456789012345"),
    ("numeric", "'NaN'", Kind.STRING, "NaN"),
    ("numeric", "'Infinity'", Kind.STRING, "Infinity"),
    ("numeric(12,2)", "'19.90'", Kind.DECIMAL, "19.900000000"),
    ("numeric(38,9)", "'-1e28'", Kind.DECIMAL, "-10000000000000000000000000000.000000000"),
    ("numeric(38)", "repeat('9', 38)::numeric", Kind.BIG_INTEGER, "9" * 38),
    ("numeric(5,-2)", "12345", Kind.BIG_INTEGER, "12300"),
    ("numeric(50,20)", "'1.50'", Kind.STRING, "1.50000000000000000000"),
    ("real", "'0.1'", Kind.NUMBER, 0.10000000149011612),
    ("double precision", "'0.30000000000000004'", Kind.NUMBER, 0.30000000000000004),
    ("money", "'$1,234.56'", Kind.DECIMAL, "1234.560000000"),
    ("date", "'2024-02-29'", Kind.DATE, "2024-02-29"),
    ("time", "'23:59:59.999999'", Kind.TIME, "23:59:59.999999"),
    ("timetz", "'04:05:06.7+05:30'", Kind.STRING, "04:05:06.7+05:30"),
    ("timestamp", "'2024-03-31 02:30'", Kind.TIMESTAMP, "2024-03-31 02:30:00.000000"),
    (
        "timestamptz",
        "'2024-02-29 12:00+05:30'",
        Kind.TIMESTAMP_TZ,
        "2024-02-29 06:30:00.000000Z",
    ),
    ("interval", "'1 year 2 months -3 days 04:05:06.7'", Kind.STRING, "P1Y2M-3DT4H5M6.7S"),
    ("text", "'00712'", Kind.STRING, "00712"),
    ("text", "''", Kind.STRING, ""),
    ("varchar(10)", "'पुणे'", Kind.STRING, "पुणे"),
    ("uuid", "'00112233-4455-6677-8899-aabbccddeeff'", Kind.STRING, None),
    ("bytea", r"'\x00ff10'", Kind.STRING, "AP8Q"),
    ("bytea", "''", Kind.STRING, ""),
    ("json", """'{"a": 1.10, "a": 2}'""", Kind.JSON, '{"a": 1.10, "a": 2}'),
    ("jsonb", "'9007199254740993'", Kind.JSON, "9007199254740993"),
    ("integer[]", "'{1,NULL,3}'", Kind.JSON, "[1,null,3]"),
    ("text[][]", "'{{a,b},{c,d}}'", Kind.JSON, '[["a","b"],["c","d"]]'),
    ("numeric[]", "'{0.1234567890123456789}'", Kind.JSON, "[0.1234567890123456789]"),
    ("int4range", "'[1,5)'", Kind.STRING, "[1,5)"),
    ("inet", "'10.0.0.1/8'", Kind.STRING, "10.0.0.1/8"),
    ("bit varying(5)", "B'0101'", Kind.STRING, "0101"),
    ("mood", "'glad'", Kind.STRING, "glad"),
    ("mood[]", "'{glad,sad}'", Kind.JSON, '["glad","sad"]'),
    ("price", "'5.25'", Kind.DECIMAL, "5.250000000"),
    ("code", "'x'", Kind.STRING, "x"),
    ("pair", "'(1,2.50)'", Kind.JSON, '{"x":1,"y":2.50}'),
    ("hstore", """'a=>1, b=>NULL'""", Kind.STRING, '"a"=>"1", "b"=>NULL'),
    ("xml", "'<a>1</a>'", Kind.STRING, "<a>1</a>"),
    ("tsvector", "'a:1 b'", Kind.STRING, "'a':1 'b'"),
    ("point", "'(1,2)'", Kind.STRING, "(1,2)"),
]


def config_of(server: PostgresDatabase, /, **others: Any) -> PostgresSourceConfig:
    known: dict[str, Any] = {
        "host": server.host,
        "port": server.port,
        "database": server.name,
        "username": server.user,
        "password": server.password,
    }
    return PostgresSourceConfig(**{**known, **others})


def stream_of(server: PostgresDatabase, name: str, **others: Any) -> Stream:
    streams = PostgresSource(config_of(server, **others)).streams()
    return next(stream for stream in streams if stream.name == name)


def read(
    stream: Stream, mode: SyncMode, state: Any = None, cursor: str | None = None
) -> tuple[list[Any], list[Any]]:
    """Returns the first column of every row, and every state."""
    request = ReadRequest(
        mode=mode,
        state=None if state is None else json.loads(json.dumps(state)),
        cursor=(cursor,) if cursor else None,
    )
    rows: list[Any] = []
    states: list[Any] = []
    for item in stream.read(request):
        if isinstance(item, State):
            states.append(item.value)
        else:
            assert isinstance(item, pa.RecordBatch)
            rows += item.column(0).to_pylist()
    return rows, states


@pytest.fixture
def typed(postgres: PostgresDatabase) -> PostgresDatabase:
    """A database that would spell values otherwise, with types of its own."""
    name = postgres.name
    postgres.run(
        "CREATE EXTENSION hstore",
        "CREATE TYPE mood AS ENUM ('glad', 'sad')",
        "CREATE DOMAIN price AS numeric(10,2) CHECK (value > 0)",
        "CREATE DOMAIN code AS text",
        "CREATE TYPE pair AS (x int, y numeric)",
        f"ALTER DATABASE \"{name}\" SET timezone = 'Asia/Kolkata'",
        f"ALTER DATABASE \"{name}\" SET datestyle = 'German'",
        f"ALTER DATABASE \"{name}\" SET bytea_output = 'escape'",
        f'ALTER DATABASE "{name}" SET extra_float_digits = -3',
    )
    return postgres


def text_of(array: pa.Array) -> Any:
    plain = array.storage if isinstance(array, pa.ExtensionArray) else array
    types = pa.types
    if types.is_decimal(plain.type) or types.is_temporal(plain.type):
        return plain.cast(pa.string())[0].as_py()
    return plain[0].as_py()


def test_every_type_is_read_exactly(typed: PostgresDatabase) -> None:
    columns = ", ".join(f"c{n} {name}" for n, (name, *_) in enumerate(TYPES))
    values = ", ".join(value for _, value, *_ in TYPES)
    typed.run(f"CREATE TABLE everything ({columns})", f"INSERT INTO everything VALUES ({values})")
    typed.run("INSERT INTO everything DEFAULT VALUES")
    stream = stream_of(typed, "everything")
    (batch,) = [i for i in stream.read(ReadRequest(mode=FULL)) if not isinstance(i, State)]
    assert isinstance(batch, pa.RecordBatch)
    declared = [column.kind for column in columns_of(stream.json_schema)]
    assert declared == [kind for _, _, kind, _ in TYPES]
    assert [kind_of_arrow(column.type) for column in batch.columns] == declared
    for (name, value, _, expected), column in zip(TYPES, batch.columns, strict=True):
        wanted = value.strip("'") if expected is None else expected
        assert (name, text_of(column)) == (name, wanted)
        assert column[1].as_py() is None, name


@pytest.mark.parametrize(
    ("type_name", "value"),
    [
        ("date", "infinity"),
        ("timestamp", "-infinity"),
        ("timestamptz", "infinity"),
        ("time", "24:00:00"),
        ("numeric(10,2)", "NaN"),
        ("double precision", "Infinity"),
    ],
)
def test_a_value_without_a_place_is_null_and_recorded(
    postgres: PostgresDatabase, type_name: str, value: str
) -> None:
    postgres.run(f"CREATE TABLE odd AS SELECT '{value}'::{type_name} AS value, 1 AS id")
    stream = stream_of(postgres, "odd")
    (batch,) = [i for i in stream.read(ReadRequest(mode=FULL)) if not isinstance(i, State)]
    assert isinstance(batch, pa.RecordBatch)
    with BatchBuilder(columns_of(stream.json_schema), is_raw=False) as builder:
        (row,) = builder.from_arrow(batch, extracted_at_ms=0).rows.to_pylist()
    (change,) = json.loads(row["_airbyte_changes"])
    assert (row["value"], row["id"], change["field"]) == (None, 1, "value")


def test_wide_numerics_can_be_decimals(postgres: PostgresDatabase) -> None:
    postgres.run("CREATE TABLE prices AS SELECT 19.99::numeric AS price")
    stream = stream_of(postgres, "prices", wide_numerics="decimal")
    (batch,) = [i for i in stream.read(ReadRequest(mode=FULL)) if not isinstance(i, State)]
    assert isinstance(batch, pa.RecordBatch)
    assert text_of(batch.column(0)) == "19.990000000"


def test_schemas_are_namespaces_and_each_relation_is_one_stream(
    postgres: PostgresDatabase,
) -> None:
    postgres.run(
        "CREATE SCHEMA sales",
        "CREATE TABLE sales.orders (id int, day date, PRIMARY KEY (day, id))"
        " PARTITION BY RANGE (day)",
        "CREATE TABLE sales.orders_2024 PARTITION OF sales.orders"
        " FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
        "INSERT INTO sales.orders VALUES (1, '2024-05-05')",
        "CREATE TABLE parent (id int)",
        "CREATE TABLE child () INHERITS (parent)",
        "INSERT INTO parent VALUES (1)",
        "INSERT INTO child VALUES (2)",
        "CREATE VIEW latest AS SELECT max(id) AS id FROM parent",
        "CREATE MATERIALIZED VIEW kept AS SELECT id FROM parent",
    )
    streams = PostgresSource(config_of(postgres)).streams()
    found = {f"{stream.namespace}.{stream.name}": read(stream, FULL)[0] for stream in streams}
    assert found == {
        "public.child": [2],
        "public.kept": [1, 2],
        "public.latest": [2],
        "public.parent": [1],
        "sales.orders": [1],
    }
    only = PostgresSource(config_of(postgres, schemas=("sales",))).streams()
    assert [stream.primary_key for stream in only] == [(("day",), ("id",))]


def test_what_penstock_keeps_for_itself_is_no_stream(postgres: PostgresDatabase) -> None:
    postgres.run(
        "CREATE TABLE t (id int)",
        "CREATE TABLE _penstock_state (id int)",
        "CREATE TABLE t__gen2 (id int)",
        "COMMENT ON TABLE t__gen2 IS 'penstock: rows of t that are not published yet'",
    )
    assert [stream.name for stream in PostgresSource(config_of(postgres)).streams()] == ["t"]


def readers(database: PostgresDatabase) -> int:
    """How many connections the source has open in this database."""
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE application_name = 'penstock source' AND datname = %s"
    )
    return int(database.rows(query, (database.name,))[0][0])


def test_a_large_table_is_read_over_several_connections_that_see_one_moment(
    postgres: PostgresDatabase,
) -> None:
    postgres.run(
        "CREATE TABLE t AS SELECT i AS id, repeat('x', 500) AS body"
        " FROM generate_series(1, 20000) AS i"
    )
    stream = stream_of(postgres, "t", connections=3, page_blocks=50)
    seen: list[int] = []
    states: list[tuple[int, Any]] = []
    most = 0
    for item in stream.read(ReadRequest(mode=FULL)):
        if isinstance(item, State):
            states.append((len(seen), item.value))
            continue
        assert isinstance(item, pa.RecordBatch)
        if not seen:
            postgres.run("INSERT INTO t SELECT i FROM generate_series(30001, 30500) AS i")
        most = max(most, readers(postgres))
        seen += item.column(0).to_pylist()
    assert sorted(seen) == list(range(1, 20001))
    assert most == 3
    assert readers(postgres) == 0
    assert [value["block"] for _, value in states[:-1]] == [
        150 * number for number in range(1, len(states))
    ]
    assert len(states) > 3
    for covered, value in (states[0], states[2]):
        rest, _ = read(stream, FULL, value)
        assert set(seen[covered:]) | set(range(30001, 30501)) == set(rest)


def test_a_server_without_room_for_more_connections_says_so(postgres: PostgresDatabase) -> None:
    role = f"narrow_{postgres.name[-12:]}"
    postgres.run(
        f"CREATE ROLE {role} LOGIN PASSWORD 'narrow' CONNECTION LIMIT 1",
        "CREATE TABLE t AS SELECT i AS id FROM generate_series(1, 20000) AS i",
        f"GRANT SELECT ON t TO {role}",
    )
    user = {"username": role, "password": "narrow"}
    (stream,) = PostgresSource(config_of(postgres, **user, connections=2, page_blocks=9)).streams()
    with pytest.raises(ResourceBusy, match="too many connections") as refused:
        read(stream, FULL)
    assert "`connections`" in refused.value.remedy
    postgres.run(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_reading_over_several_connections_that_ends_early_leaves_none_open(
    postgres: PostgresDatabase,
) -> None:
    postgres.run(
        "CREATE TABLE t AS SELECT i AS id, repeat('x', 500) AS body"
        " FROM generate_series(1, 100000) AS i"
    )
    stream = stream_of(postgres, "t", connections=3, page_blocks=2000)
    items = stream.read(ReadRequest(mode=FULL))
    next(items)
    assert readers(postgres) == 3
    items.close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + 60
    while readers(postgres):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_changed_rows_are_found_by_their_transaction(postgres: PostgresDatabase) -> None:
    postgres.run("CREATE TABLE t (id int, name text)", "INSERT INTO t SELECT generate_series(1, 9)")
    stream = stream_of(postgres, "t")
    assert catalog_stream(stream).source_defined_cursor is True
    first, states = read(stream, INCREMENTAL)
    assert sorted(first) == list(range(1, 10))
    postgres.run("UPDATE t SET name = 'x' WHERE id = 3", "INSERT INTO t VALUES (10)")
    second, more = read(stream, INCREMENTAL, states[-1])
    assert sorted(second) == [3, 10]
    assert read(stream, INCREMENTAL, more[-1])[0] == []


def test_rows_of_a_transaction_that_was_open_are_not_lost(postgres: PostgresDatabase) -> None:
    postgres.run("CREATE TABLE t (id int, at int)", "INSERT INTO t VALUES (1, 1)")
    stream = stream_of(postgres, "t")
    with psycopg.connect(postgres.conninfo) as slow:
        slow.execute("INSERT INTO t VALUES (2, 1)")
        with slow.transaction():  # a savepoint has a transaction number of its own
            slow.execute("INSERT INTO t VALUES (3, 1)")
        postgres.run("INSERT INTO t VALUES (4, 1)")
        seen, states = read(stream, INCREMENTAL)
        by_cursor, cursor_states = read(stream, INCREMENTAL, cursor="at")
        assert sorted(seen) == sorted(by_cursor) == [1, 4]
    later = set(read(stream, INCREMENTAL, states[-1])[0])
    assert {2, 3} <= later <= {2, 3, 4}
    later = set(read(stream, INCREMENTAL, cursor_states[-1], cursor="at")[0])
    assert {2, 3} <= later <= {2, 3, 4}


def test_rows_with_the_last_cursor_value_are_never_lost_nor_repeated(
    postgres: PostgresDatabase,
) -> None:
    postgres.run(
        "CREATE TABLE t (id int, at timestamptz)",
        "INSERT INTO t SELECT i, '2024-01-01' FROM generate_series(1, 5) AS i",
        "INSERT INTO t VALUES (6, NULL)",
    )
    stream = stream_of(postgres, "t")
    rows, states = read(stream, INCREMENTAL, cursor="at")
    assert sorted(rows) == [1, 2, 3, 4, 5, 6]
    postgres.run(
        "INSERT INTO t VALUES (7, '2024-01-01'), (8, '2023-01-01'), (9, NULL), (10, '2025-01-01')"
    )
    rows, states = read(stream, INCREMENTAL, states[-1], cursor="at")
    assert sorted(rows) == [7, 9, 10]
    assert read(stream, INCREMENTAL, states[-1], cursor="at")[0] == []


def test_every_state_of_a_cursor_continues_exactly(postgres: PostgresDatabase) -> None:
    postgres.run("CREATE TABLE t (id int, at int)", "INSERT INTO t VALUES (0, 0)")
    stream = stream_of(postgres, "t")
    _, start = read(stream, INCREMENTAL, cursor="at")
    postgres.run(
        "INSERT INTO t SELECT i, i / 7 + 1 FROM generate_series(1, 150000) AS i ORDER BY random()"
    )
    items = stream.read(ReadRequest(mode=INCREMENTAL, state=start[-1], cursor=("at",)))
    seen: list[int] = []
    states: list[tuple[int, Any]] = []
    for item in items:
        if isinstance(item, State):
            states.append((len(seen), item.value))
        else:
            assert isinstance(item, pa.RecordBatch)
            seen += item.column(0).to_pylist()
    assert sorted(seen) == list(range(1, 150001))
    assert len(states) > 3
    for covered, state in states:
        rest, _ = read(stream, INCREMENTAL, state, cursor="at")
        assert sorted(rest) == sorted(seen[covered:])


def test_a_view_is_read_by_cursor_and_says_when_it_needs_one(postgres: PostgresDatabase) -> None:
    postgres.run(
        "CREATE TABLE t (id int)", "INSERT INTO t VALUES (1), (2)", "CREATE VIEW v AS TABLE t"
    )
    stream = stream_of(postgres, "v")
    rows, states = read(stream, INCREMENTAL, cursor="id")
    assert rows == [1, 2]
    postgres.run("INSERT INTO t VALUES (2), (3)")
    assert read(stream, INCREMENTAL, states[-1], cursor="id")[0] == [2, 2, 3]
    with pytest.raises(ConfigError, match="do not tell when they changed"):
        read(stream, INCREMENTAL)


def interrupted(stream: Stream, mode: SyncMode) -> tuple[list[int], Any]:
    """Reads up to the first state; returns what came before it, and the state."""
    seen: list[int] = []
    for item in stream.read(ReadRequest(mode=mode)):
        if isinstance(item, State):
            return seen, item.value
        assert isinstance(item, pa.RecordBatch)
        seen += item.column(0).to_pylist()
    raise AssertionError


def make_loose(postgres: PostgresDatabase) -> None:
    """Makes a table `t` of 2000 rows with room in its pages."""
    postgres.run(
        "CREATE TABLE t (id int PRIMARY KEY, filler text) WITH (fillfactor = 50)",
        "INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 2000) AS i",
    )


def test_a_first_read_that_was_interrupted_misses_no_row_that_moved(
    postgres: PostgresDatabase,
) -> None:
    make_loose(postgres)
    stream = stream_of(postgres, "t", page_blocks=10)
    seen, position = interrupted(stream, INCREMENTAL)
    assert 0 < len(seen) < 2000
    # Room in the first pages, and then rows of the last pages that move into it.
    postgres.run(f"DELETE FROM t WHERE id <= {len(seen) // 2}", "VACUUM t")
    postgres.run("UPDATE t SET filler = repeat('y', 2000) WHERE id > 1990")
    rest, states = read(stream, INCREMENTAL, position)
    assert set(seen) | set(rest) == set(range(1, 2001))
    assert read(stream, INCREMENTAL, states[-1])[0] == []


@pytest.mark.parametrize("connections", [1, 3])
def test_a_full_read_that_was_interrupted_continues_where_its_part_is_as_it_was(
    postgres: PostgresDatabase, connections: int
) -> None:
    make_loose(postgres)
    stream = stream_of(postgres, "t", page_blocks=4, connections=connections)
    seen, position = interrupted(stream, FULL)
    assert 0 < len(seen) < 1000
    postgres.run("UPDATE t SET filler = 'y' WHERE id > 1990", "DELETE FROM t WHERE id = 1900")
    rest, states = read(stream, FULL, position)
    assert sorted(seen + rest) == [n for n in range(1, 2001) if n != 1900]
    assert read(stream, FULL, states[-1])[0] == []


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM t WHERE id = 1",
        "UPDATE t SET filler = 'y' WHERE id = 1",
        "UPDATE t SET id = 5000 WHERE id = 1",
        "DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'z')",
        "DELETE FROM t WHERE id < 99; VACUUM t; UPDATE t SET id = 0 WHERE id = 2000",
    ],
)
def test_a_full_read_is_not_continued_behind_rows_that_changed(
    postgres: PostgresDatabase, change: str
) -> None:
    make_loose(postgres)
    stream = stream_of(postgres, "t", page_blocks=10)
    _, position = interrupted(stream, FULL)
    postgres.run(*change.split("; "))
    with pytest.raises(StateOutdated) as refused:
        read(stream, FULL, position)
    assert "penstock state reset" in refused.value.remedy


def test_a_rewritten_table_is_not_continued_at_a_page_of_the_old_one(
    postgres: PostgresDatabase,
) -> None:
    postgres.run("CREATE TABLE t AS SELECT generate_series(1, 5000) AS id")
    stream = stream_of(postgres, "t", page_blocks=2)
    _, states = read(stream, FULL)
    postgres.run("VACUUM FULL t")
    with pytest.raises(ConfigError, match="was rewritten") as refused:
        read(stream, FULL, states[0])
    assert "penstock state reset" in refused.value.remedy


def test_only_what_the_user_may_read_is_listed(postgres: PostgresDatabase) -> None:
    user = f"reader_{postgres.name[-12:]}"
    postgres.run(
        "CREATE TABLE open (id int, secret text)",
        "CREATE TABLE closed (id int)",
        f"CREATE ROLE {user} LOGIN PASSWORD 'reader'",
        f"GRANT SELECT (id) ON open TO {user}",
    )
    config = config_of(postgres, username=user, password="reader")
    (stream,) = PostgresSource(config).streams()
    assert (stream.name, list(stream.json_schema["properties"])) == ("open", ["id"])
    assert read(stream, FULL)[0] == []
    postgres.run(f"REVOKE SELECT (id) ON open FROM {user}")
    with pytest.raises(ConfigError, match="may read no table") as refused:
        PostgresSource(config).check()
    assert "GRANT SELECT" in refused.value.remedy


def test_rows_that_a_policy_hides_are_an_error_and_not_left_out(
    postgres: PostgresDatabase,
) -> None:
    user = f"reader_{postgres.name[-12:]}"
    postgres.run(
        "CREATE TABLE t (id int)",
        "INSERT INTO t VALUES (1), (2)",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY p ON t USING (id = 1)",
        f"CREATE ROLE {user} LOGIN PASSWORD 'reader'",
        f"GRANT SELECT ON t TO {user}",
    )
    stream = stream_of(postgres, "t", username=user, password="reader")
    with pytest.raises(AccessDenied, match="row-level security"):
        read(stream, FULL)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"password": "wrong"}, AccessDenied, "password authentication failed"),
        ({"password": None}, AccessDenied, "no password supplied"),
        ({"username": "nobody_here"}, AccessDenied, "password authentication failed"),
        ({"database": "no_such"}, ConfigError, 'database "no_such" does not exist'),
        ({"schemas": ("no_such",)}, ConfigError, "no schema no_such"),
    ],
)
def test_a_wrong_setting_is_told_with_what_to_do(
    postgres: PostgresDatabase,
    settings: dict[str, Any],
    error: type[Exception],
    words: str,
) -> None:
    with pytest.raises(error, match=words) as refused:
        PostgresSource(config_of(postgres, **settings)).check()
    assert any(f"`{name}`" in str(refused.value) for name in settings)
    assert "wrong" not in str(refused.value)


def test_chosen_fields_are_all_that_is_read(postgres: PostgresDatabase) -> None:
    postgres.run("CREATE TABLE t AS SELECT 1 AS id, 'x' AS a, 'y' AS b")
    request = ReadRequest(mode=FULL, fields=("b",))
    items: Sequence[Any] = list(stream_of(postgres, "t").read(request))
    assert items[0].schema.names == ["b"]


def test_a_server_that_restarts_in_mid_read_is_an_error_and_continued_from(
    postgres: PostgresDatabase, postgres_server: PostgresServer
) -> None:
    postgres.run(
        "CREATE TABLE t AS SELECT i AS id, repeat('x', 200) AS filler"
        " FROM generate_series(1, 100000) AS i"
    )
    stream = stream_of(postgres, "t", page_blocks=500)
    pages: list[tuple[list[int], Any]] = []

    def read_until_it_fails() -> None:
        seen: list[int] = []
        for item in stream.read(ReadRequest(mode=FULL)):
            if isinstance(item, State):
                pages.append((list(seen), item.value))
                postgres_server.restart("immediate")
            else:
                assert isinstance(item, pa.RecordBatch)
                seen += item.column(0).to_pylist()

    with pytest.raises(ConnectionFailed) as failed:
        read_until_it_fails()
    assert "Run the sync again" in failed.value.remedy
    ((covered, position),) = pages
    rest, _ = read(stream, FULL, position)
    assert sorted(covered + rest) == list(range(1, 100001))
