"""Runs in a venv of its own: what a DAG does with a connection, by Airflow's Airbyte provider."""

from __future__ import annotations

import json
import os
import sys

address, client_id, client_secret, _, _, connection_id = sys.argv[1:]
os.environ["AIRFLOW_CONN_AIRBYTE_DEFAULT"] = json.dumps(
    {
        "conn_type": "airbyte",
        "host": f"{address}/api/public/v1/",
        "login": client_id,
        "password": client_secret,
    }
)

from airflow.providers.airbyte.hooks.airbyte import AirbyteHook  # noqa: E402
from airflow.providers.airbyte.operators.airbyte import (  # noqa: E402
    AirbyteTriggerSyncOperator,
)

hook = AirbyteHook("airbyte_default")
tested = hook.test_connection()
operator = AirbyteTriggerSyncOperator(
    task_id="sync", connection_id=connection_id, asynchronous=False, wait_seconds=1, timeout=120
)
job_id = operator.execute(context={})
again = hook.submit_sync_connection(connection_id)
hook.wait_for_job(again.job_id, wait_seconds=1, timeout=120)
hook.cancel_job(again.job_id)
print(
    json.dumps(
        {
            "tested": list(tested),
            "job": hook.get_job_status(job_id),
            "again": hook.get_job_status(again.job_id),
        }
    )
)
