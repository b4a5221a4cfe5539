"""Brings the tables up to date: a backup first on SQLite, one server at a time on PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from penstock.control.store.database import Store
from penstock.errors import ConfigError

_SCRIPTS: Final = Path(__file__).with_name("migrations")
_LOCK: Final = 0x70656E73746F636B
"""Key of the advisory lock: "penstock"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """What `upgrade` did."""

    before: str | None
    """The revision the tables had; None: there were none."""
    after: str
    backup: Path | None = None
    """The copy made of a SQLite file that had tables already."""

    @property
    def did_anything(self) -> bool:
        return self.before != self.after


def newest_revision() -> str:
    """Returns the revision this penstock works with."""
    head = _scripts().get_current_head()
    if head is None:
        message = "there are no migrations"
        raise AssertionError(message)
    return head


def revision_of(store: Store) -> str | None:
    """Returns the revision of the tables; None when there are none yet."""
    with store.read() as tx:
        return MigrationContext.configure(tx).get_current_revision()


def require_current(store: Store) -> None:
    """Raises ConfigError unless the tables are exactly of this penstock's revision."""
    found = revision_of(store)
    _refuse_newer(store, found)
    if found != newest_revision():
        raise ConfigError(
            f"The tables in {store.shown} are of revision {found or 'none'}; this penstock needs "
            f"{newest_revision()}.",
            remedy="Run `penstock db upgrade`, or start without --no-migrate.",
        )


def upgrade(store: Store, *, now: datetime | None = None) -> Upgrade:
    """Brings the tables to this penstock's revision, all or nothing.

    A SQLite file with older tables is copied beside itself first. On PostgreSQL servers that
    start together wait for the first. Raises ConfigError for tables of a newer penstock.
    """
    before = revision_of(store)
    _refuse_newer(store, before)
    after = newest_revision()
    if before == after:
        return Upgrade(before=before, after=after)
    backup = None
    if store.is_sqlite and before is not None:
        backup = _back_up(store, before, now or datetime.now(UTC))
    if store.is_sqlite:
        _without_foreign_keys(store)
    else:
        with store.write() as tx:
            tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            _run(tx)
    return Upgrade(before=before, after=after, backup=backup)


def _without_foreign_keys(store: Store) -> None:
    """Migrates SQLite, where changing a table makes a new one in its place.

    With foreign keys on, dropping the old one would delete the rows that refer to it.
    """
    with store.translated(), store.engine.connect() as connection:
        raw = connection.connection.driver_connection
        raw.execute("PRAGMA foreign_keys = OFF")  # type: ignore[union-attr]
        try:
            tx = connection.execution_options(penstock_writes=True)
            with tx.begin():
                _run(tx)
                broken = tx.execute(text("PRAGMA foreign_key_check")).first()
                if broken is not None:
                    raise ConfigError(
                        f"The migration of {store.shown} would leave rows of {broken[0]} that "
                        "refer to nothing; nothing was changed.",
                        remedy="Report it with the name of the table.",
                    )
        finally:
            raw.execute("PRAGMA foreign_keys = ON")  # type: ignore[union-attr]


def _run(tx: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = tx
    command.upgrade(config, "head")


def _back_up(store: Store, revision: str, now: datetime) -> Path:
    database = Path(str(store.url.database))
    copy = database.with_name(f"{database.stem}.backup-{revision}-{now:%Y%m%dT%H%M%S}.db")
    with store.engine.connect() as connection:
        raw = connection.connection.driver_connection
        raw.execute("VACUUM INTO ?", (str(copy),))  # type: ignore[union-attr]
    copy.chmod(0o600)
    return copy


def _refuse_newer(store: Store, revision: str | None) -> None:
    known = {script.revision for script in _scripts().walk_revisions()}
    if revision is not None and revision not in known:
        raise ConfigError(
            f"The tables in {store.shown} were made by a newer penstock (revision {revision}).",
            remedy="Install that version, or restore the backup made before it was used.",
        )


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(_SCRIPTS))
