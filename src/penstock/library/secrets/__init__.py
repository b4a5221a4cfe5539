"""Secrets: looked up in several places, referred to in configurations, never shown."""

from __future__ import annotations

from penstock.library.secrets.lookup import (
    disable_secret_source,
    get_secret,
    is_secret_available,
    register_secret_manager,
    try_get_secret,
)
from penstock.library.secrets.managers import (
    ColabSecretManager,
    CustomSecretManager,
    DotenvSecretManager,
    EnvVarSecretManager,
    GoogleGSMSecretManager,
    SecretHandle,
    SecretManager,
    SecretSourceEnum,
    SecretsPrompt,
)
from penstock.library.secrets.values import SecretString

__all__ = [
    "ColabSecretManager",
    "CustomSecretManager",
    "DotenvSecretManager",
    "EnvVarSecretManager",
    "GoogleGSMSecretManager",
    "SecretHandle",
    "SecretManager",
    "SecretSourceEnum",
    "SecretString",
    "SecretsPrompt",
    "disable_secret_source",
    "get_secret",
    "is_secret_available",
    "register_secret_manager",
    "try_get_secret",
]
