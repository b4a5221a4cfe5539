"""What each native destination is known not to keep, by its name, and why.

Its own tests and `penstock certify` read the same list.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from penstock.data.types import Kind
from penstock.testing.cases.schema_changes import INEXACT, TYPES
from penstock.testing.gaps import Gap, never

_MINUS_ZERO: Final = "SQLite writes minus zero into its files as zero"
_NO_NUL: Final = "has no U+0000; it becomes U+FFFD, and that is recorded"
_LAST_STAYS: Final = (
    "of equal keys a topic's compaction keeps the last message, whatever its cursor"
)
_OLDER_LAST: Final = (
    "older after newer in one batch",
    "older after newer in two batches",
    "older after newer in two commits",
    "older after newer in two syncs",
    "a null cursor is smaller than any",
    "null is a key like any other",
    "instants as cursor: one microsecond is newer",
)
_ONE_KIND: Final = (
    "readers of a topic's older schema would misread a field of another kind; it is refused"
)

KNOWN_GAPS: Final[Mapping[str, tuple[Gap, ...]]] = MappingProxyType(
    {
        "destination-postgres": (
            never(
                "test_value_comes_back_exactly",
                case="string: NUL",
                reason=f"PostgreSQL's text {_NO_NUL}",
            ),
            never(
                "test_value_comes_back_exactly",
                case="json: escaped NUL",
                reason=f"PostgreSQL's jsonb {_NO_NUL}",
            ),
        ),
        "destination-pulsar": (
            *(
                never("test_of_equal_keys_one_row_stays", case=case, reason=_LAST_STAYS)
                for case in _OLDER_LAST
            ),
            *(
                never(test, case="append_dedup", reason=_LAST_STAYS)
                for test in (
                    "test_many_random_rows_are_deduplicated_by_the_rule",
                    "test_the_row_that_stays_keeps_its_own_columns_of_penstock",
                    "test_one_undisturbed_run_gives_what_was_sent",
                    "test_failing_between_any_two_calls_and_continuing_equals_one_clean_run",
                    "test_killed_at_random_moments_and_repeated_equals_one_clean_run",
                )
            ),
            *(
                never(
                    "test_a_changed_schema_loses_nothing",
                    case=f"{change}-{mode}",
                    reason=_ONE_KIND,
                )
                for change in (*TYPES, *INEXACT)
                for mode in ("append", "append_dedup")
                if {change.before["value"], change.after["value"]} != {Kind.STRING, Kind.JSON}
            ),
        ),
        "destination-snowflake": tuple(
            never(
                "test_value_comes_back_exactly",
                case=case,
                reason="Snowflake's client has the years 1 to 9999; it becomes NULL, recorded",
            )
            for case in (
                "date: 44 BC",
                "date: year 12000",
                "timestamp: 44 BC",
                "timestamp_tz: 44 BC",
            )
        ),
        "destination-sqlite": (
            never("test_value_comes_back_exactly", case="number: -0", reason=_MINUS_ZERO),
            never("test_all_kinds_come_back_at_once", reason=_MINUS_ZERO),
        ),
    }
)
