"""Smartsheet sheets and reports: every cell exactly, every change once, whatever goes wrong."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from penstock.errors import AccessDenied, ConfigError, DataError, PenstockError, TransientError
from penstock.protocol.catalog import SyncMode
from penstock.sdk.config import parse_config
from penstock.sdk.stream import ReadRequest, State
from penstock.sources.smartsheet import SmartsheetConfig, SmartsheetSource
from penstock.sources.smartsheet.source import pace
from tests.doubles.smartsheet_server import (
    FIRST_ID,
    Report,
    Sheet,
    SmartsheetServer,
    choices,
    columns_of,
    contact,
    contacts,
    duration,
    every_type,
    predecessors,
    visits,
)
from tests.doubles.vendor import FAULTS, serving

TOKEN = {"auth_type": "access_token", "access_token": "canary-access-1"}
NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
DELETED = "_ab_cdc_deleted_at"


class Clock:
    """Time that passes when the source waits, or when the test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.waits: list[float] = []

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)

    def read(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.pass_by(seconds)

    def pass_by(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> Iterator[SmartsheetServer]:
    """An account with one sheet of 95 visits, ten a page."""
    with serving(SmartsheetServer(sheets=[visits(95)], largest_page=10)) as double:
        assert isinstance(double, SmartsheetServer)
        yield double


def source(server: SmartsheetServer, clock: Clock, **settings: Any) -> SmartsheetSource:
    values = {"credentials": TOKEN, "base_url": f"{server.url}/2.0", **settings}
    config = parse_config(SmartsheetConfig, values)
    limiter = pace(clock=clock.read, sleep=clock.pass_by)
    return SmartsheetSource(config, limiter=limiter, sleep=clock.sleep, now=clock.now)


def read(
    made: SmartsheetSource,
    name: str = "Visits",
    state: Mapping[str, Any] | None = None,
    mode: SyncMode = SyncMode.INCREMENTAL,
) -> tuple[list[dict[str, Any]], list[Mapping[str, Any]]]:
    stream = next(stream for stream in made.streams() if stream.name == name)
    rows: list[dict[str, Any]] = []
    states: list[Mapping[str, Any]] = []
    for item in stream.read(ReadRequest(mode=mode, state=state)):
        if isinstance(item, State):
            states.append(item.value)
        else:
            rows.extend(item)
    return rows, states


def ids(rows: list[dict[str, Any]]) -> list[int]:
    return [row["row_id"] for row in rows]


def test_cell_of_each_type_arrives_as_what_it_is(server: SmartsheetServer, clock: Clock) -> None:
    sheet = every_type()
    server.sheets = [sheet]
    sheet.add(
        {
            "Text Number": 0,
            "Date": "2024-05-01",
            "Datetime": "2024-05-01T10:00:00Z",
            "Abstract Datetime": "2024-05-01T08:00:00",
            "Checkbox": False,
            "Contact List": contact("asha@example.org", "Asha"),
            "Multi Contact List": contacts(("a@example.org", "A"), ("b@example.org", "B")),
            "Picklist": "Red",
            "Multi Picklist": choices("x", "y, z"),
            "Duration": duration("4d 6h", days=4, hours=6),
            "Predecessor": predecessors("1FS", FIRST_ID),
        }
    )
    sheet.add({"Text Number": 12.5, "Checkbox": True, "Contact List": {"value": "nobody"}})
    sheet.add({})
    first, second, third = read(source(server, clock), "Every type")[0]
    assert {title: first[title] for title in (c["title"] for c in sheet.columns)} == {
        "Text Number": "0",
        "Date": "2024-05-01",
        "Datetime": "2024-05-01T10:00:00Z",
        "Abstract Datetime": "2024-05-01T08:00:00",
        "Checkbox": False,
        "Contact List": {"email": "asha@example.org", "name": "Asha"},
        "Multi Contact List": [
            {"email": "a@example.org", "name": "A"},
            {"email": "b@example.org", "name": "B"},
        ],
        "Picklist": "Red",
        "Multi Picklist": ["x", "y, z"],
        "Duration": {"text": "4d 6h", "days": 4, "hours": 6},
        "Predecessor": {
            "text": "1FS",
            "predecessors": [{"rowId": FIRST_ID, "rowNumber": 1, "type": "FS"}],
        },
    }
    assert (second["Text Number"], second["Checkbox"]) == ("12.5", True)
    assert second["Contact List"] == {"email": None, "name": "nobody"}
    assert {third[column["title"]] for column in sheet.columns} == {None}
    assert (first["row_id"], first["row_number"], first["row_unfit"]) == (FIRST_ID, 1, None)
    assert first["row_created_by"] == {"email": "asha@example.org", "name": "Asha"}
    assert first["row_modified_by"] == {"email": "asha@example.org", "name": None}


def test_cells_left_empty_move_no_other_cell(server: SmartsheetServer, clock: Clock) -> None:
    rows, _ = read(source(server, clock))
    assert rows[1]["Patient"] == "Zoë 🩺 1"
    assert {name: rows[1][name] for name in ("Fee", "Day", "Paid", "Nurse", "Ward")} == {
        "Fee": None,
        "Day": None,
        "Paid": None,
        "Nurse": None,
        "Ward": None,
    }
    assert (rows[3]["Fee"], rows[3]["Day"], rows[3]["Paid"]) == (None, "2024-06-04", False)


def test_what_does_not_fit_its_column_is_kept_beside_it(
    server: SmartsheetServer, clock: Clock
) -> None:
    sheet = every_type()
    server.sheets = [sheet]
    sheet.add({"Date": "next week", "Checkbox": "maybe", "Multi Picklist": {"value": "odd"}})
    sheet.add({"Text Number": {"value": "#NO MATCH", "formula": "=VLOOKUP(1)"}})
    sheet.add({"Text Number": "#NO MATCH"})
    first, second, third = read(source(server, clock), "Every type")[0]
    assert first["row_unfit"] == {
        "Date": "next week",
        "Checkbox": "maybe",
        "Multi Picklist": "odd",
    }
    assert (first["Date"], first["Checkbox"], first["Multi Picklist"]) == (None, None, None)
    assert (second["Text Number"], second["row_unfit"]) == (None, {"Text Number": "#NO MATCH"})
    assert (third["Text Number"], third["row_unfit"]) == ("#NO MATCH", None)


def test_columns_the_user_says_hold_numbers_do(server: SmartsheetServer, clock: Clock) -> None:
    sheet = server.sheets[0]
    sheet.edit(sheet.rows[0], "Fee", "free of charge")
    sheet.edit(sheet.rows[2], "Fee", 9007199254740993.25)
    sheet.edit(sheet.rows[1], "Fee", "007")
    made = source(server, clock, column_kinds={"Fee": "decimal"})
    rows, _ = read(made)
    stream = made.streams()[0]
    assert stream.json_schema["properties"]["Fee"]["airbyte_type"] == "big_number"
    assert [row["row_unfit"] for row in rows[:2]] == [{"Fee": "free of charge"}, {"Fee": "007"}]
    assert rows[4]["Fee"] == 4


def test_titles_that_are_taken_get_a_number(server: SmartsheetServer, clock: Clock) -> None:
    columns = columns_of(("row_id", "TEXT_NUMBER"), ("Name", "TEXT_NUMBER"), ("SPARKLE", "NEW"))
    sheet = Sheet(id=9, name="Odd", columns=columns)
    server.sheets = [sheet]
    sheet.add({"row_id": "mine", "Name": "x", "SPARKLE": 1})
    row = read(source(server, clock), "Odd")[0][0]
    assert (row["row_id"], row["row_id_2"], row["SPARKLE"]) == (FIRST_ID, "mine", "1")


def test_unchanged_sheet_is_asked_for_nothing_but_its_version(
    server: SmartsheetServer, clock: Clock
) -> None:
    _, states = read(source(server, clock))
    server.asked.clear()
    assert read(source(server, clock), state=states[-1]) == ([], [states[-1]])
    asked = [request.query for request in server.asked if request.path.endswith("0004")]
    assert [query["ifVersionAfter"] for query in asked] == [str(server.sheets[0].version)]


def test_later_sync_gives_what_is_new_changed_and_gone(
    server: SmartsheetServer, clock: Clock
) -> None:
    sheet = server.sheets[0]
    _, states = read(source(server, clock))
    gone = sheet.rows[40]
    sheet.delete(gone)
    sheet.edit(sheet.rows[7], "Paid", True)
    new = sheet.add({"Patient": "new"})
    rows, later = read(source(server, clock), state=states[-1])
    # Rows below the deleted one have another number now: that is a change, too.
    moved = [row["id"] for row in sheet.rows[40:-1]]
    assert [sheet.rows[7]["id"], *moved, new["id"], gone["id"]] == ids(rows)
    tombstone = rows[-1]
    assert (tombstone["sheet_id"], tombstone[DELETED][:10]) == (sheet.id, "2024-06-01")
    assert tombstone["row_modified_at"] == tombstone[DELETED]
    assert read(source(server, clock), state=later[-1])[0] == []


def test_columns_that_are_not_wanted_make_no_row_news(
    server: SmartsheetServer, clock: Clock
) -> None:
    sheet = server.sheets[0]
    stream = source(server, clock).streams()[0]
    fields = tuple(name for name in stream.json_schema["properties"] if name != "row_number")
    request = ReadRequest(mode=SyncMode.INCREMENTAL, fields=fields)
    *_, last = stream.read(request)
    assert isinstance(last, State)
    new = sheet.add({"Patient": "new"}, at_top=True)
    later = stream.read(replace(request, state=last.value))
    assert [new["id"]] == [id for page in later if isinstance(page, list) for id in ids(page)]


def test_formula_that_gives_something_else_is_found_in_time(
    server: SmartsheetServer, clock: Clock
) -> None:
    sheet = server.sheets[0]
    _, states = read(source(server, clock))
    sheet.recalculate(sheet.rows[5], "Fee", 99)
    assert read(source(server, clock), state=states[-1])[0] == []
    clock.pass_by(25 * 3600)
    rows, _ = read(source(server, clock), state=states[-1])
    assert [(sheet.rows[5]["id"], "99")] == [(row["row_id"], row["Fee"]) for row in rows]
    sheet.recalculate(sheet.rows[5], "Fee", 98)
    always = source(server, clock, compare_every_hours=0)
    assert [row["Fee"] for row in read(always, state=states[-1])[0]] == ["98"]


def test_each_state_continues_with_the_rows_after_it(
    server: SmartsheetServer, clock: Clock
) -> None:
    whole, states = read(source(server, clock))
    assert len(states) == 11
    for place, state in enumerate(states[:-1], 1):
        rest, _ = read(source(server, clock), state=state)
        assert whole[place * 10 :] == rest


@pytest.mark.parametrize("mode", [SyncMode.FULL_REFRESH, SyncMode.INCREMENTAL])
@pytest.mark.parametrize(
    "change", ["delete above", "add above", "edit above", "edit below", "delete below"]
)
def test_rows_changed_between_pages_lose_no_other_row(
    server: SmartsheetServer, clock: Clock, change: str, mode: SyncMode
) -> None:
    sheet = server.sheets[0]
    before = [row["id"] for row in sheet.rows]
    pages = [0]

    def meddle() -> None:
        pages[0] += 1
        if pages[0] not in (3, 5):
            return
        match change:
            case "delete above":
                sheet.delete(sheet.rows[2])
            case "delete below":
                sheet.delete(sheet.rows[-2])
            case "add above":
                sheet.add({"Patient": "new"}, at_top=True)
            case "edit above":
                sheet.edit(sheet.rows[0], "Ward", f"edited {pages[0]}")
            case _:
                sheet.edit(sheet.rows[-1], "Ward", f"edited {pages[0]}")

    server.after_page = meddle
    rows, states = read(source(server, clock), mode=mode)
    after = [row["id"] for row in sheet.rows]
    alive = {row["row_id"] for row in rows} - {row["row_id"] for row in rows if row[DELETED]}
    if mode is SyncMode.INCREMENTAL:
        assert set(after) == alive
        newest = {row["row_id"]: row for row in rows}
        wards = {row["id"]: row["cells"].get(sheet.column("Ward"), {}) for row in sheet.rows}
        assert {id: ward.get("value") for id, ward in wards.items()} == {
            id: newest[id]["Ward"] for id in wards
        }
        assert read(source(server, clock), state=states[-1])[0] == []
    else:
        assert len(ids(rows)) == len(set(ids(rows)))
        assert set(after) & set(before) <= alive


def test_sheet_that_never_rests_is_said_to_be_so(server: SmartsheetServer, clock: Clock) -> None:
    sheet = server.sheets[0]
    server.after_page = lambda: sheet.edit(sheet.rows[0], "Ward", f"edited {sheet.version}")
    with pytest.raises(TransientError, match="changed each of the 6 times"):
        read(source(server, clock))


@pytest.mark.parametrize("fault", [*FAULTS, "again"])
def test_fault_on_any_page_loses_nothing(
    server: SmartsheetServer, clock: Clock, fault: str
) -> None:
    server.faults.extend([None, None, None, fault, None, fault])
    rows, _ = read(source(server, clock))
    assert [row["id"] for row in server.sheets[0].rows] == sorted(set(ids(rows)))
    assert len(rows) == 95


def test_refusal_without_a_wait_waits_for_the_next_minute(
    server: SmartsheetServer, clock: Clock
) -> None:
    made = source(server, clock)
    server.faults.extend([None, "429"])
    read(made)
    assert max(clock.waits) >= 60
    clock.waits.clear()
    server.faults.extend([None, "429:7"])
    read(made)
    assert 7 <= max(clock.waits) < 9


def test_report_tells_rows_of_several_sheets_apart(server: SmartsheetServer, clock: Clock) -> None:
    first, second = visits(15), visits(12, id=1330000000000004, name="Others")
    report = Report(id=55, name="All", sheets=[first, second], titles=["Patient", "Paid"])
    server.sheets, server.reports = [first, second], [report]
    made = source(server, clock, reports=["55"])
    stream = made.streams()[0]
    assert stream.primary_key == (("sheet_id",), ("row_id",))
    rows, states = read(made, "All")
    assert [(sheet.id, row["id"]) for sheet, row in report.rows()] == [
        (row["sheet_id"], row["row_id"]) for row in rows
    ]
    assert {row["Sheet Name"] for row in rows} == {"Visits", "Others"}
    gone = second.rows[3]
    second.delete(gone)
    changed, _ = read(made, "All", state=states[-1])
    assert [(second.id, gone["id"])] == [
        (row["sheet_id"], row["row_id"]) for row in changed if row[DELETED]
    ]


def test_report_is_read_until_two_readings_agree(server: SmartsheetServer, clock: Clock) -> None:
    report = Report(id=55, name="All", sheets=server.sheets, titles=["Patient"])
    server.reports = [report]
    sheet = server.sheets[0]
    pages = [0]

    def swap() -> None:
        pages[0] += 1
        if pages[0] == 6:  # as many rows as before, but those between have moved a page up
            sheet.delete(sheet.rows[2])
            sheet.add({"Patient": "new"})

    made = source(server, clock, reports=["55"])
    made.streams()
    server.after_page = swap
    rows, _ = read(made, "All")
    present = {row["row_id"] for row in rows} - {row["row_id"] for row in rows if row[DELETED]}
    assert {row["id"] for row in sheet.rows} == present


def test_summary_report_is_read_whole(server: SmartsheetServer, clock: Clock) -> None:
    report = Report(id=55, name="Sums", sheets=server.sheets, titles=["Patient"], is_summary=True)
    server.reports = [report]
    made = source(server, clock, reports=["55"])
    stream = made.streams()[0]
    assert (stream.modes, stream.primary_key, stream.cursor) == ((SyncMode.FULL_REFRESH,), (), None)
    pages = [0]

    def add_one() -> None:
        pages[0] += 1
        if pages[0] == 4:
            server.sheets[0].add({"Patient": "new"}, at_top=True)

    server.after_page = add_one
    rows, _ = read(made, "Sums", mode=SyncMode.FULL_REFRESH)
    assert [row["Patient"] for row in rows] == [
        "new",
        *(f"Zoë 🩺 {number}" for number in range(95)),
    ]


def test_report_that_hides_rows_is_told_of(
    server: SmartsheetServer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    report = Report(id=55, name="All", sheets=server.sheets, titles=["Patient"], hidden=5)
    server.reports = [report]
    made = source(server, clock, reports=["55"])
    assert len(read(made, "All")[0]) == 95
    assert "says it has 100 rows, and shows 95" in caplog.text
    report.hidden = 60_000
    with pytest.raises(DataError, match="no more than 50000"):
        read(made, "All")


def test_workspace_gives_the_sheets_in_its_folders(server: SmartsheetServer, clock: Clock) -> None:
    many = [visits(1, id=1000 + n, name=f"Sheet {n % 4}") for n in range(5)]
    server.sheets += many
    children = [{"id": s.id, "name": s.name, "resourceType": "sheet"} for s in many]
    folder = {"id": 7, "name": "Older", "resourceType": "folder"}
    server.workspaces = {6: [*children[:3], folder], 7: children[3:]}
    found = source(server, clock, workspaces=["6"]).streams()
    assert [stream.name for stream in found] == [
        "Sheet 0_1000",
        "Sheet 1",
        "Sheet 2",
        "Sheet 3",
        "Sheet 0_1004",
    ]


def test_everything_the_user_sees_is_a_stream_by_default(
    server: SmartsheetServer, clock: Clock
) -> None:
    server.reports = [Report(id=55, name="All", sheets=server.sheets, titles=["Paid"])]
    assert [stream.name for stream in source(server, clock).streams()] == ["Visits", "All"]
    server.sheets, server.reports = [], []
    assert source(server, clock).streams() == ()


def test_settings_of_airbytes_connector_are_read(server: SmartsheetServer, clock: Clock) -> None:
    made = source(
        server,
        clock,
        spreadsheet_id="1220000000000004",
        metadata_fields=["row_id"],
        start_datetime="2000-01-01T00:00:00",
    )
    made.check()
    assert [stream.name for stream in made.streams()] == ["Visits"]


def test_refresh_token_is_kept_before_it_is_used(server: SmartsheetServer, clock: Clock) -> None:
    app = {
        "auth_type": "oauth2.0",
        "client_id": "app",
        "client_secret": "canary-client",
        "refresh_token": "canary-refresh-1",
    }
    kept: list[Mapping[str, Any]] = []
    made = source(server, clock, credentials=app)
    made.keep_changes_with(kept.append)
    made.check()
    assert kept == [{"credentials": {"refresh_token": "canary-refresh-2"}}]

    def expire() -> None:
        server.is_expired = len(server.asked) == 6

    server.after_page = expire
    rows, _ = read(made)
    assert len(rows) == 95
    assert kept[1:] == [{"credentials": {"refresh_token": "canary-refresh-3"}}]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"sheets": ["1"]}, "sheet 1 (setting sheets) does not exist"),
        ({"reports": ["2"]}, "report 2 (setting reports) does not exist"),
        ({"workspaces": ["3"]}, "workspace 3 (setting workspaces) does not exist"),
        ({"sheets": ["1220000000000004"]}, "(setting sheets) may not be read"),
        (
            {"credentials": {"auth_type": "access_token", "access_token": "canary-wrong"}},
            "Smartsheet refuses the credentials",
        ),
        (
            {
                "credentials": {
                    "auth_type": "oauth2.0",
                    "client_id": "app",
                    "client_secret": "canary-wrong",
                    "refresh_token": "canary-refresh-1",
                }
            },
            "invalid_client",
        ),
    ],
    ids=["sheet", "report", "workspace", "forbidden", "token", "client"],
)
def test_check_says_what_is_wrong_in_one_sentence(
    server: SmartsheetServer,
    clock: Clock,
    settings: dict[str, Any],
    words: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.forbidden.add(1220000000000004)
    with caplog.at_level(logging.DEBUG), pytest.raises(ConfigError) as caught:
        source(server, clock, **settings).check()
    assert words in caught.value.message
    assert caught.value.remedy
    assert "canary" not in f"{caught.value}{caught.value.context}{caplog.text}"


def test_no_secret_shows_when_the_server_repeats_it(
    server: SmartsheetServer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    made = source(server, clock)
    made.streams()
    server.forbidden.add(server.sheets[0].id)
    server.refused = (  # type: ignore[method-assign]
        lambda status, code, message: type(server).refused(server, status, code, server.token)
    )
    with caplog.at_level(logging.DEBUG), pytest.raises(AccessDenied) as caught:
        read(made)
    error: PenstockError = caught.value
    assert "canary" not in f"{error}{error.context}{caplog.text}"


def test_pace_is_three_hundred_requests_in_any_minute(clock: Clock) -> None:
    limiter = pace(clock=clock.read, sleep=clock.pass_by)
    moments = []
    for _ in range(900):
        limiter.wait()
        moments.append(clock.seconds)
    assert all(later - first >= 60 for first, later in zip(moments, moments[300:], strict=False))
