from __future__ import annotations

import csv
import io
import math
import string
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import DataError
from tests.unit.sources.file.reading_files import items_of, kinds_of, rows_of, stream_of, written


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "-2", "0", "9223372036854775807"], "integer"),
        (["1", "", "3"], "integer"),
        (["007", "8"], "string"),
        (["+5"], "string"),
        (["-0"], "number"),
        (["1 "], "string"),
        (["9223372036854775808"], "big_integer"),
        (["9" * 38], "big_integer"),
        (["9" * 39], "string"),
        (["19.99", "20"], "number"),
        (["1e5", "2.5E-3"], "number"),
        (["0.30000000000000004"], "number"),
        (["0.10000000000000001"], "number"),
        (["0.12345678901234567890"], "string"),
        (["12345678901234567.89"], "decimal"),
        (["123456789012345678901.5"], "decimal"),
        (["1e400"], "string"),
        (["1e-400"], "string"),
        (["NaN"], "string"),
        (["9999999999999999", "1.5"], "decimal"),
        (["0.30000000000000004", "nan"], "string"),
        (["0.30000000000000004", "inf"], "string"),
        (["1.", ".5"], "string"),
        (["01.5"], "string"),
        (["true", "False", "TRUE"], "boolean"),
        (["yes", "no"], "string"),
        (["t"], "string"),
        (["2024-02-29"], "date"),
        (["2023-02-29"], "string"),
        (["03/04/2025"], "string"),
        (["0000-01-01"], "string"),
        (["2024-01-01", "2024-01-01T10:00"], "string"),
        (["2024-01-01T10:00", "2024-01-01 10:00:00.123456"], "timestamp"),
        (["2024-01-01 10:00:00.1234567"], "string"),
        (["2024-01-01 10:00:00.123456000"], "timestamp"),
        (["2024-01-01T24:00:00"], "string"),
        (["2024-01-01T10:00:00Z", "2024-01-01 10:00:00+05:30"], "timestamp_tz"),
        (["2024-01-01T10:00:00Z", "2024-01-01 10:00:00"], "string"),
        (["10:00:00", "23:59:59.5"], "time"),
        (["10:00"], "string"),
        (["24:00:00"], "string"),
        (["", ""], "string"),
        (["infinity"], "string"),
        (['{"a": 1}'.replace('"', "'")], "string"),
    ],
)
def test_a_column_gets_the_first_kind_that_holds_every_value(
    tmp_path: Path, cells: list[str], kind: str
) -> None:
    path = written(tmp_path / "a.csv", "x,y\n" + "".join(f"{cell},k\n" for cell in cells))
    assert kinds_of(stream_of(path))["x"] == kind


@pytest.mark.parametrize("late", ["007", "x", "1.5", "2024-01-01"])
def test_a_value_after_any_sample_decides_too(tmp_path: Path, late: str) -> None:
    path = written(
        tmp_path / "a.csv", "x,y\n" + "1,k\n" * 30_000 + f"{late},k\n" + "2,k\n" * 30_000
    )
    stream = stream_of(path)
    assert kinds_of(stream)["x"] == ("number" if late == "1.5" else "string")
    rows = rows_of(stream)
    assert len(rows) == 60_001
    assert str(rows[30_000]["x"]) == late


def test_values_arrive_exact_and_typed(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.csv",
        "i,big,dec,num,flag,day,at,when,clock,pin,text\n"
        "9223372036854775807,18446744073709551616,12345678901234567.89,0.1,TRUE,2024-02-29,"
        '2024-01-01T10:00,2024-01-01T10:00:00+05:30,10:00:00.5,0123,"a\r\n""b"""\n'
        ",,,,,,,,,,\n",
    )
    rows = rows_of(stream_of(path))
    assert rows[0] == {
        "i": 2**63 - 1,
        "big": Decimal(2**64),
        "dec": Decimal("12345678901234567.890000000"),
        "num": 0.1,
        "flag": True,
        "day": date(2024, 2, 29),
        "at": datetime(2024, 1, 1, 10, 0),  # noqa: DTZ001
        "when": datetime(2024, 1, 1, 4, 30, tzinfo=UTC),
        "clock": time(10, 0, 0, 500_000),
        "pin": "0123",
        "text": 'a\r\n"b"',
    }
    assert set(rows[1].values()) == {None}


def test_an_empty_cell_is_null_and_a_quoted_one_is_empty_text(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", 'x,n\n"",""\n,\n"a","1"\nNA,2\n"NA",3\n')
    plain = rows_of(stream_of(path))
    assert [row["x"] for row in plain] == ["", None, "a", "NA", "NA"]
    assert [row["n"] for row in plain] == [None, None, 1, 2, 3]
    named = rows_of(stream_of(path, options={"nulls": ("NA",)}))
    assert [row["x"] for row in named] == ["", None, "a", None, "NA"]


def test_a_column_asked_for_as_text_keeps_the_text_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "x,y\n1.50,TRUE\n2,false\n")
    stream = stream_of(path, columns={"x": "string", "y": "string"})
    assert rows_of(stream) == [{"x": "1.50", "y": "TRUE"}, {"x": "2", "y": "false"}]


def test_a_value_that_does_not_fit_the_asked_kind_travels_as_text(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "x,y\n1,a\nn/a,b\n")
    stream = stream_of(path, columns={"x": "integer"})
    assert kinds_of(stream)["x"] == "integer"
    assert [row["x"] for row in rows_of(stream)] == ["1", "n/a"]


def test_files_of_one_stream_share_the_widest_kind(tmp_path: Path) -> None:
    written(tmp_path / "1.csv", "id,code,only\n1,007,x\n")
    written(tmp_path / "2.csv", "code,id\n12,1.5\n")
    stream = stream_of(tmp_path / "*.csv", file_columns=False)
    assert kinds_of(stream) == {"id": "number", "code": "string", "only": "string"}
    by_code = {row["code"]: row for row in rows_of(stream)}
    assert by_code["007"] == {"id": 1, "code": "007", "only": "x"}
    assert by_code["12"] == {"code": "12", "id": 1.5}


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("a,b\n1,2\n3\n4,5\n", 3, "has 1 cells; the header promises 2"),
        ("a,b\n1,2\n3,4,5\n", 3, "has 3 cells; the header promises 2"),
        ('a,b\n1,"2\n3,4\n', 2, "a quote that is not closed"),
        ('a,b\n1,"x"y\n3,4\n', 2, "a quote that is not closed"),
        (b"a,b\n1,2\n3,\xff4\n", 3, "is not UTF-8 text"),
        ("a,b\n" + "1,2\n" * 100_000 + "1,2,3\n" + "1,2\n" * 100_000, 100_002, "has 3 cells"),
    ],
)
def test_a_broken_line_is_named(
    tmp_path: Path, content: str | bytes, line: int, words: str
) -> None:
    path = written(tmp_path / "a.csv", content)
    with pytest.raises(DataError, match=words) as caught:
        rows_of(stream_of(path))
    assert caught.value.context["line"] == line
    assert caught.value.context["file"] == str(path)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_marks_do_not_matter(
    tmp_path: Path, ending: str, mark: str
) -> None:
    path = written(tmp_path / "a.csv", mark + ending.join(["a,b", "1,ü", "2,"]))
    assert rows_of(stream_of(path)) == [{"a": 1, "b": "ü"}, {"a": 2, "b": None}]


def test_mixed_line_ends_are_read_or_refused_but_never_lost(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "a,b\n1,2\r\n3,4\n5,6\r\n")
    try:
        rows = rows_of(stream_of(path))
    except DataError as error:
        assert "mixed line ends" in str(error)  # noqa: PT017
    else:
        assert rows == [{"a": 1, "b": 2}, {"a": 3, "b": 4}, {"a": 5, "b": 6}]


@pytest.mark.parametrize("content", ["a,b\n", "a,b"])
def test_a_header_alone_is_a_table_without_rows(tmp_path: Path, content: str) -> None:
    stream = stream_of(written(tmp_path / "a.csv", content))
    assert kinds_of(stream) == {"a": "string", "b": "string"}
    assert rows_of(stream) == []


def test_an_empty_file_has_no_columns_and_no_rows(tmp_path: Path) -> None:
    stream = stream_of(written(tmp_path / "a.csv", ""))
    assert kinds_of(stream) == {}
    assert rows_of(stream) == []


def test_double_and_missing_header_names_are_made_unique(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "id,,id,ID,id_2\n1,2,3,4,5\n")
    assert rows_of(stream_of(path)) == [{"id": 1, "column_2": 2, "id_3": 3, "ID": 4, "id_2": 5}]


def test_a_file_without_header_gets_numbered_columns(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "1,x\n2,y\n")
    assert rows_of(stream_of(path, options={"header": False})) == [
        {"f0": 1, "f1": "x"},
        {"f0": 2, "f1": "y"},
    ]
    named = stream_of(path, options={"header": False, "column_names": ("n", "s")})
    assert rows_of(named) == [{"n": 1, "s": "x"}, {"n": 2, "s": "y"}]


def test_lines_above_the_header_are_skipped_on_request(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "Report of 2025\n\na,b\n1,2\n")
    assert rows_of(stream_of(path, options={"skip_rows": 2})) == [{"a": 1, "b": 2}]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    table = [["id", "text"], ["1", "a, b; c | d"], ["2", "x"]]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(table)
    path = written(tmp_path / "a.csv", text.getvalue())
    assert rows_of(stream_of(path)) == [{"id": 1, "text": "a, b; c | d"}, {"id": 2, "text": "x"}]


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "latin-1", "utf-8-sig"])
def test_other_encodings_are_read_when_named(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path / "a.csv", "a,b\n1,é\n".encode(encoding))
    assert rows_of(stream_of(path, options={"encoding": encoding})) == [{"a": 1, "b": "é"}]


def test_five_thousand_columns_are_read(tmp_path: Path) -> None:
    names = [f"n{index}" for index in range(5_000)]
    lines = [",".join(names), *(",".join(["1", "02"] * 2_500) for _ in range(3))]
    stream = stream_of(written(tmp_path / "a.csv", "\n".join(lines) + "\n"))
    rows = rows_of(stream)
    assert len(rows) == 3
    assert list(rows[0]) == names
    assert (rows[2]["n0"], rows[2]["n4999"]) == (1, "02")


@pytest.mark.parametrize("cell", ["x" * 10, '"' + "x" * 8 + '"', '"' + "x" * 7 + '\n"'])
@pytest.mark.parametrize("megabytes", [3, 9])
@pytest.mark.parametrize(("before", "after"), [(0, 0), (300_000, 0), (0, 300_000)])
def test_very_long_lines_are_never_lost(
    tmp_path: Path, cell: str, megabytes: float, before: int, after: int
) -> None:
    inner = cell.strip('"')
    long = inner * int(megabytes * 1_000_000 / len(inner))
    written_cell = f'"{long}"' if cell.startswith('"') else long
    line = "1,2\n"
    text = f"a,b\n{line * before}1,{written_cell}\n{line * after}"
    batches = [
        batch
        for batch in items_of(stream_of(written(tmp_path / "a.csv", text)))
        if isinstance(batch, pa.RecordBatch)
    ]
    column = pa.chunked_array([batch.column("b") for batch in batches])
    assert len(column) == before + 1 + after
    assert column[before].as_py() == long


def test_quoted_line_ends_do_not_change_the_count(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "note"])
        writer.writerows([number, f'line\n{number},"\n' * (number % 7)] for number in range(50_000))
    with path.open(newline="") as stream:
        counted = sum(1 for _ in csv.reader(stream)) - 1
    rows = rows_of(stream_of(path))
    assert counted == 50_000
    assert [row["id"] for row in rows] == list(range(50_000))


_CELLS = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=8),
    st.text(string.digits + "-+.eE", max_size=24),
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.datetimes().map(str),
    st.dates().map(str),
    st.sampled_from(["true", "false", "", "007", "1e5", "0x1F", "1_000", "NULL"]),
)


@settings(max_examples=60)
@given(
    st.integers(1, 3).flatmap(
        lambda width: st.lists(
            st.lists(_CELLS, min_size=width, max_size=width), min_size=1, max_size=5
        )
    ),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_any_table_of_the_csv_module_arrives_with_its_values(
    tmp_path_factory: pytest.TempPathFactory, table: list[list[str]], quoting: int
) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    names = [f"c{index}" for index in range(len(table[0]))]
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, quoting=quoting)
        writer.writerow(names)
        writer.writerows(table)
    rows = rows_of(stream_of(path, options={"delimiter": ","}))
    assert len(rows) == len(table)
    for row, cells in zip(rows, table, strict=True):
        for name, cell in zip(names, cells, strict=True):
            assert _says(row[name], cell), (name, cell, row[name])


def _says(value: object, cell: str) -> bool:  # noqa: PLR0911
    """Tells whether a typed value is what the text of the cell says, independently of our rules."""
    match value:
        case None:
            return cell == ""
        case str():
            return value == cell
        case bool():
            return cell.lower() == str(value).lower()
        case int() | Decimal():
            return Decimal(cell) == value
        case float():
            return math.isfinite(value) and (
                Decimal(repr(value)) == Decimal(cell) or f"{value:.16e}" == f"{Decimal(cell):.16e}"
            )
        case datetime():
            return datetime.fromisoformat(cell) == value
        case date() | time():
            return value.isoformat() == cell
        case _:
            return False
