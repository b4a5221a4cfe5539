"""An Airbyte source whose settings are its transcript: catalogue, messages, exit status."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

SPEC = {
    "connectionSpecification": {
        "type": "object",
        "required": ["transcript"],
        "properties": {
            "transcript": {"type": "string"},
            "account": {"type": "string", "pattern": "^[a-z]+$"},
            "size": {"type": "integer"},
            "token": {"type": "string", "airbyte_secret": True},
            "nested": {"type": "object"},
        },
    }
}


def say(kind: str, **payload: Any) -> None:
    print(json.dumps({"type": kind, **payload}), flush=True)


def main(argv: list[str]) -> int:
    files = dict(zip(argv[1::2], argv[2::2], strict=True))
    loaded = {name: json.loads(Path(path).read_text()) for name, path in files.items()}
    if argv[0] == "spec":
        say("SPEC", spec=SPEC)
        return 0
    config = loaded["--config"]
    script = json.loads(Path(config["transcript"]).read_text())
    if script.get("records_calls"):
        with Path(script["records_calls"]).open("a") as calls:
            calls.write(json.dumps({"verb": argv[0], **loaded}) + "\n")
    match argv[0]:
        case "check":
            answer = {"status": "SUCCEEDED"}
            if config.get("token") == "wrong":
                answer = {"status": "FAILED", "message": "the token is refused"}
            say("CONNECTION_STATUS", connectionStatus=answer)
        case "discover":
            say("CATALOG", catalog={"streams": script["streams"]})
        case "read":
            chosen = {each["stream"]["name"] for each in loaded["--catalog"]["streams"]}
            for line in script["lines"]:
                if "sleep" in line:
                    time.sleep(line["sleep"])
                    continue
                stream = line.get("record", {}).get("stream")
                if stream is None or stream in chosen:
                    print(json.dumps(line), flush=True)
            return int(script.get("exit", 0))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
