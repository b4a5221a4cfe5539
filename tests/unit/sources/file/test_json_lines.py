from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import DataError
from penstock.sources.file.long_numbers import may_hold_long_numbers
from tests.unit.sources.file.reading_files import kinds_of, rows_of, stream_of, written


def lines_of(*records: str) -> str:
    return "".join(record + "\n" for record in records)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-2", "null"], "integer"),
        (["9223372036854775807"], "integer"),
        (["9223372036854775808"], "big_integer"),
        (["1", "1.5"], "number"),
        (["1e5"], "number"),
        (["true", "false"], "boolean"),
        (["true", "1"], "string"),
        (['"007"', '"12"'], "string"),
        (['"12"', "12"], "string"),
        (['"2024-02-29"'], "date"),
        (['"2024-02-30"'], "string"),
        (['"2024-02-29T10:00:00Z"', '"2024-02-29 10:00:00+05:30"'], "timestamp_tz"),
        (['"2024-02-29T10:00:00"'], "timestamp"),
        (['"2024-02-29T10:00:00"', '"x"'], "string"),
        (['{"a": 1}', "null"], "json"),
        (["[1, 2]", "3"], "json"),
        (["null"], "string"),
    ],
)
@pytest.mark.parametrize("is_late", [False, True], ids=["first", "late"])
def test_a_key_gets_the_kind_that_holds_every_value(
    tmp_path: Path, values: list[str], kind: str, is_late: bool
) -> None:
    filler = ['{"k": null}'] * (500 if is_late else 0)
    path = written(tmp_path / "a.jsonl", lines_of(*filler, *(f'{{"k": {v}}}' for v in values)))
    assert kinds_of(stream_of(path)) == {"k": kind}


def test_values_arrive_exact_and_typed(tmp_path: Path) -> None:
    record = (
        '{"i": 9007199254740993, "u": 9223372036854775808, "n": 0.1, "b": true, '
        '"day": "2024-02-29", "at": "2024-02-29T10:00:00+05:30", "pin": "0123", '
        '"o": {"z": [1, null, "é"], "big": 9007199254740993}, "t": "a\\n\\"b\\" \\u00e9"}'
    )
    (row,) = rows_of(stream_of(written(tmp_path / "a.jsonl", record)))
    assert json.loads(row.pop("o")) == {"z": [1, None, "é"], "big": 9007199254740993}
    assert row == {
        "i": 9007199254740993,
        "u": Decimal(2**63),
        "n": 0.1,
        "b": True,
        "day": date(2024, 2, 29),
        "at": datetime(2024, 2, 29, 4, 30, tzinfo=UTC),
        "pin": "0123",
        "t": 'a\n"b" é',
    }


def test_a_key_after_any_sample_becomes_a_column(tmp_path: Path) -> None:
    text = lines_of(*['{"a": 1}'] * 5_000, '{"a": 2, "late": "x"}', *['{"a": 3}'] * 5_000)
    stream = stream_of(written(tmp_path / "a.jsonl", text))
    assert kinds_of(stream) == {"a": "integer", "late": "string"}
    rows = rows_of(stream)
    assert len(rows) == 10_001
    assert rows[5_000] == {"a": 2, "late": "x"}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ('{"n": 0.12345678901234567890}', {"n": Decimal("0.12345678901234567890")}),
        ('{"n": 123456789012345678901234567890}', {"n": 123456789012345678901234567890}),
        ('{"o": {"n": 1234567890.123456789}}', {"o": {"n": Decimal("1234567890.123456789")}}),
        ('{"a": 1, "a": 2}', {"a": 2}),
        ('{"A": 1, "a": "x"}', {"A": 1, "a": "x"}),
        ('{"": 1}', {"": 1}),
        ('{"s": "\\ud800"}', {"s": "\ud800"}),
    ],
)
@pytest.mark.parametrize("is_late", [False, True], ids=["first", "late"])
def test_what_the_fast_parser_would_bend_takes_the_exact_one(
    tmp_path: Path, record: str, expected: dict[str, Any], is_late: bool
) -> None:
    filler = ['{"z": 1}'] * (1_000 if is_late else 0)
    rows = rows_of(stream_of(written(tmp_path / "a.jsonl", lines_of(*filler, record))))
    assert rows[-1] == expected
    assert len(rows) == len(filler) + 1


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ('{"a":1}\n{"a":2\n{"a":3}\n', 2, "is not JSON"),
        ('{"a":1}{"a":2}\n', 1, "is not JSON"),
        (b'{"a":1}\n{"a":"\xff"}\n', 2, "is not UTF-8"),
        ('{"a":1}\n{"a":', 2, "is not JSON"),
        ('{"a":1}\n[1]\n', 2, "is not a JSON object"),
        ('{"a":1}\nnull\n', 2, "is not a JSON object"),
    ],
)
def test_a_broken_line_is_named(
    tmp_path: Path, content: str | bytes, line: int, words: str
) -> None:
    with pytest.raises(DataError, match=words) as caught:
        rows_of(stream_of(written(tmp_path / "a.jsonl", content)))
    assert caught.value.context["line"] == line


def test_blank_lines_and_line_ends_do_not_matter(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", '\ufeff{"a":1}\r\n\r\n  \n{"a":2}')
    assert rows_of(stream_of(path)) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("content", ["", "\n"])
def test_an_empty_file_has_no_rows(tmp_path: Path, content: str) -> None:
    assert rows_of(stream_of(written(tmp_path / "a.jsonl", content))) == []


@pytest.mark.parametrize("megabytes", [3, 9])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_very_long_records_are_never_lost(tmp_path: Path, megabytes: int, name: str) -> None:
    long = "x" * (megabytes * 1_000_000)
    filler = ['{"a": "y"}'] * 1_000
    path = written(tmp_path / name, lines_of(*filler, json.dumps({"a": long}), *filler[:1]))
    rows = rows_of(stream_of(path))
    assert len(rows) == 1_002
    assert rows[1_000]["a"] == long


def test_empty_objects_are_rows(tmp_path: Path) -> None:
    assert rows_of(stream_of(written(tmp_path / "a.jsonl", "{}\n{}\n"))) == [{}, {}]


@pytest.mark.parametrize(
    "content",
    [
        '[{"a": 1, "b": "x"}, {"a": 2}]',
        ' [\n  {"a": 1,\n "b": "x"},\n {"a": 2}\n]\n',
        '{"a": 1,\n "b": "x"}\n{"a": 2}',
    ],
)
def test_arrays_and_objects_in_a_row_are_read_as_json(tmp_path: Path, content: str) -> None:
    path = written(tmp_path / "a.json", content)
    assert rows_of(stream_of(path)) == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]


@pytest.mark.parametrize("content", ['[{"a": 1}, {"a":', '[{"a": 1}', '[{"a": 1}, 5]', "[1]"])
def test_a_broken_array_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(DataError, match=r"a\.json|not JSON objects"):
        rows_of(stream_of(written(tmp_path / "a.json", content)))


def test_long_numbers_in_an_array_stay_exact(tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", '[{"n": 0.12345678901234567890}]')
    assert rows_of(stream_of(path)) == [{"n": Decimal("0.12345678901234567890")}]


@settings(max_examples=200)
@given(st.binary(max_size=60), st.integers(0, 40), st.sampled_from([18, 19, 20, 30]))
def test_no_run_of_digits_hides_from_the_search(
    tmp_path_factory: pytest.TempPathFactory, before: bytes, shift: int, length: int
) -> None:
    safe = bytes(byte for byte in before if byte not in b"0123456789.")
    text = safe + b"x" * shift + b"7" * length + b"x" + safe
    path = written(tmp_path_factory.mktemp("n") / "n", text)
    assert may_hold_long_numbers(path) is (length >= 19)


def test_a_run_of_digits_across_blocks_is_found(tmp_path: Path) -> None:
    for cut in range(20):
        text = b"x" * ((8 << 20) - cut) + b"1" * 19 + b"x" * 100
        assert may_hold_long_numbers(written(tmp_path / "n", text))


_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(exclude_categories=("Cs",)), max_size=8),
        st.datetimes().map(str),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(st.characters(exclude_categories=("Cs",)), max_size=3), inner),
    ),
    max_leaves=4,
)


@settings(max_examples=50)
@given(
    st.lists(st.dictionaries(st.sampled_from(["a", "b", "B", "x y", 'q"']), _VALUES), min_size=1),
    st.booleans(),
)
def test_any_records_of_the_json_module_arrive_with_their_values(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]], ascii_only: bool
) -> None:
    path = tmp_path_factory.mktemp("json") / "a.jsonl"
    path.write_text(
        lines_of(*(json.dumps(record, ensure_ascii=ascii_only) for record in records)), "utf-8"
    )
    stream = stream_of(path)
    kinds = kinds_of(stream)
    rows = rows_of(stream)
    assert len(rows) == len(records)
    for row, record in zip(rows, records, strict=True):
        for key, value in record.items():
            assert _says(row[key], value, kinds[key]), (key, value, row[key], kinds[key])
        assert all(row[key] is None for key in row.keys() - record.keys())


def _says(found: Any, value: Any, kind: str) -> bool:  # noqa: PLR0911
    if value is None or found is None:
        return value is None and found in (None, "null")
    if isinstance(found, str) and kind == "json" and not isinstance(value, str):
        return json.loads(found) == value
    if isinstance(found, str) and kind == "json":
        return value in (found, json.loads(found) if found.startswith('"') else None)
    if isinstance(found, datetime):
        return found == datetime.fromisoformat(value)
    if isinstance(found, str) and isinstance(value, bool):
        return found == str(value).lower()
    if isinstance(found, str) and isinstance(value, int | float):
        return Decimal(found) == Decimal(repr(value))
    if isinstance(found, Decimal) and isinstance(value, int | float):
        return found == Decimal(repr(value))
    return bool(found == value)
