"""One dataclass: its schema, parsing with every problem at once, masking, flags and table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, ClassVar, Literal

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import BugError, ConfigError, UnknownName
from penstock.protocol.catalog import DestinationSyncMode
from penstock.protocol.codec import encode
from penstock.sdk.config import (
    config_of_flags,
    config_schema,
    flags_of,
    masked,
    masked_text,
    parse_config,
    secret_paths,
    secret_values,
    setting,
    settings_table,
    spec_of,
    typed_references,
    validate_against_spec,
)

CANARY = "canary-7f3a9"


class Region(StrEnum):
    EUROPE = "eu"
    STATES = "us"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    title: ClassVar[str] = "API token"
    kind: Literal["token"] = "token"
    token: str = setting(secret=True, alias=("api_token",))


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth:
    kind: Literal["oauth"] = "oauth"
    client_id: str
    client_secret: str = setting(secret=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    name: str
    url: str = setting(pattern="^https?://", pattern_descriptor="https://…")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    auth: Token | OAuth = setting(title="Sign in")
    rows: int = setting(default=10, minimum=0, maximum=100, description="How | many.")
    region: Region = Region.EUROPE
    since: date | None = None
    until: datetime | None = None
    ratio: float = 0.5
    is_on: bool = True
    names: tuple[str, ...] = ()
    sheets: tuple[Sheet, ...] = ()
    headers: Mapping[str, str] = setting(default_factory=dict)
    keys: tuple[str, ...] = setting(default=(), secret=True, advanced=True)
    engine: str = setting(default="x", hidden=True)


TOKEN = {"kind": "token", "token": CANARY}


def problems(values: Mapping[str, Any], *, from_text: bool = False) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_config(Settings, values, from_text=from_text)
    return caught.value


def test_the_schema_is_valid_draft_7() -> None:
    jsonschema.Draft7Validator.check_schema(config_schema(Settings))


def test_the_schema_speaks_airbytes_dialect() -> None:
    schema = config_schema(Settings, title="Things")
    properties = schema["properties"]
    assert schema["title"] == "Things"
    assert schema["required"] == ["auth"]
    assert [properties[name]["order"] for name in properties] == list(range(12))
    assert properties["rows"] == {
        "title": "Rows",
        "description": "How | many.",
        "type": "integer",
        "order": 1,
        "default": 10,
        "minimum": 0,
        "maximum": 100,
        "always_show": True,
    }
    assert properties["region"]["enum"] == ["eu", "us"]
    assert properties["region"]["default"] == "eu"
    assert properties["since"]["format"] == "date"
    assert properties["until"]["format"] == "date-time"
    assert properties["keys"]["airbyte_secret"] is True
    assert "always_show" not in properties["keys"]
    assert "default" not in properties["keys"]
    assert properties["engine"]["airbyte_hidden"] is True


def test_a_union_becomes_one_of_with_a_constant_each() -> None:
    branches = config_schema(Settings)["properties"]["auth"]["oneOf"]
    assert [branch["title"] for branch in branches] == ["API token", "OAuth"]
    assert [branch["properties"]["kind"]["const"] for branch in branches] == ["token", "oauth"]
    assert all("kind" in branch["required"] for branch in branches)


def test_the_spec_serialises_with_the_protocols_names() -> None:
    spec = spec_of(
        Settings,
        documentation_url="https://docs.example.org",
        destination_sync_modes=(DestinationSyncMode.APPEND,),
    )
    document = json.loads(encode(spec))
    assert document["documentationUrl"] == "https://docs.example.org"
    assert document["supported_destination_sync_modes"] == ["append"]
    assert document["connectionSpecification"]["properties"].keys() >= {"rows", "auth"}


def test_a_union_that_cannot_be_told_apart_is_refused_at_once() -> None:
    @dataclass(frozen=True)
    class One:
        a: str

    @dataclass(frozen=True)
    class Two:
        b: str

    @dataclass(frozen=True)
    class Broken:
        which: One | Two

    Broken.__annotations__["which"] = One | Two
    with pytest.raises(BugError, match="told apart"):
        config_schema(Broken)


def test_a_full_configuration_parses_to_exact_types() -> None:
    parsed = parse_config(
        Settings,
        {
            "auth": {"kind": "oauth", "client_id": "007", "client_secret": CANARY},
            "rows": 3.0,
            "region": "us",
            "since": "2024-02-29",
            "until": "2024-02-29T12:00:00+05:30",
            "ratio": 1,
            "names": ["b", "a"],
            "sheets": [{"name": "one", "url": "https://x"}],
            "headers": {"X": "y"},
        },
    )
    assert parsed == Settings(
        auth=OAuth(client_id="007", client_secret=CANARY),
        rows=3,
        region=Region.STATES,
        since=date(2024, 2, 29),
        until=datetime.fromisoformat("2024-02-29T06:30:00+00:00"),
        ratio=1.0,
        names=("b", "a"),
        sheets=(Sheet(name="one", url="https://x"),),
        headers={"X": "y"},
    )
    assert type(parsed.rows) is int
    assert type(parsed.ratio) is float


def test_a_time_without_an_offset_is_utc() -> None:
    parsed = parse_config(Settings, {"auth": TOKEN, "until": "2024-01-01T00:00:00"})
    assert parsed.until == datetime(2024, 1, 1, tzinfo=UTC)


def test_every_problem_is_told_with_its_path() -> None:
    error = problems(
        {
            "auth": {"kind": "oauth", "client_id": 3, "clientid": "x"},
            "rows": "12",
            "regoin": "eu",
            "region": "EU",
            "since": "2024-02-30",
            "ratio": float("nan"),
            "is_on": 1,
            "names": "a",
            "sheets": [{"name": "one", "url": "ftp://x"}, 3],
            "headers": {"X": 1},
        }
    )
    assert error.context["paths"].split(", ") == [
        "regoin",
        "auth.clientid",
        "auth.client_id",
        "auth.client_secret",
        "rows",
        "region",
        "since",
        "ratio",
        "is_on",
        "names",
        "sheets[0].url",
        "sheets[1]",
        "headers.X",
    ]
    assert "regoin: is not a setting; did you mean region" in error.message
    assert "rows: must be an integer, not the string '12'" in error.message
    assert "region: must be one of eu, us, not the string 'EU'; did you mean eu" in error.message


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "auth: is required"),
        ({"auth": {}}, "auth.kind: is required: one of token, oauth"),
        ({"auth": {"kind": "tokem"}}, "did you mean token"),
        ({"auth": None}, "auth: must be an object, not null"),
        ({"auth": TOKEN, "rows": 101}, "rows: must be at most 100, not 101"),
        ({"auth": TOKEN, "rows": -1}, "rows: must be at least 0, not -1"),
        ({"auth": TOKEN, "rows": True}, "rows: must be an integer"),
        ({"auth": TOKEN, "rows": None}, "rows: must be an integer, not null"),
        ({"auth": TOKEN | {"api_token": "x"}}, "given twice"),
        ({"auth": TOKEN, "is_on": "true"}, "is_on: must be true or false"),
    ],
)
def test_a_wrong_value_is_named(values: dict[str, Any], message: str) -> None:
    assert message in problems(values).message


def test_a_secret_is_never_in_an_error() -> None:
    error = problems(
        {
            "auth": {"kind": "token", "token": {"nested": CANARY}, "tokken": CANARY},
            "keys": CANARY,
        }
    )
    assert error.context["paths"] == "auth.tokken, auth.token, keys"
    assert CANARY not in str(error)


def test_an_alias_is_read() -> None:
    parsed = parse_config(Settings, {"auth": {"kind": "token", "api_token": CANARY}})
    assert parsed.auth == Token(token=CANARY)


def test_text_is_read_as_what_each_setting_asks_for() -> None:
    parsed = parse_config(
        Settings,
        {
            "auth": '{"kind": "token", "token": "007"}',
            "rows": "1_0",
            "ratio": "1e-3",
            "is_on": "no",
            "names": "a, b",
            "headers": "x=1,y=2",
        },
        from_text=True,
    )
    assert parsed == Settings(
        auth=Token(token="007"),
        rows=10,
        ratio=0.001,
        is_on=False,
        names=("a", "b"),
        headers={"x": "1", "y": "2"},
    )


def test_text_that_does_not_read_is_a_problem_too() -> None:
    error = problems({"auth": TOKEN, "rows": "ten", "is_on": "maybe"}, from_text=True)
    assert error.context["paths"] == "rows, is_on"


def test_a_rule_of_the_class_itself_is_one_of_the_problems() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Span:
        first: int
        last: int

        def __post_init__(self) -> None:
            if self.first > self.last:
                raise ConfigError("first is after last.", remedy="Swap them.")

    Span.__annotations__.update(first=int, last=int)
    with pytest.raises(ConfigError, match="first is after last"):
        parse_config(Span, {"first": 2, "last": 1})


def test_secrets_are_found_in_every_branch() -> None:
    assert secret_paths(config_schema(Settings)) == {
        ("auth", "token"),
        ("auth", "client_secret"),
        ("keys",),
    }


def test_masking_hides_secrets_aliases_and_unknown_keys_only() -> None:
    config = {
        "auth": {"kind": "token", "api_token": CANARY},
        "keys": [CANARY],
        "pasword": CANARY,
        "rows": 3,
        "names": ["a"],
        "sheets": [{"name": "n", "url": "https://x", "tokn": CANARY}],
        "headers": {"X": "y"},
    }
    assert masked(config, config_schema(Settings)) == {
        "auth": {"kind": "token", "api_token": "****"},
        "keys": "****",
        "pasword": "****",
        "rows": 3,
        "names": ["a"],
        "sheets": [{"name": "n", "url": "https://x", "tokn": "****"}],
        "headers": {"X": "y"},
    }


def test_secret_values_are_taken_out_of_a_text() -> None:
    config = {"auth": {"kind": "token", "token": CANARY}, "keys": [CANARY + "-long"], "rows": 12345}
    secrets = secret_values(config, config_schema(Settings))
    assert secrets == {CANARY, CANARY + "-long"}
    assert masked_text(f"a {CANARY}-long b {CANARY} 12345", secrets) == "a **** b **** 12345"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["auth", "rows", "keys", "sheets", "x"]), json_values))
def test_masking_never_fails_and_keeps_the_keys(config: dict[str, Any]) -> None:
    schema = config_schema(Settings)
    assert masked(config, schema).keys() == config.keys()
    assert masked(masked(config, schema), schema) == masked(config, schema)


@given(st.dictionaries(st.sampled_from(["auth", "rows", "keys", "sheets", "x"]), json_values))
def test_any_json_gives_a_configuration_or_a_config_error(config: dict[str, Any]) -> None:
    try:
        parsed = parse_config(Settings, config)
    except ConfigError:
        return
    assert isinstance(parsed, Settings)


def test_there_is_a_flag_for_every_setting() -> None:
    flags = {flag.name: flag for flag in flags_of(Settings)}
    assert list(flags)[:5] == [
        "auth.kind",
        "auth.token",
        "auth.client_id",
        "auth.client_secret",
        "rows",
    ]
    assert flags["auth.kind"].choices == ("token", "oauth")
    assert flags["auth.kind"].required
    assert not flags["auth.token"].required
    assert flags["auth.token"].secret
    assert flags["auth.token"].aliases == ("auth.api_token",)
    assert flags["sheets"].kind == "json"
    assert (flags["names"].kind, flags["names"].item_kind) == ("list", "string")
    assert flags["region"].choices == ("eu", "us")


def test_flags_of_a_foreign_schema_keep_its_order_and_types() -> None:
    schema = {
        "type": "object",
        "required": ["count"],
        "properties": {
            "seed": {"type": ["null", "integer"], "order": 1},
            "count": {"type": "integer", "order": 0, "title": "Count"},
            "odd": {"type": ["string", "integer"]},
            "ids": {"type": "array", "items": {"type": "integer"}},
        },
    }
    assert [(flag.name, flag.kind, flag.required) for flag in flags_of(schema)] == [
        ("count", "integer", True),
        ("seed", "integer", False),
        ("odd", "json", False),
        ("ids", "list", False),
    ]


def test_flags_give_a_nested_typed_configuration() -> None:
    given_flags = {
        "auth.kind": "token",
        "auth.api_token": "007",
        "rows": "12",
        "is-on": "false",
        "names": ["a", "b"],
        "sheets": '[{"name": "one", "url": "https://x"}]',
        "since": "2024-01-01",
    }
    config = config_of_flags(Settings, given_flags)
    assert config == {
        "auth": {"kind": "token", "token": "007"},
        "rows": 12,
        "is_on": False,
        "names": ["a", "b"],
        "sheets": [{"name": "one", "url": "https://x"}],
        "since": "2024-01-01",
    }
    assert parse_config(Settings, config).rows == 12


def test_an_unknown_flag_offers_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean rows"):
        config_of_flags(Settings, {"row": "1"})


def test_a_single_setting_given_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="rows was given 2 times"):
        config_of_flags(Settings, {"rows": ["1", "2"]})


def test_what_a_reference_brought_is_read_as_its_setting_asks() -> None:
    written = {
        "auth": {"kind": "token", "api_token": "${env:T}"},
        "rows": "${env:ROWS}",
        "ratio": "0.5",
        "names": "${env:NAMES}",
        "is_on": True,
    }
    resolved = written | {
        "auth": {"kind": "token", "api_token": "007"},
        "rows": "12",
        "names": "a,b",
    }
    assert typed_references(written, resolved, Settings) == {
        "auth": {"kind": "token", "api_token": "007"},
        "rows": 12,
        "ratio": "0.5",
        "names": ["a", "b"],
        "is_on": True,
    }
    assert resolved["rows"] == "12"


def test_the_table_shows_what_is_not_hidden() -> None:
    lines = settings_table(Settings).splitlines()
    assert lines[0] == "| Setting | Type | Default | What it does |"
    assert "| `rows` | integer | `10` | Rows. How \\| many. |" in lines
    assert "| `auth.kind` | `token`, `oauth` | **required** | Kind. |" in lines
    assert not any("engine" in line for line in lines)


def test_validating_against_a_spec_tells_every_problem_without_values() -> None:
    spec = spec_of(Settings, documentation_url="x")
    with pytest.raises(ConfigError) as caught:
        validate_against_spec(
            {
                "auth": {"kind": "oauth", "client_id": 3, "client_secret": [CANARY]},
                "rows": CANARY,
                "region": CANARY,
                "sheets": [{"url": CANARY}],
            },
            spec,
        )
    assert set(caught.value.context["paths"].split(", ")) == {
        "auth.client_id",
        "auth.client_secret",
        "rows",
        "region",
        "sheets[0].name",
        "sheets[0].url",
    }
    assert CANARY not in str(caught.value)


def test_validating_names_the_choices_of_an_unknown_branch() -> None:
    spec = spec_of(Settings, documentation_url="x")
    with pytest.raises(ConfigError, match=r"auth\.kind: must be one of token, oauth"):
        validate_against_spec({"auth": {"kind": "none"}}, spec)


def test_a_valid_configuration_validates() -> None:
    validate_against_spec({"auth": TOKEN, "rows": 3}, spec_of(Settings, documentation_url="x"))


def test_a_required_setting_given_by_its_alias_is_given() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Place:
        path: str = setting(title="Path", alias=["destination_path"])

    spec = spec_of(Place, documentation_url="x")
    validate_against_spec({"destination_path": "x"}, spec)
    with pytest.raises(ConfigError, match="path: is required"):
        validate_against_spec({"other": "x"}, spec)


def test_a_configuration_that_is_printed_shows_no_secret() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Printed:
        user: str = setting()
        password: str = setting(secret=True)

    shown = repr(Printed(user="loader", password=CANARY))
    assert "loader" in shown
    assert CANARY not in shown
