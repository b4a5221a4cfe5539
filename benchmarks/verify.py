"""Whether a tool's table holds exactly what was generated, column by column.

Run as a program, so that the memory of the harness stays out of every measurement:
`python -m benchmarks.verify DATABASE DATA [--times N]` prints a Verdict as JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.generate import DataFacts, load_facts
from benchmarks.places import PROJECT

_CANONICAL = {
    "text": "{0}::varchar",
    "integer": "try_cast({0} as hugeint)::varchar",
    "number": "try_cast({0} as double)::varchar",
    "decimal": "try_cast({0} as decimal(18, 2))::varchar",
    "boolean": "try_cast({0} as boolean)::varchar",
    "date": "try_cast({0} as date)::varchar",
    "instant": "epoch_us(try_cast({0} as timestamptz))::varchar",
    "json": "to_json({0})::varchar",
}
"""A tool may choose another type for a column; the value has to be the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a tool made of the data."""

    rows_expected: int
    rows: int
    table: str = ""
    missing: tuple[str, ...] = ()
    """Columns that no table column stands for."""
    changed: tuple[str, ...] = ()
    """Columns of which at least one value is not what was generated."""

    @property
    def is_whole(self) -> bool:
        """True when no row was lost or doubled."""
        return self.rows == self.rows_expected

    @property
    def is_exact(self) -> bool:
        """True when every value of every row is the generated one."""
        return self.is_whole and not self.missing and not self.changed


def verify(database: Path, data: Path, *, times: int = 1) -> Verdict:
    """Returns the verdict of a process of its own; `times` is how often the data was sent."""
    command = (sys.executable, "-m", "benchmarks.verify", database, data, "--times", times)
    done = subprocess.run(
        [str(word) for word in command], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"could not verify {database}: {done.stderr.strip()[-500:]}")
    document = json.loads(done.stdout)
    document["missing"] = tuple(document["missing"])
    document["changed"] = tuple(document["changed"])
    return Verdict(**document)


def examine(database: Path, facts: DataFacts) -> Verdict:
    """Compares the table of a database that has the generated columns with the facts."""
    import duckdb  # noqa: PLC0415 - only the child process loads it

    with duckdb.connect(str(database), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        table, columns = _table_of(connection, facts)
        if not table:
            return Verdict(rows_expected=facts.rows, rows=0, missing=tuple(facts.columns))
        rows = connection.execute(f"select count(*) from {table}").fetchone()[0]
        missing = tuple(name for name in facts.columns if name not in columns)
        present = [name for name in facts.columns if name in columns]
        changed: list[str] = []
        for first in range(0, len(present), 50):
            names = present[first : first + 50]
            values = connection.execute(
                f"select {', '.join(_digest(name, facts) for name in names)} from {table}"
            ).fetchone()
            for index, name in enumerate(names):
                wanted = (facts.columns[name].count, facts.columns[name].total)
                if (values[2 * index], int(values[2 * index + 1] or 0)) != wanted:
                    changed.append(name)
    return Verdict(
        rows_expected=facts.rows, rows=rows, table=table, missing=missing, changed=tuple(changed)
    )


def _table_of(connection: object, facts: DataFacts) -> tuple[str, set[str]]:
    """Returns the table that has most of the generated columns, and the columns it has."""
    found: dict[str, set[str]] = {}
    listed = connection.execute(  # type: ignore[attr-defined] - duckdb is not imported here
        "select schema_name, table_name, column_name from duckdb_columns() where not internal"
    ).fetchall()
    for schema, name, column in listed:
        table = '"{}"."{}"'.format(*(part.replace('"', '""') for part in (schema, name)))
        found.setdefault(table, set())
        if column in facts.columns:
            found[table].add(column)
    best = max(found, key=lambda table: len(found[table]), default="")
    return (best, found[best]) if best and found[best] else ("", set())


def _digest(name: str, facts: DataFacts) -> str:
    text = _CANONICAL[facts.columns[name].kind].format(f'"{name}"')
    return f"count({text}), sum(md5_number_lower({text}))::varchar"


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the verdict on one database as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verify", description=__doc__)
    parser.add_argument("database", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--times", type=int, default=1)
    given = parser.parse_args(arguments)
    facts = load_facts(given.data).repeated(given.times)
    print(json.dumps(asdict(examine(given.database, facts))))


if __name__ == "__main__":
    main()
