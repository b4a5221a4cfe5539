"""Deduplication in SQL: which row of a key stays, and how it replaces the one in the table.

Of all rows of one key the one with the largest cursor stays (NULL is the smallest), of equal ones
the one that arrived last. The order is total, so it does not matter where a commit falls between
two rows. When a record was extracted does not count: a clock that was set back would keep changes
out of the table. Key parts compare as values: NULL equals NULL.
"""

from __future__ import annotations

from collections.abc import Callable

from penstock.sdk.destination import TableName
from penstock.sdk.sql.dialect import Merge


def delete_and_insert(
    merge: Merge,
    *,
    quote: Callable[[str], str],
    table: Callable[[TableName], str],
    batch: str,
    hashes_null_keys: bool = True,
) -> tuple[str, ...]:
    """Returns the statements, for databases with DELETE … USING and IS NOT DISTINCT FROM.

    They drop the batch's losers, delete the rows that the winners replace (or that were deleted
    at the source), and insert the winners that no newer row of the table stands against. Where a
    database joins by IS NOT DISTINCT FROM only row by row (`hashes_null_keys` False), keys
    without a NULL are joined by `=`, and the few others by themselves.
    """
    target = table(merge.table)
    key = ", ".join(quote(name) for name in merge.key)
    same_key = " AND ".join(f"t.{quote(k)} IS NOT DISTINCT FROM b.{quote(k)}" for k in merge.key)
    has_null = "(" + " OR ".join(f"b.{quote(k)} IS NULL" for k in merge.key) + ")"
    matches = [same_key]
    if not hashes_null_keys:
        equal_key = " AND ".join(f"t.{quote(k)} = b.{quote(k)}" for k in merge.key)
        matches = [equal_key, f"{has_null} AND {same_key}"]
    columns = ", ".join(quote(name) for name in merge.columns)
    absent = " AND ".join(
        f"NOT EXISTS (SELECT 1 FROM {target} AS t WHERE {match})"  # noqa: S608
        for match in matches
    )
    alive = f" AND b.{quote(merge.deleted_at)} IS NULL" if merge.deleted_at else ""
    sequence = quote(merge.sequence)
    return (
        f"DELETE FROM {batch} WHERE {sequence} IN (SELECT {sequence} FROM (SELECT {sequence},"  # noqa: S608 (identifiers are quoted)
        f" row_number() OVER (PARTITION BY {key} ORDER BY {_newest_first(merge, quote)}) AS place"
        f" FROM {batch}) AS ranked WHERE place > 1)",
        *(
            f"DELETE FROM {target} AS t USING {batch} AS b"  # noqa: S608
            f" WHERE {match} AND NOT ({_is_newer(merge, quote)})"
            for match in matches
        ),
        f"INSERT INTO {target} ({columns})"  # noqa: S608
        f" SELECT {columns} FROM {batch} AS b WHERE {absent}{alive}",
    )


def _newest_first(merge: Merge, quote: Callable[[str], str]) -> str:
    last_arrived = f"{quote(merge.sequence)} DESC"
    if merge.cursor is None:
        return last_arrived
    return f"{quote(merge.cursor)} DESC NULLS LAST, {last_arrived}"


def _is_newer(merge: Merge, quote: Callable[[str], str]) -> str:
    """Returns a condition, never NULL: the row `t` of the table is newer than `b`."""
    if merge.cursor is None:
        return "FALSE"
    cursor = quote(merge.cursor)
    larger = f"(b.{cursor} IS NULL OR coalesce(t.{cursor} > b.{cursor}, FALSE))"
    return f"t.{cursor} IS NOT NULL AND {larger}"
