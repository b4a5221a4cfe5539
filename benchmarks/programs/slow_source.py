"""An Airbyte source that waits for most of its time, as those do that ask an API."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

STREAM = {
    "name": "items",
    "json_schema": {"type": "object", "properties": {"id": {"type": "integer"}}},
    "supported_sync_modes": ["full_refresh", "incremental"],
    "source_defined_cursor": True,
    "default_cursor_field": ["id"],
}
ROWS_A_PAGE = 100
SECONDS_A_PAGE = 0.5


def say(kind: str, **payload: Any) -> None:
    print(json.dumps({"type": kind, **payload}), flush=True)


def status(word: str) -> None:
    about = {"stream_descriptor": {"name": "items"}, "status": word}
    say("TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1, "stream_status": about})


def read(pages: int) -> None:
    status("STARTED")
    for page in range(pages):
        for row in range(ROWS_A_PAGE):
            data = {"id": page * ROWS_A_PAGE + row}
            say("RECORD", record={"stream": "items", "data": data, "emitted_at": 1})
        position = {
            "stream_descriptor": {"name": "items"},
            "stream_state": {"page": page + 1},
        }
        counts = {"recordCount": float(ROWS_A_PAGE)}
        say("STATE", state={"type": "STREAM", "stream": position, "sourceStats": counts})
        time.sleep(SECONDS_A_PAGE)
    status("COMPLETE")


def main(argv: list[str]) -> None:
    match argv[0]:
        case "spec":
            properties = {"pages": {"type": "integer"}}
            schema = {"type": "object", "properties": properties}
            say("SPEC", spec={"connectionSpecification": schema})
        case "check":
            say("CONNECTION_STATUS", connectionStatus={"status": "SUCCEEDED"})
        case "discover":
            say("CATALOG", catalog={"streams": [STREAM]})
        case "read":
            with open(argv[argv.index("--config") + 1]) as file:  # noqa: PTH123 (no import for it)
                read(json.load(file)["pages"])


if __name__ == "__main__":
    main(sys.argv[1:])
