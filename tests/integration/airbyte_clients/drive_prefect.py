"""Runs in a venv of its own: what a Prefect flow does with a connection, by prefect-airbyte."""

from __future__ import annotations

import asyncio
import json
import sys
from urllib.parse import urlsplit

from prefect_airbyte import AirbyteConnection, AirbyteServer

address, _, _, token, _, connection_id = sys.argv[1:]
where = urlsplit(address)


async def main() -> dict[str, object]:
    server = AirbyteServer(
        server_host=where.hostname, server_port=where.port, username="any", password=token
    )
    connection = AirbyteConnection(
        airbyte_server=server, connection_id=connection_id, poll_interval_s=1
    )
    sync = await connection.trigger()
    await sync.wait_for_completion()
    result = await sync.fetch_result()
    return {"job": result.job_status, "records": result.records_synced}


print(json.dumps(asyncio.run(main())))
