"""Raw ids of databases that make none themselves."""

from __future__ import annotations

import time
from uuid import RFC_4122, UUID

from penstock.sdk.sql.row_ids import first_row_id, new_row_ids


def test_row_ids_are_distinct_uuids_of_version_7_in_order() -> None:
    ids = [*new_row_ids(1000), *new_row_ids(0)]
    assert ids == sorted(set(ids))
    assert {(UUID(text).version, UUID(text).variant) for text in ids} == {(7, RFC_4122)}
    assert all(str(UUID(text)) == text for text in ids)


def test_a_row_id_tells_the_millisecond_it_was_made_in() -> None:
    before = time.time_ns() // 1_000_000
    made = first_row_id() >> 80
    assert before <= made <= time.time_ns() // 1_000_000


def test_batches_do_not_start_at_the_same_place() -> None:
    low = {first_row_id() % (1 << 64) for _ in range(100)}
    assert len(low) == 100


def test_counting_on_stays_within_version_and_variant() -> None:
    for _ in range(100):
        last = UUID(int=first_row_id() + (1 << 61))
        assert (last.version, last.variant) == (7, RFC_4122)
