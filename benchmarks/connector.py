"""The trivial connector: an executable that answers as an Airbyte source and sends a file.

Its `read` is `cat`, so that whatever a tool needs beyond `cat` is the tool's own.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from benchmarks.generate import load_facts, status_line


def catalog_stream(data: Path) -> dict[str, Any]:
    """Returns the stream `users` of a generated file, as a catalogue shows it."""
    return {
        "name": "users",
        "json_schema": load_facts(data).json_schema,
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_cursor": True,
        "default_cursor_field": ["id"],
    }


def write_connector(folder: Path, data: Path, *, times: int = 1) -> Path:
    """Writes the executable and its answers; `read` sends `data` so often, then COMPLETE."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = {"type": "SPEC", "spec": {"connectionSpecification": {"type": "object"}}}
    status = {"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}}
    catalog = {"type": "CATALOG", "catalog": {"streams": [catalog_stream(data)]}}
    for name, answer in (("spec", spec), ("check", status), ("discover", catalog)):
        (folder / name).write_text(json.dumps(answer) + "\n")
    (folder / "started").write_bytes(status_line("STARTED"))
    (folder / "complete").write_bytes(status_line("COMPLETE"))
    here = shlex.quote(str(folder))
    files = " ".join([shlex.quote(str(data))] * times)
    script = folder / "source-bench"
    script.write_text(
        "#!/bin/sh\n"
        'case "$1" in\n'
        f"  read) exec cat {here}/started {files} {here}/complete ;;\n"
        f'  *) exec cat {here}/"$1" ;;\n'
        "esac\n"
    )
    script.chmod(0o755)
    return script
