"""What a file is, by its name and first bytes: format, compression, and its plain bytes."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import PurePosixPath
from typing import IO, Final
from urllib.parse import urlsplit

import pyarrow as pa

from penstock.errors import ConfigError, DataError


class Format(StrEnum):
    """How rows are laid out in a file."""

    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    JSON = "json"
    PARQUET = "parquet"
    EXCEL = "excel"

    @property
    def is_text(self) -> bool:
        return self not in (Format.PARQUET, Format.EXCEL)


class Compression(StrEnum):
    """How the bytes of a file are packed."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"
    BZ2 = "bz2"
    XZ = "xz"
    ZIP = "zip"


_FORMATS: Final = {
    ".csv": Format.CSV,
    ".txt": Format.CSV,
    ".tsv": Format.TSV,
    ".tab": Format.TSV,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".json": Format.JSON,
    ".geojson": Format.JSON,
    ".parquet": Format.PARQUET,
    ".pq": Format.PARQUET,
    ".xlsx": Format.EXCEL,
    ".xlsm": Format.EXCEL,
    ".xlsb": Format.EXCEL,
    ".xls": Format.EXCEL,
    ".ods": Format.EXCEL,
}

_COMPRESSIONS: Final = {
    ".gz": Compression.GZIP,
    ".gzip": Compression.GZIP,
    ".zst": Compression.ZSTD,
    ".zstd": Compression.ZSTD,
    ".bz2": Compression.BZ2,
    ".xz": Compression.XZ,
    ".zip": Compression.ZIP,
}

_COMPRESSION_MAGIC: Final = (
    (b"\x1f\x8b", Compression.GZIP),
    (b"\x28\xb5\x2f\xfd", Compression.ZSTD),
    (b"BZh", Compression.BZ2),
    (b"\xfd7zXZ\x00", Compression.XZ),
)
"""RFC 1952 §2.3.1, RFC 8878 §3.1.1, and the bzip2 and xz file format documents."""

MAGIC_BYTES: Final = 8
"""How many first bytes of a file `compression_of_bytes` and `format_of_bytes` look at."""


def format_of_name(url: str) -> Format | None:
    """Returns the format that a file's name announces, looking through compression suffixes."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(_path_of(url)).suffixes]
    while suffixes and suffixes[-1] in _COMPRESSIONS:
        suffixes.pop()
    return _FORMATS.get(suffixes[-1]) if suffixes else None


def format_of_bytes(head: bytes) -> Format | None:
    """Returns the format that the first (uncompressed) bytes prove; None when they prove none."""
    if head.startswith(b"PAR1"):
        return Format.PARQUET
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return Format.EXCEL
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"["):
        return Format.JSON
    return Format.JSONL if text.startswith(b"{") else None


def compression_of_bytes(head: bytes, url: str) -> Compression:
    """Returns the compression the first bytes prove; a zip only when its name says so too.

    Excel and other document formats are zip archives as well.
    """
    for magic, compression in _COMPRESSION_MAGIC:
        if head.startswith(magic):
            return compression
    is_zip_name = PurePosixPath(_path_of(url)).suffix.lower() == ".zip"
    return Compression.ZIP if is_zip_name and head.startswith(b"PK\x03\x04") else Compression.NONE


def _path_of(url: str) -> str:
    return urlsplit(url).path if "://" in url else url


@contextmanager
def unpacked(raw: IO[bytes], compression: Compression, url: str) -> Iterator[IO[bytes]]:
    """Opens the plain bytes of a packed file. A broken or cut-off archive raises DataError.

    Never ends early in silence: every format here carries an end mark or a checksum that is
    verified before the last byte is handed out.
    """
    try:
        with _opened(raw, compression, url) as plain:
            yield plain
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise _broken(url, compression, error) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise _broken(url, compression, error) from error


def _broken(url: str, compression: Compression, error: Exception) -> DataError:
    return DataError(
        f"{url} is not a whole {compression} file: {error}.",
        remedy="Fetch or write the file again; the upload or download was probably cut off.",
        file=url,
    )


def _opened(raw: IO[bytes], compression: Compression, url: str) -> IO[bytes]:
    match compression:
        case Compression.NONE:
            return raw
        case Compression.GZIP:
            return gzip.GzipFile(fileobj=raw)  # type: ignore[return-value]  # an IO in all but name
        case Compression.BZ2:
            return bz2.BZ2File(raw)
        case Compression.XZ:
            return lzma.LZMAFile(raw)
        case Compression.ZSTD:
            return _zstd(raw)
        case Compression.ZIP:
            return _only_member(raw, url)


def _only_member(raw: IO[bytes], url: str) -> IO[bytes]:
    archive = zipfile.ZipFile(raw)
    names = [
        name
        for name in archive.namelist()
        if not name.endswith("/") and not name.startswith("__MACOSX/")
    ]
    if len(names) != 1:
        raise ConfigError(
            f"{url} holds {len(names)} files; a zip archive must hold exactly one.",
            remedy="Unpack the archive and give its files as the path.",
            file=url,
        )
    return archive.open(names[0])


def _zstd(raw: IO[bytes]) -> IO[bytes]:
    stream: IO[bytes] = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")
    return stream
