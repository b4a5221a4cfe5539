"""Brings any file to a plain one on the local disk: fetched, unpacked, in UTF-8."""

from __future__ import annotations

import codecs
import functools
import os
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from penstock.errors import ConfigError, DataError, ResourceExhausted
from penstock.sdk.files import listing
from penstock.sdk.files.formats import (
    MAGIC_BYTES,
    Compression,
    compression_of_bytes,
    unpacked,
)
from penstock.sdk.files.listing import FileRef

_BLOCK_BYTES: Final = 4 << 20
_KEPT_BYTES: Final = 8 << 30
_UTF8_BOM: Final = codecs.BOM_UTF8


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainFile:
    """A file that parsers can read as it is; valid inside the `plain_file` context only."""

    path: Path
    ref: FileRef
    """The version that was staged."""
    is_copy: bool


class _Area:
    """The temporary files of this process: kept between discovery and read, removed at exit.

    A folder of its own (0700) whose name carries the process id, so that the next process can
    clear away what a killed one left behind.
    """

    def __init__(self, parent: Path) -> None:
        _remove_left_behind(parent)
        prefix = f"penstock-files-{os.getpid()}-"
        self._folder = tempfile.TemporaryDirectory(prefix=prefix, dir=parent)
        self._copies: dict[tuple[Any, ...], Path] = {}
        self._in_use: Counter[Path] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def lend(self, key: tuple[Any, ...] | None, make: Any) -> Iterator[Path]:
        with self._lock:
            path = self._copies.get(key) if key else None
            if path is None:
                path = self._new(make)
                if key:
                    self._copies[key] = path
            self._in_use[path] += 1
        try:
            yield path
        finally:
            with self._lock:
                self._in_use[path] -= 1
                if key is None:
                    path.unlink(missing_ok=True)
                self._trim()

    def _new(self, make: Any) -> Path:
        descriptor, name = tempfile.mkstemp(dir=self._folder.name)
        path = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as sink:
                make(sink)
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.errno in (28, 122):  # ENOSPC, EDQUOT
                raise ResourceExhausted(
                    f"The disk of {self._folder.name} is full.",
                    remedy="Free some space, or set TMPDIR to a folder with more.",
                ) from error
            raise
        return path

    def _trim(self) -> None:
        sizes = {key: path.stat().st_size for key, path in self._copies.items()}
        for key in list(self._copies):
            if sum(sizes.values()) <= _KEPT_BYTES:
                return
            if not self._in_use[self._copies[key]]:
                self._copies.pop(key).unlink(missing_ok=True)
                del sizes[key]


@functools.lru_cache(maxsize=1)
def _area_of(_process_id: int, parent: str) -> _Area:
    return _Area(Path(parent))


def _remove_left_behind(parent: Path) -> None:
    for folder in parent.glob("penstock-files-*-*"):
        owner = folder.name.split("-")[2]
        if not owner.isdigit() or folder.stat().st_uid != os.getuid():
            continue
        try:
            os.kill(int(owner), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except PermissionError:
            continue


@contextmanager
def plain_file(
    ref: FileRef,
    *,
    compression: Compression | None,
    encoding: str | None,
    storage_options: Mapping[str, Any],
) -> Iterator[PlainFile]:
    """Lends a plain local file with the content of `ref`, itself where nothing has to be done.

    `compression` None looks at the first bytes. `encoding` None leaves bytes as they are; any
    other than plain UTF-8, and a byte-order mark, cost a copy. Copies are only this user's to
    read (0600), stay for the life of the process (up to 8 GiB) and are removed at its end.
    """
    with listing.translated(ref.location):
        if ref.is_local and _is_plain(Path(ref.url), ref.url, compression, encoding):
            yield PlainFile(path=Path(ref.url), ref=ref, is_copy=False)
            return
    versioned = (ref, compression, encoding) if ref.has_version else None

    def make(sink: IO[bytes]) -> None:
        with listing.translated(ref.location), _raw(ref, storage_options) as raw:
            _copy_plain(raw, sink, ref, compression, encoding)

    area = _area_of(os.getpid(), tempfile.gettempdir())
    with area.lend(versioned, make) as path:
        yield PlainFile(path=path, ref=ref, is_copy=True)


def first_bytes(
    ref: FileRef, *, compression: Compression | None, storage_options: Mapping[str, Any]
) -> bytes:
    """Returns the first plain bytes of a file, enough to tell its format."""
    with (
        plain_file(
            ref, compression=compression, encoding=None, storage_options=storage_options
        ) as plain,
        plain.path.open("rb") as stream,
    ):
        return stream.read(1024)


def _is_plain(path: Path, url: str, compression: Compression | None, encoding: str | None) -> bool:
    with path.open("rb") as stream:
        head = stream.read(MAGIC_BYTES)
    if (compression or compression_of_bytes(head, url)) is not Compression.NONE:
        return False
    if encoding is None:
        return True
    return _codec(encoding) == "utf-8" and not head.startswith(_UTF8_BOM)


def _codec(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
    except LookupError as error:
        raise ConfigError(
            f"There is no text encoding named {encoding!r}.",
            remedy="Use a name Python knows: utf-8, utf-16, cp1252, latin-1, shift_jis, …",
        ) from error
    return "utf-8" if name in ("utf-8", "utf-8-sig", "ascii") else name


@contextmanager
def _raw(ref: FileRef, storage_options: Mapping[str, Any]) -> Iterator[IO[bytes]]:
    if ref.is_local:
        with Path(ref.url).open("rb") as stream:
            yield stream
    elif ref.location.startswith(("http://", "https://")):
        from penstock.sdk.files.web import fetch  # noqa: PLC0415 - loads httpx

        with tempfile.TemporaryFile() as fetched:
            fetch(ref, storage_options, fetched)
            fetched.seek(0)
            yield fetched
    else:
        system, inner = listing.file_system(ref.location, storage_options)
        with system.open(inner, "rb", block_size=16 << 20, cache_type="readahead") as stream:
            yield stream


def _copy_plain(
    raw: IO[bytes],
    sink: IO[bytes],
    ref: FileRef,
    compression: Compression | None,
    encoding: str | None,
) -> None:
    head = raw.read(MAGIC_BYTES)
    raw.seek(0)
    packed = compression or compression_of_bytes(head, ref.url)
    with unpacked(raw, packed, ref.url) as plain:
        if encoding is not None and _codec(encoding) != "utf-8":
            _transcode(plain, sink, encoding, ref.url)
            return
        block = plain.read(_BLOCK_BYTES)
        if encoding is not None:
            block = block.removeprefix(_UTF8_BOM)
        while block:
            sink.write(block)
            block = plain.read(_BLOCK_BYTES)


def _transcode(plain: IO[bytes], sink: IO[bytes], encoding: str, url: str) -> None:
    decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    position = 0
    try:
        while block := plain.read(_BLOCK_BYTES):
            sink.write(decoder.decode(block).encode())
            position += len(block)
        sink.write(decoder.decode(b"", final=True).encode())
    except UnicodeError as error:
        raise DataError(
            f"{url} is not {encoding} text: {error} (in the block from byte {position}).",
            remedy="Set the stream's option `encoding` to what the file was written in.",
            file=url,
        ) from error
