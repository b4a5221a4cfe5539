"""An Airbyte server to be read: its public and its Config API in the shapes they have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.doubles.vendor import Answer, Request, Vendor

CLIENT = ("client-1", "canary-client-secret")
TOKEN = "canary-airbyte-token"
WORKSPACE = "11111111-1111-4111-8111-111111111111"
FAKER = "dfd88b22-b603-4c3d-aad7-3701784586b1"
POSTGRES = "25c5221d-dce2-4163-ade9-739ef790f503"
SCRIPTED = "22222222-2222-4222-8222-222222222222"
MASK = "**********"


def sid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def stream(name: str, *, selected: bool = True, **config: Any) -> dict[str, Any]:
    """A stream of a Config API catalogue."""
    return {
        "stream": {
            "name": name,
            "jsonSchema": {"type": "object", "properties": {"id": {"type": "integer"}}},
            "supportedSyncModes": ["full_refresh", "incremental"],
            "defaultCursorField": [],
            "sourceDefinedPrimaryKey": [],
            **({"namespace": config.pop("namespace")} if "namespace" in config else {}),
        },
        "config": {
            "syncMode": "full_refresh",
            "destinationSyncMode": "overwrite",
            "cursorField": [],
            "primaryKey": [],
            "aliasName": name,
            "selected": selected,
            "fieldSelectionEnabled": False,
            "selectedFields": [],
            "hashedFields": [],
            "mappers": [],
            **config,
        },
    }


@dataclass
class AirbyteServer(Vendor):
    """Answers whoever has the token; lists are paged as Airbyte pages them."""

    workspaces: list[dict[str, Any]] = field(default_factory=list)
    sources: list[dict[str, Any]] = field(default_factory=list)
    destinations: list[dict[str, Any]] = field(default_factory=list)
    connections: list[dict[str, Any]] = field(default_factory=list)
    """As the Config API has them, with `tags`."""
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    definitions: dict[str, dict[str, Any]] = field(default_factory=dict)
    manifests: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, request: Request) -> Answer:
        if request.path in ("/api/v1/applications/token", "/api/public/v1/applications/token"):
            given = request.json()
            if (given["client_id"], given["client_secret"]) != CLIENT:
                return Answer(401, {"status": 401, "title": "invalid-api-key"})
            token = {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 900}
            return Answer(200, token)
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer(401, {"status": 401, "title": "invalid-api-key"})
        if request.path.startswith("/api/public/v1"):
            return self._public(request.path.removeprefix("/api/public/v1"), request.query)
        return self._config(request.path.removeprefix("/api/v1"), request.json())

    def _public(self, path: str, query: dict[str, str]) -> Answer:
        parts = path.strip("/").split("/")
        lists = {
            "workspaces": self.workspaces,
            "sources": self.sources,
            "destinations": self.destinations,
            "connections": [self._public_connection(each) for each in self.connections],
        }
        if len(parts) == 1 and parts[0] in lists:
            wanted = query.get("workspaceIds")
            found = [
                each
                for each in lists[parts[0]]
                if wanted is None or each["workspaceId"] in wanted.split(",")
            ]
            return self._page(path, found, query)
        match parts:
            case ["workspaces", _, "definitions", "declarative_sources"]:
                return self._page(path, self.manifests, query)
            case ["workspaces", _, "definitions", _, id_] if id_ in self.definitions:
                return Answer(200, self.definitions[id_])
        return Answer(404, {"status": 404, "title": "resource-not-found"})

    def _page(self, path: str, found: list[dict[str, Any]], query: dict[str, str]) -> Answer:
        limit, offset = int(query.get("limit", 20)), int(query.get("offset", 0))
        data = found[offset : offset + limit]
        # Airbyte names a next page whenever this one is not empty.
        after = f"{self.url}/api/public/v1{path}?limit={limit}&offset={offset + limit}"
        return Answer(200, {"previous": "", "next": after if data else "", "data": data})

    def _public_connection(self, each: dict[str, Any]) -> dict[str, Any]:
        kind = each["scheduleType"]
        schedule: dict[str, Any] = {"scheduleType": kind}
        if kind == "cron":
            cron = each["scheduleData"]["cron"]
            schedule["cronExpression"] = f"{cron['cronExpression']} {cron['cronTimeZone']}"
        elif kind == "basic":
            schedule["basicTiming"] = "Every 24 HOURS"
        return {
            **{key: each[key] for key in ("connectionId", "name", "sourceId", "destinationId")},
            "workspaceId": each["workspaceId"],
            "status": each["status"],
            "schedule": schedule,
            "dataResidency": "auto",
            "configurations": {"streams": []},
            "createdAt": 1763700000,
            "tags": each["tags"],
            "nonBreakingSchemaUpdatesBehavior": "ignore",
            "namespaceDefinition": "destination",
            "prefix": each["prefix"],
        }

    def _config(self, path: str, body: dict[str, Any]) -> Answer:
        id_ = body.get("connectionId", "")
        for each in self.connections:
            if each["connectionId"] == id_ and path == "/connections/get":
                return Answer(200, {key: each[key] for key in each if key != "tags"})
            if each["connectionId"] == id_ and path == "/state/get":
                known = self.states.get(id_, {"stateType": "not_set"})
                return Answer(200, {"connectionId": id_, **known})
        return Answer(404, {"message": "Could not find configuration", "exceptionClassName": "x"})


def definition(id_: str, name: str, repository: str, tag: str) -> dict[str, Any]:
    return {"id": id_, "name": name, "dockerRepository": repository, "dockerImageTag": tag}


def end(kind: str, number: int, name: str, definition_id: str, **config: Any) -> dict[str, Any]:
    """A source or destination of the public API."""
    type_ = str(config.pop("type_"))
    return {
        f"{kind}Id": sid(number),
        "name": name,
        f"{kind}Type": type_,
        "definitionId": definition_id,
        "workspaceId": WORKSPACE,
        "configuration": config,
        "createdAt": 1763700000,
    }


def connection(
    number: int, name: str, source: int, destination: int, **more: Any
) -> dict[str, Any]:
    """A connection of the Config API, and its tags."""
    return {
        "connectionId": sid(number),
        "name": name,
        "sourceId": sid(source),
        "destinationId": sid(destination),
        "workspaceId": WORKSPACE,
        "status": "active",
        "scheduleType": "manual",
        "namespaceDefinition": "destination",
        "prefix": "",
        "operationIds": [],
        "syncCatalog": {"streams": []},
        "breakingChange": False,
        "nonBreakingChangesPreference": "ignore",
        "notifySchemaChanges": True,
        "backfillPreference": "disabled",
        "createdAt": 1763700000,
        "tags": [],
        **more,
    }
