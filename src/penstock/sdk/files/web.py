"""Files behind HTTP: what an address names, and its bytes, also over a line that breaks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import IO, Any, Final

import httpx

from penstock.errors import AccessDenied, ConfigError, PenstockError, TransientError
from penstock.sdk.files.listing import FileRef, shown, unreadable

_TIMEOUT_SECONDS: Final = 60.0
_ATTEMPTS: Final = 5


def http_file(url: str, storage_options: Mapping[str, Any]) -> FileRef:
    """Returns the file at an address.

    Raises AccessDenied, ConfigError, TransientError or ConnectionFailed.
    """
    with _translated(url), _client(storage_options) as client:
        answer = client.head(url)
        if answer.status_code in (403, 405, 501):  # signed and simple servers know only GET
            with client.stream("GET", url) as answer:
                _raise_for_status(answer, url)
        else:
            _raise_for_status(answer, url)
    return _described(url, answer)


@contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except httpx.TransportError as error:
        raise unreadable(url, error) from error


def fetch(ref: FileRef, storage_options: Mapping[str, Any], sink: IO[bytes]) -> None:
    """Fetches an HTTP file, continuing (RFC 9110 §14, `If-Range`) where a connection broke."""
    with _client(storage_options) as client:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                _fetch_rest(client, ref, sink)
            except (httpx.TransportError, TransientError) as error:
                if attempt == _ATTEMPTS:
                    if isinstance(error, PenstockError):
                        raise
                    raise TransientError(
                        f"Fetching {ref.url} broke off {attempt} times: {error!r}.",
                        remedy="Try again later.",
                        url=ref.url,
                    ) from error
                wait = error.wait_seconds if isinstance(error, TransientError) else None
                time.sleep(min(wait if wait is not None else 0.2 * 2**attempt, 60.0))
            else:
                return


def _fetch_rest(client: httpx.Client, ref: FileRef, sink: IO[bytes]) -> None:
    have = sink.tell()
    headers = {"Accept-Encoding": "identity"}
    if have and ref.etag and not ref.etag.startswith("W/"):
        headers |= {"Range": f"bytes={have}-", "If-Range": ref.etag}
    with client.stream("GET", ref.location, headers=headers) as answer:
        _raise_for_status(answer, ref.location)
        if answer.status_code != 206:
            sink.seek(0)
            sink.truncate()
        try:
            for block in answer.iter_bytes():
                sink.write(block)
        except httpx.TransportError:
            if "content-encoding" in answer.headers:  # positions in it are not the file's
                sink.seek(0)
            raise
        now = _described(ref.location, answer)
    if ref.has_version and (now.etag, now.modified) != (ref.etag, ref.modified):
        raise TransientError(
            f"{ref.url} changed while it was being read.", remedy="Run the sync again."
        )


def _client(storage_options: Mapping[str, Any]) -> httpx.Client:
    """Returns a client that follows redirects and sends the headers of the storage options."""
    headers = {name: str(value) for name, value in storage_options.get("headers", {}).items()}
    return httpx.Client(follow_redirects=True, timeout=_TIMEOUT_SECONDS, headers=headers)


def _described(url: str, answer: httpx.Response) -> FileRef:
    """Returns the file an HTTP answer describes (RFC 9110 §8.8: ETag and Last-Modified)."""
    modified = answer.headers.get("last-modified")
    packed = "content-encoding" in answer.headers
    size = answer.headers.get("content-length")
    return FileRef(
        url=shown(url),
        location=url,
        size=int(size) if size and not packed else None,
        modified=parsedate_to_datetime(modified).astimezone(UTC) if modified else None,
        etag=answer.headers.get("etag"),
    )


def _raise_for_status(answer: httpx.Response, url: str) -> None:
    """Raises what an HTTP status means: AccessDenied, ConfigError or TransientError."""
    status, where = answer.status_code, shown(url)
    if answer.is_success:
        return
    if status in (401, 403):
        raise AccessDenied(
            f"{where} answered {status}.",
            remedy='Set storage_options, for example {"headers": {"Authorization": "Bearer …"}}.',
            url=where,
        )
    if status in (408, 425, 429) or status >= 500:
        wait = answer.headers.get("retry-after", "")
        raise TransientError(
            f"{where} answered {status}.",
            remedy="Try again later.",
            wait_seconds=float(wait) if wait.isdigit() else None,
            url=where,
        )
    raise ConfigError(f"{where} answered {status}.", remedy="Correct the URL.", url=where)
