"""The table that databases hand on: fifteen columns, how each is made, and how values compare.

Digests are computed by the databases themselves: of each column how many values there are, and the
sum of the hashes of their texts.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import duckdb

from benchmarks.contest import say
from benchmarks.measure import Measurement
from benchmarks.verify import Verdict
from tests.servers.mariadb import MariaDatabase
from tests.servers.postgres import PostgresDatabase

SCHEMA, NAME = "bench", "visits"

Digests = dict[str, tuple[int, int]]
Judge = Callable[[Measurement], Verdict]

_COLUMNS: Final = {
    "id": ("bigint PRIMARY KEY", "i", "text"),
    "small": ("smallint", "i % 30000", "text"),
    "code": ("integer", "i * 7", "text"),
    "token": ("uuid", "md5(i::text)::uuid", "text"),
    "name": ("text", "'name ' || md5((i * 3)::text)", "text"),
    "note": (
        "text",
        "CASE WHEN i % 3 > 0 THEN repeat('note ' || i || ' ', 1 + i % 8) END",
        "text",
    ),
    "price": ("numeric(18,4)", "i * 1.2345", "decimal"),
    "share": ("double precision", "i / 7.0", "number"),
    "is_new": ("boolean", "i % 2 = 0", "boolean"),
    "at": ("timestamptz", "timestamptz '2024-01-01 00:00Z' + i * interval '1 s'", "instant"),
    "local": ("timestamp", "timestamp '2024-01-01' + i * interval '1 ms'", "moment"),
    "day": ("date", "date '2000-01-01' + i % 9000", "date"),
    "extra": ("jsonb", "jsonb_build_object('id', i, 'tags', jsonb_build_array('a', i))", "json"),
    "status": ("varchar(20)", "(array['new', 'open', 'done'])[1 + i % 3]", "text"),
    "amount": ("numeric(12,2)", "i / 100.0", "decimal"),
}
"""Fifteen columns: type, value of row i, and how values are compared."""

_IN_MARIADB: Final = {
    "id": ("bigint PRIMARY KEY", "seq"),
    "small": ("smallint", "seq % 30000"),
    "code": ("integer", "seq * 7"),
    "token": ("char(32)", "md5(seq)"),
    "name": ("varchar(60)", "concat('name ', md5(seq * 3))"),
    "note": ("text", "if(seq % 3 > 0, repeat(concat('note ', seq, ' '), 1 + seq % 8), NULL)"),
    "price": ("decimal(18,4)", "seq * 1.2345"),
    "share": ("double", "seq / 7e0"),
    "is_new": ("boolean", "seq % 2 = 0"),
    "at": ("timestamp", "timestamp '2024-01-01 00:00:00' + INTERVAL seq SECOND"),
    "local": ("datetime(3)", "timestamp '2024-01-01 00:00:00' + INTERVAL seq * 1000 MICROSECOND"),
    "day": ("date", "date '2000-01-01' + INTERVAL seq % 9000 DAY"),
    "extra": ("json", "json_object('id', seq, 'tags', json_array('a', seq))"),
    "status": ("varchar(20)", "elt(1 + seq % 3, 'new', 'open', 'done')"),
    "amount": ("decimal(12,2)", "seq / 100"),
}
"""The same in MariaDB, which had no type for UUIDs for long, and whose JSON is text."""

_POSTGRES: Final = {
    "text": "{0}::text",
    "decimal": "round({0}::numeric, 4)::text",
    "number": "{0}::float8::text",
    "boolean": "({0}::text IN ('t', 'true', '1'))::text",
    "instant": "(extract(epoch FROM {0}::timestamptz) * 1000000)::bigint::text",
    "moment": "(extract(epoch FROM {0}::timestamp) * 1000000)::bigint::text",
    "date": "{0}::date::text",
    "json": "{0}::jsonb ->> 'id'",
}
_DUCKDB: Final = {
    "text": "{0}::varchar",
    "decimal": "try_cast({0} as decimal(18, 4))::varchar",
    "number": r"regexp_replace(try_cast({0} as double)::varchar, '\.0$', '')",
    "boolean": "try_cast({0} as boolean)::varchar",
    "instant": "epoch_us(try_cast({0} as timestamptz))::varchar",
    "moment": "epoch_us(try_cast({0} as timestamp))::varchar",
    "date": "try_cast({0} as date)::varchar",
    "json": "json_extract_string({0}::json, 'id')",
}
_MARIADB: Final = {
    "text": "cast({0} AS char)",
    "decimal": "cast(cast({0} AS decimal(30, 4)) AS char)",
    "number": "cast({0} AS char)",
    "boolean": "if({0}, 'true', 'false')",
    "instant": "cast(cast(unix_timestamp({0}) * 1000000 AS integer) AS char)",
    "moment": "cast(timestampdiff(MICROSECOND, '1970-01-01', {0}) AS char)",
    "date": "cast({0} AS char)",
    "json": "json_value({0}, '$.id')",
}


def fill_postgres(database: PostgresDatabase, rows: int) -> Digests:
    """Makes the table in PostgreSQL; returns what arrives of it when nothing is lost."""
    say(f"filling a table of PostgreSQL with {rows:,} rows")
    made = f"SELECT {values_in_postgres()} FROM generate_series(1, {rows}) AS i"
    database.run(
        f"CREATE SCHEMA {SCHEMA}",
        definition(),
        f"INSERT INTO {SCHEMA}.{NAME} {made}",
        f"VACUUM ANALYZE {SCHEMA}.{NAME}",
        "CHECKPOINT",
    )
    return in_postgres(database)


def values_in_postgres() -> str:
    """Returns the columns of row `i`, as SELECT takes them."""
    return ", ".join(value for _, value, _ in _COLUMNS.values())


def values_in_mariadb() -> str:
    """Returns the columns of row `seq`, as SELECT takes them."""
    return ", ".join(value for _, value in _IN_MARIADB.values())


def definition() -> str:
    """Returns the statement that makes the empty table in PostgreSQL."""
    columns = ", ".join(f'"{name}" {kind}' for name, (kind, _, _) in _COLUMNS.items())
    return f"CREATE TABLE {SCHEMA}.{NAME} ({columns})"


def fill_mariadb(database: MariaDatabase, rows: int) -> Digests:
    """Makes the table in MariaDB; returns what arrives of it when nothing is lost."""
    say(f"filling a table of MariaDB with {rows:,} rows")
    columns = ", ".join(f"`{name}` {kind}" for name, (kind, _) in _IN_MARIADB.items())
    database.run(
        f"CREATE TABLE {NAME} ({columns}) CHARACTER SET utf8mb4",
        f"INSERT INTO {NAME} SELECT {values_in_mariadb()} FROM seq_1_to_{rows}",
        f"ANALYZE TABLE {NAME}",
    )
    return in_mariadb(database)


def in_mariadb(database: MariaDatabase) -> Digests:
    """Returns the digests of the table in MariaDB."""
    digest = "count({0}), cast(sum(conv(substr(md5({0}), 1, 8), 16, 10)) AS integer)"
    texts = [_MARIADB[_COLUMNS[name][2]].format(f"`{name}`") for name in _COLUMNS]
    return _paired(
        list(_COLUMNS), database.rows(f"SELECT {', '.join(map(digest.format, texts))} FROM {NAME}")
    )


def judge_postgres(expected: Digests, rows: int, target: PostgresDatabase) -> Judge:
    return lambda _: _verdict(expected, rows, in_postgres(target))


def judge_duckdb(expected: Digests, rows: int, database: Path) -> Judge:
    return lambda _: _verdict(expected, rows, _in_duckdb(database))


def judge_parquet(expected: Digests, rows: int, folder: Path) -> Judge:
    return lambda _: _verdict(expected, rows, _in_parquet(folder))


def in_postgres(database: PostgresDatabase) -> Digests:
    """Returns the digests of the table, wherever in a database it stands."""
    found = database.rows(
        "SELECT table_schema, column_name FROM information_schema.columns"
        f" WHERE table_name = '{NAME}' AND table_schema IN ('{SCHEMA}', 'public')"
    )
    schema = found[0][0] if found else SCHEMA
    names = [name for _, name in found if name in _COLUMNS]
    digest = "count({0}), sum(('x' || substr(md5({0}), 1, 8))::bit(32)::bigint)::text"
    texts = [_POSTGRES[_COLUMNS[name][2]].format(f'"{name}"') for name in names]
    with database.connect() as connection:
        connection.execute("SET timezone = 'UTC'")
        query: Any = f"SELECT {', '.join(map(digest.format, texts))} FROM {schema}.{NAME}"
        return _paired(names, connection.execute(query).fetchall())


def _in_duckdb(database: Path) -> Digests:
    with duckdb.connect(str(database), read_only=True) as connection:
        found = connection.execute(
            f"SELECT schema_name, column_name FROM duckdb_columns() WHERE table_name = '{NAME}'"
        ).fetchall()
        names = [name for _, name in found if name in _COLUMNS]
        return _digested(connection, names, f"{found[0][0]}.{NAME}")


def _in_parquet(folder: Path) -> Digests:
    paths = [str(path) for path in folder.rglob("*.parquet") if NAME in str(path)]
    if not paths:
        raise RuntimeError(f"there is no Parquet file of {NAME} under {folder.name}")
    with duckdb.connect() as connection:
        read = f"read_parquet({paths!r})"
        found = connection.execute(f"SELECT * FROM {read} LIMIT 0").description
        return _digested(connection, [c[0] for c in found if c[0] in _COLUMNS], read)


def _digested(connection: duckdb.DuckDBPyConnection, names: list[str], table: str) -> Digests:
    connection.execute("SET timezone = 'UTC'")
    digest = "count({0}), sum(('0x' || substr(md5({0}), 1, 8))::bigint)::varchar"
    texts = [_DUCKDB[_COLUMNS[name][2]].format(f'"{name}"') for name in names]
    query = f"SELECT {', '.join(map(digest.format, texts))} FROM {table}"
    return _paired(names, connection.execute(query).fetchall())


def _paired(names: list[str], rows: list[tuple[Any, ...]]) -> Digests:
    (values,) = rows
    return {
        name: (int(values[2 * place]), int(values[2 * place + 1] or 0))
        for place, name in enumerate(names)
    }


def _verdict(expected: Digests, rows: int, found: Digests) -> Verdict:
    return Verdict(
        rows_expected=rows,
        rows=found.get("id", (0, 0))[0],
        table=NAME,
        missing=tuple(name for name in expected if name not in found),
        changed=tuple(n for n in expected if n in found and expected[n] != found[n]),
    )
