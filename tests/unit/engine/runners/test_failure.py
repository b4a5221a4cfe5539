from __future__ import annotations

import pytest

from penstock.engine.runners.failure import parse_stderr_line


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("2024-01-01 12:00:00 ERROR it broke", ("ERROR", "2024-01-01 12:00:00 ERROR it broke")),
        ("WARNING: careful", ("WARN", "WARNING: careful")),
        ("CRITICAL x", ("FATAL", "CRITICAL x")),
        ("[DEBUG] x", ("DEBUG", "[DEBUG] x")),
        ("ValueError: bad", ("ERROR", "ValueError: bad")),
        ("Traceback (most recent call last):", ("ERROR", "Traceback (most recent call last):")),
        ("just words", ("INFO", "just words")),
        ("NOERRORS here", ("INFO", "NOERRORS here")),
        ('{"type":"LOG","log":{"level":"WARN","message":"m"}}', ("WARN", "m")),
        ('{"a": 1}', ("INFO", '{"a": 1}')),
        ('{"LOG"', ("INFO", '{"LOG"')),
    ],
)
def test_the_level_of_a_line_of_stderr_is_found(line: str, expected: tuple[str, str]) -> None:
    assert parse_stderr_line(line) == expected
