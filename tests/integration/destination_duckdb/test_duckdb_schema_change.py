"""Tables that are not as the plan wants them: altered in place, and no value lost in silence."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import pytest

from penstock.data.types import Kind
from penstock.destinations.duckdb import DuckDBDestination
from penstock.errors import ConfigError
from tests.integration.destination_duckdb.duckdb_landing import (
    AT,
    EVERY_KIND,
    TABLE,
    batch,
    destination,
    plan,
    query,
    state,
    sync,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


@pytest.fixture
def target(path: Path) -> DuckDBDestination:
    return destination(path)


def value_columns(kind: Kind) -> list[tuple[str, Kind]]:
    return [("id", Kind.INTEGER), ("value", kind)]


def changes_of(path: Path) -> list[list[dict[str, str]]]:
    rows = query(path, "SELECT _airbyte_meta FROM users ORDER BY id")
    return [json.loads(row[0])["changes"] for row in rows]


def test_a_new_column_is_null_in_older_rows_and_a_removed_one_in_newer(
    target: DuckDBDestination, path: Path
) -> None:
    old = [("id", Kind.INTEGER), ("gone", Kind.STRING)]
    new = [("id", Kind.INTEGER), ("come", Kind.BOOLEAN)]
    sync(target, plan(old), old, [(1, "x")])
    sync(target, plan(new), new, [(2, True)])

    found = query(path, "SELECT id, gone, come FROM users ORDER BY id")
    assert found == [(1, "x", None), (2, None, True)]


@pytest.mark.parametrize(("old", "new"), list(product(Kind, Kind)))
def test_no_change_of_type_loses_a_value_in_silence(
    target: DuckDBDestination, path: Path, old: Kind, new: Kind
) -> None:
    before, after = EVERY_KIND[old], EVERY_KIND[new]
    sync(target, plan(value_columns(old)), value_columns(old), list(enumerate(before)))
    as_text = query(path, "SELECT value FROM users ORDER BY id")
    sync(
        target,
        plan(value_columns(new)),
        value_columns(new),
        list(enumerate(after, start=len(before))),
    )

    found = query(path, "SELECT value FROM users ORDER BY id")
    changes = changes_of(path)

    assert changes[: len(before)] == [[]] * len(before)
    for stored, original in zip(found[: len(before)], as_text, strict=True):
        assert same(stored[0], original[0]), (stored, original)
    for stored, original, change in zip(
        found[len(before) :], after, changes[len(before) :], strict=True
    ):
        is_recorded = [entry["field"] for entry in change] == ["value"]
        assert same(stored[0], original) or is_recorded, (stored, original)
        assert not (is_recorded and type(stored[0]) is type(original) and stored[0] == original)


def same(stored: Any, original: Any) -> bool:  # noqa: PLR0911 (one line a kind)
    """Tells whether a stored value still says exactly what the original said."""
    if stored is None:
        return False
    if isinstance(original, bool):
        return stored in (original, str(original).lower())
    if isinstance(original, int | float | Decimal) and not isinstance(stored, str):
        exact = isinstance(original, int)
        return Decimal(stored) == original if exact else float(stored) == float(original)
    if isinstance(original, int | float | Decimal):
        return float(stored) == float(original) and (
            isinstance(original, float) or Decimal(stored) == original
        )
    if isinstance(original, datetime) and isinstance(stored, str):
        text = stored.strip('"')
        read = datetime.fromisoformat(text)
        return read == original and (read.tzinfo is None) == (original.tzinfo is None)
    if isinstance(original, datetime) and original.tzinfo and stored.tzinfo is None:
        return bool(stored.replace(tzinfo=UTC) == original)
    if isinstance(original, str):
        return stored == original or json.loads(stored) == original
    if isinstance(stored, str):
        return stored.strip('"') == original.isoformat()
    return bool(stored == original)


def test_integers_become_doubles_only_when_every_stored_one_survives(
    target: DuckDBDestination, path: Path
) -> None:
    whole, number = value_columns(Kind.INTEGER), value_columns(Kind.NUMBER)
    sync(target, plan(whole), whole, [(1, 2**53)])
    sync(target, plan(number), number, [(2, 0.5)])
    assert query(path, "SELECT value FROM users ORDER BY id") == [(2.0**53,), (0.5,)]

    path.unlink()
    sync(target, plan(whole), whole, [(1, 2**53 + 1)])
    sync(target, plan(number), number, [(2, 0.5)])
    assert query(path, "SELECT value FROM users ORDER BY id") == [("9007199254740993",), ("0.5",)]


def test_a_value_that_a_foreign_column_cannot_hold_is_null_and_recorded(
    target: DuckDBDestination, path: Path
) -> None:
    with duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE users (id BIGINT, value INTEGER)")
    number = value_columns(Kind.NUMBER)
    given = '[{"field":"x","change":"NULLED","reason":"SOURCE_RETRIEVAL_ERROR"}]'
    with target.open(plan(number)) as writer:
        writer.write(batch(number, [(1, 7.0), (2, 1.5), (3, 1e30), (4, None)]))
        writer.write(batch(number, [(5, 1.5), (6, 2.0)], changes=given))
        writer.write(batch(number, [(7, 2.5)], changes="[]"))
        writer.finish(state(1))

    entry = {"field": "value", "change": "NULLED", "reason": "DESTINATION_TYPECAST_ERROR"}
    kept = json.loads(given)
    found = query(path, "SELECT value FROM users ORDER BY id")
    assert found == [(7,), (None,), (None,), (None,), (None,), (2,), (None,)]
    assert changes_of(path) == [[], [entry], [entry], [], [*kept, entry], kept, [entry]]


def test_a_table_that_pyairbyte_made_is_continued(target: DuckDBDestination, path: Path) -> None:
    with duckdb.connect(path) as connection:
        connection.execute(
            "CREATE TABLE users (id BIGINT, price DECIMAL(38,9), seen_at TIMESTAMP, tags VARCHAR,"
            " _airbyte_raw_id VARCHAR, _airbyte_extracted_at TIMESTAMP, _airbyte_meta JSON)"
        )
        connection.execute(
            "INSERT INTO users VALUES (1, 1.5, '2024-01-01', 'x', 'r', '2023-01-01', '{}')"
        )
    columns = [
        ("id", Kind.INTEGER),
        ("price", Kind.NUMBER),
        ("seen_at", Kind.TIMESTAMP_TZ),
        ("tags", Kind.JSON),
    ]
    instant = datetime(2024, 3, 10, 12, tzinfo=UTC)
    rows = [(2, 0.1, instant, '["a"]'), (3, 0.12345678912, instant, None)]
    keyed = plan(columns, mode=plan().mode.APPEND_DEDUP, key=["id"], generation_id=5)
    with target.open(keyed) as writer:
        writer.write(batch(columns, rows))
        writer.finish(state(1))

    found = query(
        path,
        "SELECT id, price, seen_at, tags, _airbyte_extracted_at, _airbyte_generation_id"
        " FROM users ORDER BY id",
    )
    naive = instant.replace(tzinfo=None)
    extracted = AT.replace(tzinfo=None)
    assert found == [
        (1, Decimal("1.5"), datetime(2024, 1, 1), "x", datetime(2023, 1, 1), None),  # noqa: DTZ001
        (2, Decimal("0.1"), naive, '["a"]', extracted, 5),
        (3, Decimal("0.123456789"), naive, None, extracted, 5),
    ]
    changes = json.loads(query(path, "SELECT _airbyte_meta FROM users WHERE id = 3")[0][0])
    assert [entry["change"] for entry in changes["changes"]] == ["TRUNCATED"]


def test_an_index_in_the_way_of_a_change_is_named(target: DuckDBDestination, path: Path) -> None:
    columns = value_columns(Kind.DATE)
    sync(target, plan(columns), columns, [(1, date(2024, 1, 1))])
    with duckdb.connect(path) as connection:
        connection.execute("CREATE INDEX mine ON users (value)")

    with pytest.raises(ConfigError) as caught, target.open(plan(value_columns(Kind.STRING))):
        pass

    assert "index" in caught.value.remedy
    assert target.count(TABLE) == 1
