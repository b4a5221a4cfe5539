from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.runners.masking import MASK, Masker
from penstock.errors import ConnectorFailed

SPEC = {
    "properties": {
        "user": {"type": "string"},
        "magic": {"type": "string", "airbyte_secret": True},
        "login": {
            "oneOf": [
                {"properties": {"kind": {"const": "a"}, "word": {"airbyte_secret": True}}},
                {"properties": {"kind": {"const": "b"}}},
            ]
        },
        "keys": {"type": "array", "items": {"type": "string", "airbyte_secret": True}},
        "pin": {"type": "integer", "airbyte_secret": True},
    }
}


@pytest.mark.parametrize(
    ("config", "secret"),
    [
        ({"magic": "abracadabra"}, "abracadabra"),
        ({"login": {"kind": "a", "word": "open sesame"}}, "open sesame"),
        ({"keys": ["first-key", "second-key"]}, "second-key"),
        ({"pin": 471108}, "471108"),
    ],
    ids=["field", "inside oneOf", "list", "number"],
)
def test_fields_the_spec_marks_are_masked(config: dict, secret: str) -> None:
    assert Masker(config, SPEC)(f"sent {secret}!") == f"sent {MASK}!"


@pytest.mark.parametrize(
    "key",
    ["password", "client_secret", "api_key", "apiKey", "access_token", "private_key", "db_pwd"],
)
def test_keys_that_look_secret_are_masked_without_a_spec(key: str) -> None:
    assert Masker({"a": [{key: "s3cr3t"}]})("got s3cr3t") == f"got {MASK}"


@pytest.mark.parametrize("key", ["user", "token_url", "primary_key", "account", "token_type"])
def test_other_values_stay_readable(key: str) -> None:
    assert Masker({key: "visible"}, SPEC)("got visible") == "got visible"


def test_a_password_inside_a_url_is_masked_and_the_url_stays() -> None:
    mask = Masker({"url": "postgres://me:hunter22@db/x"})
    assert mask("at postgres://me:hunter22@db/x") == f"at postgres://me:{MASK}@db/x"


def test_secrets_are_masked_in_the_spellings_of_json_and_urls() -> None:
    secret = 'p"ä\nss wörd/1'
    mask = Masker({"password": secret})
    for text in (json.dumps(secret), json.dumps(secret, ensure_ascii=False)):
        assert "ss w" not in mask(text)
    assert mask("?p=p%22%C3%A4%0Ass%20w%C3%B6rd%2F1") == f"?p={MASK}"


def test_the_parts_of_a_service_account_file_are_masked() -> None:
    document = json.dumps(
        {"type": "service_account", "private_key": "-----BEGIN\nMIIabc123\n-----"}
    )
    mask = Masker({"credentials_json": document})
    assert mask("key MIIabc123 of service_account") == f"key {MASK} of service_account"


def test_short_secrets_do_not_eat_words() -> None:
    assert Masker({"password": "a"})("a cat at a bar") == f"{MASK} cat at {MASK} bar"


def test_empty_and_absent_secrets_mask_nothing() -> None:
    assert Masker({"password": "", "token": None, "secret": "  "})("as is") == "as is"


def test_the_longer_of_two_secrets_is_masked_whole() -> None:
    assert Masker({"password": "abcd", "token": "abcdefgh"})("abcdefgh") == MASK


def test_errors_are_masked_in_message_and_context() -> None:
    error = ConnectorFailed("saw hush!", remedy="none", line="it was hush!", exit_code=3)
    Masker({"password": "hush!"}).mask_error(error)
    assert error.message == f"saw {MASK}"
    assert error.context == {"line": f"it was {MASK}", "exit_code": 3}


@given(secret=st.text(min_size=4).filter(lambda s: s.strip() and MASK not in s and s not in MASK))
def test_no_secret_survives_in_any_text_that_holds_it(secret: str) -> None:
    mask = Masker({"password": secret})
    assert mask(f"<{secret}|{json.dumps(secret)}>").count(MASK) >= 2
