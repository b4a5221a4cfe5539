"""Which cases of a suite `make test` runs: all, or some where each takes seconds."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

import pytest

_LONG: Final = frozenset(
    {
        "test_failing_between_any_two_calls_and_continuing_equals_one_clean_run",
        "test_killed_at_random_moments_and_repeated_equals_one_clean_run",
        "test_a_thousand_columns_land",
    }
)
"""Promises of which each case alone takes a minute there: one case."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks as `whole` what a class marked `some_cases(number)` leaves to `make whole`."""
    promises: dict[tuple[str, str], list[pytest.Function]] = defaultdict(list)
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("some_cases"):
            promises[item.nodeid.partition("[")[0], item.originalname].append(item)
    for (_, name), cases in promises.items():
        [number] = cases[0].get_closest_marker("some_cases").args
        wanted = 1 if name in _LONG else min(number, len(cases))
        # Spread over all cases, the last of them in: later cases are the harder ones.
        chosen = {(len(cases) * (place + 1)) // wanted - 1 for place in range(wanted)}
        for place, case in enumerate(cases):
            if place not in chosen:
                case.add_marker("whole")
