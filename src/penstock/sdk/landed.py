"""Rows as they lie in a destination: the plan's columns, and the four that penstock adds."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from penstock.data.names import CHANGES, EXTRACTED_AT, GENERATION_ID, META, RAW_ID
from penstock.errors import ProtocolError
from penstock.sdk.destination import Normalisation, StreamPlan

if TYPE_CHECKING:
    import pyarrow as pa

_RAW_DATA: Final = "_airbyte_data"


def landed(batch: pa.RecordBatch, plan: StreamPlan) -> pa.RecordBatch:
    """Returns a batch with the names it has in the table, and penstock's own columns.

    Those are `_airbyte_raw_id` (UUID version 7), `_airbyte_extracted_at`, `_airbyte_meta` (JSON
    text) and `_airbyte_generation_id`. JSON columns become text. For destinations whose storage
    takes Arrow or rows; SQL ones do it in SQL. Raises ProtocolError for a batch that does not
    have the plan's columns.
    """
    import pyarrow as pa  # noqa: PLC0415 (heavy, and only needed to write)
    import pyarrow.compute as pc  # noqa: PLC0415

    columns = [(column.source, column.name) for column in plan.columns]
    if plan.normalisation is Normalisation.RAW:
        columns = [(_RAW_DATA, _RAW_DATA)]
    expected = [*(source for source, _ in columns), EXTRACTED_AT, CHANGES]
    if batch.schema.names != expected:
        raise ProtocolError(
            f"A batch of {plan.stream} has the columns {batch.schema.names}, not {expected}.",
            remedy="Report it: the reader and the plan disagree.",
        )
    stored = [
        array.storage if isinstance(array, pa.ExtensionArray) else array for array in batch.columns
    ]
    extracted_at, changes = stored[-2:]
    head = f'{{"sync_id":{plan.sync_id},"changes":'
    meta = pc.binary_join_element_wise(head, changes.fill_null("[]"), "}", "")
    return pa.RecordBatch.from_arrays(
        [
            *stored[:-2],
            pa.array(raw_ids(batch.num_rows), pa.string()),
            extracted_at,
            meta.cast(pa.string()),
            pa.array([plan.generation_id] * batch.num_rows, pa.int64()),
        ],
        names=[*(name for _, name in columns), RAW_ID, EXTRACTED_AT, META, GENERATION_ID],
    )


def raw_ids(count: int) -> list[str]:
    """Returns UUIDs of version 7: 48 bits of milliseconds, then chance (RFC 9562 §5.7)."""
    milliseconds = (time.time_ns() // 1_000_000).to_bytes(6, "big").hex()
    head = f"{milliseconds[:8]}-{milliseconds[8:]}-7"
    chance = os.urandom(10 * count).hex()
    ids = []
    for start in range(0, 20 * count, 20):
        part = chance[start : start + 20]
        variant = "89ab"[int(part[3], 16) & 3]
        ids.append(f"{head}{part[:3]}-{variant}{part[4:7]}-{part[7:19]}")
    return ids
