"""An Airbyte source of a few lines, whose settings say how it behaves."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

SPEC = {
    "connectionSpecification": {
        "type": "object",
        "required": ["rows"],
        "properties": {
            "rows": {"type": "integer", "description": "How many rows."},
            "token": {"type": "string", "airbyte_secret": True},
            "fails_after": {"type": "integer"},
            "seconds_a_row": {"type": "number"},
            "discover_seconds": {"type": "number"},
            "renews_token": {"type": "boolean"},
            "vendor": {"type": "string", "description": "File of who gives out tokens."},
            "log_lines": {"type": "integer", "description": "Of 30,000 characters each."},
        },
    }
}
STREAM = {
    "name": "items",
    "json_schema": {
        "type": "object",
        "properties": {"id": {"type": "integer"}, "code": {"type": "string"}},
    },
    "supported_sync_modes": ["full_refresh", "incremental"],
    "source_defined_cursor": True,
    "default_cursor_field": ["id"],
    "source_defined_primary_key": [["id"]],
}


def say(kind: str, **payload: Any) -> None:
    print(json.dumps({"type": kind, **payload}), flush=True)


def trace(kind: str, **payload: Any) -> None:
    say("TRACE", trace={"type": kind, "emitted_at": 1, **payload})


def status(word: str) -> None:
    about = {"stream_descriptor": {"name": "items"}, "status": word}
    trace("STREAM_STATUS", stream_status=about)


def state(at: int, rows: int) -> None:
    say(
        "STATE",
        state={
            "type": "STREAM",
            "stream": {"stream_descriptor": {"name": "items"}, "stream_state": {"at": at}},
            "sourceStats": {"recordCount": float(rows)},
        },
    )


def admitted(config: dict[str, Any], token: str) -> str | None:
    """Shows a token to the vendor, for one page; returns the one to show from now on.

    Each lasts for three pages. One that has expired is changed for a new one, once, and counts no
    more; None: the vendor does not know it.
    """
    vendor = Path(config["vendor"])
    known = json.loads(vendor.read_text())
    if token != known["token"]:
        return None
    if known["pages_left"] == 0:
        known = {"token": f"token-{int(token.rpartition('-')[2]) + 1}", "pages_left": 3}
        renewed = {**config, "token": known["token"]}
        vendor.write_text(json.dumps(known))
        control = {"type": "CONNECTOR_CONFIG", "emitted_at": 1}
        say("CONTROL", control={**control, "connectorConfig": {"config": renewed}})
    vendor.write_text(json.dumps({**known, "pages_left": known["pages_left"] - 1}))
    return str(known["token"])


def read(config: dict[str, Any], states: list[dict[str, Any]]) -> int:
    start = states[0]["stream"]["stream_state"].get("at", 0) if states else 0
    if config.get("renews_token"):
        renewed = {**config, "token": "renewed-canary"}
        control = {"type": "CONNECTOR_CONFIG", "emitted_at": 1}
        say("CONTROL", control={**control, "connectorConfig": {"config": renewed}})
    status("STARTED")
    for _ in range(config.get("log_lines", 0)):
        say("LOG", log={"level": "INFO", "message": "x" * 30_000})
    token = config.get("token", "")
    for at in range(start, config["rows"]):
        if at == config.get("fails_after"):
            # Connectors do write their secrets into errors.
            message = f"the vendor says no to {config.get('token')}"
            trace("ERROR", error={"message": message, "failure_type": "system_error"})
            return 1
        if "vendor" in config and at % 10 == 0:
            shown = admitted(config, token)
            if shown is None:
                error = {"message": "The token is not known.", "failure_type": "config_error"}
                trace("ERROR", error=error)
                return 1
            token = shown
        data = {"id": at, "code": f"{at:03d}"}
        say("RECORD", record={"stream": "items", "data": data, "emitted_at": 1})
        time.sleep(config.get("seconds_a_row", 0))
        if at % 10 == 9:
            state(at + 1, 10)
    state(config["rows"], (config["rows"] - start) % 10 if config["rows"] > start else 0)
    status("COMPLETE")
    return 0


def main(argv: list[str]) -> int:
    files = dict(zip(argv[1::2], argv[2::2], strict=True))
    loaded = {name: json.loads(Path(path).read_text()) for name, path in files.items()}
    match argv[0]:
        case "spec":
            say("SPEC", spec=SPEC)
        case "check":
            ok = loaded["--config"].get("token") != "wrong"
            answer = {"status": "SUCCEEDED"} if ok else {"status": "FAILED", "message": "bad token"}
            say("CONNECTION_STATUS", connectionStatus=answer)
        case "discover":
            time.sleep(loaded["--config"].get("discover_seconds", 0))
            say("CATALOG", catalog={"streams": [STREAM]})
        case "read":
            return read(loaded["--config"], loaded.get("--state", []))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
