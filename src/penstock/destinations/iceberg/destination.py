"""The Iceberg destination: its check, its writers, its checkpoints, and what is read back."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from penstock.data.types import Kind
from penstock.destinations.iceberg.config import IcebergConfig
from penstock.errors import MissingDriver
from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.state import State
from penstock.sdk.destination import (
    Capabilities,
    StoredState,
    StreamPlan,
    TableName,
    WriteMode,
    Writer,
)

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.table import Table

    from penstock.destinations.iceberg.table import Lake, SeenTransaction
    from penstock.sdk.files.manifest import Manifest

_STATE: Final = TableName(schema=None, name="_penstock_state")
"""Holds no rows: its properties say where streams land, and keep shared states."""


class _Place(msgspec.Struct, frozen=True):
    """Where a stream lands."""

    name: str
    namespace: str | None
    schema: str | None
    table: str


class IcebergDestination:
    """Writes streams as Iceberg tables; rows and checkpoint in one commit of the catalogue."""

    Config: ClassVar[type[IcebergConfig]] = IcebergConfig
    title: ClassVar[str] = "Apache Iceberg"
    documentation_url: ClassVar[str] = (
        "https://github.com/penstock-data/penstock/tree/main/docs/connectors/destination-iceberg.md"
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset(WriteMode),
        exactly_once=True,
        kinds=frozenset(Kind),
        max_identifier_bytes=128,
        reads_back=True,
    )

    def __init__(self, config: IcebergConfig) -> None:
        self._config = config
        self._made: Lake | None = None
        self._making = threading.Lock()

    @classmethod
    def apart(cls, config: IcebergConfig, name: str) -> IcebergConfig:
        """Returns the configuration with a namespace of this name."""
        return replace(config, namespace=name)

    def discard(self) -> None:
        """Removes the namespace with all that is in it."""
        lake = self._lake()
        namespace = (self._config.namespace,)
        if not lake.catalog.namespace_exists(namespace):
            return
        for _, name in lake.catalog.list_tables(namespace):
            lake.drop(TableName(schema=self._config.namespace, name=name))
        lake.catalog.drop_namespace(namespace)

    def check(self) -> None:
        """Proves that a table can be made, changed and dropped, in a namespace of its own.

        Leaves nothing: where the catalogue is a file that is not there yet, another is tried.
        """
        from penstock.destinations.iceberg.trial import tried  # noqa: PLC0415 - an extra

        tried(self._config)

    @contextmanager
    def open(self, plan: StreamPlan) -> Iterator[Writer]:
        """Opens one writer; see `penstock.destinations.iceberg.writer`."""
        lake = self._lake()
        from penstock.destinations.iceberg.writer import iceberg_writer  # noqa: PLC0415 - an extra

        self._register(lake, plan)
        with iceberg_writer(lake, self._config, plan) as writer:
            yield writer

    def stored_states(self, connection: str) -> Sequence[StoredState]:
        """Returns the checkpoints in the properties of the tables that they cover."""
        from penstock.destinations.iceberg.kept import (  # noqa: PLC0415 - an extra
            kept_in,
            shared_property,
            stream_property,
        )
        from penstock.sdk.files.manifest import owner_of  # noqa: PLC0415

        lake = self._lake()
        state = lake.find(_STATE)
        if state is None:
            return []
        manifests = [kept_in(state, shared_property(_digest(connection)))]
        for place in self._places(state, connection):
            table = lake.find(TableName(schema=place.schema, name=place.table))
            if table is not None:
                owner = owner_of(connection, place.name, place.namespace)
                manifests.append(kept_in(table, stream_property(owner)))
        return [
            checkpoint.stored()
            for manifest in manifests
            for checkpoint in manifest.checkpoints
            if checkpoint.connection == connection and checkpoint.is_saved
        ]

    def store_global_state(self, connection: str, state: State, fence: int) -> None:
        """Makes a shared state durable; raises ResourceBusy when a newer attempt has stored one."""
        from penstock.destinations.iceberg.changing import change_table  # noqa: PLC0415 - an extra
        from penstock.destinations.iceberg.kept import shared_property  # noqa: PLC0415
        from penstock.sdk.files.manifest import refuse_stale, shared_checkpoint  # noqa: PLC0415

        def change(_: Table, transaction: SeenTransaction, manifest: Manifest) -> Manifest:
            refuse_stale(manifest.checkpoint(connection, None), fence)
            transaction.mark_alone("shared state")
            return manifest.with_checkpoint(shared_checkpoint(connection, state, fence))

        lake = self._lake()
        lake.make(_STATE, {"id": Kind.INTEGER})
        change_table(lake, _STATE, shared_property(_digest(connection)), change)

    def forget_states(self, connection: str, streams: Sequence[StreamDescriptor] | None) -> None:
        """Removes checkpoints; the rows they cover stay."""
        from penstock.destinations.iceberg.changing import change_table  # noqa: PLC0415 - an extra
        from penstock.destinations.iceberg.kept import (  # noqa: PLC0415
            shared_property,
            stream_property,
        )
        from penstock.sdk.files.manifest import owner_of  # noqa: PLC0415

        lake = self._lake()
        state = lake.find(_STATE)
        if state is None:
            return

        def change(_: Table, transaction: SeenTransaction, manifest: Manifest) -> Manifest:
            transaction.mark("state forgotten")
            return manifest.without(connection, streams)

        for place in self._places(state, connection):
            stream = StreamDescriptor(place.name, place.namespace)
            table = TableName(schema=place.schema, name=place.table)
            if (streams is None or stream in streams) and lake.find(table) is not None:
                owner = owner_of(connection, place.name, place.namespace)
                change_table(lake, table, stream_property(owner), change)
        if streams is None:
            change_table(lake, _STATE, shared_property(_digest(connection)), change)

    def scan(self, table: TableName, *, limit: int | None = None) -> pa.RecordBatchReader:
        """Returns the rows of one snapshot; ConfigError when there is no such table."""
        import pyarrow as pa  # noqa: PLC0415 (heavy, and only needed to read back)

        lake = self._lake()
        from penstock.destinations.iceberg.table import rows_of  # noqa: PLC0415 - an extra

        rows = rows_of(lake.open(table))
        if limit is None:
            return rows

        def limited() -> Iterator[pa.RecordBatch]:
            left = limit
            for batch in rows:
                if left <= 0:
                    return
                yield batch[:left]
                left -= batch.num_rows

        return pa.RecordBatchReader.from_batches(rows.schema, limited())

    def count(self, table: TableName) -> int:
        """Returns the rows of a table as its manifests count them."""
        found = self._lake().find(table)
        return int(found.scan().count()) if found else 0

    def _register(self, lake: Lake, plan: StreamPlan) -> None:
        """Notes where a stream lands, so that its checkpoint is found again."""
        from penstock.destinations.iceberg.kept import table_property  # noqa: PLC0415 - an extra
        from penstock.destinations.iceberg.table import set_property  # noqa: PLC0415
        from penstock.sdk.files.manifest import owner_of  # noqa: PLC0415

        owner = owner_of(plan.connection, plan.stream.name, plan.stream.namespace)
        place = _Place(
            name=plan.stream.name,
            namespace=plan.stream.namespace,
            schema=plan.table.schema,
            table=plan.table.name,
        )
        lake.make(_STATE, {"id": Kind.INTEGER})
        name = table_property(_digest(plan.connection), owner)
        set_property(lake, _STATE, name, msgspec.json.encode(place).decode())

    def _places(self, state: Table, connection: str) -> list[_Place]:
        from penstock.destinations.iceberg.kept import table_property  # noqa: PLC0415 - an extra

        start = table_property(_digest(connection), "")
        return [
            msgspec.json.decode(value, type=_Place)
            for name, value in state.properties.items()
            if name.startswith(start)
        ]

    def _lake(self) -> Lake:
        with self._making:
            if self._made is None:
                try:
                    from penstock.destinations.iceberg.table import Lake  # noqa: PLC0415
                except ImportError as error:
                    raise MissingDriver(
                        "Apache Iceberg needs a package that is not installed.",
                        remedy="Run: pip install 'penstock[iceberg]'",
                    ) from error
                self._made = Lake(self._config)
            return self._made


def _digest(connection: str) -> str:
    return hashlib.sha256(connection.encode()).hexdigest()[:12]
