from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from penstock.cli.configuration import Given, assemble, read_config, secrets_in_flags
from penstock.errors import ConfigError

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["rows"],
    "properties": {
        "rows": {"type": "integer"},
        "name": {"type": "string"},
        "is_fast": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "credentials": {
            "type": "object",
            "properties": {
                "token": {"type": "string", "airbyte_secret": True},
                "user": {"type": "string"},
            },
        },
    },
}


def source(file: str | None = None, **settings: list[str]) -> Given:
    return Given("source", {k.replace("__", "."): v for k, v in settings.items()}, file)


def test_flags_are_typed_by_the_schema() -> None:
    given = source(rows=["10"], name=["007"], is_fast=[], tags=["a", "b"], credentials__user=["me"])
    assert assemble(given, SCHEMA) == {
        "rows": 10,
        "name": "007",
        "is_fast": True,
        "tags": ["a", "b"],
        "credentials": {"user": "me"},
    }


def test_flags_stand_above_the_file_also_inside_objects(tmp_path: Path) -> None:
    file = tmp_path / "f.json"
    file.write_text(json.dumps({"rows": 1, "credentials": {"user": "a", "token": "t"}}))
    merged = assemble(source(str(file), rows=["2"], credentials__user=["b"]), SCHEMA)
    assert merged == {"rows": 2, "credentials": {"user": "b", "token": "t"}}


def test_references_pass_unresolved() -> None:
    config = assemble(source(credentials__token=["${env:TOKEN}"], name=["${file:/x}"]), SCHEMA)
    assert config == {"credentials": {"token": "${env:TOKEN}"}, "name": "${file:/x}"}


def test_every_wrong_flag_is_told_at_once_with_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        assemble(source(row=["1"], name=[], credentials__usr=["x"], is_fast=["1", "2"]), SCHEMA)
    text = str(caught.value)
    assert "5 problems" in text
    assert "--source.row is not a setting; did you mean rows" in text
    assert "--source.name has no value" in text
    assert "did you mean credentials.user" in text
    assert "--source.rows is required" in text
    assert "--source.is_fast is given 2 times" in text


def test_a_value_is_never_in_the_error() -> None:
    with pytest.raises(ConfigError) as caught:
        assemble(source(credentials__tokn=["canary"]), SCHEMA)
    assert "canary" not in str(caught.value)


def test_a_secret_in_the_command_line_is_noticed_and_a_reference_is_not() -> None:
    assert secrets_in_flags(source(credentials__token=["abc"]), SCHEMA) == ("credentials.token",)
    assert secrets_in_flags(source(credentials__token=["${env:T}"]), SCHEMA) == ()
    assert secrets_in_flags(source(name=["abc"]), SCHEMA) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: no", {"a": "no"}),
        ("a: 007", {"a": "007"}),
        (
            "a: 7\nb: -1.5e3\nc: true\nd: ~\ne:",
            {"a": 7, "b": -1500.0, "c": True, "d": None, "e": None},
        ),
        ("a: 2024-01-31", {"a": "2024-01-31"}),
        ("a: 12:30", {"a": "12:30"}),
        ("a: 1_000", {"a": "1_000"}),
        ("a: 123456789012345678901", {"a": 123456789012345678901}),
        ('{"a": [1, {"b": "c"}]}', {"a": [1, {"b": "c"}]}),
        ("a:\n  b: [x, 'y']", {"a": {"b": ["x", "y"]}}),
    ],
)
def test_yaml_and_json_are_read_as_written(
    tmp_path: Path, text: str, expected: dict[str, Any]
) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    read = read_config(str(file))
    assert read == expected
    assert [type(value) for value in read.values()] == [type(v) for v in expected.values()]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("token: [canary", "line 1"),
        ("a: 1\na: canary", '"a" is there twice'),
        ("- canary", "does not hold settings by name"),
        ("a: !!python/object/apply:os.system [canary]", "neither JSON nor YAML"),
    ],
)
def test_a_broken_file_is_told_without_its_text(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "config.yml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_config(str(file))
    assert why in str(caught.value)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"There is no file nowhere\.yml"):
        read_config("nowhere.yml")
