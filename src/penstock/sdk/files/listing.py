"""Which files a path, glob or URL names, each with what tells one version of it from the next."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from penstock.errors import (
    AccessDenied,
    ConfigError,
    ConnectionFailed,
    MissingDriver,
    PenstockError,
)

_GLOB_CHARACTERS: Final = frozenset("*?[")
_DRIVERS: Final = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gcs",
    "gcs": "gcs",
    "az": "azure",
    "abfs": "azure",
    "abfss": "azure",
    "adl": "azure",
}
"""URL scheme → the extra of penstock that brings its fsspec driver."""
_S3_CLIENT: Final = {
    "connect_timeout": 5,
    "retries": {"mode": "standard", "max_attempts": 3},
}
"""botocore's own would try an address where nobody answers for five minutes. Where a bucket asks
to slow down, s3fs itself repeats what botocore gave up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRef:
    """One file and the marks of its version; equal when location and version are."""

    url: str
    """Absolute path, or URL without credentials."""
    location: str = field(default="", compare=False, repr=False)
    """What is opened; may hold a signed query, so it is neither shown nor compared."""
    size: int | None = None
    modified: datetime | None = None
    """UTC."""
    etag: str | None = None

    @property
    def has_version(self) -> bool:
        """True when a change of the file would show in `modified` or `etag`."""
        return self.modified is not None or self.etag is not None

    @property
    def is_local(self) -> bool:
        return "://" not in self.url

    @property
    def modified_text(self) -> str | None:
        """The time of the last change as Airbyte's file sources write it."""
        if self.modified is None:
            return None
        return self.modified.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def version(self) -> list[Any]:
        """Returns the marks as JSON values, to be kept in a state."""
        return [self.modified_text, self.size, self.etag]


def is_pattern(path: str) -> bool:
    """Tells whether a path may name several files: a glob, or a local folder."""
    scheme = urlsplit(path).scheme.lower()
    if scheme in ("http", "https"):
        return False
    if not _is_remote(path) and Path(_local(path)).is_dir():
        return True
    return bool(_GLOB_CHARACTERS & set(path))


def list_files(path: str, storage_options: Mapping[str, Any] | None = None) -> list[FileRef]:
    """Returns the files a path names, oldest first, then by name; folders mean their files.

    Hidden files (a leading dot or underscore, as Spark and others mark theirs) are left out of
    globs and folders. Raises ConfigError when there is none, AccessDenied, ConnectionFailed, or
    MissingDriver with the line that installs what is missing.
    """
    scheme = urlsplit(path).scheme.lower() if _is_remote(path) else ""
    if scheme in ("http", "https"):
        from penstock.sdk.files.web import http_file  # noqa: PLC0415 - loads httpx

        found = [http_file(path, storage_options or {})]
    elif scheme:
        with translated(path):
            found = list(_remote_files(path, storage_options or {}))
    else:
        found = list(_local_files(_local(path)))
    if not found:
        raise ConfigError(
            f"No file matches {shown(path)}.",
            remedy="Correct the path; a glob like 'data/**/*.csv' is matched from where it starts.",
            path=shown(path),
        )
    epoch = datetime.fromtimestamp(0, UTC)
    return sorted(found, key=lambda ref: (ref.modified or epoch, ref.url))


def current_version(ref: FileRef, storage_options: Mapping[str, Any] | None = None) -> FileRef:
    """Returns the same file as it is now; raises ConnectionFailed when it is gone."""
    if not ref.is_local:
        return next(iter(list_files(ref.location, storage_options)))
    with translated(ref.url):
        return _local_file(Path(ref.url))


def shown(location: str) -> str:
    """Returns a location fit for messages and columns: no credentials, no query."""
    if not _is_remote(location):
        return location
    parts = urlsplit(location)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def file_system(location: str, storage_options: Mapping[str, Any]) -> tuple[Any, str]:
    """Returns the fsspec file system of a URL and the path in it; MissingDriver names the extra."""
    scheme = urlsplit(location).scheme.lower()
    if _DRIVERS.get(scheme) == "s3":
        storage_options = {"config_kwargs": _S3_CLIENT, **storage_options}
    try:
        import fsspec  # noqa: PLC0415 - comes with the drivers; local files need none of it

        return fsspec.core.url_to_fs(location, **storage_options)  # type: ignore[no-any-return]
    except ImportError as error:
        extra = _DRIVERS.get(scheme)
        package = f"'penstock[{extra}]'" if extra else f"the fsspec driver of {scheme}://"
        raise MissingDriver(
            f"Reading {scheme}:// files needs a driver that is not installed.",
            remedy=f"Run: pip install {package}",
        ) from error
    except ValueError as error:
        raise ConfigError(
            f"{shown(location)} cannot be opened: {error}.",
            remedy="Use a local path or http(s)://, s3://, gs:// or az://.",
        ) from error


@contextmanager
def translated(location: str) -> Iterator[None]:
    """Turns what file systems and drivers raise into errors with a remedy."""
    where = shown(location)
    try:
        yield
    except PenstockError:
        raise
    except FileNotFoundError as error:
        raise ConfigError(
            f"{where} does not exist.", remedy="Correct the path.", path=where
        ) from error
    except PermissionError as error:
        raise AccessDenied(
            f"Reading {where} is not permitted.",
            remedy="Give this user (or these storage_options) the right to list and read it.",
            path=where,
        ) from error
    except IsADirectoryError as error:
        raise ConfigError(f"{where} is a folder.", remedy="Name a file or a glob.") from error
    except OSError as error:
        raise unreadable(location, error) from error
    except Exception as error:
        if type(error).__module__.split(".", 1)[0] not in _DRIVER_MODULES:
            raise
        raise _driver_error(where, error) from error


def unreadable(location: str, error: Exception) -> ConnectionFailed:
    """Returns the error of a file that cannot be reached."""
    where = shown(location)
    return ConnectionFailed(
        f"{where} could not be read: {type(error).__name__}: {error}.",
        remedy="Try again; if it stays so, check the network, the address and the credentials.",
        path=where,
    )


_DRIVER_MODULES: Final = frozenset({"botocore", "aiohttp", "gcsfs", "google", "azure", "adlfs"})


def _driver_error(where: str, error: Exception) -> PenstockError:
    name = type(error).__name__
    if any(word in name for word in ("Credential", "Auth", "Forbidden", "Refresh")):
        return AccessDenied(
            f"{where} refused the credentials ({name}).",
            remedy="Set storage_options (for S3: key and secret, or anon: true).",
            path=where,
        )
    return ConnectionFailed(
        f"{where} could not be reached: {name}: {error}.",
        remedy="Check the address (for S3: endpoint_url in storage_options) and the network, and"
        " try again.",
        path=where,
    )


def _is_remote(path: str) -> bool:
    return "://" in path and not path.lower().startswith("file://")


def _local(path: str) -> str:
    if path.lower().startswith("file://"):
        path = unquote(urlsplit(path).path)
    return os.path.expandvars(str(Path(path).expanduser())) if path else path


def _local_files(path: str) -> Iterator[FileRef]:
    with translated(path):
        exact = Path(path)
        if exact.is_file():
            yield _local_file(exact)
            return
        pattern = str(exact / "**") if exact.is_dir() else path
        for name in glob.iglob(pattern, recursive=True):  # noqa: PTH207 (absolute patterns too)
            candidate = Path(name)
            if candidate.is_file() and not candidate.name.startswith((".", "_")):
                yield _local_file(candidate)


def _local_file(path: Path) -> FileRef:
    absolute = path.resolve()
    facts = absolute.stat()
    return FileRef(
        url=str(absolute),
        location=str(absolute),
        size=facts.st_size,
        modified=datetime.fromtimestamp(facts.st_mtime_ns // 1000 / 1_000_000, UTC),
        etag=f"{facts.st_ino:x}-{facts.st_mtime_ns:x}",
    )


def _remote_files(path: str, storage_options: Mapping[str, Any]) -> Iterator[FileRef]:
    system, inner = file_system(path, storage_options)
    scheme = urlsplit(path).scheme
    system.invalidate_cache()
    if _GLOB_CHARACTERS & set(inner):
        entries = list(system.glob(inner, detail=True).values())
    else:
        entry = system.info(inner)
        folder = entry["type"] == "directory"
        entries = list(system.find(inner, detail=True).values()) if folder else [entry]
    for entry in entries:
        name = str(entry["name"]).rstrip("/")
        hidden = name.rsplit("/", 1)[-1].startswith((".", "_")) and len(entries) > 1
        if entry["type"] != "file" or hidden:
            continue
        url = name if "://" in name else f"{scheme}://{name.lstrip('/')}"
        yield FileRef(
            url=url,
            location=url,
            size=entry.get("size"),
            modified=_moment(_first(entry, "LastModified", "last_modified", "updated", "mtime")),
            etag=_first(entry, "ETag", "etag", "md5Hash"),
        )


def _first(entry: Mapping[str, Any], *keys: str) -> Any:
    return next((entry[key] for key in keys if entry.get(key) is not None), None)


def _moment(value: Any) -> datetime | None:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, int | float):
        value = datetime.fromtimestamp(value, UTC)
    if not isinstance(value, datetime):
        return None
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
