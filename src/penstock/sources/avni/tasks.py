"""The stream of tasks: the one list of Avni's that cannot be read by what changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from penstock.data.types import Column, Kind, stream_schema
from penstock.errors import PenstockError
from penstock.protocol.catalog import PropertyPath, SyncMode
from penstock.sdk.rest import Ask, RestClient
from penstock.sdk.rest.body import Body
from penstock.sdk.stream import ReadRequest, State
from penstock.sources.avni.records import EXTRA, TASKS

Row = dict[str, Any]

_PASSES: Final = (False, True, False)
"""Open tasks, ended ones, and the open ones again: one may be opened anew between the two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStream:
    """Every task of some types, each once, as it was when it was first met."""

    client: RestClient
    types: tuple[str, ...]
    page_size: int

    name: ClassVar[str] = TASKS.name
    namespace: ClassVar[str | None] = None
    primary_key: ClassVar[tuple[PropertyPath, ...]] = (("ID",),)
    cursor: ClassVar[PropertyPath | None] = None
    modes: ClassVar[tuple[SyncMode, ...]] = (SyncMode.FULL_REFRESH,)
    is_resumable: ClassVar[bool] = False

    @property
    def json_schema(self) -> Mapping[str, Any]:
        """The columns of a task."""
        columns = {**TASKS.columns, EXTRA: Kind.JSON}
        return stream_schema(tuple(Column(name=name, kind=kind) for name, kind in columns.items()))

    def read(self, request: ReadRequest) -> Iterator[list[Row] | State]:
        """Yields the tasks of each type; there is nothing to continue from."""
        del request
        had: set[str] = set()
        with self.client:
            for kind in self.types:
                for is_ended in _PASSES:
                    for page in self._pages(kind, is_ended=is_ended):
                        fresh = [row for row in page if row.get("ID") not in had]
                        had.update(str(row.get("ID")) for row in fresh)
                        if fresh:
                            yield [_row(row) for row in fresh]

    def _pages(self, kind: str, *, is_ended: bool) -> Iterator[list[Row]]:
        """Yields the pages from the last to the first.

        A task that leaves the list while it is read moves those behind it towards the front:
        read backwards, they come twice, and none is passed by.
        """
        number = self._page(kind, 0, is_ended=is_ended)[1]
        while number > 0:
            number -= 1
            yield self._page(kind, number, is_ended=is_ended)[0]

    def _page(self, kind: str, number: int, *, is_ended: bool) -> tuple[list[Row], int]:
        params = {
            "type": kind,
            "isTerminalStatus": "true" if is_ended else "false",
            "metadata": "{}",
            "sort": "id,asc",
            "page": number,
            "size": self.page_size,
        }
        try:
            body = self.client.ask(
                Ask(path=TASKS.path, params=params), lambda reply: Body(reply.content)
            )
        except PenstockError as error:
            error.context.setdefault("stream", self.name)
            if error.context.get("status") == 403:
                error.remedy = f"Let the user {TASKS.permission}."
            raise
        records = body.records(("content",)).values(is_exact=False)
        return records, int(body.at(("totalPages",)) or 0)


def _row(record: Row) -> Row:
    row = TASKS.row(record)
    return {name: value for name, value in row.items() if name in TASKS.columns or name == EXTRA}
