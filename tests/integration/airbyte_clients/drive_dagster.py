"""Runs in a venv of its own: what a Dagster project does with a connection, by dagster-airbyte."""

from __future__ import annotations

import json
import sys

from dagster_airbyte import AirbyteWorkspace, load_airbyte_asset_specs

address, client_id, client_secret, _, workspace_id, connection_id = sys.argv[1:]
workspace = AirbyteWorkspace(
    rest_api_base_url=f"{address}/api/public/v1",
    configuration_api_base_url=f"{address}/api/v1",
    workspace_id=workspace_id,
    client_id=client_id,
    client_secret=client_secret,
    poll_interval=0.5,
)
specs = load_airbyte_asset_specs(workspace)
done = workspace.get_client().sync_and_poll(connection_id)
print(
    json.dumps(
        {
            "assets": sorted("/".join(each.key.path) for each in specs),
            "job": done.job_details["status"],
            "connection": done.connection_details["connectionId"] == connection_id,
        }
    )
)
