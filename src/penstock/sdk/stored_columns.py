"""Columns of a table whose types are ours to choose: which kind each has, and values made to fit.

For destinations that store Arrow columns themselves: files and lakes. A column changes its kind
only to one that holds every value exactly; where there is none it becomes text, which does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.encode import value_texts
from penstock.data.names import EXTRACTED_AT, GENERATION_ID, META, RAW_ID
from penstock.data.types import JSON_TYPE, Kind, arrow_type
from penstock.sdk.destination import Normalisation, StreamPlan
from penstock.sdk.landed import landed

if TYPE_CHECKING:
    from collections.abc import Sequence

_OWN: Final = {
    RAW_ID: Kind.STRING,
    EXTRACTED_AT: Kind.TIMESTAMP_TZ,
    META: Kind.JSON,
    GENERATION_ID: Kind.INTEGER,
}
_EXACT_WIDENINGS: Final = {
    frozenset({Kind.INTEGER, Kind.BIG_INTEGER}): Kind.BIG_INTEGER,
    frozenset({Kind.INTEGER, Kind.DECIMAL}): Kind.DECIMAL,
}
"""Nothing else is exact: a double rounds integers from 2^53, DECIMAL(38,9) has 29 digits before
the point where a big integer has 38."""
_QUOTED: Final = frozenset({Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ})


def planned_kinds(plan: StreamPlan) -> dict[str, Kind]:
    """Returns the columns of a plan's table and their kinds, penstock's own last."""
    if plan.normalisation is Normalisation.RAW:
        return {"_airbyte_data": Kind.JSON, **_OWN}
    return {**{column.name: column.kind for column in plan.columns}, **_OWN}


def fitted_kinds(stored: Mapping[str, Kind], planned: Mapping[str, Kind]) -> dict[str, Kind]:
    """Returns the columns that hold both what is stored and what is planned, stored ones first."""
    kinds = dict(stored)
    for name, kind in planned.items():
        kinds[name] = _common(stored.get(name, kind), kind)
    return kinds


def _common(stored: Kind, planned: Kind) -> Kind:
    if stored is planned:
        return stored
    return _EXACT_WIDENINGS.get(frozenset({stored, planned}), Kind.STRING)


def stored_type(kind: Kind) -> pa.DataType:
    """Returns the Arrow type of a stored column: JSON lies as its text."""
    return pa.string() if kind is Kind.JSON else arrow_type(kind)


def stored_schema(kinds: Mapping[str, Kind]) -> pa.Schema:
    """Returns the Arrow schema of a table with these columns."""
    return pa.schema([(name, stored_type(kind)) for name, kind in kinds.items()])


def landed_in(batch: pa.RecordBatch, plan: StreamPlan, kinds: Mapping[str, Kind]) -> pa.RecordBatch:
    """Returns a batch of a plan as rows of a table with these columns."""
    return refitted(landed(batch, plan), planned_kinds(plan), kinds)


def refitted(
    batch: pa.RecordBatch, old: Mapping[str, Kind], new: Mapping[str, Kind]
) -> pa.RecordBatch:
    """Returns rows with the columns of `new`, in its order; a column they lack is null."""
    arrays: Sequence[pa.Array] = [
        _cast(batch.column(name), old[name], kind)
        if name in old and name in batch.schema.names
        else pa.nulls(batch.num_rows, stored_type(kind))
        for name, kind in new.items()
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=stored_schema(new))


def as_text(array: pa.Array, kind: Kind) -> pa.Array:
    """Returns values as their text: numbers digit by digit, days and instants in ISO 8601."""
    if kind in (Kind.STRING, Kind.JSON):
        return array
    texts = value_texts(array)
    return pc.utf8_trim(texts, '"') if kind in _QUOTED else texts.cast(pa.string())


def with_json(batch: pa.RecordBatch, kinds: Mapping[str, Kind]) -> pa.RecordBatch:
    """Returns stored rows with their JSON marked as such, to be written as JSON."""
    arrays = [
        pa.ExtensionArray.from_storage(JSON_TYPE, array) if kinds[name] is Kind.JSON else array
        for name, array in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _cast(array: pa.Array, old: Kind, new: Kind) -> pa.Array:
    if old is new or stored_type(old) == stored_type(new):
        return array
    return as_text(array, old) if new is Kind.STRING else array.cast(arrow_type(new))
