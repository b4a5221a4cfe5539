"""One Iceberg table: found or made in the catalogue, read file by file, changed as it was seen."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    CommitStateUnknownException,
    NoSuchTableError,
)
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan, parquet_file_to_data_file
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.update import AssertRefSnapshotId, RemoveSnapshotsUpdate
from pyiceberg.types import DateType, TimestampType, TimestamptzType
from sqlalchemy.exc import DBAPIError, IntegrityError

from penstock.data.types import Kind
from penstock.destinations.iceberg.columns import kinds_of, new_partitions, new_schema
from penstock.destinations.iceberg.config import (
    IcebergConfig,
    catalog_properties,
    is_rest,
    secrets_of,
    warehouse_of,
)
from penstock.destinations.iceberg.failures import translated
from penstock.errors import ConfigError, DataError, ResourceBusy
from penstock.sdk.destination import TableName
from penstock.sdk.files.folders import table_folder
from penstock.sdk.stored_columns import stored_schema

_OWN_TABLES: Final = 2
"""That pyiceberg keeps of an SQL catalogue."""
_ATTEMPTS: Final = 20
_NEW_TABLES: Final = {"write.metadata.delete-after-commit.enabled": "true"}
"""Of the metadata, a file a commit, the last hundred stay; Iceberg's own default keeps all."""
_METRICS: Final = "write.metadata.metrics.column"
_NO_RETRIES: Final = {"commit.retry.num-retries": "0"}
"""pyiceberg would put rows on top of what others did meanwhile, without asking who they were."""


class SeenTransaction(Transaction):
    """A change of a table that fails when anybody committed rows since the table was loaded."""

    def __init__(self, table: Table) -> None:
        properties = {**table.metadata.properties, **_NO_RETRIES}
        seen = Table(
            identifier=table.name(),
            metadata=table.metadata.model_copy(update={"properties": properties}),
            metadata_location=table.metadata_location,
            io=table.io,
            catalog=table.catalog,
            config=table.config,
        )
        super().__init__(seen)
        head = table.metadata.refs.get(MAIN_BRANCH)
        number = head.snapshot_id if head else None
        unchanged = AssertRefSnapshotId.model_validate({"ref": MAIN_BRANCH, "snapshot-id": number})
        self._stage((), (unchanged,))

    def mark(self, why: str) -> None:
        """Adds a snapshot without rows, so that changes on their way fail."""
        with self.update_snapshot(snapshot_properties={"penstock": why}).fast_append():
            pass

    def mark_alone(self, why: str) -> None:
        """Marks a table that never has rows: of its snapshots the newest stays."""
        gone = [snapshot.snapshot_id for snapshot in self.table_metadata.snapshots]
        self.mark(why)
        if gone:
            self._stage((RemoveSnapshotsUpdate.model_validate({"snapshot-ids": gone}),))


@dataclass(frozen=True, slots=True)
class IcebergFile:
    """One data file of a table, without the rows that others deleted."""

    table: Table
    task: FileScanTask

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yields the rows in the order of the file; columns it lacks are null."""
        with translated(".".join(self.table.name())):
            schema = self.table.schema().select(*columns)
            scan = ArrowScan(self.table.metadata, self.table.io, schema, AlwaysTrue())
            for batch in scan.to_record_batches([self.task]):
                yield batch.select(list(columns))


def _loaded(config: IcebergConfig) -> Catalog:
    """Returns the catalogue; an SQL one makes its own tables where it finds none.

    Of two that find none at once the slower is refused each of the two tables: it looks again.
    """
    properties = catalog_properties(config)
    for _ in range(_OWN_TABLES):
        try:
            return load_catalog(config.catalog_name, **properties)
        except DBAPIError:
            continue  # what else is wrong is said again
    return load_catalog(config.catalog_name, **properties)


class Lake:
    """A catalogue, and the tables in it."""

    def __init__(self, config: IcebergConfig) -> None:
        self._config = config
        self.secrets = secrets_of(config)
        with translated("The catalogue", self.secrets):
            self.catalog: Catalog = _loaded(config)

    def find(self, table: TableName) -> Table | None:
        """Returns a table as it is now; None when there is none."""
        with translated(str(table), self.secrets):
            try:
                return self.catalog.load_table(self.identifier(table))
            except NoSuchTableError:
                return None

    def open(self, table: TableName) -> Table:
        """Returns a table as it is now; raises ConfigError when there is none."""
        found = self.find(table)
        if found is None:
            raise ConfigError(
                f"There is no table {table} in the catalogue.",
                remedy="Sync the stream first.",
                table=table,
            )
        return found

    def make(
        self, table: TableName, kinds: Mapping[str, Kind], partition_by: Sequence[str] = ()
    ) -> Table:
        """Returns a table, made with these columns when there is none."""
        found = self.find(table)
        if found is not None:
            return found
        schema = new_schema(kinds)
        identifier = self.identifier(table)
        with translated(str(table), self.secrets):
            self._make_namespace(identifier[:-1])
            return self.catalog.create_table_if_not_exists(
                identifier,
                schema,
                location=self._location(table),
                partition_spec=new_partitions(partition_by, schema, kinds),
                properties=_NEW_TABLES,
            )

    def _make_namespace(self, name: tuple[str, ...]) -> None:
        try:
            self.catalog.create_namespace_if_not_exists(name)
        except IntegrityError:
            # pyiceberg's SQL catalogue looks, then makes: another was between the two.
            if not self.catalog.namespace_exists(name):
                raise

    def _location(self, table: TableName) -> str | None:
        """Returns where a new table lies; a REST catalogue decides that itself."""
        if is_rest(self._config):
            return None
        named = TableName(schema=table.schema or self._config.namespace, name=table.name)
        return f"{warehouse_of(self._config)}/{table_folder(named)}"

    def drop(self, table: TableName) -> None:
        """Removes a table and its files, if it is there."""
        with translated(str(table), self.secrets):
            try:
                self.catalog.purge_table(self.identifier(table))
            except NoSuchTableError:
                return

    def identifier(self, table: TableName) -> tuple[str, str]:
        """Returns what the catalogue calls a table."""
        return (table.schema or self._config.namespace, table.name)


def files_of(table: Table) -> list[FileScanTask]:
    """Returns the data files of a table, with the rows deleted from each."""
    with translated(".".join(table.name())):
        return list(table.scan().plan_files())


def rows_of(table: Table) -> pa.RecordBatchReader:
    """Returns all rows of a table as it was loaded."""
    name = ".".join(table.name())
    kinds = kinds_of(table.schema(), name)
    schema = stored_schema(kinds)
    tasks = files_of(table)

    def batches() -> Iterator[pa.RecordBatch]:
        for task in tasks:
            for batch in IcebergFile(table, task).read(list(kinds)):
                yield batch.cast(schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def uploaded(table: Table, local: Path) -> str:
    """Copies a finished local file to where the table keeps data files; returns its address."""
    location = table.location_provider().new_data_location(local.name)
    return copied(table, local, location)


def copied(table: Table, local: Path, location: str) -> str:
    """Copies a finished local file to an address of the table's storage."""
    with translated(location):
        output = table.io.new_output(location)
        with local.open("rb") as source, output.create(overwrite=True) as target:
            shutil.copyfileobj(source, target, 1 << 20)
    return location


def described(transaction: Transaction, table: Table, location: str) -> DataFile:
    """Returns the entry that adds a file to a table, with the bounds of its columns.

    Python's days are of the years 1 to 9999: of a file with others, days and instants have no
    bounds. Raises DataError when its table is partitioned by such a column.
    """
    metadata = _measured(transaction.table_metadata, "full", _partitioning)
    with translated(location):
        try:
            return parquet_file_to_data_file(table.io, metadata, location)
        except OverflowError as error:
            dated = _dated(metadata)
            if not dated.isdisjoint(_partitioning(metadata)):
                raise DataError(
                    f"A row for {'.'.join(table.name())} has a day before year 1 or after 9999 in"
                    " a column that the table is partitioned by.",
                    remedy="Partition the table by another column, or by none.",
                ) from error
            unbounded = _measured(metadata, "counts", _dated)
            return parquet_file_to_data_file(table.io, unbounded, location)


def _measured(
    metadata: TableMetadata, metrics: str, which: Callable[[TableMetadata], set[str]]
) -> TableMetadata:
    """Returns the metadata with what is to be known of some columns of a file."""
    wanted = {f"{_METRICS}.{name}": metrics for name in which(metadata)}
    return metadata.model_copy(update={"properties": {**metadata.properties, **wanted}})


def _partitioning(metadata: TableMetadata) -> set[str]:
    schema = metadata.schema()
    return {schema.find_field(field.source_id).name for field in metadata.spec().fields}


def _dated(metadata: TableMetadata) -> set[str]:
    kinds = (DateType, TimestampType, TimestamptzType)
    return {f.name for f in metadata.schema().fields if isinstance(f.field_type, kinds)}


def set_property(lake: Lake, name: TableName, key: str, value: str) -> None:
    """Sets one property of a table unless it has this value already."""
    for _ in range(_ATTEMPTS):
        table = lake.open(name)
        if table.properties.get(key) == value:
            return
        with translated(str(name), lake.secrets):
            transaction = SeenTransaction(table)
            transaction.set_properties({key: value})
            try:
                transaction.commit_transaction()
            except (CommitFailedException, CommitStateUnknownException):
                continue
    raise ResourceBusy(
        f"{name} was changed by others {_ATTEMPTS} times in a row.", remedy="Try again."
    )
