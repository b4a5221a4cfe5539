"""Asking the places of secrets in turn, and filling secret references in configurations."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from penstock.library.constants import SECRETS_HYDRATION_PREFIX
from penstock.library.exceptions import PyAirbyteInputError, PyAirbyteSecretNotFoundError
from penstock.library.secrets.managers import (
    ColabSecretManager,
    DotenvSecretManager,
    EnvVarSecretManager,
    SecretManager,
    SecretSourceEnum,
    SecretsPrompt,
)
from penstock.library.secrets.values import SecretString


class Places:
    """The places asked for secrets, in order."""

    def __init__(self, managers: Sequence[SecretManager]) -> None:
        self.managers = list(managers)

    def register(
        self, manager: SecretManager, *, as_backup: bool = False, replace_existing: bool = False
    ) -> None:
        """Adds a place: asked first, or last as a backup."""
        if replace_existing:
            self.managers = [each for each in self.managers if each.name != manager.name]
        self.managers.insert(len(self.managers) if as_backup else 0, manager)

    def disable(self, name: str) -> None:
        """Asks a place no more."""
        self.managers = [each for each in self.managers if each.name != name]

    def chosen(self, sources: Sequence[SecretManager | str] | None) -> list[SecretManager]:
        """Returns the places named, or all but the prompt."""
        if sources is None:
            return [each for each in self.managers if each.name != SecretSourceEnum.PROMPT]
        found = []
        for source in sources:
            if isinstance(source, SecretManager):
                found.append(source)
                continue
            named = [each for each in self.managers if each.name == source]
            if not named:
                known = ", ".join(str(each.name) for each in self.managers)
                raise PyAirbyteInputError(
                    f"There is no place for secrets called {source!r}.",
                    remedy=f"Use one of: {known}; or register it.",
                )
            found += named
        return found


_places = Places(
    [EnvVarSecretManager(), DotenvSecretManager(), ColabSecretManager(), SecretsPrompt()]
)


def register_secret_manager(
    secret_manager: SecretManager, *, as_backup: bool = False, replace_existing: bool = False
) -> None:
    """Asks this place too from now on: first, or last as a backup."""
    _places.register(secret_manager, as_backup=as_backup, replace_existing=replace_existing)


def disable_secret_source(source: SecretManager | SecretSourceEnum | str) -> None:
    """Asks this place no more."""
    _places.disable(str(source.name) if isinstance(source, SecretManager) else str(source))


def get_secret(
    secret_name: str,
    /,
    *,
    sources: Sequence[SecretManager | SecretSourceEnum | str] | None = None,
    default: str | SecretString | None = None,
    allow_prompt: bool = True,
) -> SecretString:
    """Returns a secret from the first place that has it.

    Asks the person at the terminal last, where there is one and `allow_prompt` is True. Raises
    PyAirbyteSecretNotFoundError, naming the places.
    """
    asked = _places.chosen(sources)
    for manager in asked:
        value = manager.get_secret(secret_name)
        if value is not None:
            return SecretString(value)
    if default is not None:
        return SecretString(default)
    if sources is None and allow_prompt and sys.stdin is not None and sys.stdin.isatty():
        for manager in _places.managers:
            if manager.name == SecretSourceEnum.PROMPT:
                value = manager.get_secret(secret_name)
                if value is not None:
                    return value
    raise PyAirbyteSecretNotFoundError(
        f"There is no secret {secret_name!r} in: {', '.join(map(str, asked)) or 'no place'}.",
        remedy=f"Set the environment variable {secret_name}, or put it into a .env file.",
        secret_name=secret_name,
    )


def is_secret_available(secret_name: str) -> bool:
    """Tells whether a secret can be had without asking anybody."""
    return try_get_secret(secret_name) is not None


def try_get_secret(
    secret_name: str,
    /,
    default: str | SecretString | None = None,
    sources: Sequence[SecretManager | SecretSourceEnum | str] | None = None,
) -> SecretString | None:
    """Returns a secret, or `default`; asks nobody."""
    try:
        return get_secret(secret_name, sources=sources, default=default, allow_prompt=False)
    except PyAirbyteSecretNotFoundError:
        return None


def hydrated(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the configuration with every `secret_reference::NAME` replaced by the secret.

    They are found everywhere: in objects in lists in objects. The input stays as it was.
    """
    return {str(key): _hydrated(value) for key, value in config.items()}


def _hydrated(value: Any) -> Any:
    if isinstance(value, str):
        if value.startswith(SECRETS_HYDRATION_PREFIX):
            return str.__str__(get_secret(value.removeprefix(SECRETS_HYDRATION_PREFIX)))
        return str.__str__(value)
    if isinstance(value, Mapping):
        return {str(key): _hydrated(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_hydrated(inner) for inner in value]
    return value
