from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from penstock.errors import MissingDriver
from penstock.library import exceptions as exc
from penstock.library.secrets import (
    CustomSecretManager,
    DotenvSecretManager,
    EnvVarSecretManager,
    GoogleGSMSecretManager,
    SecretManager,
    SecretSourceEnum,
    SecretsPrompt,
    SecretString,
    get_secret,
    is_secret_available,
    try_get_secret,
)
from penstock.library.secrets.lookup import Places, hydrated
from penstock.library.secrets.managers import parse_dotenv


class Held(SecretManager):
    """Holds what it is given."""

    name = "held"

    def __init__(self, **values: str) -> None:
        self._values = values

    def get_secret(self, secret_name: str) -> SecretString | None:
        value = self._values.get(secret_name)
        return None if value is None else SecretString(value)


def test_a_secret_does_not_show_itself() -> None:
    secret = SecretString("canary")
    assert "canary" not in repr(secret)
    assert "canary" not in repr({"password": secret})
    assert secret == "canary"
    assert SecretString("").is_empty()
    assert SecretString("")
    assert SecretString('{"a": 1}').parse_json() == {"a": 1}


def test_a_secret_that_is_no_json_is_not_quoted() -> None:
    with pytest.raises(exc.PyAirbyteInputError) as raised:
        SecretString("canary{").parse_json()
    assert "canary" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_the_environment_comes_before_a_dotenv_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("ONE=file\nTWO=file\n")
    monkeypatch.setenv("ONE", "environment")
    assert get_secret("ONE") == "environment"
    assert get_secret("TWO") == "file"
    assert get_secret("ONE", sources=[SecretSourceEnum.DOTENV]) == "file"
    assert is_secret_available("TWO")


def test_a_missing_secret_names_the_places_that_were_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(exc.PyAirbyteSecretNotFoundError, match="env, dotenv"):
        get_secret("NOWHERE_TO_BE_FOUND", allow_prompt=False)
    assert try_get_secret("NOWHERE_TO_BE_FOUND") is None
    assert get_secret("NOWHERE_TO_BE_FOUND", default="d") == "d"
    with pytest.raises(exc.PyAirbyteInputError, match="vault"):
        get_secret("X", sources=["vault"])


def test_a_place_of_ones_own_is_asked_first_or_last() -> None:
    places = Places([EnvVarSecretManager()])
    places.register(Held(), as_backup=True)
    places.register(SecretsPrompt(lambda _question: ""))
    assert [str(each) for each in places.managers] == ["prompt", "env", "held"]
    assert [str(each) for each in places.chosen(None)] == ["env", "held"]
    places.disable("env")
    places.register(Held(A="new"), replace_existing=True)
    assert [each.get_secret("A") for each in places.chosen(["held"])] == ["new"]


def test_a_place_made_by_subclassing_can_be_used_directly() -> None:
    class Vault(CustomSecretManager):
        name = "vault"
        auto_register = False

        def get_secret(self, secret_name: str) -> SecretString | None:
            return SecretString(secret_name.lower())

    assert get_secret("NAME", sources=[Vault()]) == "name"


def test_the_prompt_gives_what_was_typed() -> None:
    assert SecretsPrompt(lambda _question: "typed").get_secret("X") == "typed"
    assert SecretsPrompt(lambda _question: "").get_secret("X") is None


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=plain", "plain"),
        ("export A=plain", "plain"),
        ("A = spaced ", "spaced"),
        ('A="two words"', "two words"),
        ("A='#no comment'", "#no comment"),
        ("A=x # comment", "x"),
        ("A=x#y", "x#y"),
        ('A="line\\nbreak"', "line\nbreak"),
        ("A=a=b", "a=b"),
        ("#A=x\nA=y", "y"),
    ],
)
def test_a_dotenv_line_is_read(line: str, value: str) -> None:
    assert parse_dotenv(line)["A"] == value


def test_a_given_dotenv_file_may_be_missing(tmp_path: Path) -> None:
    assert DotenvSecretManager(tmp_path / "none.env").get_secret("A") is None


def test_references_are_filled_in_lists_and_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELD", "value")
    given: dict[str, Any] = {
        "a": "secret_reference::HELD",
        "b": [{"c": ["secret_reference::HELD", 1]}],
        "d": None,
    }
    assert hydrated(given) == {"a": "value", "b": [{"c": ["value", 1]}], "d": None}
    assert given["a"] == "secret_reference::HELD"


class Payload:
    data = b"from google"


class Answer:
    payload = Payload()


class Listed:
    def __init__(self, name: str) -> None:
        self.name = name


class GoogleClient:
    """Answers as Google's client does."""

    def access_secret_version(self, *, name: str) -> Answer:
        if name != "projects/p/secrets/S/versions/latest":
            raise KeyError(name)
        return Answer()

    def list_secrets(self, *, request: dict[str, str]) -> list[Listed]:
        assert request == {"parent": "projects/p", "filter": "labels.connector=source-x"}
        return [Listed("projects/1/secrets/S")]


def test_google_secret_manager_is_asked_by_name_and_by_label() -> None:
    manager = GoogleGSMSecretManager("p", client=GoogleClient())
    assert manager.get_secret("S") == "from google"
    assert manager.get_secret("T") is None
    assert manager.fetch_connector_secret("source-x").get_value() == "from google"


def test_google_secret_manager_without_its_package_says_what_to_install() -> None:
    with pytest.raises(MissingDriver, match="google-cloud-secret-manager"):
        GoogleGSMSecretManager("p").get_secret("S")
