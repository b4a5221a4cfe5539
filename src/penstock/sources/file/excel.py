"""Excel and OpenDocument sheets: kinds cell by cell, dates exact, error cells named."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from penstock.data.types import Kind
from penstock.errors import ConfigError, MissingDriver, UnknownName
from penstock.sources.file.kinds import ValueKinds
from penstock.sources.file.reading import (
    ColumnFacts,
    FileFacts,
    Options,
    not_what_it_claims,
    unique_names,
)

_PAGE_ROWS: Final = 5_000


@dataclass(frozen=True, slots=True)
class ExcelReader:
    """Reads one sheet: the first, or the one named (or numbered from 1) by the option `sheet`."""

    def inspect(self, path: Path, url: str, options: Options) -> FileFacts:
        """Looks at every cell once and finds the kind of each column."""
        names, notes, rows = _opened(path, url, options)
        kinds = [ValueKinds() for _ in names]
        count = 0
        for row in rows:
            count += 1
            for seen, value in zip(kinds, row, strict=True):
                seen.add(value)
        columns = tuple(
            ColumnFacts(name=name, kind=_kind(seen))
            for name, seen in zip(names, kinds, strict=True)
        )
        return FileFacts(columns=columns, rows=count, notes=notes, layout={})

    def read(
        self,
        path: Path,
        url: str,
        facts: FileFacts,
        wanted: Mapping[str, Kind],
        options: Options,
        *,
        skip: int,
    ) -> Iterator[list[dict[str, Any]]]:
        """Yields pages of rows; text columns get each cell's text, others its value."""
        del facts
        names, _, rows = _opened(path, url, options)
        rows = islice(rows, skip, None)
        while page := list(islice(rows, _PAGE_ROWS)):
            yield [
                {
                    name: _cell(value, wanted.get(name))
                    for name, value in zip(names, row, strict=True)
                }
                for row in page
            ]


def _kind(seen: ValueKinds) -> Kind | None:
    if seen.kinds == {Kind.DATE, Kind.TIMESTAMP}:
        return Kind.TIMESTAMP  # midnight comes as a date
    return Kind.STRING if seen.has_text else seen.kind


def _cell(value: Any, wanted: Kind | None) -> Any:
    if wanted is Kind.STRING:
        return _text(value)
    if wanted is Kind.TIMESTAMP and isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time())
    return value


def _text(value: Any) -> Any:
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case datetime() | date() | time():
            return value.isoformat()
        case _:
            return str(value)


def _opened(
    path: Path, url: str, options: Options
) -> tuple[tuple[str, ...], tuple[str, ...], Iterator[list[Any]]]:
    """Returns column names, notes, and the rows below the header; wholly empty rows are skipped."""
    sheet = _sheet(path, url, options.sheet)
    cells = ((number, list(row)) for number, row in enumerate(sheet.iter_rows(), start=1))
    cells = (
        (number, row) for number, row in cells if number > options.skip_rows and not _is_empty(row)
    )
    if options.header:
        _, first = next(cells, (0, []))
        while first and first[-1] in ("", None):
            first.pop()
        header = [_name(value) for value in first]
    else:
        header = [f"f{index}" for index in range(sheet.width)]
    names, notes = unique_names(options.column_names or header)
    errors = error_cells(path, sheet.name)
    if errors:
        first_error = f"{len(errors)} cells hold formula errors, read as null: {errors[0]}"
        notes = (*notes, first_error)
    return names, notes, _rows(cells, len(names), url)


def _is_empty(row: list[Any]) -> bool:
    return all(value in ("", None) for value in row)


def _name(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value in (None, "") else str(_text(value))


def _rows(cells: Iterator[tuple[int, list[Any]]], width: int, url: str) -> Iterator[list[Any]]:
    for number, row in cells:
        values = [_value(cell) for cell in row]
        if any(value is not None for value in values[width:]):
            raise not_what_it_claims(
                url,
                f"row {number} has cells to the right of the last column of the header.",
                remedy="Give those columns a header, or name all with column_names.",
                line=number,
            )
        yield [*values[:width], *[None] * (width - len(values))]


def _value(cell: Any) -> Any:
    match cell:
        case "":
            return None
        case float() if cell.is_integer() and abs(cell) <= 2**53:
            return int(cell)
        case timedelta():
            return str(cell)
        case _:
            return cell


_ERROR_CELL: Final = re.compile(
    rb'<c r="([A-Z]+[0-9]+)"[^>]*\bt="e"[^>]*>(?:<f[^>]*>[^<]*</f>|<f[^>]*/>)?<v>([^<]*)</v>'
)


def error_cells(path: Path, sheet: str) -> list[str]:
    """Returns the cells of an .xlsx sheet that hold an error (ECMA-376 part 1, §18.18.11).

    calamine hands such cells out as empty ones. Other formats do not tell: the list is empty.
    """
    if not zipfile.is_zipfile(path):
        return []
    with zipfile.ZipFile(path) as book:
        member = _member_of(book, sheet)
        if member is None:
            return []
        found = _ERROR_CELL.findall(book.read(member))
    return [f"{cell.decode()} {value.decode()}" for cell, value in found]


def _member_of(book: zipfile.ZipFile, sheet: str) -> str | None:
    names = set(book.namelist())
    if not {"xl/workbook.xml", "xl/_rels/workbook.xml.rels"} <= names:
        return None
    identity = next(
        (
            value
            for element in _elements(book, "xl/workbook.xml")
            if element.tag.endswith("}sheet") and element.get("name") == sheet
            for key, value in element.items()
            if key.endswith("}id")
        ),
        None,
    )
    for element in _elements(book, "xl/_rels/workbook.xml.rels"):
        if element.get("Id") == identity and identity:
            target = element.get("Target", "").lstrip("/")
            member = target if target.startswith("xl/") else f"xl/{target}"
            return member if member in names else None
    return None


def _elements(book: zipfile.ZipFile, member: str) -> Iterator[ElementTree.Element]:
    # Expat has refused entity bombs since 2.4.1, and resolves nothing external.
    yield from ElementTree.fromstring(book.read(member)).iter()  # noqa: S314


def _sheet(path: Path, url: str, wanted: str | None) -> Any:
    try:
        import python_calamine as calamine  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise MissingDriver(
            "Reading Excel files needs python-calamine, which is not installed.",
            remedy="Run: pip install 'penstock[excel]'",
        ) from error
    try:
        book = calamine.CalamineWorkbook.from_path(str(path))
        names = list(book.sheet_names)
        if not names:
            raise ConfigError(f"{url} has no sheet.", remedy="Name another file.")
        if wanted is None:
            return book.get_sheet_by_index(0)
        if wanted in names:
            return book.get_sheet_by_name(wanted)
        if wanted.isdigit() and 1 <= int(wanted) <= len(names):
            return book.get_sheet_by_index(int(wanted) - 1)
    except (calamine.CalamineError, OSError) as error:
        raise not_what_it_claims(
            url,
            f"is not a whole Excel file: {error}.",
            remedy="Open and save it in a spreadsheet program; protected files must be unlocked.",
        ) from error
    raise UnknownName(
        f"{url} has no sheet {wanted!r}; it has {', '.join(map(repr, names))}.",
        remedy="Set the option sheet to one of them.",
    )
