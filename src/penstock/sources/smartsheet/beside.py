"""What hangs on sheets beside their cells: attachments and discussions, of all sheets in one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Final

from penstock.data.types import Column, Kind, stream_schema
from penstock.protocol.catalog import PropertyPath, SyncMode
from penstock.sdk.rest import RestClient, RestStream
from penstock.sdk.stream import ReadRequest
from penstock.sources.smartsheet.stream import Place

Row = dict[str, Any]

_CAPITAL: Final = re.compile("[A-Z]")
_COST: Final = 10
"""Requests that one of these counts for (Smartsheet API, "Rate limiting")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Which list it is, as the API has it."""

    name: str
    path: str
    columns: Mapping[str, Kind]
    params: Mapping[str, Any] = field(default_factory=dict)


ATTACHMENTS: Final = Beside(
    name="sheet_attachments",
    path="attachments",
    columns={
        "id": Kind.INTEGER,
        "parentType": Kind.STRING,
        "parentId": Kind.INTEGER,
        "name": Kind.STRING,
        "attachmentType": Kind.STRING,
        "attachmentSubType": Kind.STRING,
        "mimeType": Kind.STRING,
        "description": Kind.STRING,
        "sizeInKb": Kind.INTEGER,
        "url": Kind.STRING,
        "createdAt": Kind.TIMESTAMP_TZ,
        "createdBy": Kind.JSON,
    },
)
DISCUSSIONS: Final = Beside(
    name="sheet_discussions",
    path="discussions",
    columns={
        "id": Kind.INTEGER,
        "parentType": Kind.STRING,
        "parentId": Kind.INTEGER,
        "title": Kind.STRING,
        "accessLevel": Kind.STRING,
        "readOnly": Kind.BOOLEAN,
        "commentCount": Kind.INTEGER,
        "comments": Kind.JSON,
        "lastCommentedAt": Kind.TIMESTAMP_TZ,
        "lastCommentedUser": Kind.JSON,
        "createdBy": Kind.JSON,
    },
    params={"include": "comments,attachments"},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BesideStream:
    """One list of all sheets, read whole each time: Smartsheet tells of no changes of it."""

    beside: Beside
    client: RestClient = field(repr=False, compare=False)
    sheets: Sequence[Place]

    namespace: ClassVar[str | None] = None
    modes: ClassVar[tuple[SyncMode, ...]] = (SyncMode.FULL_REFRESH,)
    is_resumable: ClassVar[bool] = False
    primary_key: ClassVar[tuple[PropertyPath, ...]] = (("id",),)
    cursor: ClassVar[PropertyPath | None] = None

    @property
    def name(self) -> str:
        """The list's name."""
        return self.beside.name

    @property
    def json_schema(self) -> Mapping[str, Any]:
        """The same for every account."""
        kinds = {"sheetId": Kind.INTEGER, **self.beside.columns}
        return stream_schema(
            tuple(Column(name=_snake(name), kind=kind) for name, kind in kinds.items())
        )

    def read(self, request: ReadRequest) -> Iterator[list[Row]]:
        """Yields sheet by sheet; each whole in one answer, so that nothing moves in between."""
        for sheet in self.sheets:
            listing = RestStream(
                client=self.client,
                name=self.name,
                path=f"{sheet.path}/{self.beside.path}",
                records="data",
                columns={},
                params={**self.beside.params, "includeAll": "true"},
                cost=_COST,
                transform=partial(self._row, int(sheet.id)),
            )
            with sheet.told():
                for page in listing.read(request):
                    if isinstance(page, list):
                        yield page

    def _row(self, sheet_id: int, record: Row) -> Row:
        found = {_snake(name): record.get(name) for name in self.beside.columns}
        return {"sheet_id": sheet_id, **found}


def _snake(name: str) -> str:
    """Returns the API's name as the columns of sheets are spelled: created_at."""
    return _CAPITAL.sub(lambda found: f"_{found.group().lower()}", name)
