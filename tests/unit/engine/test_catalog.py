from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.catalog import MODES, Choices, Mode, configure, find_stream, parse_mode
from penstock.errors import ConfigError, UnknownName
from penstock.protocol.catalog import (
    Catalog,
    CatalogStream,
    ConfiguredStream,
    DestinationSyncMode,
    SyncMode,
)

BOTH = (SyncMode.FULL_REFRESH, SyncMode.INCREMENTAL)
COLUMNS = ("id", "updated_at", "a.b", "address")


def stream(name: str = "users", **fields: Any) -> CatalogStream:
    schema = {"properties": {column: {} for column in COLUMNS}}
    return CatalogStream(name=name, **({"json_schema": schema} | fields))


def keyed(name: str = "users", **fields: Any) -> CatalogStream:
    given = {
        "supported_sync_modes": BOTH,
        "source_defined_primary_key": (("id",),),
        "default_cursor_field": ("updated_at",),
        "source_defined_cursor": True,
    }
    return stream(name, **(given | fields))


def one(found: CatalogStream, **choices: Any) -> ConfiguredStream:
    (configured,) = configure(Catalog(streams=(found,)), Choices(**choices)).streams
    return configured


def mode_of(configured: ConfiguredStream) -> tuple[SyncMode, DestinationSyncMode]:
    return configured.sync_mode, configured.destination_sync_mode


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(keyed(), Mode.INCREMENTAL_APPEND_DEDUP, id="incremental with key"),
        pytest.param(
            keyed(source_defined_primary_key=None), Mode.INCREMENTAL_APPEND, id="incremental"
        ),
        pytest.param(
            keyed(source_defined_primary_key=(("address", "city"),)),
            Mode.INCREMENTAL_APPEND,
            id="a nested key cannot be compared",
        ),
        pytest.param(
            keyed(default_cursor_field=None, source_defined_cursor=None),
            Mode.FULL_REFRESH_OVERWRITE,
            id="incremental without a cursor",
        ),
        pytest.param(
            keyed(default_cursor_field=None), Mode.INCREMENTAL_APPEND_DEDUP, id="hidden cursor"
        ),
        pytest.param(stream(), Mode.FULL_REFRESH_OVERWRITE, id="full refresh"),
    ],
)
def test_without_a_choice_the_best_mode_the_stream_supports_is_taken(
    found: CatalogStream, expected: Mode
) -> None:
    assert mode_of(one(found)) == MODES[expected]


def test_the_default_stays_within_what_the_destination_can_do() -> None:
    append_only = frozenset({DestinationSyncMode.APPEND})
    assert mode_of(one(keyed(), destination_modes=append_only)) == MODES[Mode.INCREMENTAL_APPEND]
    assert mode_of(one(stream(), destination_modes=append_only)) == MODES[Mode.FULL_REFRESH_APPEND]


def test_a_mode_for_one_stream_wins_over_the_mode_for_all() -> None:
    catalog = Catalog(streams=(keyed("users"), keyed("orders")))
    choices = Choices(
        default_mode=Mode.FULL_REFRESH_APPEND, modes={"orders": Mode.INCREMENTAL_APPEND}
    )
    users, orders = configure(catalog, choices).streams
    assert mode_of(users) == MODES[Mode.FULL_REFRESH_APPEND]
    assert mode_of(orders) == MODES[Mode.INCREMENTAL_APPEND]


def test_chosen_streams_keep_the_order_of_the_source() -> None:
    catalog = Catalog(streams=(stream("a"), stream("b"), stream("c")))
    configured = configure(catalog, Choices(streams=("c", "a", "c")))
    assert [each.stream.name for each in configured.streams] == ["a", "c"]


def test_every_unknown_name_is_told_at_once_with_the_nearest() -> None:
    catalog = Catalog(streams=(stream("users"), stream("orders")))
    choices = Choices(streams=("user",), cursors={"order": "id"}, primary_keys={"xyz": ("id",)})
    with pytest.raises(UnknownName) as caught:
        configure(catalog, choices)
    text = str(caught.value)
    assert '"user"' in text
    assert "Did you mean users?" in text
    assert "Did you mean orders?" in text
    assert "Choose from: users, orders." in text


def test_problems_of_several_kinds_are_one_config_error() -> None:
    catalog = Catalog(streams=(stream("users"), keyed("orders", source_defined_primary_key=None)))
    choices = Choices(
        modes={"users": Mode.INCREMENTAL_APPEND, "orders": Mode.FULL_REFRESH_OVERWRITE_DEDUP},
        cursors={"orders": "updatd_at"},
    )
    with pytest.raises(ConfigError) as caught:
        configure(catalog, choices)
    assert type(caught.value) is ConfigError
    text = str(caught.value)
    assert "cannot be read as incremental" in text
    assert "--primary-key orders=COLUMN" in text
    assert "Did you mean updated_at?" in text


def test_a_name_that_fits_two_namespaces_must_be_written_whole() -> None:
    catalog = Catalog(streams=(stream("t", namespace="a"), stream("t", namespace="b")))
    with pytest.raises(ConfigError, match=r"fits 2 streams. Write a\.t or b\.t"):
        configure(catalog, Choices(streams=("t",)))
    (found,) = configure(catalog, Choices(streams=("b.t",))).streams
    assert found.stream.namespace == "b"


def test_a_key_may_be_chosen_where_the_source_defines_none() -> None:
    found = keyed(source_defined_primary_key=None)
    configured = one(found, primary_keys={"users": ("id", "a.b")})
    assert configured.primary_key == (("id",), ("a.b",))
    assert mode_of(configured) == MODES[Mode.INCREMENTAL_APPEND_DEDUP]


def test_a_column_inside_another_is_written_with_a_dot() -> None:
    configured = one(
        keyed(source_defined_primary_key=None), primary_keys={"users": ("address.city",)}
    )
    assert configured.primary_key == (("address", "city"),)


@pytest.mark.parametrize(
    "choices",
    [{"cursors": {"users": "id"}}, {"primary_keys": {"users": ("updated_at",)}}],
    ids=["cursor", "primary key"],
)
def test_what_the_source_defines_cannot_be_overridden(choices: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="The source itself defines the"):
        one(keyed(), **choices)


def test_repeating_what_the_source_defines_is_no_problem() -> None:
    configured = one(keyed(), cursors={"users": "updated_at"}, primary_keys={"users": ("id",)})
    assert configured.cursor_field == ("updated_at",)
    assert configured.primary_key == (("id",),)


def test_incremental_without_any_cursor_names_the_option() -> None:
    found = keyed(default_cursor_field=None, source_defined_cursor=None)
    with pytest.raises(ConfigError, match="--cursor users=COLUMN"):
        one(found, default_mode=Mode.INCREMENTAL_APPEND)


def test_a_mode_the_destination_cannot_do_is_refused_with_those_it_can() -> None:
    append_only = frozenset({DestinationSyncMode.APPEND})
    with pytest.raises(ConfigError, match="full_refresh_append, incremental_append"):
        one(keyed(), default_mode=Mode.FULL_REFRESH_OVERWRITE, destination_modes=append_only)


def test_a_refresh_marks_every_stream_with_its_generation() -> None:
    configured = one(keyed(), refresh_generation=7)
    assert (configured.generation_id, configured.minimum_generation_id) == (7, 7)
    assert mode_of(configured) == MODES[Mode.INCREMENTAL_APPEND_DEDUP]


def test_a_source_without_streams_is_told() -> None:
    with pytest.raises(ConfigError, match="no streams"):
        configure(Catalog(streams=()), Choices())


def test_an_empty_choice_is_told() -> None:
    with pytest.raises(ConfigError, match="No stream was chosen"):
        configure(Catalog(streams=(stream(),)), Choices(streams=()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("incremental_append", Mode.INCREMENTAL_APPEND),
        ("Incremental-Append", Mode.INCREMENTAL_APPEND),
        ("Full refresh + overwrite", None),
        ("incremental_deduped_history", Mode.INCREMENTAL_APPEND_DEDUP),
        ("full_refresh_overwrite_deduped", Mode.FULL_REFRESH_OVERWRITE_DEDUP),
        ("incremental", None),
    ],
)
def test_modes_are_read_by_airbytes_names(text: str, expected: Mode | None) -> None:
    if expected is None and "+" not in text:
        with pytest.raises(UnknownName, match="Did you mean"):
            parse_mode(text)
    else:
        assert parse_mode(text) is (expected or Mode.FULL_REFRESH_OVERWRITE)


def test_every_mode_name_says_its_two_halves() -> None:
    for mode, (read, write) in MODES.items():
        assert mode.value == f"{read}_{write}"
    assert set(MODES) == set(Mode)


def test_an_unknown_stream_is_told_with_the_nearest() -> None:
    catalog = Catalog(streams=(stream("users"),))
    assert find_stream(catalog, "users").name == "users"
    with pytest.raises(UnknownName, match="Did you mean users"):
        find_stream(catalog, "user")


@given(
    modes=st.sets(st.sampled_from(list(SyncMode)), min_size=1),
    key=st.booleans(),
    cursor=st.booleans(),
    can=st.none() | st.frozensets(st.sampled_from(list(DestinationSyncMode)), min_size=1),
)
def test_the_default_is_always_a_mode_the_stream_supports_or_an_error(
    modes: set[SyncMode],
    key: bool,
    cursor: bool,
    can: frozenset[DestinationSyncMode] | None,
) -> None:
    found = stream(
        supported_sync_modes=tuple(modes),
        source_defined_primary_key=(("id",),) if key else None,
        default_cursor_field=("updated_at",) if cursor else None,
    )
    try:
        configured = one(found, destination_modes=can)
    except ConfigError:
        possible = {
            mode
            for mode, (read, write) in MODES.items()
            if read in modes
            and (read is SyncMode.FULL_REFRESH or cursor)
            and (can is None or write in can)
            and not mode.is_dedup
        }
        assert not possible
        return
    assert configured.sync_mode in modes
    assert can is None or configured.destination_sync_mode in can
    if configured.destination_sync_mode is DestinationSyncMode.APPEND_DEDUP:
        assert configured.effective_primary_key()
