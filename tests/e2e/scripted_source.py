"""An Airbyte source that does what a file says: streams, rows, pauses, failures; for the pages."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

SPEC = {
    "connectionSpecification": {
        "type": "object",
        "required": ["script"],
        "properties": {"script": {"type": "string", "title": "Script"}},
    }
}


def say(kind: str, **content: Any) -> None:
    """Writes one message; whoever reads sees it at once."""
    sys.stdout.write(json.dumps({"type": kind, **content}) + "\n")
    sys.stdout.flush()


def log(message: str, level: str = "INFO") -> None:
    """Writes one line for the log."""
    say("LOG", log={"level": level, "message": message})


def main() -> int:
    """Answers one command of the protocol."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["spec", "check", "discover", "read"])
    for name in ("--config", "--catalog", "--state"):
        parser.add_argument(name)
    given = parser.parse_args()
    if given.command == "spec":
        say("SPEC", spec=SPEC)
        return 0
    script = json.loads(Path(json.loads(Path(given.config).read_text())["script"]).read_text())
    if given.command == "check":
        problem = script.get("check_fails")
        status = {"status": "FAILED", "message": problem} if problem else {"status": "SUCCEEDED"}
        say("CONNECTION_STATUS", connectionStatus=status)
    elif given.command == "discover":
        say("CATALOG", catalog={"streams": script["streams"]})
    else:
        return read(script, json.loads(Path(given.catalog).read_text()))
    return 0


def read(script: dict[str, Any], catalog: dict[str, Any]) -> int:
    """Reads each chosen stream, as slowly and as badly as the script wants."""
    for number in range(script.get("log_lines", 0)):
        log(f"line {number} of many, which says nothing {'x' * 60}")
    for chosen in catalog["streams"]:
        stream = {"name": chosen["stream"]["name"]}
        if chosen["stream"].get("namespace"):
            stream["namespace"] = chosen["stream"]["namespace"]
        status(stream, "STARTED")
        if script.get("estimates"):
            estimate = {**stream, "type": "STREAM", "row_estimate": script.get("rows", 3)}
            say("TRACE", trace={"type": "ESTIMATE", "emitted_at": 1, "estimate": estimate})
        for number in range(script.get("rows", 3)):
            data = {
                name: value(name, number) for name in chosen["stream"]["json_schema"]["properties"]
            }
            say(
                "RECORD",
                record={
                    "stream": stream["name"],
                    "data": data,
                    "emitted_at": 1,
                    **stream_namespace(stream),
                },
            )
            time.sleep(script.get("pause_seconds", 0))
            if number + 1 == script.get("fails_after"):
                log("the disk of the service is full", "ERROR")
                say(
                    "TRACE",
                    trace={
                        "type": "ERROR",
                        "emitted_at": 1,
                        "error": {
                            "message": "The service is out of order.",
                            "failure_type": "config_error",
                        },
                    },
                )
                return 1
        state = {"last": 9007199254740993, "rows": script.get("rows", 3)}
        say(
            "STATE",
            state={
                "type": "STREAM",
                "stream": {"stream_descriptor": stream, "stream_state": state},
            },
        )
        status(stream, "COMPLETE")
    return 0


def value(name: str, number: int) -> Any:
    """Returns a value of a field, by the field's name."""
    if name == "id":
        return number
    return f"2026-01-01T00:00:{number % 60:02}Z" if name.endswith("_at") else f"{name} {number}"


def stream_namespace(stream: dict[str, Any]) -> dict[str, Any]:
    """Returns the namespace as a record carries it."""
    return {"namespace": stream["namespace"]} if "namespace" in stream else {}


def status(stream: dict[str, Any], word: str) -> None:
    """Says where a stream stands."""
    say(
        "TRACE",
        trace={
            "type": "STREAM_STATUS",
            "emitted_at": 1,
            "stream_status": {"stream_descriptor": stream, "status": word},
        },
    )


if __name__ == "__main__":
    sys.exit(main())
