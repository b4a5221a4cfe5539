from __future__ import annotations

from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from penstock.errors import DataError, UnknownName
from tests.unit.sources.file.reading_files import kinds_of, rows_of, stream_of, written

AT = datetime.fromisoformat("2024-02-29T10:00:01")
MIDNIGHT = datetime.fromisoformat("2024-03-01T00:00:00")


def workbook(path: Path, **sheets: list[list[Any]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_cells_arrive_in_their_own_kind(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "a.xlsx",
        data=[
            ["id", "pin", "at", "day", "clock", "n", "ok", "mixed", "empty"],
            [
                1,
                "007",
                AT,
                date(2024, 1, 1),
                time(1, 2),
                1.5,
                True,
                1,
                None,
            ],
            [2, "8", MIDNIGHT, date(2024, 1, 2), None, 2, False, "x", None],
        ],
    )
    stream = stream_of(path)
    assert kinds_of(stream) == {
        "id": "integer",
        "pin": "string",
        "at": "timestamp",
        "day": "date",
        "clock": "time",
        "n": "number",
        "ok": "boolean",
        "mixed": "string",
        "empty": "string",
    }
    first, second = rows_of(stream)
    assert first["at"] == AT
    assert second["at"] == MIDNIGHT
    assert (first["pin"], first["clock"], first["mixed"]) == ("007", time(1, 2), "1")
    assert (second["id"], second["n"], second["ok"], second["day"]) == (
        2,
        2,
        False,
        date(2024, 1, 2),
    )


def test_a_sheet_is_chosen_by_name_or_number(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", one=[["a"], [1]], two=[["b"], [2]])
    assert rows_of(stream_of(path)) == [{"a": 1}]
    assert rows_of(stream_of(path, options={"sheet": "two"})) == [{"b": 2}]
    assert rows_of(stream_of(path, options={"sheet": "2"})) == [{"b": 2}]
    with pytest.raises(UnknownName, match="'one', 'two'"):
        rows_of(stream_of(path, options={"sheet": "three"}))


def test_empty_rows_are_skipped_and_the_header_is_the_first_filled_one(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", s=[[], ["a", "b"], [1, None], [], [None, 2]])
    assert rows_of(stream_of(path)) == [{"a": 1, "b": None}, {"a": None, "b": 2}]


def test_error_cells_are_null_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    book = openpyxl.Workbook()
    book.active.append(["a", "b"])
    book.active.append([1, "#N/A"])
    book.active["B2"].data_type = "e"
    book.save(tmp_path / "a.xlsx")
    assert rows_of(stream_of(tmp_path / "a.xlsx")) == [{"a": 1, "b": None}]
    (note,) = [record.__dict__["note"] for record in caplog.records]
    assert note == "1 cells hold formula errors, read as null: B2 #N/A"


def test_a_cell_beyond_the_header_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", s=[["a"], [1], [2, "lost"]])
    with pytest.raises(DataError, match="row 3 has cells to the right"):
        rows_of(stream_of(path))


def test_a_broken_workbook_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a whole Excel file"):
        rows_of(stream_of(written(tmp_path / "a.xlsx", b"PK\x03\x04 nothing")))
