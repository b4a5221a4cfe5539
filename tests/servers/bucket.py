"""A bucket in moto's S3, on a free loopback port."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

KEYS = {"key": "testing", "secret": "testing"}


@contextmanager
def bucket_served(name: str) -> Iterator[str]:
    """Starts a server with one bucket; yields the server's address.

    moto's servers of one process share their buckets: each caller needs a name of its own.
    """
    import s3fs  # noqa: PLC0415 (an extra)
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 (slow, and not for every process)

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        address = f"http://{host}:{port}"
        s3fs.S3FileSystem(**KEYS, endpoint_url=address).mkdir(name)
        yield address
    finally:
        server.stop()


@contextmanager
def s3_bucket_served(name: str) -> Iterator[dict[str, Any]]:
    """Starts a server with one bucket; yields the storage options that lead to it."""
    with bucket_served(name) as address:
        yield {**KEYS, "endpoint_url": address}
