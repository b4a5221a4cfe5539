"""Which checkpoint stands when some are carried by transactions of a table's own log."""

from __future__ import annotations

import pytest

from penstock.sdk.files.manifest import Checkpoint


def checkpoint(
    number: int | None, state: str | None = None, before: Checkpoint | None = None
) -> Checkpoint:
    return Checkpoint(connection="c", name="s", number=number, state=state, before=before)


FIRST = checkpoint(1, "first")
PREPARED = checkpoint(2, "second", FIRST)
FENCED = checkpoint(3, "first", PREPARED)


@pytest.mark.parametrize(
    ("head", "number", "stands"),
    [
        (checkpoint(None, "of the manifest"), 9, "of the manifest"),
        (FIRST, 1, "first"),
        (PREPARED, 1, "first"),
        (PREPARED, 2, "second"),
        (FENCED, 3, "first"),
        (FENCED, 2, "second"),
        (checkpoint(1, "first", checkpoint(None)), 0, None),
    ],
)
def test_the_checkpoint_stands_that_the_log_names(
    head: Checkpoint, number: int, stands: str | None
) -> None:
    settled = head.settled(number)
    assert settled is not None
    assert settled.state == stands


@pytest.mark.parametrize("number", [0, 5])
def test_none_stands_in_a_log_that_names_none_of_them(number: int) -> None:
    assert PREPARED.settled(number) is None


def test_a_number_is_never_used_twice() -> None:
    assert FENCED.highest == 3
    assert checkpoint(None, before=FENCED).highest == 3
    assert checkpoint(None).highest == 0
