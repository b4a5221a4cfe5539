"""Reads every list of an Airbyte server with its own client: read_lists.py ADDRESS TOKEN."""

from __future__ import annotations

import json
import sys

from airbyte_api import AirbyteAPI, api, models

address, token = sys.argv[1:]
server = AirbyteAPI(
    server_url=f"{address}/api/public/v1", security=models.Security(bearer_auth=token)
)
print(
    json.dumps(
        {
            "workspaces": [
                each.name
                for each in server.workspaces.list_workspaces(
                    request=api.ListWorkspacesRequest()
                ).workspaces_response.data
            ],
            "sources": [
                each.name
                for each in server.sources.list_sources(
                    request=api.ListSourcesRequest()
                ).sources_response.data
            ],
            "destinations": [
                each.name
                for each in server.destinations.list_destinations(
                    request=api.ListDestinationsRequest()
                ).destinations_response.data
            ],
            "connections": [
                each.name
                for each in server.connections.list_connections(
                    request=api.ListConnectionsRequest()
                ).connections_response.data
            ],
        }
    )
)
