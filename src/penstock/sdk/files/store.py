"""Places that hold files: a folder of this machine, or a bucket behind fsspec.

Two powers carry the whole destination: a file is created under a name that nobody has, or not at
all; and what was created is durable and whole. Paths are relative to the place, with `/`.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, Protocol, cast
from urllib.parse import urlsplit

from penstock.errors import AccessDenied, ConfigError, ResourceExhausted
from penstock.sdk.files import listing

_TRIES: Final = 10


class Store(Protocol):
    """What the destination asks of a place."""

    held_bytes: int
    """How large the files are together that may be held at once."""

    def names(self, folder: str) -> list[str]:
        """Returns the files in a folder and all below it; none when there is no such folder."""
        ...

    def create(self, path: str, content: bytes) -> bool:
        """Creates a file, whole and durable; False when the name is taken already."""
        ...

    def take(self, local: Path, path: str) -> None:
        """Moves a finished local file here; durable on return."""
        ...

    def copy(self, path: str, to: str) -> None:
        """Gives a file a second name; a copy of an earlier attempt may stand there already."""
        ...

    def delete(self, paths: Sequence[str]) -> None:
        """Removes files; those that are gone already do not matter."""
        ...

    def open(self, path: str) -> IO[bytes]:
        """Opens a file to read; FileNotFoundError when there is none."""
        ...

    def hold(self, path: str) -> IO[bytes]:
        """Opens a file that can be read on when it is removed meanwhile.

        In a bucket an open file is no protection: its content is fetched. FileNotFoundError when
        there is none.
        """
        ...

    def spool(self, path: str) -> Path:
        """Returns a new local folder to write files in before they are taken."""
        ...


def store_of(path: str, options: Mapping[str, Any]) -> Store:
    """Returns the store of a path or URL; raises MissingDriver naming the extra it needs."""
    if "://" in path and not path.lower().startswith("file://"):
        return RemoteStore(path, options)
    return LocalStore(Path(os.path.expandvars(path.removeprefix("file://"))).expanduser())


class LocalStore:
    """A folder; made when the first file is created."""

    held_bytes = sys.maxsize

    def __init__(self, root: Path) -> None:
        self._root = root
        self._base = root
        while not self._base.exists() and self._base != self._base.parent:
            self._base = self._base.parent

    def names(self, folder: str) -> list[str]:
        start = self._root / folder
        found: list[str] = []
        with _writing(start):
            for parent, _, names in os.walk(start, onerror=_not_missing):
                prefix = Path(parent).relative_to(self._root)
                found += [(prefix / name).as_posix() for name in names]
        return found

    def create(self, path: str, content: bytes) -> bool:
        final = self._root / path
        with _writing(final):
            beside = final.with_name(f".{uuid.uuid4().hex}.new")
            try:
                _in_folder(final, lambda: beside.write_bytes(content))
                _make_durable(beside)
                os.link(beside, final)
            except FileExistsError:
                if not final.is_file():
                    raise
                return False
            finally:
                beside.unlink(missing_ok=True)
            _make_durable(final.parent)
        return True

    def take(self, local: Path, path: str) -> None:
        final = self._root / path
        with _writing(final):
            _make_durable(local)
            _in_folder(final, lambda: local.replace(final))
            _make_durable(final.parent)

    def copy(self, path: str, to: str) -> None:
        final = self._root / to
        with _writing(final):
            if not final.exists():
                _in_folder(final, lambda: os.link(self._root / path, final))
                _make_durable(final.parent)

    def delete(self, paths: Sequence[str]) -> None:
        with _writing(self._root):
            for path in paths:
                gone = self._root / path
                gone.unlink(missing_ok=True)
                _remove_empty(gone.parent, up_to=self._base)

    def open(self, path: str) -> IO[bytes]:
        return (self._root / path).open("rb")

    def hold(self, path: str) -> IO[bytes]:
        return self.open(path)

    def spool(self, path: str) -> Path:
        folder = self._root / path
        with _writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder


class RemoteStore:
    """A bucket; creating needs conditional puts (S3 `If-None-Match`, GCS and Azure likewise)."""

    held_bytes = 16 << 20

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self._url = url
        scheme = urlsplit(url).scheme.lower()
        if scheme in ("http", "https"):
            raise ConfigError(
                f"Nothing can be written to {listing.shown(url)}.",
                remedy="Set `path` to a folder, s3://, gs:// or az://.",
            )
        system, root = listing.file_system(url, {"use_listings_cache": False, **options})
        self._system = system
        self._root = root.rstrip("/")

    def names(self, folder: str) -> list[str]:
        with self._translated():
            self._system.invalidate_cache()
            try:
                found = self._system.find(self._at(folder))
            except FileNotFoundError:
                return []
        return [name.removeprefix(self._root).lstrip("/") for name in found]

    def create(self, path: str, content: bytes) -> bool:
        with self._translated():
            try:
                self._system.pipe_file(self._at(path), content, mode="create")
            except FileExistsError:
                return False
            except OSError as error:
                if "PreconditionFailed" in str(error) or "pre-conditions" in str(error):
                    return False
                raise
        return True

    def take(self, local: Path, path: str) -> None:
        with self._translated():
            self._system.put_file(str(local), self._at(path))
        local.unlink()

    def copy(self, path: str, to: str) -> None:
        with self._translated():
            self._system.cp_file(self._at(path), self._at(to))

    def delete(self, paths: Sequence[str]) -> None:
        with self._translated():
            for path in paths:
                try:
                    self._system.rm_file(self._at(path))
                except FileNotFoundError:
                    continue

    def open(self, path: str) -> IO[bytes]:
        try:
            return cast("IO[bytes]", self._system.open(self._at(path), "rb"))
        except FileNotFoundError:
            raise
        except Exception:
            with self._translated():
                raise

    def hold(self, path: str) -> IO[bytes]:
        with self.open(path) as source:
            return io.BytesIO(source.read())

    def spool(self, path: str) -> Path:
        del path
        return Path(tempfile.mkdtemp(prefix="penstock-files-"))

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"

    @contextmanager
    def _translated(self) -> Iterator[None]:
        with listing.translated(self._url):
            yield


def remove_spool(folder: Path) -> None:
    """Removes a spool with what is left in it."""
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise AccessDenied(
            f"{path} may not be written.",
            remedy="Give this user the right to write there, or choose another `path`.",
        ) from error
    except (NotADirectoryError, FileExistsError) as error:
        raise ConfigError(
            f"{path} is not a folder: {error.strerror}.", remedy="Choose another `path`."
        ) from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise listing.unreadable(str(path), error) from error
        raise ResourceExhausted(
            f"The disk of {path} is full.",
            remedy="Free some space and sync again; it continues after the last commit.",
        ) from error


def _not_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _in_folder(path: Path, act: Callable[[], object]) -> None:
    """Makes a path's folder and acts in it, again if others removed it, empty, in between."""
    for attempt in range(_TRIES):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            act()
        except FileNotFoundError:
            if attempt == _TRIES - 1:
                raise
        else:
            return


def _make_durable(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_empty(folder: Path, *, up_to: Path) -> None:
    while folder != up_to:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
