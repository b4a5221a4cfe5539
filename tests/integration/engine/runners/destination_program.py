"""A small destination that speaks the Airbyte protocol, right unless told to be wrong."""

from __future__ import annotations

import sys
from pathlib import Path

PROGRAM = r"""#!{python} -S
import json, os, sys, time
folder, behaviour = {folder!r}, {behaviour!r}
def say(**message): os.write(1, (json.dumps(message) + "\n").encode())
def note(name, text): open(os.path.join(folder, name), "a").write(text)
verb = sys.argv[1]
files = dict(zip(sys.argv[2::2], sys.argv[3::2]))
if verb == "spec":
    say(type="SPEC", spec={{"connectionSpecification": {{"type": "object", "properties": {{
        "place": {{"type": "string"}}, "password": {{"type": "string", "airbyte_secret": True}}}},
        "required": ["place"]}}, "supported_destination_sync_modes": {modes!r}}})
elif verb == "check":
    place = json.load(open(files["--config"]))["place"]
    status = "SUCCEEDED" if place == "here" else "FAILED"
    say(type="CONNECTION_STATUS", connectionStatus={{"status": status, "message": "no " + place}})
else:
    config = json.load(open(files["--config"]))
    note("catalogs", open(files["--catalog"]).read() + "\n")
    note("pids", f"{{os.getpid()}}\n")
    if behaviour == "ends at once": sys.exit(0)
    if behaviour == "never reads": time.sleep(600)
    kept, rows, seen = [], 0, 0
    def give_back(state):
        if behaviour == "miscounts": state["destinationStats"] = {{"recordCount": 1.0}}
        if behaviour == "rejects":
            state["destinationStats"] = {{"recordCount": 2.0, "rejectedRecordCount": 1.0}}
        if behaviour == "counts":
            state["destinationStats"] = {{"recordCount": float(state.pop("_rows"))}}
        say(type="STATE", state=state)
    while line := sys.stdin.readline():
        message = json.loads(line)
        note("lines", line)
        if message["type"] == "RECORD":
            rows, seen = rows + 1, seen + 1
            if behaviour == "dies" and seen == 250:
                sys.stderr.write("java.lang.OutOfMemoryError: " + config.get("password", "") + "\n")
                sys.exit(3)
            if behaviour == "is refused" and seen == 250:
                say(type="TRACE", trace={{"type": "ERROR", "emitted_at": 1, "error": {{
                    "message": "The schema was dropped.", "failure_type": "config_error"}}}})
                sys.exit(1)
        elif message["type"] == "STATE" and behaviour != "gives nothing back":
            state = message["state"]
            if behaviour == "counts": state["_rows"] = rows
            rows = 0
            if behaviour in ("gives back at the end", "gives back the last"): kept.append(state)
            else: give_back(state)
    note("ended", "the input ended\n")
    if behaviour == "gives back the last":
        last = {{json.dumps(s["stream"]["stream_descriptor"]): s for s in kept}}
        kept = list(last.values())
    for state in kept: give_back(state)
    say(type="LOG", log={{"level": "WARN", "message": "flushed, " + config.get("password", "")}})
    if behaviour == "ends late": time.sleep(0.5)
"""

MODES = ("append", "overwrite", "append_dedup")


def write_destination(folder: Path, behaviour: str = "", *, modes: tuple[str, ...] = MODES) -> Path:
    """Writes the program; what it is given lies in files of the folder afterwards."""
    folder.mkdir(exist_ok=True)
    program = folder / "destination-scripted"
    text = PROGRAM.format(
        python=sys.executable, folder=str(folder), behaviour=behaviour, modes=list(modes)
    )
    program.write_text(text)
    program.chmod(0o755)
    return program
