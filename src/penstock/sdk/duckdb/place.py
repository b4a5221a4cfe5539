"""Where a DuckDB database is: a file, or MotherDuck."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from penstock.errors import ConfigError

CLOUD: Final = "md:"
"""Begins the name of a database of MotherDuck (https://motherduck.com/docs/, "Connect")."""
_AGENT: Final = "penstock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One database; made by `place_of`."""

    database: str
    """Absolute path of a file, or "md:name"."""
    token: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        if self.is_cloud:
            return f"MotherDuck database {self.database.removeprefix(CLOUD)}"
        return f"DuckDB file {self.database}"

    @property
    def is_cloud(self) -> bool:
        return self.database.startswith(CLOUD)

    @property
    def path(self) -> Path:
        """The file; of no meaning for MotherDuck."""
        return Path(self.database)

    @property
    def settings(self) -> dict[str, str]:
        """What DuckDB is given together with the name, so that no token stands in any name."""
        if not self.is_cloud:
            return {}
        token = {} if self.token is None else {"motherduck_token": self.token}
        return {"custom_user_agent": _AGENT, **token}

    def exists(self) -> bool:
        """Tells whether there is anything to read; MotherDuck is asked when it is connected to."""
        return self.is_cloud or self.path.exists()

    def is_empty(self) -> bool:
        """Tells whether there is a file without a byte."""
        return self.path.is_file() and not self.path.stat().st_size

    def make_folder(self) -> None:
        """Makes the folder of a file; raises ConfigError when it cannot be made."""
        if not self.is_cloud:
            make_folder(self.path.parent)

    def masked(self, text: str) -> str:
        """Returns what DuckDB says without the token."""
        return text.replace(self.token, "****") if self.token else text


def place_of(path: str, token: str | None = None) -> Place:
    """Returns the place a user named; raises ConfigError for one that keeps nothing."""
    name = path.strip()
    if name.startswith(CLOUD):
        if "?" in name:
            raise ConfigError(
                "`path` holds settings behind a question mark.",
                remedy="Keep md:NAME, and give the token as `motherduck_api_key`.",
                field="path",
            )
        return Place(database=name, token=token)
    if name == ":memory:" or not name:
        raise ConfigError(
            f"{path!r} is not the path of a DuckDB file.",
            remedy="Set `path` to a file, such as warehouse.duckdb: what is synced must outlive"
            " the sync.",
            field="path",
        )
    return Place(database=str(Path(path).expanduser().absolute()))


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it; raises ConfigError when it cannot."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"Folder {folder} for the DuckDB file cannot be made: {os.strerror(error.errno or 0)}.",
            remedy="Choose a path in a folder you may write to.",
            field="path",
        ) from error
