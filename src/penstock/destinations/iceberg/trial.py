"""The check of an Iceberg destination: a table made, changed and dropped, and nothing left."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from penstock.data.types import Kind
from penstock.destinations.iceberg.config import IcebergConfig, database_of, is_rest, warehouse_of
from penstock.destinations.iceberg.failures import translated
from penstock.destinations.iceberg.table import Lake, SeenTransaction
from penstock.sdk.destination import TableName


def tried(config: IcebergConfig) -> None:
    """Makes, changes and drops a table; raises what is wrong with the settings."""
    table = TableName(schema=f"penstock_check_{uuid.uuid4().hex[:8]}", name="check")
    with _opened(config) as lake, _leaving_no_folder(config, table):
        try:
            made = lake.make(table, {"id": Kind.INTEGER})
            with translated(str(table), lake.secrets):
                transaction = SeenTransaction(made)
                transaction.mark("check")
                transaction.commit_transaction()
        finally:
            lake.drop(table)
            with translated(str(table), lake.secrets):
                if lake.catalog.namespace_exists((table.schema or "",)):
                    lake.catalog.drop_namespace((table.schema or "",))


@contextmanager
def _opened(config: IcebergConfig) -> Iterator[Lake]:
    """Opens the catalogue, or one beside it where it is a file that is not there yet."""
    file = _sqlite_file(config)
    if file is None or file.exists():
        yield Lake(config)
        return
    trial = file.with_name(f".penstock-check-{uuid.uuid4().hex}.db")
    try:
        lake = Lake(replace(config, catalog_uri=f"sqlite:///{trial}"))
        yield lake
        lake.catalog.close()
    finally:
        trial.unlink(missing_ok=True)


def _sqlite_file(config: IcebergConfig) -> Path | None:
    if is_rest(config):
        return None
    url = database_of(config)
    is_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    return Path(str(url.database)) if is_file else None


@contextmanager
def _leaving_no_folder(config: IcebergConfig, table: TableName) -> Iterator[None]:
    """Removes the folders that a local warehouse keeps of a dropped table."""
    address = warehouse_of(config)
    is_local = not is_rest(config) and address.startswith("file://")
    warehouse = Path(address.removeprefix("file://"))
    is_new = is_local and not warehouse.exists()
    try:
        yield
    finally:
        if is_local:
            shutil.rmtree(warehouse / (table.schema or ""), ignore_errors=True)
            if is_new and warehouse.exists() and not any(warehouse.iterdir()):
                warehouse.rmdir()
