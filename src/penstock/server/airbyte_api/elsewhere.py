"""Somebody's Airbyte server, read by its public and its Config API; nothing is changed there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from penstock.errors import AccessDenied, ConfigError, ConnectionFailed, ProtocolError
from penstock.server.airbyte_api.answers import Json

_PAGE: Final = 100
"""The most that Airbyte's public API gives at once."""
_TIMEOUT: Final = httpx.Timeout(120.0, connect=10.0)
_TRIES: Final = 4
_CLOUD: Final = "api.airbyte.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """How one signs in there: a token, or an application's client id and secret; or neither."""

    token: str | None = None
    client_id: str | None = None
    client_secret: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What one workspace holds, as Airbyte's API says it."""

    workspace: Json
    sources: tuple[Json, ...]
    destinations: tuple[Json, ...]
    connections: tuple[Json, ...]
    """Of the Config API: with catalogue and schedule. `tags` are those of the public API."""
    states: Mapping[str, Json]
    """Of each connection."""
    definitions: Mapping[str, Json]
    """Of each definition that is used: name, dockerRepository, dockerImageTag, manifest."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """An Airbyte server, signed in."""

    client: httpx.Client
    public: str
    config: str

    def workspaces(self) -> list[Json]:
        """Returns the workspaces one sees."""
        return list(self._every("/workspaces"))

    def held(self, workspace: Mapping[str, Any]) -> Held:
        """Returns all that a workspace holds, with the positions of its connections."""
        where = str(workspace["workspaceId"])
        sources = tuple(self._every("/sources", workspaceIds=where))
        destinations = tuple(self._every("/destinations", workspaceIds=where))
        connections, states = [], {}
        for each in self._every("/connections", workspaceIds=where):
            asked = {"connectionId": each["connectionId"]}
            whole = self._config("connections/get", asked)
            connections.append({**whole, "tags": each.get("tags") or []})
            states[str(each["connectionId"])] = self._config("state/get", asked)
        return Held(
            workspace=dict(workspace),
            sources=sources,
            destinations=destinations,
            connections=tuple(connections),
            states=states,
            definitions={
                **self._definitions(where, "source", sources),
                **self._definitions(where, "destination", destinations),
            },
        )

    def _definitions(self, workspace_id: str, kind: str, ends: tuple[Json, ...]) -> dict[str, Json]:
        manifests: dict[str, Json] = {}
        if kind == "source":
            path = f"/workspaces/{workspace_id}/definitions/declarative_sources"
            manifests = {str(each["id"]): each for each in self._every(path)}
        found: dict[str, Json] = {}
        for wanted in dict.fromkeys(str(each["definitionId"]) for each in ends):
            if wanted in manifests:
                found[wanted] = manifests[wanted]
                continue
            path = f"/workspaces/{workspace_id}/definitions/{kind}s/{wanted}"
            found[wanted] = self._asked("GET", self.public + path)
        return found

    def _every(self, path: str, **query: str) -> Iterator[Json]:
        """Yields the items of a list. Airbyte says `next` also after the last page."""
        offset = 0
        while True:
            window = {"limit": str(_PAGE), "offset": str(offset), **query}
            page = self._asked("GET", self.public + path, params=window).get("data") or []
            yield from page
            offset += len(page)
            if len(page) < _PAGE:
                return

    def _config(self, path: str, body: Json) -> Json:
        return self._asked("POST", f"{self.config}/{path}", json=body)

    def _asked(self, method: str, url: str, **more: Any) -> Json:
        return _asked(self.client, method, url, **more)


@contextmanager
def elsewhere(url: str, credentials: Credentials) -> Iterator[Elsewhere]:
    """Gives an Airbyte server signed in to; raises what keeps one from it."""
    root, public, config = _roots(url)
    with httpx.Client(timeout=_TIMEOUT, follow_redirects=True) as client:
        token = credentials.token
        if credentials.client_id is not None:
            sent = {
                "client_id": credentials.client_id,
                "client_secret": credentials.client_secret,
                "grant-type": "client_credentials",
            }
            at = f"{public}/applications/token" if root is None else f"{config}/applications/token"
            token = str(_asked(client, "POST", at, json=sent)["access_token"])
        if token:
            client.headers["Authorization"] = f"Bearer {token}"
        yield Elsewhere(client, public, config)


def _roots(url: str) -> tuple[str | None, str, str]:
    """Returns a server's root, and those of its public and its Config API."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigError(
            f"{url!r} is no address of a server.", remedy="Write it as http://airbyte.example:8000."
        )
    if parts.hostname == _CLOUD:
        return None, f"https://{_CLOUD}/v1", "https://cloud.airbyte.com/api/v1"
    root = url.rstrip("/")
    for ending in ("/api/public/v1", "/api/public", "/api/v1", "/api"):
        root = root.removesuffix(ending)
    return root, f"{root}/api/public/v1", f"{root}/api/v1"


def _asked(client: httpx.Client, method: str, url: str, **more: Any) -> Json:
    for number in range(1, _TRIES + 1):
        try:
            answer = client.request(method, url, **more)
        except httpx.TransportError as error:
            if number < _TRIES:
                continue
            raise ConnectionFailed(
                f"Airbyte at {url} cannot be reached: {error}.",
                remedy="Check --url, and that the server is up.",
            ) from error
        if answer.status_code < 500 or number == _TRIES:
            break
    if answer.status_code in (401, 403):
        raise AccessDenied(
            f"Airbyte refused {method} {url} ({answer.status_code}).",
            remedy="Give --token, or --client-id and --client-secret, of an application of a user "
            "who may read the workspaces (Airbyte: User settings, Applications).",
        )
    if answer.is_error:
        raise ProtocolError(
            f"Airbyte answered {method} {url} with {answer.status_code}: {answer.text[:200]}",
            remedy="Check --url; the APIs of Airbyte 1.0 and newer are read.",
        )
    try:
        found = answer.json()
    except ValueError as error:
        raise ProtocolError(
            f"What {url} answered is no JSON: {answer.text[:80]!r}.",
            remedy="Check --url: it should be Airbyte's own address, without a login page before.",
        ) from error
    if not isinstance(found, dict):
        raise ProtocolError(
            f"What {url} answered is no object.", remedy="Check --url; is it Airbyte's address?"
        )
    return found
