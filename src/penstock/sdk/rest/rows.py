"""From a page's records to a stream's rows: as the texts they came in, or as Python values."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from penstock.data.json_rows import JsonRows
from penstock.data.lines import RecordTexts
from penstock.errors import DataError
from penstock.sdk.record_lines import json_bytes
from penstock.sdk.rest.body import Path, Records

Row = dict[str, Any]

DELETED_AT: Final = "_ab_cdc_deleted_at"
"""Where Airbyte's sources say when a record was deleted; deduplicating destinations heed it."""

_log = logging.getLogger(__name__)
_TOLD: Final = 3
"""Records that are told of one by one when they do not fit; the others are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shaping:
    """What happens to the records of one stream."""

    stream: str
    is_exact: bool
    """Whether fractions are kept as Decimal, where they become Python values."""
    carry: Mapping[str, str]
    deleted: str | None
    changed_at: Path
    """Where a record says when it last changed: deleted ones, when they were deleted."""
    transform: Callable[[Row], Row] | None
    expand: Callable[[Row], Iterable[Row]] | None
    now: Callable[[], str]
    """The instant for a deletion whose record has none."""

    as_text: bool
    """Whether records into which nothing looks stay the text they are."""

    def rows(self, records: Records, parent: Row) -> list[Row] | JsonRows:
        """Returns the rows of a page. Raises DataError where a record is no JSON object."""
        odd = records.not_objects()
        if odd:
            raise DataError(
                f"The stream {self.stream} has {odd} records that are not JSON objects.",
                remedy="Report it to the connector's author.",
                stream=self.stream,
            )
        if self.as_text and self.transform is None and self.expand is None:
            return JsonRows(texts=self._texts(records, parent), is_exact=self.is_exact)
        rows = records.values(is_exact=self.is_exact)
        if self._adds:
            for row, added in zip(rows, self._added(records, parent), strict=True):
                row.update(added)
        if self.transform is not None:
            rows = self._transformed(rows, records, parent)
        if self.expand is not None:
            rows = [made for row in rows for made in self.expand(row)]
        return rows

    def _texts(self, records: Records, parent: Row) -> RecordTexts:
        """Returns the records' texts; properties that are added stand behind the others."""
        texts = records.spelled_plainly()
        if not self._adds:
            return texts
        behind = [json_bytes(added)[1:] for added in self._added(records, parent)]
        return RecordTexts.of(
            [
                text[:-1] + (b"," if len(text) > 2 else b"") + added
                for text, added in zip(texts, behind, strict=True)
            ]
        )

    @property
    def _adds(self) -> bool:
        """Whether records get properties beside their own."""
        return bool(self.carry) or self.deleted is not None

    def _added(self, records: Records, parent: Row) -> list[Row]:
        """Returns, for each record, the properties it gets beside its own."""
        carried = {here: parent.get(there) for here, there in self.carry.items()}
        if self.deleted is None:
            return [carried] * len(records)
        marks = records.fields((self.deleted,))
        changed = records.fields(self.changed_at) if self.changed_at else [None] * len(records)
        return [
            {**carried, DELETED_AT: self._deleted_at(mark, moment)}
            for mark, moment in zip(marks, changed, strict=True)
        ]

    def _deleted_at(self, mark: Any, changed: Any) -> Any:
        if not mark:
            return None
        return (changed or self.now()) if mark is True else mark

    def _transformed(self, rows: list[Row], records: Records, parent: Row) -> list[Row]:
        transform = self.transform
        if transform is None:
            return rows
        done: list[Row] = []
        failed: list[DataError] = []
        for place, row in enumerate(rows):
            try:
                done.append(transform(row))
            except DataError as error:
                failed.append(error)
                done.append(self._as_given(records.take([place]), parent))
        for failure in failed[:_TOLD]:
            _log.warning("a record is kept as the API gave it: %s", failure.message)
        if len(failed) > _TOLD:
            _log.warning("%d further records of the page, too", len(failed) - _TOLD)
        return done

    def _as_given(self, record: Records, parent: Row) -> Row:
        """Returns one record anew: what failed may have changed it."""
        (row,) = record.values(is_exact=self.is_exact)
        return {**row, **self._added(record, parent)[0]}
