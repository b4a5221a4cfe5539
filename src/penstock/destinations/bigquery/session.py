"""A transaction as one script of BigQuery's, and how batches become rows: Parquet load jobs.

Nothing is open at BigQuery between two calls. `load` brings rows into a scratch table that nobody
reads; statements of a transaction are gathered, and `commit` sends them as one job, BEGIN to
COMMIT, which BigQuery does wholly or not at all, whatever becomes of this process. DDL is no part
of BigQuery's transactions: it takes effect at once, and stands where a crash after it is harmless.
"""

from __future__ import annotations

import datetime as dt
import io
import logging
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
from google.api_core import exceptions as api
from google.cloud import bigquery
from google.cloud.bigquery.retry import DEFAULT_RETRY
from google.cloud.bigquery.table import RowIterator
from pyarrow import parquet as pq

from penstock.data.arrays import of_values
from penstock.data.types import Kind
from penstock.destinations.bigquery.connection import Address, client_of
from penstock.destinations.bigquery.conversions import ARRIVING, insert_converted, literal
from penstock.destinations.bigquery.dialect import (
    STAGING_LABEL,
    BigQueryDialect,
    kind_of_type,
    staging_mark,
)
from penstock.destinations.bigquery.failures import CONCURRENT, other_location, translated
from penstock.destinations.bigquery.parameters import as_parameters, with_nulls
from penstock.destinations.bigquery.storable import storable
from penstock.errors import ConfigError, PenstockError, ProofFailed, ResourceBusy
from penstock.sdk.destination import TableName
from penstock.sdk.sql.dialect import Load, TableColumn
from penstock.sdk.sql.row_ids import new_row_ids

logger = logging.getLogger(__name__)

_RETRY: Final = DEFAULT_RETRY.with_timeout(120.0)
"""The library's own rule: 429, 5xx and broken connections, with growing waits."""
_CALL_SECONDS: Final = 60.0
_MOST_LOADS: Final = 1000
"""Loads into one scratch table: BigQuery takes 1,500 a table and day
(https://cloud.google.com/bigquery/quotas#load_jobs)."""
_TRIES: Final = 8
_FIRST_WAIT_SECONDS: Final = 0.25
_INCOMING: Final = "_penstock_incoming"
_STANDARD_NAMES: Final = {
    "INTEGER": "INT64",
    "FLOAT": "FLOAT64",
    "BOOLEAN": "BOOL",
    "RECORD": "STRUCT",
}
_UNEXPECTED: Final = "penstock: rows touched, statement "


@dataclass(frozen=True, slots=True, kw_only=True)
class _Statement:
    """One statement of a script; `rows` is what it has to touch, None when that is open."""

    sql: str
    parameters: tuple[Any, ...] = ()
    rows: int | None = None
    is_load: bool = False


class BigQuerySession:
    """What `SqlWriter` and `StateTable` take for one connection.

    `change` within a transaction writes the one row of a state: it returns 1 beforehand, and the
    commit fails as ResourceBusy unless it was so.
    """

    def __init__(self, address: Address, dialect: BigQueryDialect, credentials: Any) -> None:
        self._address = address
        self._dialect = dialect
        with translated(address):
            self._client = client_of(address, credentials)
        self._datasets: set[str] = set()
        self._script: list[_Statement] | None = None
        self._arrived: tuple[Load, int] | None = None
        self._incoming = 0
        self._incoming_loads = 0
        self._scratch: dict[str, str] = {}
        """Scratch tables of this session by the SQL that made them; dropped at its end."""
        self._known: dict[TableName, tuple[TableColumn, ...]] = {}
        """Columns of tables, until this session changes one."""

    def prepare(self, dataset: str, known: set[str]) -> None:
        """Makes a dataset where it is missing; refuses one in another location.

        `known` are those that need no looking up; this one is added.
        """
        self._datasets.add(dataset)
        if dataset in known:
            return
        with translated(self._address):
            reference = bigquery.DatasetReference(self._address.project, dataset)
            try:
                found = self._client.get_dataset(reference, retry=_RETRY, timeout=_CALL_SECONDS)
            except api.NotFound:
                wanted = bigquery.Dataset(reference)
                wanted.location = self._address.location
                found = self._client.create_dataset(
                    wanted, exists_ok=True, retry=_RETRY, timeout=_CALL_SECONDS
                )
        if found.location and found.location.lower() != self._address.location.lower():
            raise other_location(
                self._address, f"the dataset {dataset} is in location {found.location}."
            )
        known.add(dataset)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        if self._script is None:
            self.run(sql, parameters)
        elif sql.lstrip()[:6].upper().startswith(("CREATE", "ALTER ", "DROP ")):
            self._define(sql)
        else:
            self._add(_Statement(sql=sql, parameters=tuple(parameters)))

    def change(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        if self._script is None:
            return int(self.run(sql, parameters).num_dml_affected_rows or 0)
        rows = None if sql.startswith("DELETE ") else 1
        self._add(_Statement(sql=sql, parameters=tuple(parameters), rows=rows))
        return 1

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with translated(self._address):
            found = self._client.query_and_wait(
                with_nulls(sql, parameters),
                job_config=self._configured(parameters),
                retry=_RETRY,
                api_timeout=_CALL_SECONDS,
            )
            return [tuple(row.values()) for row in found]

    def begin(self) -> None:
        self._script = []

    def commit(self) -> None:
        """Runs the transaction; once more where another one came between."""
        self._take_in()
        script, self._script = self._script, None
        if script:
            self._run_script(script)

    def rollback(self) -> None:
        """Forgets the transaction: nothing of it has reached BigQuery but scratch tables."""
        self._script = None
        self._arrived = None

    def columns(self, table: TableName) -> tuple[TableColumn, ...] | None:
        if table in self._known:
            return self._known[table]
        schema = table.schema or self._dialect.default_schema
        with translated(self._address):
            try:
                found = self._client.get_table(
                    bigquery.DatasetReference(self._address.project, schema).table(table.name),
                    retry=_RETRY,
                    timeout=_CALL_SECONDS,
                )
            except api.NotFound as error:
                if "Project" in error.message:
                    raise
                return None
        self._known[table] = tuple(_column(field) for field in found.schema)
        return self._known[table]

    def staging_tables(self, table: TableName) -> tuple[TableName, ...]:
        schema = table.schema or self._dialect.default_schema
        dataset = bigquery.DatasetReference(self._address.project, schema)
        mark = staging_mark(table)
        with translated(self._address):
            listed = self._client.list_tables(dataset, retry=_RETRY, timeout=_CALL_SECONDS)
            return tuple(
                TableName(schema=schema, name=item.table_id)
                for item in listed
                if item.labels.get(STAGING_LABEL) == mark and item.table_id != table.name
            )

    def listed(self, table: TableName, limit: int | None) -> RowIterator:
        """Returns all rows of a table, which are fetched as they are taken."""
        schema = table.schema or self._dialect.default_schema
        with translated(self._address):
            reference = bigquery.DatasetReference(self._address.project, schema).table(table.name)
            found = self._client.get_table(reference, retry=_RETRY, timeout=_CALL_SECONDS)
            return self._client.list_rows(found, max_results=limit, retry=_RETRY)

    def selected(self, sql: str, parameters: Sequence[Any] = ()) -> RowIterator:
        """Returns the rows of a SELECT; anything else is refused before it runs."""
        self._refuse_change(sql, parameters)
        with translated(self._address):
            job = self.run(sql, parameters)
            return job.result(retry=_RETRY, timeout=None)

    def create_staging(
        self, staging: TableName, table: TableName, columns: Sequence[TableColumn]
    ) -> None:
        """Makes staging and marks it."""
        self.execute(self._dialect.create_table(staging, columns))
        for statement in self._dialect.mark_staging(staging, table):
            self.execute(statement)

    def publish(self, staging: TableName, table: TableName) -> None:
        """Puts the rows of staging in the table's place, at once; staging stays."""
        for statement in self._dialect.swap(staging, table):
            self.run(statement)

    def settle(self, staging: TableName, table: TableName) -> None:
        """Drops staging, whose rows the table shares by now."""
        del table
        self.run(f"DROP TABLE {self._dialect.table(staging)}")

    def load(self, load: Load, batches: Sequence[pa.RecordBatch]) -> int:
        """Loads batches into a scratch table; returns the rows BigQuery counted there.

        The transaction's INSERT of them must count the same, or the commit fails.
        """
        fields = _fields(load)
        if self._incoming == 0 or (self._arrived is None and self._incoming_loads >= _MOST_LOADS):
            self._make_incoming(fields)
        rows = self._load_job(fields, _parquet(load, batches), is_first=self._arrived is None)
        arrived = self._arrived[1] if self._arrived else 0
        self._arrived = (load, arrived + rows)
        return rows

    def close(self) -> None:
        """Drops the scratch tables; those that it cannot drop go by themselves."""
        try:
            for name in self._scratch.values():
                self._drop(name)
        except PenstockError as error:
            logger.info("scratch tables stay for a day", extra={"reason": error.message})
        finally:
            self._client.close()  # type: ignore[no-untyped-call]  # Google's

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> bigquery.QueryJob:
        """Runs one statement outside of any transaction and returns the finished job."""
        with translated(self._address):
            return self._finished(sql, parameters, f"penstock_{uuid.uuid4().hex}")

    def _configured(self, parameters: Sequence[Any]) -> bigquery.QueryJobConfig:
        return bigquery.QueryJobConfig(
            query_parameters=as_parameters(parameters),
            default_dataset=bigquery.DatasetReference(
                self._address.project, self._dialect.default_schema
            ),
        )

    def _finished(self, sql: str, parameters: Sequence[Any], job_id: str) -> bigquery.QueryJob:
        try:
            job = self._client.query(
                with_nulls(sql, parameters),
                job_config=self._configured(parameters),
                job_id=job_id,
                retry=_RETRY,
                timeout=_CALL_SECONDS,
                job_retry=None,
            )
        except api.Conflict:
            job = self._job(job_id)  # An answer was lost, and the repeated call found its own job.
        job.result(retry=_RETRY, timeout=None, job_retry=None)
        return job

    def _refuse_change(self, sql: str, parameters: Sequence[Any]) -> None:
        """Asks BigQuery what the SQL is, without running it."""
        config = self._configured(parameters)
        config.dry_run, config.use_query_cache = True, False
        with translated(self._address):
            job = self._client.query(
                with_nulls(sql, parameters),
                job_config=config,
                retry=_RETRY,
                timeout=_CALL_SECONDS,
                job_retry=None,
            )
        if job.statement_type != "SELECT":
            raise ConfigError(
                f"The SQL is not one SELECT: {sql.strip()[:100]}",
                remedy="Ask with one SELECT, which changes nothing.",
            )

    def _job(self, job_id: str) -> Any:
        return self._client.get_job(job_id, retry=_RETRY, timeout=_CALL_SECONDS)

    def _define(self, sql: str) -> None:
        """Runs DDL; a scratch table goes only when the transaction that reads it is over."""
        if any(sql == self._dialect.create_schema(dataset) for dataset in self._datasets):
            return
        if sql.removeprefix("DROP TABLE ") in self._scratch.values():
            return
        if sql in self._scratch:
            self._add(_Statement(sql=f"TRUNCATE TABLE {self._scratch[sql]}"))
            return
        if sql.startswith("CREATE OR REPLACE TABLE ") and self._dialect.scratch in sql:
            name = sql.removeprefix("CREATE OR REPLACE TABLE ").partition(" (")[0]
            self._scratch[sql] = name
        self._known.clear()
        if sql.startswith("CREATE OR REPLACE TABLE ") and " AS SELECT " in sql:
            self._replace(sql)
            return
        self.run(sql)

    def _replace(self, sql: str) -> None:
        """Writes a table anew; its labels, one of which marks staging, stay."""
        name = sql.removeprefix("CREATE OR REPLACE TABLE ").partition(" AS SELECT ")[0]
        with translated(self._address):
            labels = self._client.get_table(_reference(name), retry=_RETRY).labels
            self.run(sql)
            if labels:
                listed = ", ".join(f"({literal(k)}, {literal(v)})" for k, v in labels.items())
                self.run(f"ALTER TABLE {name} SET OPTIONS (labels=[{listed}])")

    def _add(self, statement: _Statement) -> None:
        self._take_in()
        if self._script is not None:
            self._script.append(statement)

    def _take_in(self) -> None:
        """Adds the INSERT of the rows loaded so far to the transaction."""
        if self._arrived is None or self._script is None:
            return
        load, rows = self._arrived
        self._arrived = None
        target = self._dialect.table(load.table, is_temporary=load.is_temporary)
        sql = insert_converted(load, self._incoming_name, target)
        self._script.append(_Statement(sql=sql, rows=rows, is_load=True))

    def _run_script(self, script: Sequence[_Statement]) -> None:
        text = _script_text(script)
        parameters = [value for statement in script for value in statement.parameters]
        with translated(self._address):
            for turn in range(1, _TRIES + 1):
                try:
                    self._finished(text, parameters, f"penstock_{uuid.uuid4().hex}")
                except api.GoogleAPICallError as error:
                    self._refuse_unexpected(error, script)
                    if not CONCURRENT.search(error.message) or turn == _TRIES:
                        raise
                else:
                    return
                time.sleep(_FIRST_WAIT_SECONDS * 2 ** (turn - 1))

    def _refuse_unexpected(
        self, error: api.GoogleAPICallError, script: Sequence[_Statement]
    ) -> None:
        _, found, number = error.message.partition(_UNEXPECTED)
        if not found:
            return
        place = int("".join(c for c in number.split(" ", 1)[0] if c.isdigit()))
        if script[place].is_load:
            raise ProofFailed(
                f"BigQuery took {script[place].rows} rows, and not as many came into their table;"
                " none of them is committed.",
                remedy="Run the sync again; if it repeats, report it.",
            ) from error
        raise ResourceBusy(
            "A newer attempt has taken over this stream, or its state was reset meanwhile; nothing"
            " of this attempt was committed.",
            remedy="Let the newer attempt finish, or run the sync again.",
        ) from error

    @property
    def _incoming_name(self) -> str:
        table = TableName(schema=None, name=f"{_INCOMING}_{self._incoming}")
        return self._dialect.table(table, is_temporary=True)

    def _make_incoming(self, fields: list[bigquery.SchemaField]) -> None:
        self._incoming += 1
        self._incoming_loads = 0
        table = bigquery.Table(_reference(self._incoming_name), schema=fields)
        table.expires = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
        with translated(self._address):
            self._client.create_table(table, exists_ok=True, retry=_RETRY, timeout=_CALL_SECONDS)
        self._scratch[self._incoming_name] = self._incoming_name

    def _load_job(
        self, fields: list[bigquery.SchemaField], file: io.BytesIO, *, is_first: bool
    ) -> int:
        """Runs one load job under a name of its own: an answer that was lost is asked for again."""
        config = bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET,
            schema=fields,
            write_disposition="WRITE_TRUNCATE" if is_first else "WRITE_APPEND",
        )
        reference = _reference(self._incoming_name)
        self._incoming_loads += 1
        job_id = f"penstock_load_{uuid.uuid4().hex}"
        with translated(self._address):
            try:
                job = self._client.load_table_from_file(
                    file, reference, job_id=job_id, job_config=config, size=file.getbuffer().nbytes
                )
            except api.Conflict:
                job = self._job(job_id)
            except (api.GoogleAPIError, OSError):
                # The upload broke: whether BigQuery has begun is asked, never guessed.
                job = self._load_again(job_id, reference, config, file)
            job.result(retry=_RETRY)
        return int(job.output_rows or 0)

    def _load_again(
        self,
        job_id: str,
        reference: bigquery.TableReference,
        config: bigquery.LoadJobConfig,
        file: io.BytesIO,
    ) -> Any:
        try:
            return self._job(job_id)
        except api.NotFound:
            return self._client.load_table_from_file(
                file, reference, rewind=True, job_id=job_id, job_config=config
            )

    def _drop(self, name: str) -> None:
        with translated(self._address):
            self._client.delete_table(
                _reference(name), not_found_ok=True, retry=_RETRY, timeout=_CALL_SECONDS
            )


def _reference(name: str) -> bigquery.TableReference:
    """Returns the table that a quoted name of the dialect's stands for."""
    project, dataset, table = name[1:-1].split("`.`")
    return bigquery.DatasetReference(project, dataset).table(table)


def _script_text(script: Sequence[_Statement]) -> str:
    lines = ["BEGIN TRANSACTION;"]
    for place, statement in enumerate(script):
        lines.append(f"{statement.sql};")
        if statement.rows is not None:
            message = literal(f"{_UNEXPECTED}{place}")
            lines.append(
                f"IF @@row_count != {statement.rows} THEN RAISE USING MESSAGE = {message}; END IF;"
            )
    return "\n".join([*lines, "COMMIT TRANSACTION;"])


def _column(field: bigquery.SchemaField) -> TableColumn:
    name = _STANDARD_NAMES.get(field.field_type, field.field_type)
    if field.precision is not None:
        name = f"{name}({field.precision}, {field.scale or 0})"
    if field.mode == "REPEATED":
        name = f"ARRAY<{name}>"
    return TableColumn(name=field.name, type_name=name, kind=kind_of_type(name))


def _fields(load: Load) -> list[bigquery.SchemaField]:
    """The loaded table: columns c0, c1, …, instant, changes, identifier, and the arrival."""
    types = [ARRIVING[column.kind] for column in load.columns]
    types += [ARRIVING[Kind.TIMESTAMP_TZ], "STRING", "STRING"]
    types += ["INT64"] if load.sequence is not None else []
    return [bigquery.SchemaField(f"c{place}", name) for place, name in enumerate(types)]


def _parquet(load: Load, batches: Sequence[pa.RecordBatch]) -> io.BytesIO:
    count = len(load.columns)
    kinds = [column.kind for column in load.columns]
    fields = [column.source for column in load.columns]
    file = io.BytesIO()
    writer: pq.ParquetWriter | None = None
    for batch in batches:
        stored, changes = storable(batch.columns[:count], kinds, fields, batch.column(count + 1))
        ids = of_values(new_row_ids(batch.num_rows), pa.string())
        arrays = [*stored, batch.column(count), changes, ids]
        if load.sequence is not None:
            arrays.append(batch.column(count + 2))
        rows = pa.RecordBatch.from_arrays(arrays, names=[f"c{i}" for i in range(len(arrays))])
        writer = writer or pq.ParquetWriter(file, rows.schema, compression="zstd")
        writer.write_batch(rows)
    if writer is not None:
        writer.close()
    file.seek(0)
    return file
