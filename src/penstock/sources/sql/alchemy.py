"""A database by SQLAlchemy: what its inspector finds, and rows as the driver gives them.

Values are the driver's own, without SQLAlchemy's conversions, which round what a database has no
type for. Every reading is one statement, and sees what one statement of that database sees.
"""

from __future__ import annotations

import datetime
import json
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import exc, types
from sqlalchemy.engine.interfaces import ReflectedColumn

from penstock.data.names import OWN_TABLES
from penstock.data.types import Kind, kind_of_decimal
from penstock.errors import ConfigError, ConnectionFailed, DataError, MissingDriver, PenstockError
from penstock.sources.sql.cursor_value import parsed, remembered
from penstock.sources.sql.database import Question, Relation, SqlColumn, Value

_KINDS: Final[tuple[tuple[type[types.TypeEngine[Any]], Kind], ...]] = (
    (types.Boolean, Kind.BOOLEAN),
    (types.Integer, Kind.INTEGER),
    (types.Float, Kind.NUMBER),
    (types.Date, Kind.DATE),
    (types.Time, Kind.TIME),
    (types.JSON, Kind.JSON),
    (types.ARRAY, Kind.JSON),
)
"""A type is of the first class that it is an instance of; the rest is text."""

_DECODE_JSON: Final = frozenset({"postgresql", "cockroachdb"})
"""Databases whose drivers give JSON as what it stands for; all others give its text."""


_TAKEN: Final = (
    bool,
    int,
    float,
    str,
    bytes,
    Decimal,
    datetime.date,  # and so datetime
    datetime.time,
    uuid.UUID,
)
"""What the engine takes as it is."""


class AlchemyDatabase:
    """One database behind a URL of SQLAlchemy's."""

    def __init__(self, url: str, batch_rows: int) -> None:
        """Raises ConfigError for what is no URL, MissingDriver for one nobody here can read."""
        self._batch_rows = batch_rows
        try:
            self._url = sa.make_url(url)
            self._engine = sa.create_engine(self._url, poolclass=sa.pool.NullPool)
        except exc.NoSuchModuleError as error:
            raise MissingDriver(
                f"No package installed here reads {url.partition(':')[0]}:// URLs.",
                remedy="Install the dialect of that database, such as oracledb,"
                " pyodbc, clickhouse-sqlalchemy or trino[sqlalchemy], beside penstock; see"
                " https://docs.sqlalchemy.org/en/20/dialects/.",
                field="url",
            ) from error
        except exc.ArgumentError as error:
            raise ConfigError(
                "`url` is not a URL that SQLAlchemy reads.",
                remedy="Write it as dialect+driver://user:password@host:port/database.",
                field="url",
            ) from error
        except ModuleNotFoundError as error:
            raise MissingDriver(
                f"{url.partition(':')[0]}:// needs the package {error.name}.",
                remedy=f"Install it: pip install {error.name}.",
                field="url",
            ) from error

    def __str__(self) -> str:
        url = self._url
        where = f" at {url.host}" if url.host else ""
        return f"{url.get_backend_name()}{where}, database {url.database or '(none)'}"

    def relations(self, schemas: Sequence[str]) -> Sequence[Relation]:
        with self._translated(), self._engine.connect() as connection:
            inspector = sa.inspect(connection)
            if schemas:
                known = inspector.get_schema_names()
                missing = [name for name in schemas if name not in known]
                if missing:
                    raise ConfigError(
                        f"{self} has no schema {', '.join(missing)}.",
                        remedy="Correct `schemas`; there are: " + ", ".join(known),
                        field="schemas",
                    )
            default = inspector.default_schema_name
            wanted = [None if name == default else name for name in schemas] or [None]
            with warnings.catch_warnings():
                # A type that SQLAlchemy does not know is read as text.
                warnings.simplefilter("ignore", exc.SAWarning)
                return [each for schema in wanted for each in _relations(inspector, schema)]

    def read(
        self, relation: Relation, question: Question
    ) -> Iterator[tuple[list[dict[str, Any]], Value | None]]:
        names = [column.name for column in question.columns]
        order = question.order
        place = None if order is None else names.index(order.name)
        decode = _as_given if self._url.get_backend_name() in _DECODE_JSON else _decoded
        with self._translated(), self._engine.connect() as connection:
            found = connection.execute(
                _select(relation, question),
                execution_options={"stream_results": True, "yield_per": self._batch_rows},
            )
            for part in found.partitions():
                last = None if place is None else remembered(part[-1][place])
                yield [_row(question.columns, row, decode) for row in part], last

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except exc.SQLAlchemyError as error:
            raise self._as_penstock_error(error) from error

    def _as_penstock_error(self, error: exc.SQLAlchemyError) -> PenstockError:
        origin = getattr(error, "orig", None) or error
        said = (str(origin).strip() or type(origin).__name__).splitlines()[0]
        if self._url.password:
            said = said.replace(str(self._url.password), "****")
        match error:
            case exc.ProgrammingError() | exc.NoSuchTableError() | exc.NotSupportedError():
                return ConfigError(
                    f"{self}: {said}.",
                    remedy="Give the user SELECT on the table, or leave the stream out.",
                )
            case exc.DataError():
                return DataError(f"{self}: {said}.", remedy="Leave the column out.")
            case _:
                return ConnectionFailed(
                    f"{self}: {said}.",
                    remedy="Check `url` (host, port, user, password) and the network in between,"
                    " then run it again.",
                )


def _relations(inspector: sa.Inspector, schema: str | None) -> Iterator[Relation]:
    everything = sa.engine.reflection.ObjectKind.ANY
    columns = inspector.get_multi_columns(schema=schema, kind=everything)
    keys = inspector.get_multi_pk_constraint(schema=schema)
    for (found_schema, name), found in sorted(columns.items(), key=lambda item: str(item[0][1])):
        if name.startswith(OWN_TABLES) or not found:
            continue
        key = keys.get((found_schema, name))
        yield Relation(
            schema=schema,
            name=name,
            columns=tuple(_column(column) for column in found),
            primary_key=tuple(key["constrained_columns"]) if key else (),
        )


def _column(column: ReflectedColumn) -> SqlColumn:
    found = column["type"]
    return SqlColumn(
        name=column["name"],
        kind=_kind(found),
        is_binary=isinstance(found, types.LargeBinary | types.BINARY | types.VARBINARY),
    )


def _kind(found: types.TypeEngine[Any]) -> Kind:
    if isinstance(found, types.DateTime):
        return Kind.TIMESTAMP_TZ if found.timezone else Kind.TIMESTAMP
    for kind_class, kind in _KINDS:
        if isinstance(found, kind_class):
            return kind
    if isinstance(found, types.Numeric) and found.precision is not None:
        return kind_of_decimal(found.precision, found.scale or 0)
    return Kind.STRING


def _select(relation: Relation, question: Question) -> sa.Select[Any]:
    names = [column.name for column in question.columns]
    table = sa.table(relation.name, *map(sa.column, names), schema=relation.schema)
    asked = sa.select(*[table.c[name] for name in names])
    if question.wants_missing is not None:
        asked = asked.where(sa.column(question.wants_missing.name).is_(None))
    if question.order is not None:
        order = table.c[question.order.name]
        asked = asked.where(order.is_not(None)).order_by(order)
        if question.since is not None:
            value = parsed(question.since)
            asked = asked.where(order >= value if question.includes_since else order > value)
    return asked


def _row(
    columns: Sequence[SqlColumn], values: Sequence[Any], decode: Callable[[Any], Any]
) -> dict[str, Any]:
    return {
        column.name: _plain(decode(value) if column.kind is Kind.JSON else value, column.kind)
        for column, value in zip(columns, values, strict=True)
    }


def _as_given(value: Any) -> Any:
    return value


def _decoded(value: Any) -> Any:
    """Returns what a JSON text stands for, its decimals exact; other text stands for itself."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value, parse_float=Decimal)
    except ValueError:
        return value


def _plain(value: Any, kind: Kind) -> Any:
    """Returns a value that has a JSON form; what a driver makes of rarer types becomes text."""
    match value:
        case int() if kind is Kind.BOOLEAN and value in (0, 1):
            return bool(value)
        case bytearray() | memoryview():
            return bytes(value)
        case Mapping() if kind is Kind.JSON:
            return {str(key): _plain(inner, kind) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset() if kind is Kind.JSON:
            return [_plain(inner, kind) for inner in value]
    return value if value is None or isinstance(value, _TAKEN) else str(value)
