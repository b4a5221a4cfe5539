"""What the services that are asked over plain HTTP have in common: one GET, its errors as ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import httpx

from penstock.errors import AccessDenied, ConfigError, ConnectionFailed, TransientError

_TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)
_TRIES: Final = 3


def asked(
    method: str,
    url: str,
    *,
    what: str,
    remedy: str,
    headers: Mapping[str, str],
    body: Mapping[str, Any] | None = None,
    params: Mapping[str, str] | None = None,
    verify: str | bool = True,
) -> dict[str, Any]:
    """Returns a service's JSON answer. No error holds what was sent, or what came.

    Raises ConfigError for a secret there is not, AccessDenied, and ConnectionFailed or
    TransientError where the same may succeed later.
    """
    answer = None
    failure: Exception | None = None
    with httpx.Client(timeout=_TIMEOUT, verify=verify) as client:
        for _ in range(_TRIES):
            try:
                answer = client.request(
                    method, url, headers=dict(headers), json=body, params=params
                )
            except httpx.TransportError as error:
                failure = error
                continue
            if answer.status_code < 500:
                break
    if answer is None:
        raise ConnectionFailed(f"{what} cannot be reached: {failure}.", remedy=remedy) from failure
    if answer.status_code in (401, 403):
        raise AccessDenied(f"{what} refuses to answer ({answer.status_code}).", remedy=remedy)
    if answer.status_code == 404:
        raise ConfigError(f"{what} has nothing there.", remedy=remedy)
    if answer.status_code == 429 or answer.status_code >= 500:
        raise TransientError(f"{what} cannot answer now ({answer.status_code}).", remedy=remedy)
    if answer.is_error:
        raise ConfigError(f"{what} answers {answer.status_code}.", remedy=remedy)
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ConfigError(f"{what} answers something else than JSON.", remedy=remedy)
    return found
