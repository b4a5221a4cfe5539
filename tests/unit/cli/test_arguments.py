from __future__ import annotations

import pytest

from penstock.cli.arguments import (
    gather_settings,
    keys_of,
    list_of,
    pairs_of,
    settings_of,
    take_flag,
)
from penstock.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--source.rows", "10"], ["--source.KEY=rows=10"]),
        (["--source.rows=10"], ["--source.KEY=rows=10"]),
        (["--source.a.b", "x=y"], ["--source.KEY=a.b=x=y"]),
        (["--source.balance", "-5"], ["--source.KEY=balance=-5"]),
        (["--source.on", "--json"], ["--source.KEY=on", "--json"]),
        (["--source.on"], ["--source.KEY=on"]),
        (["--source.text=--x"], ["--source.KEY=text=--x"]),
        (["--source.text="], ["--source.KEY=text="]),
        (["--source.text", ""], ["--source.KEY=text="]),
        (["--source.text", "a\nb"], ["--source.KEY=text=a\nb"]),
        (["--source.text=a\nb"], ["--source.KEY=text=a\nb"]),
        (["--destination.path", "x"], ["--destination.KEY=path=x"]),
        (["--source-config", "f"], ["--source-config", "f"]),
        (["--", "--source.rows", "1"], ["--", "--source.rows", "1"]),
        (
            ["connector", "faker", "--source.rows", "1"],
            ["connector", "faker", "--source.rows", "1"],
        ),
    ],
)
def test_settings_of_any_name_become_one_repeatable_option(
    given: list[str], expected: list[str]
) -> None:
    assert gather_settings(given) == expected


def test_every_text_of_a_setting_is_kept_in_order() -> None:
    assert settings_of(["a=1", "b", "a=2=3", "c="]) == {"a": ["1", "2=3"], "b": [], "c": [""]}


def test_a_pair_without_its_stream_is_told_with_an_example() -> None:
    with pytest.raises(ConfigError, match="--cursor orders=updated_at"):
        pairs_of("--cursor", ["updated_at"], example="--cursor orders=updated_at")


def test_a_stream_given_twice_is_told() -> None:
    with pytest.raises(ConfigError, match="given twice"):
        pairs_of("--cursor", ["a=x", "a=y"], example="")


def test_lists_are_split_at_commas_and_hold_each_name_once() -> None:
    assert list_of(["a, b", "b,c,", ""]) == ("a", "b", "c")
    assert list_of(None) == ()
    assert keys_of({"orders": "a, b"}) == {"orders": ("a", "b")}


def test_a_flag_is_taken_wherever_it_stands() -> None:
    assert take_flag(["sync", "--debug", "a"], "--debug") == (["sync", "a"], True)
    assert take_flag(["sync"], "--debug") == (["sync"], False)
