"""A database by an ADBC driver: what its metadata says, and rows as Arrow.

ADBC has no common SQL: names are quoted as the standard says (or with backticks where a database
is known for them), and a cursor's value is written as a literal.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import adbc_driver_manager
import pyarrow as pa

from penstock.data.names import OWN_TABLES
from penstock.data.types import kind_of_arrow
from penstock.errors import (
    AccessDenied,
    ConfigError,
    ConnectionFailed,
    MissingDriver,
    PenstockError,
)
from penstock.sources.sql.cursor_value import parsed, remembered
from penstock.sources.sql.database import Question, Relation, SqlColumn, Value

_BACKTICKS: Final = frozenset({"bigquery", "databricks", "mysql", "spark"})
_NUMBERS: Final = (int, float)
_BY_CLASS: Final[tuple[tuple[type[Exception], type[PenstockError], str], ...]] = (
    (
        adbc_driver_manager.ProgrammingError,
        ConfigError,
        "Correct `url`, or give the user SELECT on the table.",
    ),
    (adbc_driver_manager.NotSupportedError, ConfigError, "Read this database by SQLAlchemy."),
)


class AdbcDatabase:
    """One database behind an ADBC driver; `name` is what follows `adbc-driver-`."""

    def __init__(self, name: str, url: str) -> None:
        self._name = name
        self._url = url
        self._quote = "`" if name in _BACKTICKS else '"'

    def __str__(self) -> str:
        return f"The database behind the ADBC driver {self._name}"

    def relations(self, schemas: Sequence[str]) -> Sequence[Relation]:
        with self._connected() as connection:
            found = []
            for schema, table in _tables(connection):
                if _is_wanted(schema, schemas, connection):
                    name = schema if schemas else None
                    found.append(self._relation(connection, name, table))
        return sorted(found, key=str)

    def read(
        self, relation: Relation, question: Question
    ) -> Iterator[tuple[pa.RecordBatch, Value | None]]:
        order = question.order
        with self._connected() as connection, connection.cursor() as cursor:
            cursor.execute(self._select(relation, question))
            for batch in cursor.fetch_record_batch():
                if batch.num_rows:
                    yield batch, None if order is None else _last(batch, order)

    def _relation(self, connection: Any, schema: str | None, table: dict[str, Any]) -> Relation:
        name = table["table_name"]
        fields = connection.adbc_get_table_schema(name, db_schema_filter=schema)
        keys = [
            each["constraint_column_names"]
            for each in table["table_constraints"] or ()
            if each["constraint_type"] == "PRIMARY KEY"
        ]
        return Relation(
            schema=schema,
            name=name,
            columns=tuple(
                SqlColumn(
                    name=field.name,
                    kind=kind_of_arrow(field.type),
                    is_binary=_is_binary(field.type),
                )
                for field in fields
            ),
            primary_key=tuple(keys[0]) if keys else (),
        )

    def _select(self, relation: Relation, question: Question) -> str:
        asked = ", ".join(self._quoted(column.name) for column in question.columns)
        table = self._quoted(relation.name)
        if relation.schema is not None:
            table = f"{self._quoted(relation.schema)}.{table}"
        sql = f"SELECT {asked} FROM {table}"  # noqa: S608 (identifiers are quoted)
        if question.wants_missing is not None:
            sql += f" WHERE {self._quoted(question.wants_missing.name)} IS NULL"
        if question.order is not None:
            order = self._quoted(question.order.name)
            sql += f" WHERE {order} IS NOT NULL"
            if question.since is not None:
                sign = ">=" if question.includes_since else ">"
                sql += f" AND {order} {sign} {_literal(question.since)}"
            sql += f" ORDER BY {order}"
        return sql

    def _quoted(self, name: str) -> str:
        return f"{self._quote}{name.replace(self._quote, self._quote * 2)}{self._quote}"

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        with self._translated():
            connection = self._connect()
            try:
                yield connection
            finally:
                connection.close()

    def _connect(self) -> Any:
        """Opens a connection by the driver's own package, or by a driver that is installed apart.

        https://arrow.apache.org/adbc/current/format/driver_manifests.html
        """
        try:
            package = importlib.import_module(f"adbc_driver_{self._name}.dbapi")
        except ModuleNotFoundError as error:
            if error.name not in (f"adbc_driver_{self._name}", f"adbc_driver_{self._name}.dbapi"):
                raise
        else:
            return package.connect(self._url)
        dbapi = importlib.import_module("adbc_driver_manager.dbapi")
        try:
            return dbapi.connect(driver=self._name, db_kwargs={"uri": self._url})
        except adbc_driver_manager.Error as error:
            if error.status_code is not adbc_driver_manager.AdbcStatusCode.NOT_FOUND:
                raise
            raise MissingDriver(
                f"There is no ADBC driver {self._name} here.",
                remedy=f"Install it: pip install adbc-driver-{self._name}.",
                field="adbc_driver",
            ) from error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except adbc_driver_manager.Error as error:
            raise self._as_penstock_error(error) from error

    def _as_penstock_error(self, error: adbc_driver_manager.Error) -> PenstockError:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        message = f"{self}: {said.replace(self._url, '****')}."
        codes = adbc_driver_manager.AdbcStatusCode
        if error.status_code in (codes.UNAUTHENTICATED, codes.UNAUTHORIZED):
            return AccessDenied(message, remedy="Correct the user and password in `url`.")
        for kind, raised, remedy in _BY_CLASS:
            if isinstance(error, kind):
                return raised(message, remedy=remedy)
        return ConnectionFailed(
            message, remedy="Check `url` and the network in between, then run it again."
        )


def _tables(connection: Any) -> Iterator[tuple[str | None, dict[str, Any]]]:
    """Yields schema and description of each table and view of the current catalogue."""
    catalogues = connection.adbc_get_objects(depth="all").read_all().to_pylist()
    current = _current(connection, "catalog")
    for catalogue in catalogues:
        if current and catalogue["catalog_name"] != current:
            continue
        for schema in catalogue["catalog_db_schemas"] or ():
            for table in schema["db_schema_tables"] or ():
                if not table["table_name"].startswith(OWN_TABLES):
                    yield schema["db_schema_name"] or None, table


def _is_wanted(schema: str | None, schemas: Sequence[str], connection: Any) -> bool:
    if schemas:
        return schema in schemas
    current = _current(connection, "db_schema")
    return schema is None or current is None or schema == current


def _current(connection: Any, what: str) -> str | None:
    """Returns the current catalogue or schema; None where the driver does not say."""
    try:
        said: str = getattr(connection, f"adbc_current_{what}")
    except adbc_driver_manager.Error:
        return None
    return said or None


def _is_binary(data_type: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_binary(data_type)
        or types.is_large_binary(data_type)
        or types.is_fixed_size_binary(data_type)
    )


def _last(batch: pa.RecordBatch, order: SqlColumn) -> Value:
    return remembered(batch.column(batch.schema.get_field_index(order.name))[-1].as_py())


def _literal(value: Value) -> str:
    """Returns a value as SQL: databases take the text of a date for the date."""
    found = parsed(value)
    if isinstance(found, _NUMBERS) or value.type == "Decimal":
        return value.text
    text = value.text.replace("T", " ", 1) if value.type == "datetime" else value.text
    return "'" + text.replace("'", "''") + "'"
