"""Reads every list of an Airbyte server with its own client: read_lists.py ADDRESS TOKEN."""

from __future__ import annotations

import json
import sys

from airbyte_api import AirbyteAPI, models

address, token = sys.argv[1:]
server = AirbyteAPI(
    server_url=f"{address}/api/public/v1", security=models.Security(bearer_auth=token)
)
print(
    json.dumps(
        {
            "workspaces": [
                each.name for each in server.workspaces.list_workspaces().workspaces_response.data
            ],
            "sources": [each.name for each in server.sources.list_sources().sources_response.data],
            "destinations": [
                each.name
                for each in server.destinations.list_destinations().destinations_response.data
            ],
            "connections": [
                each.name
                for each in server.connections.list_connections().connections_response.data
            ],
        }
    )
)
