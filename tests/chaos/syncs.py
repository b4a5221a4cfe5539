"""Whole `penstock sync` processes, killed at random moments and run again; what they leave."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import duckdb

from tests.servers.postgres import PostgresDatabase

_UNLIKE: Final = ("_airbyte_raw_id", "_airbyte_extracted_at", "_airbyte_generation_id")
"""Columns that differ from run to run."""
_OWN: Final = "_penstock_"
_RUN_SECONDS: Final = 300
_KILLS_PER_SYNC: Final = 4

Tables = dict[str, list[Any]]
"""Every row of every table, sorted."""


class Target(Protocol):
    """A destination as the command line names it, and what is in it."""

    def words(self) -> list[str]: ...

    def tables(self) -> Tables: ...


@dataclass(frozen=True, slots=True)
class DuckDBTarget:
    path: Path

    def words(self) -> list[str]:
        return ["duckdb", "--destination.path", str(self.path)]

    def tables(self) -> Tables:
        with duckdb.connect(str(self.path), read_only=True) as connection:
            names = [name for (name,) in connection.execute("SHOW TABLES").fetchall()]
            columns = f"* EXCLUDE ({', '.join(_UNLIKE)})"
            return {
                name: connection.execute(f'SELECT {columns} FROM "{name}" ORDER BY ALL').fetchall()
                for name in names
                if not name.startswith(_OWN)
            }


@dataclass(frozen=True, slots=True)
class PostgresTarget:
    database: PostgresDatabase
    schema: str
    port: int = 0
    """Another port than the server's own: one of a proxy."""

    def words(self) -> list[str]:
        database = self.database
        values = {
            "host": database.host,
            "port": str(self.port or database.port),
            "database": database.name,
            "username": database.user,
            "password": "${env:PENSTOCK_TEST_PASSWORD}",
            "schema": self.schema,
        }
        named = [word for key, value in values.items() for word in (f"--destination.{key}", value)]
        return ["postgres", *named]

    def tables(self) -> Tables:
        found = self.database.rows(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = %s",
            (self.schema,),
        )
        return {name: self._rows(name) for (name,) in found if not name.startswith(_OWN)}

    def _rows(self, table: str) -> list[Any]:
        query = f'SELECT to_jsonb(t) - %s::text[] FROM "{self.schema}"."{table}" AS t ORDER BY 1'
        return self.database.rows(query, (list(_UNLIKE),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """One connection: run as often as one likes, it continues."""

    home: Path
    source: Sequence[str]
    target: Target
    options: Sequence[str] = ()
    name: str = "disturbed"

    def start(self) -> subprocess.Popen[str]:
        """Starts a run in a process group of its own."""
        penstock = Path(sys.executable).with_name("penstock")
        words = [penstock, "sync", *self._in_order(), *self.options, f"--connection={self.name}"]
        return subprocess.Popen(
            [str(word) for word in words],
            env={
                **os.environ,
                "PENSTOCK_HOME": str(self.home),
                "PENSTOCK_TEST_PASSWORD": _password_of(self.target),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self) -> float:
        """Runs it to its end, which has to be a success; returns the seconds it took."""
        began = time.monotonic()
        status, output = ended(self.start())
        assert status == 0, output
        return time.monotonic() - began

    def run_killed(self, chance: random.Random, seconds: float, kills: int) -> int:
        """Runs it and kills it at random moments, at most so often; then lets it finish.

        `seconds` is about what an undisturbed run takes. Returns how often it was killed.
        """
        for done in range(min(kills, _KILLS_PER_SYNC)):
            child = self.start()
            time.sleep(chance.uniform(0.0, seconds))
            if child.poll() is not None:
                status, output = ended(child)
                assert status == 0, output
                return done
            kill(child)
        self.run()
        return min(kills, _KILLS_PER_SYNC)

    def _in_order(self) -> list[str]:
        destination, *named = self.target.words()
        source, *asked = self.source
        return [source, destination, *asked, *named]


def faker(rows: int) -> list[str]:
    """Returns the words of a source that gives the same rows every time."""
    return [
        "faker",
        f"--source.rows={rows}",
        "--source.batch-rows=1000",
        "--source.state-every=2000",
    ]


def kill(child: subprocess.Popen[str]) -> None:
    """Ends a process and all that it started, without a word."""
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()


def ended(child: subprocess.Popen[str]) -> tuple[int, str]:
    """Waits for a process; returns its status and all it said."""
    output, _ = child.communicate(timeout=_RUN_SECONDS)
    return child.returncode, output


def plain(tables: Tables) -> str:
    """Returns tables as text, for a comparison whose failure is short."""
    return json.dumps({name: len(rows) for name, rows in sorted(tables.items())})


def _password_of(target: Target) -> str:
    return target.database.password if isinstance(target, PostgresTarget) else ""
