"""What each native destination is known not to keep, by its name, and why.

Its own tests and `penstock certify` read the same list.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from penstock.testing.gaps import Gap, never

_MINUS_ZERO: Final = "SQLite writes minus zero into its files as zero"
_NO_NUL: Final = "has no U+0000; it becomes U+FFFD, and that is recorded"

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
