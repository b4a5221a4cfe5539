"""What hangs on sheets beside their cells: read whole, and as Smartsheet's own client sees it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import smartsheet

from penstock.errors import AccessDenied
from penstock.protocol.catalog import SyncMode
from penstock.sdk.config import parse_config
from penstock.sdk.stream import ReadRequest, State
from penstock.sources.smartsheet import SmartsheetConfig, SmartsheetSource
from penstock.sources.smartsheet.source import pace
from tests.doubles.smartsheet_server import SmartsheetServer, moment, visits
from tests.doubles.vendor import FAULTS, serving

BIG = 9_007_199_254_740_993
PERSON = {"name": "Asha", "email": "asha@example.org"}


def attachment(number: int) -> dict[str, Any]:
    return {
        "id": BIG + number,
        "name": f"Letter {number}.pdf",
        "attachmentType": "FILE" if number else "LINK",
        "mimeType": "application/pdf",
        "parentType": "ROW",
        "parentId": BIG - number,
        "sizeInKb": number,
        "createdAt": moment(number),
        "createdBy": PERSON,
    }


def discussion(number: int) -> dict[str, Any]:
    comment = {
        "id": BIG + number,
        "text": "ठीक है",
        "createdBy": PERSON,
        "createdAt": moment(number),
    }
    return {
        "id": BIG + number,
        "title": "ठीक है",
        "parentType": "SHEET",
        "parentId": 1,
        "commentCount": 1,
        "comments": [comment],
        "lastCommentedAt": moment(number),
        "readOnly": False,
    }


@pytest.fixture
def server() -> Iterator[SmartsheetServer]:
    """An account with a sheet of three attachments and discussions, and one of none."""
    many, few = visits(5), visits(2)
    few.id, few.name = many.id + 1, "sheet_attachments"
    beside = {
        ("attachments", many.id): [attachment(number) for number in range(3)],
        ("discussions", many.id): [discussion(number) for number in range(3)],
    }
    with serving(SmartsheetServer(sheets=[many, few], beside=beside)) as double:
        assert isinstance(double, SmartsheetServer)
        yield double


def read(server: SmartsheetServer, name: str) -> list[dict[str, Any]]:
    values = {
        "credentials": {"auth_type": "access_token", "access_token": server.token},
        "base_url": f"{server.url}/2.0",
        "attachments": True,
        "discussions": True,
    }
    passed = [0.0]

    def wait(seconds: float) -> None:
        passed[0] += seconds

    made = SmartsheetSource(
        parse_config(SmartsheetConfig, values),
        limiter=pace(clock=lambda: passed[0], sleep=wait),
        sleep=wait,
    )
    stream = next(stream for stream in made.streams() if stream.name == name)
    rows: list[dict[str, Any]] = []
    for page in stream.read(ReadRequest(mode=SyncMode.FULL_REFRESH)):
        assert not isinstance(page, State)
        rows.extend(page)
    return rows


def test_attachments_of_all_sheets_are_rows(server: SmartsheetServer) -> None:
    found = read(server, "sheet_attachments")
    assert [row["id"] for row in found] == [BIG, BIG + 1, BIG + 2]
    assert {row["sheet_id"] for row in found} == {server.sheets[0].id}
    first = {name: found[0][name] for name in ("name", "size_in_kb", "created_by", "description")}
    assert first == {
        "name": "Letter 0.pdf",
        "size_in_kb": 0,
        "created_by": PERSON,
        "description": None,
    }


def test_discussions_come_with_their_comments(server: SmartsheetServer) -> None:
    found = read(server, "sheet_discussions")
    assert [row["comments"][0]["id"] for row in found] == [BIG, BIG + 1, BIG + 2]
    assert [row["read_only"] for row in found] == [False] * 3


def test_sheet_of_the_same_name_gets_its_id(server: SmartsheetServer) -> None:
    name = f"sheet_attachments_{server.sheets[1].id}"
    assert len(read(server, name)) == 2


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_that_pass_lose_nothing(server: SmartsheetServer, fault: str) -> None:
    server.faults.append(fault)
    assert len(read(server, "sheet_attachments")) == 3


def test_sheet_that_may_not_be_read_is_named(server: SmartsheetServer) -> None:
    server.forbidden.add(server.sheets[1].id)
    with pytest.raises(AccessDenied, match=str(server.sheets[1].id)):
        read(server, "sheet_discussions")


@pytest.mark.filterwarnings("ignore:ssl.OP_NO_:DeprecationWarning")
def test_client_sees_the_same(server: SmartsheetServer) -> None:
    client = smartsheet.Smartsheet(server.token, api_base=f"{server.url}/2.0")
    logging.getLogger("smartsheet").setLevel(logging.CRITICAL)
    sheet = server.sheets[0].id
    files = client.Attachments.list_all_attachments(sheet, include_all=True).data
    talks = client.Discussions.get_all_discussions(sheet, include="comments", include_all=True).data
    assert [one.id for one in files] == [row["id"] for row in read(server, "sheet_attachments")]
    assert [one.comments[0].text for one in talks] == ["ठीक है"] * 3
    client._session.close()
