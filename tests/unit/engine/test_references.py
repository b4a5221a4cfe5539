from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.references import has_references, resolve_references
from penstock.errors import ConfigError

VARIABLES = {"HOST": "db", "PW": "p$ss${env:HOST}", "EMPTY": ""}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("${env:HOST}", "db"),
        ("http://${env:HOST}:1/${env:HOST}", "http://db:1/db"),
        ({"a": [{"b": "${env:HOST}"}, "x"]}, {"a": [{"b": "db"}, "x"]}),
        ("${env:PW}", "p$ss${env:HOST}"),
        ("${env:EMPTY}", ""),
        ("$HOST ${HOST} $${env} costs $5", "$HOST ${HOST} $${env} costs $5"),
        (12345678901234567890, 12345678901234567890),
        (None, None),
        (True, True),
    ],
    ids=["whole", "inside", "nested", "not again", "empty", "other $", "number", "null", "bool"],
)
def test_references_are_replaced_and_nothing_else(value: object, expected: object) -> None:
    assert resolve_references({"x": value}, environment=VARIABLES) == {"x": expected}


def test_a_file_is_read_without_its_last_line_break(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("line 1\nline 2\n", encoding="utf-8")
    resolved = resolve_references({"k": f"${{file:{tmp_path / 'key'}}}"})
    assert resolved == {"k": "line 1\nline 2"}


def test_a_missing_variable_is_named_with_its_place() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_references({"db": {"users": ["a", "${env:NOPE}"]}}, environment={})
    assert "db.users.1" in caught.value.message
    assert "NOPE" in caught.value.message


def test_a_missing_file_is_named_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"key refers to the file .*gone"):
        resolve_references({"key": f"${{file:{tmp_path}/gone}}"})


def test_a_file_that_is_no_text_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="no UTF-8 text"):
        resolve_references({"key": f"${{file:{tmp_path}/b}}"})


def test_the_given_configuration_is_left_as_it_is() -> None:
    config = {"a": {"b": "${env:HOST}"}}
    resolve_references(config, environment=VARIABLES)
    assert config == {"a": {"b": "${env:HOST}"}}


@pytest.mark.parametrize(
    ("config", "expected"), [({"a": ["${env:X}"]}, True), ({"a": ["$X", 1, None]}, False)]
)
def test_references_are_found_without_resolving_them(config: object, expected: bool) -> None:
    assert has_references(config) is expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet="ab$ {}:env"),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(config=st.dictionaries(st.text(), JSON).filter(lambda c: not has_references(c)))
def test_a_configuration_without_references_comes_back_equal(config: dict) -> None:
    assert resolve_references(config, environment={}) == config
