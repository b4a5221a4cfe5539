"""The BigQuery destination: its settings, its check, and what can be read back."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from penstock.destinations.bigquery.connection import Address, credentials_of
from penstock.destinations.bigquery.dialect import BigQueryDialect
from penstock.errors import MissingDriver
from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.state import State
from penstock.sdk.config import setting
from penstock.sdk.destination import (
    Capabilities,
    StoredState,
    StreamPlan,
    TableName,
    WriteMode,
    Writer,
)
from penstock.sdk.sql.state import StateTable
from penstock.sdk.sql.writer import sql_writer

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.destinations.bigquery.session import BigQuerySession

_LOAD_BYTES: Final = 64 << 20
"""A load job takes seconds whatever its size: what a commit holds goes in one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BigQueryConfig:
    """Which project, whose credentials, and the dataset that streams land in."""

    project_id: str = setting(
        title="Project ID",
        description="The project whose datasets are written, and which pays for the jobs.",
        examples=["my-project-123"],
        alias=["project_name"],
    )
    dataset_id: str = setting(
        title="Default dataset",
        description="Where streams without a namespace land; created when missing. A namespace"
        " becomes a dataset of its own.",
        examples=["landing"],
        alias=["dataset_name"],
    )
    dataset_location: str = setting(
        default="US",
        title="Location",
        description="Where datasets are: US, EU, or a region. That of a dataset never changes.",
        examples=["EU", "asia-south1"],
    )
    credentials_json: str | None = setting(
        default=None,
        title="Service account key",
        description="JSON text of the key, or the path of its file. Without it, the application"
        " default credentials of the machine are used.",
        secret=True,
        multiline=True,
        alias=["credentials_path"],
    )
    endpoint: str | None = setting(
        default=None,
        title="Endpoint",
        description="Address of the API behind a private link; else Google's own.",
        examples=["https://bigquery.p.googleapis.com"],
        advanced=True,
    )


class BigQueryDestination:
    """Writes streams into BigQuery; rows and checkpoint in one transaction."""

    Config: ClassVar[type[BigQueryConfig]] = BigQueryConfig
    title: ClassVar[str] = "BigQuery"
    documentation_url: ClassVar[str] = (
        "https://github.com/penstock-data/penstock/tree/main/docs/connectors/destination-bigquery.md"
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset(WriteMode),
        exactly_once=True,
        publishes_in_steps=True,
        max_identifier_bytes=BigQueryDialect.max_identifier_bytes,
        reads_back=True,
    )
    placeholder: ClassVar[str] = BigQueryDialect.placeholder

    def __init__(self, config: BigQueryConfig) -> None:
        self._address = Address(
            project=config.project_id,
            dataset=config.dataset_id,
            location=config.dataset_location,
            credentials=config.credentials_json,
            endpoint=config.endpoint,
        )
        self._dialect = BigQueryDialect(
            project=config.project_id,
            default_schema=config.dataset_id,
            location=config.dataset_location,
        )
        self._credentials: Any = None
        self._signing_in = threading.Lock()
        self._datasets: set[str] = set()
        """Those that are known to be there."""
        self._opening = threading.Lock()
        """Writers that open side by side would make the same tables."""

    def check(self) -> None:
        """Makes the dataset where it is missing, and in it makes, fills and drops a table.

        Raises AccessDenied, ConfigError or ConnectionFailed.
        """
        with self._session() as session:
            session.prepare(self._address.dataset, self._datasets)
            table = TableName(schema=None, name=f"_penstock_check_{uuid.uuid4().hex}")
            name = self._dialect.table(table)
            session.execute(f"CREATE TABLE {name} (value INT64)")
            try:
                session.change(f"INSERT INTO {name} (value) VALUES (1)")  # noqa: S608 (quoted)
            finally:
                session.execute(f"DROP TABLE {name}")

    @contextmanager
    def open(self, plan: StreamPlan) -> Iterator[Writer]:
        """Opens one writer; see `penstock.sdk.sql.writer` for what is durable when."""
        dialect = replace(self._dialect, scratch=uuid.uuid4().hex)
        session = self._connect(dialect)
        opened = sql_writer(session, dialect, plan, load_bytes=_LOAD_BYTES)
        try:
            with self._opening:
                for dataset in {self._address.dataset, plan.table.schema or self._address.dataset}:
                    session.prepare(dataset, self._datasets)
                writer = opened.__enter__()
        except BaseException:
            session.close()
            raise
        try:
            yield writer
        finally:
            opened.__exit__(None, None, None)

    def stored_states(self, connection: str) -> Sequence[StoredState]:
        """Returns the checkpoints committed for one connection; makes nothing."""
        with self._session() as session:
            states = StateTable(session, self._dialect)
            return states.stored(connection) if states.exists() else ()

    def store_global_state(self, connection: str, state: State, fence: int) -> None:
        """Makes a global state durable; raises ResourceBusy when a newer attempt has stored one."""
        with self._opening, self._session() as session:
            session.prepare(self._address.dataset, self._datasets)
            states = StateTable(session, self._dialect)
            session.begin()
            states.create()
            states.save_shared(connection, state, fence)
            session.commit()

    def forget_states(self, connection: str, streams: Sequence[StreamDescriptor] | None) -> None:
        """Removes checkpoints; the rows they cover stay."""
        with self._session() as session:
            states = StateTable(session, self._dialect)
            if states.exists():
                session.begin()
                states.forget(connection, streams)
                session.commit()

    def scan(self, table: TableName, *, limit: int | None = None) -> pa.RecordBatchReader:
        """Returns the rows of a table as they are stored; JSON comes as text.

        Raises ConfigError when there is no such table.
        """
        from penstock.destinations.bigquery.reading import reader_of  # noqa: PLC0415 (an extra)

        session = self._connect(self._dialect)
        return reader_of(session, self._address, session.listed(table, limit))

    def count(self, table: TableName) -> int:
        """Returns the rows of a table; 0 when there is no such table."""
        with self._session() as session:
            if session.columns(table) is None:
                return 0
            query = f"SELECT count(*) FROM {self._dialect.table(table)}"  # noqa: S608
            return int(session.rows(query)[0][0])

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.RecordBatchReader:
        """Returns the rows of one SELECT; tables without a dataset are the default one's.

        Raises ConfigError for SQL that is wrong, or is no SELECT.
        """
        from penstock.destinations.bigquery.reading import reader_of  # noqa: PLC0415 (an extra)

        session = self._connect(self._dialect)
        return reader_of(session, self._address, session.selected(sql, parameters))

    def execute(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Runs statements in one transaction; durable on return.

        Those that make, change or drop tables take effect at once: BigQuery has no other way.
        """
        with self._session() as session:
            session.prepare(self._address.dataset, self._datasets)
            session.begin()
            for sql, parameters in statements:
                session.execute(sql, parameters)
            session.commit()

    def table_sql(self, table: TableName) -> str:
        """Returns a table's name as SQL: quoted, in its project and dataset."""
        return self._dialect.table(table)

    def column_sql(self, name: str) -> str:
        """Returns a column's name as SQL: quoted."""
        return self._dialect.quote(name)

    def has_table(self, table: TableName) -> bool:
        """Tells whether there is such a table; makes nothing."""
        with self._session() as session:
            return session.columns(table) is not None

    @contextmanager
    def _session(self) -> Iterator[BigQuerySession]:
        session = self._connect(self._dialect)
        try:
            yield session
        finally:
            session.rollback()
            session.close()

    def _connect(self, dialect: BigQueryDialect) -> BigQuerySession:
        try:
            from penstock.destinations.bigquery.session import (  # noqa: PLC0415 (an extra)
                BigQuerySession,
            )
        except ModuleNotFoundError as error:
            raise MissingDriver(
                "BigQuery needs the package google-cloud-bigquery.",
                remedy='Install it: pip install "penstock[bigquery]".',
            ) from error
        with self._signing_in:
            if self._credentials is None:
                self._credentials = credentials_of(self._address)
        return BigQuerySession(self._address, dialect, self._credentials)
