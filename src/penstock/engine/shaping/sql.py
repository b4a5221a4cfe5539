"""SQL over the rows of one batch, in a DuckDB that reaches neither files nor the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import duckdb
import pyarrow as pa

from penstock.data.types import Column, Kind, arrow_type, kind_of_arrow
from penstock.errors import BugError, ConfigError, DataError

_SETTINGS: Final = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "TimeZone": "UTC",
}
_ROWS: Final = "penstock_rows"


class RowSql:
    """Evaluates expressions over batches. Used by one thread; nothing outlives a call."""

    def __init__(self) -> None:
        self._connection = duckdb.connect(":memory:")
        for name, value in _SETTINGS.items():
            self._connection.execute(f"SET {name} = '{value}'")
        self._connection.execute("SET lock_configuration = true")

    def kind(self, expression: str, columns: Sequence[Column]) -> Kind:
        """Returns the kind of an expression over such rows; raises ConfigError when it is wrong."""
        empty = pa.schema([(column.name, column.arrow_type) for column in columns]).empty_table()
        try:
            found = self._result(expression, empty)
        except duckdb.Error as error:
            raise ConfigError(
                f"The SQL expression {expression!r} does not fit the stream: {_said(error)}",
                remedy="Use the stream's fields by their names and DuckDB's functions:"
                " https://duckdb.org/docs/sql/functions/overview.",
            ) from error
        return kind_of_arrow(found.schema.field(0).type)

    def values(self, expression: str, batch: pa.RecordBatch, kind: Kind) -> pa.Array:
        """Returns the value for each row, in order; raises DataError when one fails."""
        sql = f"to_json({expression})" if kind is Kind.JSON else expression
        try:
            found = self._result(sql, batch)
            value = found.column(0).combine_chunks()
            if isinstance(value.type, pa.BaseExtensionType):
                value = value.storage
            target = arrow_type(kind)
            if isinstance(target, pa.BaseExtensionType):
                array = pa.ExtensionArray.from_storage(target, value.cast(target.storage_type))
            else:
                array = value.cast(target)
        except (duckdb.Error, pa.ArrowInvalid) as error:
            raise DataError(
                f"The SQL expression {expression!r} fails for a row: {_said(error)}",
                remedy="Let it give null instead: TRY_CAST(… AS …), nullif, TRY(…).",
            ) from error
        if len(array) != batch.num_rows:
            raise ConfigError(
                f"The SQL expression {expression!r} gives {len(array)} values for"
                f" {batch.num_rows} rows.",
                remedy="Write one that gives one value a row: no unnest, no aggregate.",
            )
        return array

    def close(self) -> None:
        """Frees the database."""
        self._connection.close()

    def _result(self, expression: str, rows: pa.Table | pa.RecordBatch) -> pa.Table:
        table = rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows])
        # On a line of its own, so that a comment at its end hides nothing of ours.
        sql = f"SELECT (\n{expression}\n) FROM {_ROWS}"  # noqa: S608 (no files, no network)
        if len(duckdb.extract_statements(sql)) != 1:
            raise ConfigError(
                f"The SQL expression {expression!r} holds more than one statement.",
                remedy="Write a single expression.",
            )
        self._connection.register(_ROWS, table)
        try:
            result: pa.Table = self._connection.sql(sql).to_arrow_table()
        finally:
            self._connection.unregister(_ROWS)
        if result.num_columns != 1:
            raise BugError(
                f"{expression!r} gave {result.num_columns} columns.", remedy="Report it."
            )
        return result


def quoted(name: str) -> str:
    """Returns a field's name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def text_of(column: Column) -> str:
    """Returns SQL for a field's text as JSON would hold it: instants in UTC, with `T` and `Z`."""
    name = quoted(column.name)
    match column.kind:
        case Kind.TIMESTAMP_TZ:
            return f"replace(replace(CAST({name} AS VARCHAR), ' ', 'T'), '+00', 'Z')"
        case Kind.TIMESTAMP:
            return f"replace(CAST({name} AS VARCHAR), ' ', 'T')"
        case _:
            return f"CAST({name} AS VARCHAR)"


def _said(error: Any) -> str:
    """Returns the first line of an error: the rest shows a query that nobody wrote."""
    return str(error).strip().splitlines()[0].split(" LINE 1")[0]
