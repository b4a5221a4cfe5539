"""Smartsheet on localhost: sheets people work in, reports over them, tokens good only once.

Facts: Smartsheet's OpenAPI description (2.0); Smartsheet's own client reads from it in
`tests/integration/sources/test_smartsheet_client.py`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.doubles.vendor import Answer, Request, Vendor

Row = dict[str, Any]
START = datetime(2024, 5, 1, 8, tzinfo=UTC)
FIRST_ID = 9007199254740993
"""2^53 + 1: what a double cannot hold."""
TYPES = (
    "TEXT_NUMBER",
    "DATE",
    "DATETIME",
    "ABSTRACT_DATETIME",
    "CHECKBOX",
    "CONTACT_LIST",
    "MULTI_CONTACT_LIST",
    "PICKLIST",
    "MULTI_PICKLIST",
    "DURATION",
    "PREDECESSOR",
)


def moment(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def contact(email: str, name: str) -> Row:
    value = {"objectType": "CONTACT", "email": email, "name": name}
    return {"value": email, "displayValue": name, "objectValue": value}


def contacts(*people: tuple[str, str]) -> Row:
    values = [{"objectType": "CONTACT", "email": email, "name": name} for email, name in people]
    text = ", ".join(name for _, name in people)
    value = {"objectType": "MULTI_CONTACT", "values": values}
    return {"value": text, "displayValue": text, "objectValue": value}


def choices(*options: str) -> Row:
    text = "\n".join(options)
    value = {"objectType": "MULTI_PICKLIST", "values": list(options)}
    return {"value": text, "displayValue": ", ".join(options), "objectValue": value}


def duration(text: str, **parts: float) -> Row:
    value = {"objectType": "DURATION", **parts}
    return {"value": text, "displayValue": text, "objectValue": value}


def predecessors(text: str, *rows: int) -> Row:
    found = [{"rowId": row, "rowNumber": 1, "type": "FS"} for row in rows]
    value = {"objectType": "PREDECESSOR_LIST", "predecessors": found}
    return {"value": text, "objectValue": value}


@dataclass
class Sheet:
    """A sheet: its columns, its rows from the top, and a version that grows with each change."""

    id: int
    name: str
    columns: list[Row]
    rows: list[Row] = field(default_factory=list)
    version: int = 1
    seconds: float = 0
    next_row: int = FIRST_ID

    def column(self, title: str) -> int:
        return next(c["id"] for c in self.columns if c["title"] == title)

    def touch(self) -> None:
        self.version += 1
        self.seconds += 1

    def add(self, cells: Row, *, at_top: bool = False) -> Row:
        """Adds a row; `cells` has values, or parts of cells, by title. Others never held any."""
        self.touch()
        row = {
            "id": self.next_row,
            "version": self.version,
            "expanded": True,
            "accessLevel": "OWNER",
            "createdAt": moment(self.seconds),
            "modifiedAt": moment(self.seconds),
            "createdBy": {"email": "asha@example.org", "name": "Asha"},
            "modifiedBy": {"email": "asha@example.org"},
            "cells": {self.column(title): _cell(value) for title, value in cells.items()},
        }
        self.next_row += 2
        self.rows.insert(0 if at_top else len(self.rows), row)
        return row

    def edit(self, row: Row, title: str, value: Any) -> None:
        self.touch()
        row["cells"][self.column(title)] = _cell(value)
        row["modifiedAt"], row["version"] = moment(self.seconds), self.version

    def recalculate(self, row: Row, title: str, value: Any) -> None:
        """A formula gives something else: nobody modified the row, nor the sheet."""
        row["cells"][self.column(title)] = _cell(value)

    def delete(self, row: Row) -> None:
        self.touch()
        self.rows.remove(row)


def _cell(value: Any) -> Row:
    return dict(value) if isinstance(value, dict) else {"value": value}


def columns_of(*titles_and_types: tuple[str, str], first: int = 4000000000000001) -> list[Row]:
    return [
        {"id": first + 2 * place, "version": 0, "index": place, "title": title, "type": kind,
         "validation": False, "width": 150}
        for place, (title, kind) in enumerate(titles_and_types)
    ]  # fmt: skip


def every_type(id: int = 4583173393803140, name: str = "Every type") -> Sheet:
    """A sheet with a column of each type."""
    columns = columns_of(*((kind.title().replace("_", " "), kind) for kind in TYPES))
    for column in columns:
        column["version"] = {"MULTI_CONTACT_LIST": 1, "MULTI_PICKLIST": 2}.get(column["type"], 0)
    return Sheet(id=id, name=name, columns=columns)


def visits(count: int, id: int = 1220000000000004, name: str = "Visits") -> Sheet:
    """A sheet of visits: text, numbers, dates, checkboxes, and cells that were never filled."""
    columns = columns_of(
        ("Patient", "TEXT_NUMBER"), ("Fee", "TEXT_NUMBER"), ("Day", "DATE"), ("Paid", "CHECKBOX"),
        ("Nurse", "CONTACT_LIST"), ("Ward", "PICKLIST"), first=id + 100,
    )  # fmt: skip
    columns[0]["primary"] = True
    sheet = Sheet(id=id, name=name, columns=columns, next_row=FIRST_ID + id)
    for number in range(count):
        cells: Row = {"Patient": f"Zoë 🩺 {number}"}
        if number % 2 == 0:
            cells["Fee"] = number % 5
        if number % 3 == 0:
            cells["Day"] = f"2024-06-{number % 28 + 1:02d}"
        if number % 4 != 1:
            cells["Paid"] = number % 4 == 2
        if number % 5 == 0:
            cells["Nurse"] = contact("ravi@example.org", "Ravi")
        sheet.add(cells)
    return sheet


@dataclass
class Report:
    """Rows of several sheets under columns of its own."""

    id: int
    name: str
    sheets: list[Sheet]
    titles: list[str]
    is_summary: bool = False
    hidden: int = 0
    """Rows that it counts and does not show."""

    def columns(self) -> list[Row]:
        first: Row = {"virtualId": 77, "index": 0, "title": "Sheet Name", "type": "TEXT_NUMBER"}
        found = [{**first, "sheetNameColumn": True, "version": 0}]
        for place, title in enumerate(self.titles, 1):
            original = next(c for c in self.sheets[0].columns if c["title"] == title)
            found.append({**original, "virtualId": 77 + place, "index": place})
        return found

    def rows(self) -> list[tuple[Sheet, Row]]:
        return [(sheet, row) for sheet in self.sheets for row in sheet.rows]


@dataclass
class SmartsheetServer(Vendor):
    """An account."""

    sheets: list[Sheet] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    workspaces: dict[int, list[Row]] = field(default_factory=dict)
    """Children of a workspace or folder, by its id."""
    beside: dict[tuple[str, int], list[Row]] = field(default_factory=dict)
    """Attachments and discussions, by which they are and the sheet's id."""
    forbidden: set[int] = field(default_factory=set)
    token: str = "canary-access-1"
    refresh_token: str = "canary-refresh-1"
    client_secret: str = "canary-client"
    is_expired: bool = False
    largest_page: int = 2500

    def refused(self, status: int, code: int, message: str) -> Answer:
        body = {"refId": "1jkl2", "errorCode": code, "message": message}
        return Answer(status=status, body=body)

    def answer(self, request: Request) -> Answer:  # noqa: PLR0911 (an API has many answers)
        path = request.path.removeprefix("/2.0")
        if path == "/token":
            return self._renewed(request.form())
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return self.refused(401, 1002, "Your Access Token is invalid.")
        if self.is_expired:
            return self.refused(401, 1003, "Your Access Token has expired.")
        kind, *rest = path.strip("/").split("/")
        if kind == "users":
            user = {"id": 48569348493401200, "email": "asha@example.org", "firstName": "Asha"}
            return Answer(body=user)
        if not rest:
            return self._listed(self.sheets if kind == "sheets" else self.reports, request.query)
        id = int(rest[0])
        if id in self.forbidden:
            return self.refused(403, 1004, "You are not authorized to perform this action.")
        if rest[1:] == ["children"]:
            return self._children(id, request.query)
        found = next((f for f in getattr(self, kind) if f.id == id), None)
        if found is None:
            return self.refused(404, 1006, "Not Found")
        if rest[1:]:
            return self._beside(rest[1], id, request.query)
        if isinstance(found, Sheet):
            return self._sheet(found, request.query)
        return self._report(found, request.query)

    def _renewed(self, form: dict[str, str]) -> Answer:
        proof = hashlib.sha256(f"{self.client_secret}|{self.refresh_token}".encode()).hexdigest()
        if form.get("hash") != proof and form.get("client_secret") != self.client_secret:
            return Answer(status=400, body={"error": "invalid_client"})
        if form.get("refresh_token") != self.refresh_token:
            refused = {"error": "invalid_grant", "error_description": json.dumps(form)}
            return Answer(status=400, body={**refused, "errorCode": 1003})
        number = int(self.refresh_token.rsplit("-", 1)[1]) + 1
        self.token, self.refresh_token = f"canary-access-{number}", f"canary-refresh-{number}"
        self.is_expired = False
        body = {"access_token": self.token, "token_type": "bearer", "expires_in": 604799}
        return Answer(body={**body, "refresh_token": self.refresh_token})

    def _listed(self, found: list[Any], query: dict[str, str]) -> Answer:
        size, number = int(query.get("pageSize", 100)), int(query.get("page", 1))
        if query.get("includeAll") == "true":
            size = max(1, len(found))
        page = found[(number - 1) * size : number * size]
        data = [{"id": f.id, "name": f.name, "accessLevel": "OWNER"} for f in page]
        pages = -(-len(found) // size)
        body = {"pageNumber": number, "pageSize": size, "totalPages": pages}
        return Answer(body={**body, "totalCount": len(found), "data": data})

    def _beside(self, what: str, id: int, query: dict[str, str]) -> Answer:
        found = [dict(one) for one in self.beside.get((what, id), [])]
        if "comments" not in query.get("include", ""):
            found = [{k: v for k, v in one.items() if k != "comments"} for one in found]
        size = len(found) if query.get("includeAll", "").lower() == "true" else 2
        body = {"pageNumber": 1, "pageSize": size, "totalCount": len(found), "data": found[:size]}
        pages = -(-len(found) // max(1, size))
        return Answer(body={**body, "totalPages": pages}, is_data=True)

    def _children(self, id: int, query: dict[str, str]) -> Answer:
        if id not in self.workspaces:
            return self.refused(404, 1006, "Not Found")
        start = int(query.get("lastKey", 0))
        found = self.workspaces[id]
        body: Row = {"data": found[start : start + 2]}
        if start + 2 < len(found):
            body["lastKey"] = str(start + 2)
        return Answer(body=body)

    def _sheet(self, sheet: Sheet, query: dict[str, str]) -> Answer:
        if "ifVersionAfter" in query and int(query["ifVersionAfter"]) >= sheet.version:
            return Answer(body={"version": sheet.version})
        level = int(query.get("level", 0))
        wanted = [int(id) for id in query["columnIds"].split(",")] if "columnIds" in query else None
        columns = [self._column(c, level) for c in sheet.columns if wanted in (None, []) or
                   c["id"] in wanted]  # fmt: skip
        rows = list(enumerate(sheet.rows, 1))
        if "rowsModifiedSince" in query:
            since = datetime.fromisoformat(query["rowsModifiedSince"])
            rows = [(n, r) for n, r in rows if datetime.fromisoformat(r["modifiedAt"]) >= since]
        if "pageSize" in query:
            rows = self._page(rows, query)
        shown = [self._row(sheet, number, columns, query) for number, _ in rows]
        body = {
            "id": sheet.id,
            "name": sheet.name,
            "version": sheet.version,
            "totalRowCount": len(sheet.rows),
            "accessLevel": "OWNER",
            "permalink": f"https://app.smartsheet.com/sheets/{sheet.id}",
            "createdAt": moment(0),
            "modifiedAt": moment(sheet.seconds),
            "columns": columns,
            "rows": shown,
        }
        return Answer(body=body, is_data=bool(shown))

    def _row(self, sheet: Sheet, number: int, columns: list[Row], query: dict[str, str]) -> Row:
        row = sheet.rows[number - 1]
        level, include = int(query.get("level", 0)), query.get("include", "").split(",")
        shown = {k: v for k, v in row.items() if k not in ("cells", "createdBy", "modifiedBy")}
        shown["rowNumber"] = number
        if number > 1:
            shown["siblingId"] = sheet.rows[number - 2]["id"]
        if "writerInfo" in include:
            shown |= {"createdBy": row["createdBy"], "modifiedBy": row["modifiedBy"]}
        if "rowPermalink" in include:
            shown["permalink"] = f"https://app.smartsheet.com/sheets/{sheet.id}?rowId={row['id']}"
        leaves_out = "nonexistentCells" in query.get("exclude", "").split(",")
        shown["cells"] = [
            {
                "columnId": column["id"],
                **_shown(row["cells"].get(column["id"], {}), column, include, level),
            }
            for column in columns
            if column["id"] in row["cells"] or not leaves_out
        ]
        return shown

    def _column(self, column: Row, level: int) -> Row:
        least = {"MULTI_CONTACT_LIST": 1, "MULTI_PICKLIST": 2}.get(column["type"], 0)
        return column if level >= least else {**column, "type": "TEXT_NUMBER"}

    def _page(self, rows: list[Any], query: dict[str, str]) -> list[Any]:
        size = min(int(query.get("pageSize", 100)), self.largest_page)
        start = (int(query.get("page", 1)) - 1) * size
        return rows[start : start + size]

    def _report(self, report: Report, query: dict[str, str]) -> Answer:
        level, include = int(query.get("level", 0)), query.get("include", "").split(",")
        columns = [self._column(column, max(0, level - 1)) for column in report.columns()]
        rows = report.rows()
        shown = []
        for number, (sheet, row) in enumerate(rows, 1):
            cells: list[Row] = [{"virtualColumnId": 77, "value": sheet.name}]
            for column in columns[1:]:
                id = sheet.column(column["title"])
                if id in row["cells"]:
                    cell = _shown(row["cells"][id], column, include, max(0, level - 1))
                    cells.append({"columnId": id, "virtualColumnId": column["virtualId"], **cell})
            kept = {k: v for k, v in row.items() if k not in ("cells", "createdBy", "modifiedBy")}
            if report.is_summary:
                shown.append({"rowNumber": number, "cells": cells})
            else:
                shown.append({**kept, "sheetId": sheet.id, "rowNumber": number, "cells": cells})
        shown = self._page(shown, {"pageSize": "100", **query})
        body = {
            "id": report.id,
            "name": report.name,
            "totalRowCount": len(rows) + report.hidden,
            "isSummaryReport": report.is_summary,
            "columns": columns,
            "rows": shown,
        }
        return Answer(body=body, is_data=bool(shown))


def _shown(cell: Row, column: Row, include: list[str], level: int) -> Row:
    is_hidden = "objectValue" not in include or (column["type"].startswith("MULTI") and level < 2)
    return {k: v for k, v in cell.items() if k != "objectValue" or not is_hidden}
