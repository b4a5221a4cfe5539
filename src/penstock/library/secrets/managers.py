"""Where secrets come from: the environment, a `.env` file, Colab, Google, a prompt, your own."""

from __future__ import annotations

import getpass
import importlib
import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from penstock.errors import MissingDriver
from penstock.library.exceptions import PyAirbyteInputError
from penstock.library.secrets.values import SecretString


class SecretSourceEnum(StrEnum):
    """The kinds of places that are known by name."""

    ENV = "env"
    DOTENV = "dotenv"
    GOOGLE_COLAB = "google_colab"
    GOOGLE_GSM = "google_gsm"
    PROMPT = "prompt"


class SecretManager(ABC):
    """One place that may hold secrets."""

    name: str = "custom"
    replace_existing: bool = False
    as_backup: bool = False

    @abstractmethod
    def get_secret(self, secret_name: str) -> SecretString | None:
        """Returns the secret of this name; None when this place has none."""

    def __str__(self) -> str:
        return str(self.name)


class CustomSecretManager(SecretManager, ABC):
    """A place of your own: subclass it, and make one."""

    auto_register: bool = True

    def __init__(self) -> None:
        if self.auto_register:
            self.register()

    def register(self) -> None:
        """Asks this place from now on whenever a secret is wanted."""
        from penstock.library.secrets.lookup import (  # noqa: PLC0415 (it needs this module)
            register_secret_manager,
        )

        register_secret_manager(
            self, as_backup=self.as_backup, replace_existing=self.replace_existing
        )


class EnvVarSecretManager(SecretManager):
    """Environment variables."""

    name = SecretSourceEnum.ENV

    def get_secret(self, secret_name: str) -> SecretString | None:
        value = os.environ.get(secret_name)
        return None if value is None else SecretString(value)


class DotenvSecretManager(SecretManager):
    """A `.env` file of NAME=value lines: a given one, or the nearest above the current folder."""

    name = SecretSourceEnum.DOTENV

    def __init__(self, dotenv_path: Path | str | None = None) -> None:
        self._path = None if dotenv_path is None else Path(dotenv_path)

    def get_secret(self, secret_name: str) -> SecretString | None:
        path = self._path or _nearest_dotenv()
        if path is None or not path.is_file():
            return None
        value = parse_dotenv(path.read_text(encoding="utf-8")).get(secret_name)
        return None if value is None else SecretString(value)


class ColabSecretManager(SecretManager):
    """The secrets of a Google Colab notebook."""

    name = SecretSourceEnum.GOOGLE_COLAB

    def get_secret(self, secret_name: str) -> SecretString | None:
        if "google.colab" not in sys.modules:
            return None
        userdata = colab().userdata
        try:
            return SecretString(userdata.get(secret_name))
        except (userdata.SecretNotFoundError, userdata.NotebookAccessError):
            return None


class SecretsPrompt(SecretManager):
    """Asks the person at the terminal; the answer is not shown."""

    name = SecretSourceEnum.PROMPT

    def __init__(self, ask: Callable[[str], str] = getpass.getpass) -> None:
        self._ask = ask

    def get_secret(self, secret_name: str) -> SecretString | None:
        answer = self._ask(f"Enter the value for secret '{secret_name}': ")
        return SecretString(answer) if answer else None


@dataclass(frozen=True, slots=True)
class SecretHandle:
    """Where a secret is, without its value."""

    secret_name: str
    parent: SecretManager

    def get_value(self) -> SecretString:
        """Returns the secret; raises PyAirbyteInputError when it is gone."""
        found = self.parent.get_secret(self.secret_name)
        if found is None:
            raise PyAirbyteInputError(
                f"{self.parent} has no secret {self.secret_name!r}.", remedy="Store it there."
            )
        return found


class GoogleGSMSecretManager(CustomSecretManager):
    """Google Secret Manager; needs `pip install google-cloud-secret-manager`."""

    name = SecretSourceEnum.GOOGLE_GSM
    auto_register = False
    as_backup = False

    def __init__(
        self,
        project: str,
        *,
        credentials_path: str | None = None,
        credentials_json: str | None = None,
        auto_register: bool = False,
        as_backup: bool = False,
        client: Any = None,
    ) -> None:
        """Without credentials, Google's own defaults are used. `client` replaces Google's."""
        self.project = project
        self._credentials_path = credentials_path
        self._credentials_json = credentials_json
        self._client = client
        self.auto_register = auto_register
        self.as_backup = as_backup
        super().__init__()

    def get_secret(self, secret_name: str) -> SecretString | None:
        client = self._connected()
        name = secret_name
        if "projects/" not in name:
            name = f"projects/{self.project}/secrets/{secret_name}"
        if "/versions/" not in name:
            name += "/versions/latest"
        try:
            answer = client.access_secret_version(name=name)
        except _not_found_errors():
            return None
        return SecretString(answer.payload.data.decode("utf-8"))

    def fetch_secrets(self, *, filter_string: str) -> list[SecretHandle]:
        """Returns the secrets that fit a filter in Google's own language."""
        request = {"parent": f"projects/{self.project}", "filter": filter_string}
        found = self._connected().list_secrets(request=request)
        return [SecretHandle(secret.name.split("/secrets/")[-1], self) for secret in found]

    def fetch_secrets_by_label(self, label_key: str, label_value: str) -> list[SecretHandle]:
        """Returns the secrets with this label."""
        return self.fetch_secrets(filter_string=f"labels.{label_key}={label_value}")

    def fetch_connector_secrets(self, connector_name: str) -> list[SecretHandle]:
        """Returns the secrets labelled `connector=<name>`."""
        return self.fetch_secrets_by_label("connector", connector_name)

    def fetch_connector_secret(self, connector_name: str) -> SecretHandle:
        """Returns the first secret labelled with the connector; raises PyAirbyteInputError."""
        found = self.fetch_connector_secrets(connector_name)
        if not found:
            raise PyAirbyteInputError(
                f"Google Secret Manager has no secret labelled connector={connector_name}.",
                remedy="Label one with it.",
            )
        return found[0]

    def _connected(self) -> Any:
        if self._client is None:
            manager = _google("google.cloud.secretmanager")
            self._client = manager.SecretManagerServiceClient(credentials=self._credentials())
        return self._client

    def _credentials(self) -> Any:
        text = self._credentials_json
        if self._credentials_path:
            text = Path(self._credentials_path).read_text(encoding="utf-8")
        if text is None:
            return None
        accounts = _google("google.oauth2.service_account")
        return accounts.Credentials.from_service_account_info(json.loads(text))


def colab() -> Any:
    """Returns Colab's own module; raises MissingDriver anywhere else."""
    try:
        return importlib.import_module("google.colab")
    except ImportError as error:
        raise MissingDriver(
            "This is not a Google Colab notebook.", remedy="Use ab.new_local_cache() instead."
        ) from error


def _google(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDriver(
            "The Google Secret Manager client is not installed.",
            remedy="pip install google-cloud-secret-manager",
        ) from error


def _not_found_errors() -> tuple[type[Exception], ...]:
    try:
        found = importlib.import_module("google.api_core.exceptions")
    except ImportError:
        return (KeyError,)  # a client of the caller's own
    return (found.NotFound, KeyError)


def _nearest_dotenv() -> Path | None:
    here = Path.cwd()
    return next((p for f in (here, *here.parents) if (p := f / ".env").is_file()), None)


def parse_dotenv(text: str) -> dict[str, str]:
    """Returns the pairs of a `.env` file: comments, `export`, quotes and escapes understood."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        name, has_value, value = line.strip().removeprefix("export ").partition("=")
        if not has_value or name.lstrip().startswith("#"):
            continue
        values[name.strip()] = _unquoted(value.strip())
    return values


def _unquoted(value: str) -> str:
    quote = value[:1]
    if quote in ("'", '"') and (end := value.find(quote, 1)) > 0:
        inner = value[1:end]
        return inner.replace("\\n", "\n") if quote == '"' else inner
    return value.split(" #", 1)[0].rstrip()
