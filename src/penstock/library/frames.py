"""Arrow tables and rows as pandas and polars frames, without rounding anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from penstock.errors import MissingDriver

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


def frame_of_table(table: pa.Table) -> pd.DataFrame:
    """Returns a pandas frame of an Arrow table.

    pandas turns an integer column with gaps into floats, which changes integers beyond 2^53; such
    a column becomes a nullable integer column instead.
    """
    pandas = _pandas()
    nullable = {
        pa.int64(): pandas.Int64Dtype(),
        pa.int32(): pandas.Int32Dtype(),
        pa.int16(): pandas.Int16Dtype(),
        pa.int8(): pandas.Int8Dtype(),
        pa.uint64(): pandas.UInt64Dtype(),
        pa.uint32(): pandas.UInt32Dtype(),
    }
    gaps = [
        field.name
        for field, column in zip(table.schema, table.columns, strict=True)
        if field.type in nullable and column.null_count
    ]
    frame: pd.DataFrame = table.drop_columns(gaps).to_pandas()
    for name in gaps:
        series = table.column(name).to_pandas(types_mapper=nullable.get)
        frame.insert(table.schema.get_field_index(name), name, series)
    return frame


def polars_of_table(table: pa.Table) -> pl.DataFrame:
    """Returns a polars frame of an Arrow table."""
    try:
        import polars  # noqa: PLC0415 (optional)
    except ImportError as error:
        raise MissingDriver("polars is not installed.", remedy="pip install polars") from error
    storage = [
        column.cast(pa.string()) if isinstance(field.type, pa.BaseExtensionType) else column
        for field, column in zip(table.schema, table.columns, strict=True)
    ]
    found = polars.from_arrow(pa.table(storage, names=table.schema.names))
    return found if isinstance(found, polars.DataFrame) else found.to_frame()


def frame_of_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Returns a pandas frame of records."""
    plain = [dict(row) for row in rows]
    frame: pd.DataFrame = _pandas().DataFrame.from_records(plain, columns=list(columns))
    return frame


def _pandas() -> Any:
    try:
        import pandas  # noqa: PLC0415 (optional)
    except ImportError as error:
        raise MissingDriver(
            "pandas is not installed.", remedy="pip install 'penstock[pandas]'"
        ) from error
    return pandas
