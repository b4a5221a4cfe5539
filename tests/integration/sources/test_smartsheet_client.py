"""Smartsheet's own client takes the double for Smartsheet."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator

import pytest
import smartsheet
from smartsheet.models import Error

from tests.doubles.smartsheet_server import (
    Report,
    SmartsheetServer,
    choices,
    contact,
    contacts,
    every_type,
    visits,
)
from tests.doubles.vendor import serving

# The client switches TLS versions off in a way that Python's ssl module warns about.
pytestmark = pytest.mark.filterwarnings("ignore:ssl.OP_NO_:DeprecationWarning")


@pytest.fixture
def server() -> Iterator[SmartsheetServer]:
    sheet = every_type()
    sheet.add(
        {
            "Text Number": 0,
            "Checkbox": False,
            "Date": "2024-05-01",
            "Contact List": contact("asha@example.org", "Asha"),
            "Multi Contact List": contacts(("a@example.org", "A"), ("b@example.org", "B")),
            "Multi Picklist": choices("x", "y"),
        }
    )
    many = visits(25)
    report = Report(id=55, name="Visits", sheets=[many], titles=["Patient", "Paid"])
    children = [
        {"id": many.id, "name": many.name, "resourceType": "sheet"},
        {"id": 55, "name": "Visits", "resourceType": "report"},
        {"id": 7, "name": "Older", "resourceType": "folder"},
    ]
    double = SmartsheetServer(
        sheets=[sheet, many], reports=[report], workspaces={6: children, 7: []}, largest_page=10
    )
    with serving(double):
        yield double


@pytest.fixture
def client(server: SmartsheetServer) -> Iterator[smartsheet.Smartsheet]:
    found = smartsheet.Smartsheet(server.token, api_base=f"{server.url}/2.0")
    logging.getLogger("smartsheet").setLevel(logging.CRITICAL)
    yield found
    found._session.close()


def test_client_lists_sheets_and_reports(client: smartsheet.Smartsheet) -> None:
    sheets = client.Sheets.list_sheets(include_all=True)
    assert [sheet.name for sheet in sheets.data] == ["Every type", "Visits"]
    assert sheets.total_count == 2
    assert [report.id for report in client.Reports.list_reports().data] == [55]


def test_client_reads_a_sheet_of_every_type(client: smartsheet.Smartsheet) -> None:
    sheet = client.Sheets.get_sheet(4583173393803140, level=2, include=["objectValue"])
    assert str(sheet.columns[8].type) == "MULTI_PICKLIST"
    row = sheet.rows[0]
    assert row.id == 9007199254740993
    by_title = {column.title: row.get_column(column.id) for column in sheet.columns}
    assert by_title["Text Number"].value == 0
    assert by_title["Checkbox"].value is False
    people = by_title["Multi Contact List"].object_value
    assert [person.email for person in people.values] == ["a@example.org", "b@example.org"]
    assert list(by_title["Multi Picklist"].object_value.values) == ["x", "y"]
    assert by_title["Duration"].value is None
    filled = client.Sheets.get_sheet(4583173393803140, exclude="nonexistentCells").rows[0]
    assert len(filled.cells) == 6


def test_client_sees_several_choices_as_text_without_a_level(
    client: smartsheet.Smartsheet,
) -> None:
    sheet = client.Sheets.get_sheet(4583173393803140)
    kinds = {column.title: str(column.type) for column in sheet.columns}
    assert kinds["Multi Picklist"] == "TEXT_NUMBER"
    assert kinds["Checkbox"] == "CHECKBOX"


def test_client_pages_a_sheet_and_a_report(client: smartsheet.Smartsheet) -> None:
    pages = [client.Sheets.get_sheet(1220000000000004, page_size=10, page=n) for n in (1, 2, 3, 4)]
    assert [len(page.rows) for page in pages] == [10, 10, 5, 0]
    assert {page.total_row_count for page in pages} == {25}
    report = client.Reports.get_report(55, page_size=10, page=3, level=3)
    assert len(report.rows) == 5
    assert report.rows[0].cells[0].virtual_column_id == 77
    assert report.rows[0].sheet_id == 1220000000000004
    assert report.columns[0].sheet_name_column is True


def test_client_asks_for_what_changed(
    client: smartsheet.Smartsheet, server: SmartsheetServer
) -> None:
    sheet = server.sheets[1]
    known = client.Sheets.get_sheet(sheet.id, page_size=1).version
    unchanged = client.Sheets.get_sheet(sheet.id, if_version_after=known)
    assert (unchanged.version, unchanged.id) == (known, None)
    sheet.edit(sheet.rows[3], "Paid", True)
    changed = client.Sheets.get_sheet(
        sheet.id, if_version_after=known, rows_modified_since=sheet.rows[3]["modifiedAt"]
    )
    assert [row.id for row in changed.rows] == [sheet.rows[3]["id"]]


def test_client_lists_a_workspace(client: smartsheet.Smartsheet) -> None:
    first = client.Workspaces.get_workspace_children(6)
    assert [type(child).__name__ for child in first.data] == ["Sheet", "Report"]
    rest = client.Workspaces.get_workspace_children(6, last_key=first.last_key)
    assert [child.name for child in rest.data] == ["Older"]


def test_client_understands_refusals(
    client: smartsheet.Smartsheet, server: SmartsheetServer
) -> None:
    missing = client.Sheets.get_sheet(1)
    assert isinstance(missing, Error)
    assert missing.result.error_code == 1006
    server.forbidden.add(server.sheets[0].id)
    forbidden = client.Sheets.get_sheet(server.sheets[0].id)
    assert forbidden.result.error_code == 1004


def test_client_renews_its_token_once(
    client: smartsheet.Smartsheet, server: SmartsheetServer
) -> None:
    proof = hashlib.sha256(b"canary-client|canary-refresh-1").hexdigest()
    found = client.Token.refresh_access_token("app", "canary-refresh-1", proof)
    assert (found.access_token, found.refresh_token) == (server.token, "canary-refresh-2")
    again = client.Token.refresh_access_token("app", "canary-refresh-1", proof)
    assert isinstance(again, Error)
