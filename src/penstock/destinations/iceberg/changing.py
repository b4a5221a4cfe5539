"""Changes of a table and of what its properties keep, in one commit of the catalogue."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from typing import Final

from pyiceberg.exceptions import (
    CommitFailedException,
    CommitStateUnknownException,
    ValidationException,
)
from pyiceberg.table import Table

from penstock.destinations.iceberg.failures import translated
from penstock.destinations.iceberg.kept import as_property, kept_in
from penstock.destinations.iceberg.table import Lake, SeenTransaction
from penstock.errors import ResourceBusy
from penstock.sdk.destination import TableName
from penstock.sdk.files.manifest import Manifest

_ATTEMPTS: Final = 20
_WAIT_SECONDS: Final = 0.02

Change = Callable[[Table, SeenTransaction, Manifest], Manifest]
"""What becomes of the rows (in the transaction) and of what a property keeps."""


def change_table(lake: Lake, name: TableName, kept: str, change: Change) -> Manifest:
    """Commits a change on top of the table as it is now; durable on return.

    It is repeated when others were faster. Where a catalogue does not say what became of a
    commit, the table is asked. Raises what `change` raises, and ResourceBusy.
    """
    last = f"{kept}.commit"
    tried: set[str] = set()
    for attempt in range(_ATTEMPTS):
        table = lake.open(name)
        if table.properties.get(last) in tried:
            return kept_in(table, kept)
        transaction = SeenTransaction(table)
        mark = uuid.uuid4().hex
        with translated(str(name), lake.secrets):
            after = change(table, transaction, kept_in(table, kept))
            transaction.set_properties({kept: as_property(after), last: mark})
            tried.add(mark)
            try:
                transaction.commit_transaction()
            except (
                CommitFailedException,
                CommitStateUnknownException,
                ValidationException,
            ):
                time.sleep(_WAIT_SECONDS * attempt * random.uniform(0.5, 1))  # noqa: S311
                continue
            return after
    raise ResourceBusy(
        f"{name} was changed by others {_ATTEMPTS} times in a row.",
        remedy="Let fewer programs write into this table at once, and sync again.",
    )
