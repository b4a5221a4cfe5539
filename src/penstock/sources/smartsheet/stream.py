"""One sheet or report as a stream: whole, or only the rows that differ from what was sent."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar, Final

from penstock.data.types import Kind, json_schema_of
from penstock.errors import AccessDenied, ConfigError, DataError, TransientError
from penstock.protocol.catalog import PropertyPath, SyncMode
from penstock.sdk.rest import Ask, Reply, RestClient
from penstock.sdk.rest.body import Body
from penstock.sdk.rest.cursor import iso
from penstock.sdk.rest.stream import DELETED_AT
from penstock.sdk.stream import ReadRequest, State
from penstock.sources.smartsheet.cells import SheetColumn, Unfit, columns_in
from penstock.sources.smartsheet.known import KnownRows, digest_of

Row = dict[str, Any]

_log = logging.getLogger(__name__)
_PERSON: Final = json_schema_of(Kind.JSON) | {"type": ["null", "object"]}
_ROW_SCHEMA: Final[Mapping[str, Mapping[str, Any]]] = {
    "sheet_id": json_schema_of(Kind.INTEGER),
    "row_id": json_schema_of(Kind.INTEGER),
    "row_number": json_schema_of(Kind.INTEGER),
    "row_parent_id": json_schema_of(Kind.INTEGER),
    "row_created_at": json_schema_of(Kind.TIMESTAMP_TZ),
    "row_created_by": _PERSON,
    "row_modified_at": json_schema_of(Kind.TIMESTAMP_TZ),
    "row_modified_by": _PERSON,
    "row_permalink": json_schema_of(Kind.STRING),
    "row_access_level": json_schema_of(Kind.STRING),
    "row_locked": json_schema_of(Kind.BOOLEAN),
    "row_expanded": json_schema_of(Kind.BOOLEAN),
    "row_unfit": {"type": ["null", "object"], "additionalProperties": True},
    DELETED_AT: json_schema_of(Kind.TIMESTAMP_TZ),
}
"""What is told of each row beside its cells."""
_CELLS_A_PAGE: Final = 50_000
"""Some 10 MB of JSON."""
_MOST_ROWS_A_PAGE: Final = 2_500
_PASSES: Final = 6
_MOST_REPORT_ROWS: Final = 50_000
"""Smartsheet API, "Get report"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a stream's rows are."""

    client: RestClient = field(repr=False, compare=False)
    id: str
    is_report: bool = False

    @property
    def path(self) -> str:
        """Below the API's address."""
        return f"{'reports' if self.is_report else 'sheets'}/{self.id}"

    @property
    def shown(self) -> str:
        """What it is, for errors."""
        return f"The {'report' if self.is_report else 'sheet'} {self.id}"

    @property
    def setting(self) -> str:
        """The setting that names it."""
        return "reports" if self.is_report else "sheets"

    def page(self, **params: Any) -> Body:
        """Returns one page of it; repeats the request while that may help."""
        include = "objectValue" if self.is_report else "objectValue,writerInfo,rowPermalink"
        # Without a level, cells of several contacts or choices pose as plain text.
        level = 3 if self.is_report else 2
        asked = {"level": level, "include": include, **params}
        if not self.is_report:
            asked["exclude"] = "nonexistentCells"
        with self.told():
            return self.client.ask(Ask(path=self.path, params=asked), _body)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Makes refusals name the sheet or report, and its setting."""
        what = self.shown
        try:
            yield
        except AccessDenied as error:
            if error.context.get("status") == 401:
                raise
            raise AccessDenied(
                f"{what} (setting {self.setting}) may not be read: {error.message}",
                remedy="Let its owner share it with the user whose token this is.",
                field=self.setting,
            ) from error
        except ConfigError as error:
            raise ConfigError(
                f"{what} (setting {self.setting}) does not exist, or the user cannot see it.",
                remedy="See its number in File > Properties; take it out if it was deleted.",
                field=self.setting,
            ) from error


class SheetStream:
    """The rows of one sheet or report. Not made by hand: see `SmartsheetSource.streams`."""

    namespace: ClassVar[str | None] = None
    is_resumable: ClassVar[bool] = False

    def __init__(
        self, place: Place, name: str, *, kinds: Mapping[str, str], compare_after: timedelta
    ) -> None:
        """`kinds` is what the user says columns of text and numbers hold, by their title."""
        self.place = place
        self.name = name
        self._kinds = kinds
        self._compare_after = compare_after

    @property
    def modes(self) -> tuple[SyncMode, ...]:
        """Both; rows of summary reports have no ids by which changes could be told."""
        if self._is_summary:
            return (SyncMode.FULL_REFRESH,)
        return (SyncMode.FULL_REFRESH, SyncMode.INCREMENTAL)

    @property
    def cursor(self) -> PropertyPath | None:
        """When a row was modified."""
        return None if self._is_summary else ("row_modified_at",)

    @property
    def primary_key(self) -> tuple[PropertyPath, ...]:
        """The row's id; in a report, whose rows come from several sheets, with the sheet's."""
        if self._is_summary:
            return ()
        return (("sheet_id",), ("row_id",)) if self.place.is_report else (("row_id",),)

    @cached_property
    def _described(self) -> Body:
        with self.place.client:
            return self.place.page(page=1, pageSize=1)

    @property
    def _is_summary(self) -> bool:
        return self.place.is_report and self._described.at(("isSummaryReport",)) is True

    @cached_property
    def json_schema(self) -> Mapping[str, Any]:
        """What is told of each row, then the columns as the sheet has them; asks for them once."""
        columns = self._columns(self._described)
        return {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": {
                **_ROW_SCHEMA,
                **{column.name: dict(column.schema) for column in columns},
            },
        }

    def read(self, request: ReadRequest) -> Iterator[list[Row] | State]:
        """Yields all rows, or those that are new, changed or gone; a state after each page.

        A sheet is compared with what was sent, row by row: the moment a row was modified tells
        neither of formulas that now give something else, nor of rows deleted.
        """
        is_incremental = request.mode is SyncMode.INCREMENTAL
        known = KnownRows.of(request.state if is_incremental else None, self.name)
        with self.place.client:
            now = self.place.client.now()
            head = self._head(known)
            if head is None:
                yield State(known.state)
                return
            if head.at(("isSummaryReport",)) is True:
                yield from self._summary(head)
                return
            whole = yield from self._passes(head, known, request)
            if not is_incremental:
                return
            gone = known.gone(whole.met)
            if gone:
                yield [_tombstone(row, sheet, iso(now)) for row, sheet in gone]
            for row, _ in gone:
                del known.rows[row]
            known.version, known.compared_at = whole.version, now
            yield State(known.state)

    def _head(self, known: KnownRows) -> Body | None:
        """Returns what the sheet says of itself; None while it need not be looked at."""
        now = self.place.client.now()
        is_fresh = known.compared_at is not None and now - known.compared_at < self._compare_after
        if known.version is None or not is_fresh:
            return self.place.page(page=1, pageSize=1)
        head = self.place.page(page=1, pageSize=1, ifVersionAfter=known.version)
        return head if head.raw_at(("columns",)) is not None else None

    def _passes(
        self, head: Body, known: KnownRows, request: ReadRequest
    ) -> Generator[list[Row] | State, None, _Pass]:
        """Yields each row that is news, from as many passes as it takes to have had all.

        Rows that are added, moved or deleted between two pages push others from one page to
        another. A pass during which the sheet stayed the same, or that finds what the one before
        found, has met every row.
        """
        is_incremental = request.mode is SyncMode.INCREMENTAL
        size = self._page_rows(head)
        sent: set[int] = set()
        before: _Pass | None = None
        for _ in range(_PASSES):
            current = _Pass()
            for body in current.pages(self.place, size):
                columns = self._columns(body)
                rows = [_record(row, columns, self.place) for row in current.rows]
                news = []
                for row in rows:
                    digest = digest_of(row, request.fields)
                    if not is_incremental and row["row_id"] in sent:
                        continue
                    if not is_incremental or known.is_news(row["row_id"], digest):
                        news.append(row)
                        known.rows[row["row_id"]] = digest, row["sheet_id"]
                    sent.add(row["row_id"])
                if news:
                    yield news
                    if is_incremental:
                        yield State(known.state)
            if current.is_whole or current.found_the_same_as(before):
                self._tell_of_hidden(current)
                return current
            before = current
        raise self._restless()

    def _summary(self, head: Body) -> Iterator[list[Row]]:
        """Yields the rows of a summary report, once a pass has found it at rest."""
        before: list[Row] | None = None
        for _ in range(_PASSES):
            current, found = _Pass(), list[Row]()
            for body in current.pages(self.place, self._page_rows(head)):
                columns = self._columns(body)
                found += [_record(row, columns, self.place) for row in current.rows]
            if current.is_whole or found == before:
                if found:
                    yield found
                return
            before = found
        raise self._restless()

    def _page_rows(self, head: Body) -> int:
        columns = len(self._columns(head))
        return max(1, min(_MOST_ROWS_A_PAGE, _CELLS_A_PAGE // max(1, columns)))

    def _restless(self) -> TransientError:
        return TransientError(
            f"{self.place.shown} changed each of the {_PASSES} times it was read.",
            remedy="Sync again when fewer people work in it; what was read so far is kept.",
            stream=self.name,
        )

    def _tell_of_hidden(self, whole: _Pass) -> None:
        if whole.total is None or whole.total == len(whole.met):
            return
        if self.place.is_report and whole.total > _MOST_REPORT_ROWS:
            raise DataError(
                f"{self.place.shown} has {whole.total} rows; Smartsheet shows no more than"
                f" {_MOST_REPORT_ROWS} of a report.",
                remedy="Make two reports of it by their filters, or read its sheets.",
                stream=self.name,
            )
        _log.warning(
            "%s says it has %d rows, and shows %d, twice over",
            self.place.shown, whole.total, len(whole.met),
        )  # fmt: skip

    def _columns(self, body: Body) -> tuple[SheetColumn, ...]:
        found = body.at(("columns",))
        if not isinstance(found, list):
            raise DataError(
                f"Smartsheet's answer says nothing of the columns of {self.place.shown}.",
                remedy="Report it with the stream's name.",
                stream=self.name,
            )
        return columns_in(found, taken=frozenset(_ROW_SCHEMA), kinds=self._kinds)


class _Pass:
    """One reading of a sheet from its first page to its last."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        """Of the page just read."""
        self.met: dict[int, Any] = {}
        """By the id of each row met: when it was modified."""
        self.version: int | None = None
        self._count = self._pages = 0
        self._total: int | None = None
        self._facts: set[tuple[Any, Any]] = set()

    def pages(self, place: Place, size: int) -> Iterator[Body]:
        """Yields the pages; `rows` are those of the last one yielded."""
        number = 1
        while True:
            body = place.page(page=number, pageSize=size)
            version, total = body.at(("version",)), body.at(("totalRowCount",))
            self._total = total
            self.version = version if number == 1 else self.version
            self._facts.add((version, total))
            self.rows = body.records(("rows",)).values(is_exact=True)
            if not self.rows:
                return
            self._count += len(self.rows)
            self._pages += 1
            self.met.update((row["id"], row.get("modifiedAt")) for row in self.rows if "id" in row)
            yield body
            if total is not None and self._count >= total:
                return
            number += 1

    @property
    def total(self) -> int | None:
        """How many rows there are, as the last page said."""
        return self._total

    @property
    def is_whole(self) -> bool:
        """Whether it met every row of the sheet as it was at one moment.

        One page is one moment. Of more pages the version tells, but reports have none: one row
        gone and another added look like nothing.
        """
        is_one_moment = len(self._facts) == 1 and (self._pages == 1 or self.version is not None)
        return is_one_moment and self._count == self._total == (len(self.met) or self._count)

    def found_the_same_as(self, other: _Pass | None) -> bool:
        """Whether two passes, with nothing changed in between, met the same rows."""
        return (
            other is not None
            and len(self._facts | other._facts) == 1  # noqa: SLF001
            and self.met == other.met
        )


def _record(row: Mapping[str, Any], columns: tuple[SheetColumn, ...], place: Place) -> Row:
    """Returns a row as a record. Its cells are told by column id: empty ones may be left out."""
    cells: dict[int, Mapping[str, Any]] = {}
    for cell in row.get("cells") or ():
        for key in ("columnId", "virtualColumnId"):
            if key in cell:
                cells[cell[key]] = cell
    unfit: dict[str, Any] = {}
    values: Row = {}
    for column in columns:
        cell = next((cells[id] for id in column.ids if id in cells), None)
        try:
            values[column.name] = None if cell is None else column.value(cell)
        except Unfit:
            values[column.name] = None
            unfit[column.name] = cell["value"] if cell else None
    return {
        "sheet_id": row.get("sheetId") if place.is_report else int(place.id),
        "row_id": row.get("id"),
        "row_number": row.get("rowNumber"),
        "row_parent_id": row.get("parentId"),
        "row_created_at": row.get("createdAt"),
        "row_created_by": _person(row.get("createdBy")),
        "row_modified_at": row.get("modifiedAt"),
        "row_modified_by": _person(row.get("modifiedBy")),
        "row_permalink": row.get("permalink"),
        "row_access_level": row.get("accessLevel"),
        "row_locked": row.get("locked"),
        "row_expanded": row.get("expanded"),
        "row_unfit": unfit or None,
        DELETED_AT: None,
        **values,
    }


def _person(user: Any) -> Row | None:
    if not isinstance(user, Mapping):
        return None
    return {"email": user.get("email"), "name": user.get("name")}


def _tombstone(row: int, sheet: int, moment: str) -> Row:
    """Returns a row that says of another that it was deleted, noticed at a moment."""
    return {
        "sheet_id": sheet, "row_id": row, "row_modified_at": moment, DELETED_AT: moment
    }  # fmt: skip


def _body(reply: Reply) -> Body:
    return Body(reply.content)
