"""Errors of Google's libraries as penstock's, each with what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth

from penstock.destinations.bigquery.connection import Address
from penstock.errors import (
    AccessDenied,
    BugError,
    ConfigError,
    ConnectionFailed,
    PenstockError,
    ResourceBusy,
    ResourceExhausted,
)

CONCURRENT: Final = re.compile("concurrent update|Could not serialize access")
"""How a transaction says that another one came first; the same one again may pass."""
_OTHER_LOCATION: Final = re.compile(r"Dataset (?P<dataset>\S+) was not found in location")
_QUOTA: Final = re.compile(r"[Qq]uota|rateLimitExceeded|[Rr]ate limit")
_OUTGROWN: Final = re.compile("[Tt]oo many (columns|fields)|maximum number of columns")
_SPEC: Final = re.compile("different (partitioning|clustering) spec")
_NAME: Final = re.compile("[Ii]nvalid (field|table|dataset|column)|[Ff]ield name|Duplicate column")


@contextmanager
def translated(address: Address) -> Iterator[None]:
    """Raises the libraries' errors as penstock's."""
    try:
        yield
    except (api.GoogleAPIError, auth.GoogleAuthError, requests.RequestException) as error:
        raise as_penstock_error(error, address) from error


def as_penstock_error(error: Exception, address: Address) -> PenstockError:
    """Returns the penstock error that says what to do about one of Google's."""
    if isinstance(error, auth.GoogleAuthError):
        return _of_auth(error, address)
    if isinstance(error, api.RetryError) and isinstance(error.cause, Exception):
        return as_penstock_error(error.cause, address)
    message = _first_line(error)
    for pattern, build in _BY_MESSAGE:
        if pattern.search(message):
            return build(address, message)
    for kind, raised, remedy in _BY_CLASS:
        if isinstance(error, kind):
            return raised(f"{address}: {message}", remedy=remedy, project=address.project)
    return BugError(
        f"{address}: {type(error).__name__}: {message}", remedy="Report it with this sync's log."
    )


def _first_line(error: Exception) -> str:
    text = error.message if isinstance(error, api.GoogleAPICallError) else str(error)
    return str(text).strip().split("\n", 1)[0]


def _of_auth(error: auth.GoogleAuthError, address: Address) -> PenstockError:
    message = str(error.args[0] if error.args else error).split("\n", 1)[0]
    if isinstance(error, auth.TransportError) or error.retryable:
        return ConnectionFailed(
            f"{address}: Google's sign-in cannot be reached: {message}",
            remedy="Check the network, then run the sync again.",
        )
    return AccessDenied(
        f"{address}: Google refused the credentials: {message}",
        remedy="The key may be revoked or the account gone: make a new key and set"
        " `credentials_json` to it.",
    )


def _elsewhere(address: Address, message: str) -> PenstockError:
    return other_location(address, message)


def other_location(address: Address, message: str) -> ConfigError:
    """Returns the error of a dataset that lies elsewhere than the configuration says."""
    return ConfigError(
        f"{address}: {message}",
        remedy=f"Set `dataset_location` (now {address.location}) to the dataset's own location, or"
        " choose another dataset: a dataset can never be moved.",
        field="dataset_location",
    )


def _exhausted(address: Address, message: str) -> PenstockError:
    return ResourceExhausted(
        f"{address}: {message}",
        remedy="Sync less often, or raise the quota (console: IAM, Quotas). Repeating the sync"
        " later continues it.",
    )


def _contended(address: Address, message: str) -> PenstockError:
    return ResourceBusy(
        f"{address}: {message}",
        remedy="Another job kept changing the same table; run the sync again.",
    )


def _respecified(address: Address, message: str) -> PenstockError:
    return ConfigError(
        f"{address}: {message}",
        remedy="penstock's tables are not partitioned, and BigQuery replaces a table only by one"
        " of the same layout: drop it, or write to another one.",
    )


def _misnamed(address: Address, message: str) -> PenstockError:
    return ConfigError(
        f"{address}: {message}",
        remedy="Leave the column out, or rename it by a mapping: BigQuery refuses its name.",
    )


def _too_wide(address: Address, message: str) -> PenstockError:
    return ConfigError(
        f"{address}: {message}", remedy="Select fewer columns: a table has at most 10,000."
    )


_BY_MESSAGE: Final = (
    (CONCURRENT, _contended),
    (_OTHER_LOCATION, _elsewhere),
    (_QUOTA, _exhausted),
    (_OUTGROWN, _too_wide),
    (_SPEC, _respecified),
    (_NAME, _misnamed),
)

_AGAIN: Final = "Run the sync again: it continues after the last commit."
_BY_CLASS: Final[tuple[tuple[type[Exception], type[PenstockError], str], ...]] = (
    (api.Unauthorized, AccessDenied, "Set `credentials_json` to a valid key."),
    (
        api.Forbidden,
        AccessDenied,
        "Give the account the roles BigQuery Job User on the project and BigQuery Data Editor on"
        " the project or its datasets.",
    ),
    (api.TooManyRequests, ResourceExhausted, "Sync less often, or raise the quota."),
    (
        api.NotFound,
        ConfigError,
        "Check `project_id` (its ID, not its name) and that the dataset or table is there.",
    ),
    (api.Conflict, ConfigError, "Choose another dataset or table prefix."),
    (api.BadRequest, ConfigError, "Correct what it names."),
    (api.ServerError, ConnectionFailed, _AGAIN),
    (api.GatewayTimeout, ConnectionFailed, _AGAIN),
    (requests.ConnectionError, ConnectionFailed, "Check the network, then run the sync again."),
    (requests.Timeout, ConnectionFailed, _AGAIN),
    (requests.RequestException, ConnectionFailed, _AGAIN),
    (api.ClientError, ConfigError, "Correct what it names."),
    (api.GoogleAPIError, ConnectionFailed, _AGAIN),
)
