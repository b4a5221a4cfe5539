"""Batches on their way into SQL: held to the contract, and gathered to a size worth a statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from penstock.data.arrays import whole_numbers
from penstock.data.names import CHANGES, EXTRACTED_AT
from penstock.data.types import Kind, arrow_type
from penstock.errors import ProtocolError
from penstock.sdk.destination import ColumnPlan

FULL_BYTES: Final = 16 << 20
"""What is worth one INSERT; a database whose statements take long asks for more."""
_BYTES_PER_ARRAY: Final = 512
"""What an Arrow array of any length takes for itself; counts when batches have few rows."""


class BatchQueue:
    """Holds batches back until they are worth one INSERT; numbers the rows where arrival counts."""

    def __init__(
        self,
        columns: Sequence[ColumnPlan],
        *,
        counts_arrival: bool,
        full_bytes: int = FULL_BYTES,
    ) -> None:
        self._names = [*(column.source for column in columns), EXTRACTED_AT, CHANGES]
        kinds = [*(column.kind for column in columns), Kind.TIMESTAMP_TZ, Kind.STRING]
        self._types = [arrow_type(kind) for kind in kinds]
        self._accepted: pa.Schema | None = None
        self._counts_arrival = counts_arrival
        self._arrived = 0
        self._full_bytes = full_bytes
        self._batches: list[pa.RecordBatch] = []
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        return self._bytes >= self._full_bytes

    def add(self, batch: pa.RecordBatch) -> None:
        """Takes a batch; raises ProtocolError when it is not in the shape of the plan."""
        if self._accepted is None or batch.schema is not self._accepted:
            self._check(batch.schema)
            self._accepted = batch.schema
        if batch.num_rows == 0:
            return
        arrays = list(batch.columns)
        if self._counts_arrival:
            after = self._arrived + batch.num_rows
            arrays.append(whole_numbers(range(self._arrived, after), pa.int64()))
            self._arrived = after
        self._batches.append(
            pa.RecordBatch.from_arrays(arrays, names=[f"c{i}" for i in range(len(arrays))])
        )
        self._bytes += batch.nbytes + _BYTES_PER_ARRAY * len(arrays)

    def take(self) -> list[pa.RecordBatch]:
        """Returns what is held and lets go of it; columns are named c0, c1, …"""
        batches, self._batches, self._bytes = self._batches, [], 0
        return batches

    def _check(self, schema: pa.Schema) -> None:
        if schema.names != self._names:
            unlike = next(
                (
                    f"column {place} is {found!r} instead of {wanted!r}"
                    for place, (found, wanted) in enumerate(
                        zip(schema.names, self._names, strict=False)
                    )
                    if found != wanted
                ),
                f"it has {len(schema.names)} columns instead of {len(self._names)}",
            )
            raise ProtocolError(
                f"A batch is not in the shape of its stream's plan: {unlike}.",
                remedy="Report it: the reader and the writer disagree about the columns.",
            )
        for field, wanted in zip(schema, self._types, strict=True):
            if field.type != wanted and not (_is_json(wanted) and field.type == pa.string()):
                raise ProtocolError(
                    f"Column {field.name!r} of a batch is {field.type} instead of {wanted}.",
                    remedy="Report it: the reader and the writer disagree about the types.",
                )


def _is_json(data_type: pa.DataType) -> bool:
    return bool(data_type == arrow_type(Kind.JSON))
