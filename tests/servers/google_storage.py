"""A bucket in an emulator of Google Cloud Storage, on a free loopback port."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers.started import free_port, started

_PROGRAM = Path(__file__).with_name("google_storage_program.py")


@contextmanager
def google_bucket_served(name: str) -> Iterator[dict[str, Any]]:
    """Starts a server with one bucket; yields the storage options that lead to it."""
    # gcsfs would ask a second service, by gRPC, which kind of bucket it is.
    os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"
    import gcsfs  # noqa: PLC0415 (an extra)

    port = free_port()
    options = {"endpoint_url": f"http://127.0.0.1:{port}", "token": "anon", "project": "tests"}
    with started([sys.executable, str(_PROGRAM), str(port)], port):
        gcsfs.GCSFileSystem(**options).mkdir(name)
        yield options
