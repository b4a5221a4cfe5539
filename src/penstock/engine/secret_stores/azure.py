"""Azure Key Vault: `${azure:VAULT/NAME#FIELD}`, by its REST API and azure-identity."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from penstock.engine.secret_stores.answers import asked
from penstock.errors import AccessDenied, ConfigError, ConnectionFailed, MissingDriver

_SCOPE: Final = "https://vault.azure.net/.default"
_API_VERSION: Final = "7.4"
_REMEDY: Final = (
    "Check the vault and the name, and that the account may get secrets: `az keyvault secret show` "
    "has to work."
)


def read(name: str) -> str:
    """Returns a secret's text.

    `name` is VAULT/NAME, VAULT/NAME/VERSION, or a secret's whole identifier (https://…), which
    clouds of their own need. Who asks is found by azure-identity's DefaultAzureCredential.
    """
    url = _url(name)
    found = asked(
        "GET",
        url,
        what=f"Azure Key Vault ({url})",
        remedy=_REMEDY,
        headers={"Authorization": f"Bearer {_token()}"},
        params={"api-version": _API_VERSION},
    )
    if not isinstance(found.get("value"), str):
        raise ConfigError(f"The secret {url} has no value.", remedy=_REMEDY)
    return str(found["value"])


def _token() -> str:
    try:
        from azure.core.exceptions import (  # noqa: PLC0415 (only this needs it)
            AzureError,
            ClientAuthenticationError,
        )
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415
    except ImportError as error:
        raise MissingDriver(
            "${azure:…} needs azure-identity.", remedy='pip install "penstock[keyvault]"'
        ) from error
    try:
        with DefaultAzureCredential() as credential:
            return credential.get_token(_SCOPE).token
    except ClientAuthenticationError as error:
        raise AccessDenied(
            "Nobody is signed in to Azure.",
            remedy="Set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, use a managed "
            "identity, or run `az login`.",
        ) from error
    except AzureError as error:
        raise ConnectionFailed(
            "Azure's sign-in cannot be reached.", remedy="Check the network."
        ) from error


def _url(name: str) -> str:
    if "://" not in name:
        vault, _, rest = name.partition("/")
        if not vault or not rest:
            raise ConfigError(
                f"{name!r} names no secret of a vault.", remedy="Write ${azure:VAULT/NAME}."
            )
        return f"https://{vault}.vault.azure.net/secrets/{rest}"
    parts = urlsplit(name)
    if parts.scheme != "https" and not _is_loopback(parts.hostname or ""):
        raise ConfigError(f"{name} would send a token in clear.", remedy="Write it with https://.")
    return name.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
