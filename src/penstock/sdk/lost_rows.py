"""Rows that a database's log does not name: told or refused, never passed over."""

from __future__ import annotations

from penstock.errors import ConfigError
from penstock.sdk.together import Said


def rows_lost(truncates: str, table: object, what: str) -> Said:
    """Returns what is said where rows are gone that the log does not name, or refuses to go on.

    `truncates` is the setting of that name of change data capture; all but "skip" refuses, with a
    ConfigError. `what` happened is the beginning of the sentence.
    """
    if truncates != "skip":
        raise ConfigError(
            f"{what}: the log does not say which rows are gone.",
            remedy="Run the sync once with --full-refresh, or set"
            ' `replication_method.truncates` to "skip" to keep them.',
            stream=str(table),
        )
    return Said(level="WARN", message=f"{what}; its rows are kept, as `truncates` says.")
