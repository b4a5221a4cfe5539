"""The double that `penstock import airbyte` is tested with is an Airbyte server to its client."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.acceptance.test_import_airbyte import there
from tests.doubles.airbyte_server import TOKEN
from tests.doubles.vendor import serving


def test_airbytes_own_client_reads_the_double(sdk_python: Path, tmp_path: Path) -> None:
    script = Path(__file__).with_name("read_lists.py")
    with serving(there(tmp_path)) as server:
        done = subprocess.run(
            [str(sdk_python), str(script), server.url, TOKEN],
            check=False,
            capture_output=True,
            text=True,
            timeout=100,
        )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "workspaces": ["Team"],
        "sources": ["shop", "people"],
        "destinations": ["lake"],
        "connections": ["shop to lake", "old", "people"],
    }
