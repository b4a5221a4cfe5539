"""How BigQuery is reached: the address of a project, its credentials, and the client."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from penstock.errors import ConfigError, MissingDriver

if TYPE_CHECKING:
    from google.cloud import bigquery

_SCOPES: Final = ("https://www.googleapis.com/auth/bigquery",)
_WIRE_LOG: Final = "google.auth.transport.requests"
"""Where google-auth writes whole requests at DEBUG, their tokens included."""
_KEY_FIELDS: Final = ("client_email", "private_key", "token_uri")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One project as one account reaches it."""

    project: str
    dataset: str
    location: str
    credentials: str | None = field(default=None, repr=False)
    """JSON text of a service account's key, or the path of its file; None asks the machine."""
    endpoint: str | None = None

    def __str__(self) -> str:
        return f"BigQuery project {self.project}"


def credentials_of(address: Address) -> Any:
    """Returns whom requests come from; the clients of one destination share it, and its token.

    Raises MissingDriver, or ConfigError for credentials that cannot be read.
    """
    try:
        import google.auth  # noqa: PLC0415 (an extra)
    except ModuleNotFoundError as error:
        raise _missing() from error
    if address.credentials is not None:
        return _signed_in(_text_of(address.credentials))
    try:
        credentials, _ = google.auth.default(scopes=_SCOPES)
    except google.auth.exceptions.DefaultCredentialsError as error:
        raise ConfigError(
            "This machine has no application default credentials of Google.",
            remedy="Set `credentials_json` to a service account's key, or run"
            " `gcloud auth application-default login`.",
            field="credentials_json",
        ) from error
    return credentials


def client_of(address: Address, credentials: Any) -> bigquery.Client:
    """Returns a client; nothing is asked of BigQuery yet."""
    try:
        from google.cloud import bigquery  # noqa: PLC0415 (an extra)
    except ModuleNotFoundError as error:
        raise _missing() from error
    logging.getLogger(_WIRE_LOG).setLevel(logging.INFO)
    return bigquery.Client(
        project=address.project,
        credentials=credentials,
        location=address.location,
        client_options={"api_endpoint": address.endpoint} if address.endpoint else None,
    )


def _missing() -> MissingDriver:
    return MissingDriver(
        "BigQuery needs the package google-cloud-bigquery.",
        remedy='Install it: pip install "penstock[bigquery]".',
    )


@lru_cache(maxsize=16)
def _signed_in(key: str) -> Any:
    """Returns the account of a key: one for all destinations of a process, as its token is."""
    from google.oauth2 import service_account  # noqa: PLC0415 (an extra)

    info, made_by = _key_of(key), service_account.Credentials
    try:
        return made_by.from_service_account_info(info, scopes=_SCOPES)  # type: ignore[no-untyped-call]  # Google's
    except ValueError as error:
        raise _unreadable("its private key is damaged") from error


def _text_of(given: str) -> str:
    text = given.strip()
    if text.startswith("{"):
        return text
    try:
        return Path(text).expanduser().read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise _unreadable("it is neither JSON text nor the path of a readable file") from error


def _key_of(text: str) -> dict[str, Any]:
    try:
        info = json.loads(text)
    except ValueError as error:
        raise _unreadable("it is not JSON") from error
    if not isinstance(info, dict) or info.get("type") != "service_account":
        raise _unreadable('it is no key of a service account ("type" is not "service_account")')
    missing = [name for name in _KEY_FIELDS if not isinstance(info.get(name), str)]
    if missing:
        raise _unreadable(f"it lacks {', '.join(missing)}")
    return info


def _unreadable(reason: str) -> ConfigError:
    return ConfigError(
        f"The service account's key cannot be used: {reason}.",
        remedy="Make a key in the console (IAM, Service accounts, Keys, JSON), and set"
        " `credentials_json` to the text or the path of that file.",
        field="credentials_json",
    )
