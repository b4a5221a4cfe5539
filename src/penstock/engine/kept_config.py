"""Configurations that sources asked to be kept (CONTROL messages: single-use refresh tokens).

A kept configuration takes the place of the one it came from, for every use of the connector:
check, discover, preview and sync, under whatever connection name. What the user gives anew, they
get. Spent configurations are kept as digests only; files are readable by their owner only.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from penstock.engine.home import home_path
from penstock.engine.state_store import file_name_of, write_durably
from penstock.errors import AccessDenied, ConfigError

_SPENT: Final = 1000
"""Digests kept of one line of configurations, beside the first."""


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    """The newest configuration, and the digests of those it has replaced, oldest first."""

    spent: tuple[str, ...]
    config: dict[str, Any]


class _File(msgspec.Struct, frozen=True, kw_only=True):
    version: int = 1
    lines: tuple[_Line, ...] = ()


class KeptConfigs:
    """The configurations kept under one data folder, one file a connector."""

    def __init__(self, data_dir: Path | None = None) -> None:
        """Without a folder it is penstock's own; it is made when something is kept."""
        self._data_dir = data_dir

    def newest(self, connector: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns the configuration to use: the newest that came from the given one, else given."""
        digest = _digest(given)
        found = (line.config for line in self._load(connector) if digest in line.spent)
        return next(found, given)

    def keep(self, connector: str, given: Mapping[str, Any], changed: Mapping[str, Any]) -> None:
        """Makes the changed configuration durable; whoever gives `given` again gets it.

        Raises AccessDenied when it cannot be written: then the change is lost with the process.
        """
        old, new = _digest(given), _digest(changed)
        if old == new:
            return
        try:
            self._write(connector, changed, old, new)
        except OSError as error:
            raise AccessDenied(
                f"{connector} replaced its own credentials, and {self._path(connector)} cannot be"
                f" written to keep the new ones: {error.strerror}.",
                remedy="Make the folder writable, then log in to the source anew: the credentials"
                " given are spent.",
            ) from error

    def _write(self, connector: str, changed: Mapping[str, Any], old: str, new: str) -> None:
        with self._locked(connector):
            spent: dict[str, None] = {}
            others = []
            for line in self._load(connector):
                if old in line.spent or old == _digest(line.config):
                    spent |= dict.fromkeys((*line.spent, _digest(line.config)))
                else:
                    others.append(line)
            spent[old] = None
            spent.pop(new, None)
            first, *rest = spent
            line = _Line(spent=(first, *rest[-_SPENT:]), config=dict(changed))
            document = _File(lines=(*others, line))
            write_durably(self._path(connector), msgspec.json.encode(document))

    def _load(self, connector: str) -> tuple[_Line, ...]:
        path = self._path(connector)
        try:
            return msgspec.json.decode(path.read_bytes(), type=_File).lines
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except PermissionError as error:
            raise AccessDenied(
                f"The kept configurations in {path} cannot be read.",
                remedy="Give this user access to the file.",
            ) from error
        except msgspec.DecodeError as error:
            raise ConfigError(
                f"The file of kept configurations {path} is damaged: {error}.",
                remedy="Restore it from a backup; or remove it, and log in to the source anew.",
            ) from error

    @contextmanager
    def _locked(self, connector: str) -> Iterator[None]:
        path = self._path(connector).with_suffix(".lock")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _path(self, connector: str) -> Path:
        folder = (self._data_dir or home_path()) / "configs"
        return folder / f"{file_name_of(connector.removeprefix('source-'))}.json"


class NothingKept(KeptConfigs):
    """Keeps nothing: whoever runs the sync is told of each change, and keeps it himself."""

    def newest(self, connector: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns what is given: it is the newest."""
        del connector
        return given

    def keep(self, connector: str, given: Mapping[str, Any], changed: Mapping[str, Any]) -> None:
        """Does nothing; the change is an event of the sync."""


def written_with(
    written: Mapping[str, Any], given: Mapping[str, Any], changed: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns a changed configuration as it was written: references stay where nothing changed.

    `given` is `written` with its references resolved; `changed` is what the source made of it.
    """
    return {
        key: _written(written.get(key), given.get(key), value) for key, value in changed.items()
    }


def _written(written: Any, given: Any, changed: Any) -> Any:
    if changed == given and type(changed) is type(given):
        return written
    if isinstance(changed, Mapping) and isinstance(given, Mapping) and isinstance(written, Mapping):
        return written_with(written, given, changed)
    return changed


def _digest(config: Mapping[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(config, order="deterministic")).hexdigest()
