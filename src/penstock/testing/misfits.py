"""Values of a source that are not what its stream declares: the one place that decides it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import pyarrow as pa

from penstock.data.batch import BatchBuilder
from penstock.data.types import Column


def misfits(
    columns: Sequence[Column], pages: Iterator[pa.RecordBatch | list[dict[str, Any]]]
) -> Iterator[str]:
    """Yields what the engine would change or leave out of these pages, and where.

    It is the engine's own builder that judges: strictly, no value may be changed on its way.
    """
    with BatchBuilder(tuple(columns), is_raw=False) as builder:
        for page in pages:
            if isinstance(page, pa.RecordBatch):
                built = builder.from_arrow(page, extracted_at_ms=0)
            else:
                built = builder.from_rows(page, extracted_at_ms=0)
            for name in built.undeclared:
                yield f"{name!r} is not in the schema"
            changes = built.rows.column("_airbyte_changes")
            for row, text in enumerate(changes.to_pylist()):
                for change in orjson.loads(text) if text else ():
                    value = _value(page, row, change["field"])
                    yield f"{change['field']!r} holds {value!r:.200}: {change['reason']}"


def _value(page: pa.RecordBatch | list[dict[str, Any]], row: int, name: str) -> Any:
    if isinstance(page, pa.RecordBatch):
        return page.column(name)[row].as_py()
    return page[row].get(name)
