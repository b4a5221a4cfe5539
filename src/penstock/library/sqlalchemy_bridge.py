"""SQLAlchemy, where it is installed: engines and tables of a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.errors import MissingDriver

if TYPE_CHECKING:
    import sqlalchemy

    from penstock.library.caches.base import CacheBase


def engine_of(url: str) -> sqlalchemy.Engine:
    """Returns an engine for this address; raises MissingDriver when a package is missing."""
    try:
        import sqlalchemy as found  # noqa: PLC0415 (an extra)
        from sqlalchemy.exc import NoSuchModuleError  # noqa: PLC0415
    except ImportError as error:
        raise _missing() from error
    try:
        return found.create_engine(url)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise _missing() from error


def table_of(cache: CacheBase, stream_name: str) -> sqlalchemy.Table:
    """Returns a stream's table, its columns as the cache has them; nothing is reflected."""
    cache.get_sql_engine()
    import sqlalchemy as found  # noqa: PLC0415 (an extra)

    table = cache.table_of(stream_name)
    schema = cache[stream_name].to_reader().schema
    columns = [found.Column(field.name, _type_of(field.type)) for field in schema]
    return found.Table(table.name, found.MetaData(schema=table.schema), *columns)


def _type_of(arrow: Any) -> sqlalchemy.types.TypeEngine[Any]:
    import sqlalchemy as found  # noqa: PLC0415 (an extra)

    from penstock.data.types import Kind, kind_of_arrow  # noqa: PLC0415 (loads pyarrow)

    types: dict[Kind, sqlalchemy.types.TypeEngine[Any]] = {
        Kind.BOOLEAN: found.Boolean(),
        Kind.INTEGER: found.BigInteger(),
        Kind.BIG_INTEGER: found.Numeric(38, 0),
        Kind.NUMBER: found.Double(),
        Kind.DECIMAL: found.Numeric(38, 9),
        Kind.DATE: found.Date(),
        Kind.TIMESTAMP_TZ: found.DateTime(timezone=True),
        Kind.TIMESTAMP: found.DateTime(),
        Kind.TIME: found.Time(),
        Kind.JSON: found.JSON(),
    }
    return types.get(kind_of_arrow(arrow), found.String())


def text_of(clause: object) -> str:
    """Returns a condition as SQL: text as it is, an SQLAlchemy expression compiled."""
    if isinstance(clause, str):
        return clause
    compiled = getattr(clause, "compile", None)
    if compiled is None:
        raise TypeError(f"A filter is SQL text or an SQLAlchemy expression, not {clause!r}.")
    return str(compiled(compile_kwargs={"literal_binds": True}))


def _missing() -> MissingDriver:
    return MissingDriver(
        "SQLAlchemy, or its dialect for this database, is not installed.",
        remedy="pip install 'penstock[sql]'",
    )
