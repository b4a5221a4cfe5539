"""Names of tables and columns: PyAirbyte's, and what PyAirbyte leaves open."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.data.names import (
    RESERVED_COLUMNS,
    RESERVED_TABLES,
    column_names,
    identifier,
    slug,
    staging_name,
    table_name,
    table_names,
)

names = st.text(max_size=80)
limits = st.integers(min_value=16, max_value=255)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Amount (USD)", "amount__usd_"),
        ("camelCase", "camelcase"),
        ("2col", "_2col"),
        ("order-id", "order_id"),
        ("größe", "gr__e"),
        ("_id", "_id"),
        ("_ab_cdc_deleted_at", "_ab_cdc_deleted_at"),
        ("a.b", "a_b"),
    ],
)
def test_a_name_becomes_what_pyairbyte_makes_of_it(source: str, expected: str) -> None:
    assert identifier(source, 63) == expected


@pytest.mark.parametrize(
    ("source", "stem"),
    [
        ("नाम", "naama"),
        ("हिन्दी", "hindii"),
        ("カタカナ", "katakana"),
        ("名前", "unnamed"),
        ("", "unnamed"),
    ],
)
def test_a_name_without_ascii_letters_stays_readable_where_it_can(source: str, stem: str) -> None:
    assert re.fullmatch(stem + "_[0-9a-f]{8}", identifier(source, 63))


def test_names_that_would_be_one_column_stay_two() -> None:
    first, second, third = column_names(["name", "Name", "NAME"], 63)

    assert first == "name"
    assert second.startswith("name_")
    assert third.startswith("name_")
    assert second != third


def test_a_property_called_like_a_meta_column_gets_a_name_of_its_own() -> None:
    (name,) = column_names(["_airbyte_raw_id"], 63)

    assert name.startswith("_airbyte_raw_id_")


def test_a_stream_called_like_a_bookkeeping_table_gets_a_table_of_its_own() -> None:
    assert table_name("_penstock_state", 63) not in RESERVED_TABLES


def test_two_streams_never_share_a_table() -> None:
    assert len(set(table_names(["Users", "users", "users!"], 63))) == 3


def test_long_names_that_differ_only_at_the_end_stay_different() -> None:
    left, right = identifier("x" * 100 + "a", 63), identifier("x" * 100 + "b", 63)

    assert left != right
    assert len(left) == len(right) == 63


def test_staging_of_a_long_table_differs_between_generations() -> None:
    table = "t" * 63

    assert staging_name(table, 1, 63) != staging_name(table, 2, 63)
    assert len(staging_name(table, 1, 63)) <= 63
    assert staging_name("users", 7, 63) == "users__gen7"


@given(st.lists(names, max_size=20), limits)
def test_columns_are_distinct_short_and_plain(sources: list[str], limit: int) -> None:
    columns = column_names(sources, limit)

    assert len(set(columns)) == len(sources)
    assert not RESERVED_COLUMNS & set(columns)
    for column in columns:
        assert re.fullmatch("[a-z_][a-z0-9_]*", column)
        assert len(column.encode()) <= limit


@given(st.lists(names, max_size=20), st.lists(names, max_size=5), limits)
def test_later_columns_never_rename_earlier_ones(
    sources: list[str], later: list[str], limit: int
) -> None:
    assert column_names(sources + later, limit)[: len(sources)] == column_names(sources, limit)


@given(st.from_regex(r"[A-Za-z0-9_ .-]*[A-Za-z0-9][A-Za-z0-9_ .-]*", fullmatch=True))
def test_ascii_names_follow_pyairbytes_rule_to_the_letter(source: str) -> None:
    expected = re.sub("[^a-z0-9]", "_", source.lower())
    expected = f"_{expected}" if expected[0].isdigit() else expected

    assert identifier(source, 10_000) == expected


@given(names, limits)
def test_a_name_made_once_stays_as_it_is(source: str, limit: int) -> None:
    once = identifier(source, limit)

    assert identifier(once, limit) == once


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("First visit (ANC)!", "first_visit_anc"),
        ("पंजीकरण फॉर्म", "पंजीकरण_फॉर्म"),
        ("a/b-c_d", "a_b_c_d"),
        ("🩺", "unnamed"),
        ("", "unnamed"),
    ],
)
def test_title_becomes_a_part_of_a_streams_name(title: str, name: str) -> None:
    assert name == slug(title)
