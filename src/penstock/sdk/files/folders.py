"""Folders of tables, named so that no reader takes them for a part of a URL."""

from __future__ import annotations

from urllib.parse import quote

from penstock.sdk.destination import TableName


def table_folder(table: TableName) -> str:
    """Returns the folder of a table, in one of its schema.

    Letters, digits, `_` and `-` stay; all else becomes `.` and its bytes in hexadecimal: readers
    differ on what `%20` in an address means.
    """
    return "/".join(_plain(part) for part in (table.schema, table.name) if part)


def _plain(name: str) -> str:
    return quote(name, safe="").replace("~", "%7E").replace(".", "%2E").replace("%", ".")
