"""One place with one destination: what every test of the destination suite works with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

from penstock.data.types import Kind
from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.state import State
from penstock.sdk.destination import (
    Capabilities,
    ColumnPlan,
    Destination,
    Normalisation,
    StoredState,
    StoresState,
    StreamPlan,
    TableName,
    WriteMode,
)
from penstock.testing import expect
from penstock.testing.cells import Found, Row
from penstock.testing.feed import Feed, Notebook, batch_of, send, stored_state

CONNECTION = "suite"


class Makes(Protocol):
    """What a lab asks of the test class."""

    destination: ClassVar[Any]
    schema: ClassVar[str | None]
    loaded_once: ClassVar[Sequence[str]]

    def config(self, place: Path) -> Any: ...

    def read_table(self, place: Path, table: TableName) -> list[dict[str, Found]] | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """Makes destinations on one storage and looks into their tables."""

    suite: Makes
    place: Path
    """A folder of this test's own; a server's database is named after it."""
    rounds: int = 2
    seed: int = 0

    @property
    def capabilities(self) -> Capabilities:
        facts: Capabilities = self.suite.destination.capabilities
        return facts

    @property
    def suite_class(self) -> type[Makes]:
        return type(self.suite)

    def beside(self, name: str) -> Path:
        """Returns another place, with nothing in it."""
        place = self.place / name
        place.mkdir()
        return place

    def connect(self) -> Destination:
        """Returns a new destination object, as a new process would have it."""
        made: Destination = self.suite.destination(self.suite.config(self.place))
        return made

    def states(self) -> StoresState:
        """Returns a new destination that must keep states."""
        destination = self.connect()
        if not isinstance(destination, StoresState):
            raise expect.broken("the destination does not store states")
        return destination

    def notebook(self, destination: Destination, name: str = "notebook") -> Notebook:
        """Returns where the states of this test are remembered."""
        return Notebook(self.place / f"{name}.json", destination)

    def table(self, name: str) -> TableName:
        """Returns a table in the schema the suite uses."""
        return TableName(schema=self.suite.schema, name=name)

    def found(self, table: TableName) -> list[dict[str, Found]] | None:
        """Returns the rows of a table as a new reader sees them; None when there is none."""
        return self.suite.read_table(self.place, table)

    def rows(self, table: TableName) -> list[dict[str, Found]]:
        """Returns the rows of a table that must exist."""
        found = self.found(table)
        if found is None:
            raise expect.broken(f"there is no table {table}")
        return found

    def stored(self, plan: StreamPlan) -> StoredState | None:
        """Returns the stored checkpoint of a stream, as a new process finds it."""
        return stored_state(self.connect(), plan)

    def holds(self, plan: StreamPlan, expected: Sequence[Row], what: str) -> None:
        """Fails unless the plan's table holds exactly these rows, stored as promised."""
        expect.rows_equal(
            expected,
            self.rows(plan.table),
            kinds_of(plan),
            what=what,
            native=self.capabilities.kinds,
        )

    def holds_nothing(self, plan: StreamPlan, what: str) -> None:
        """Fails when a row is visible; whether an empty table stands there is left open."""
        expect.equal(0, len(self.found(plan.table) or []), what)

    def load(
        self,
        plan: StreamPlan,
        *commits: Sequence[Row],
        finish: bool = True,
        state: State | None = None,
    ) -> None:
        """Writes each list of rows in a commit of its own, the last state `state`."""
        with self.connect().open(plan) as writer:
            for rows in commits:
                writer.write(batch_of(plan, rows))
                expect.equal(len(rows), writer.commit(state), "rows counted by commit")
            if finish:
                expect.equal(0, writer.finish(state), "rows counted by finish")

    def send(self, feed: Feed, *, fence: int = 0) -> None:
        """Sends a feed from where the destination stands."""
        destination = self.connect()
        send(destination, feed, notebook=self.notebook(destination), fence=fence)


def kinds_of(plan: StreamPlan) -> dict[str, Kind]:
    """Returns the kinds of a plan's own columns by their name in the table."""
    if plan.normalisation is Normalisation.RAW:
        return {"_airbyte_data": Kind.JSON}
    return {column.name: column.kind for column in plan.columns}


def plan_for(
    table: TableName,
    kinds: Mapping[str, Kind],
    mode: WriteMode,
    *,
    key: Sequence[str] = (),
    cursor: str | None = None,
    **others: Any,
) -> StreamPlan:
    """Returns a plan whose columns are called as their properties are."""
    return StreamPlan(
        connection=CONNECTION,
        stream=StreamDescriptor(table.name, table.schema),
        table=table,
        columns=tuple(ColumnPlan(source=n, name=n, kind=k) for n, k in kinds.items()),
        mode=mode,
        primary_key=tuple(key) if mode.is_dedup else (),
        cursor=cursor if mode.is_dedup else None,
        **others,
    )


ID_NAME: Mapping[str, Kind] = {"id": Kind.INTEGER, "name": Kind.STRING}


def simple_plan(table: TableName, mode: WriteMode, **others: Any) -> StreamPlan:
    """Returns a plan of two columns, `id` (the key) and `name`."""
    return plan_for(table, ID_NAME, mode, key=["id"], **others)


def simple_rows(*ids: int, name: str = "row") -> list[Row]:
    """Returns rows for `simple_plan`."""
    return [{"id": number, "name": f"{name} {number}"} for number in ids]


def in_form(
    plan: StreamPlan, rows: Sequence[Row], form: Normalisation
) -> tuple[StreamPlan, list[Row]]:
    """Returns plan and rows of two columns in typed or raw form."""
    if form is Normalisation.TYPED:
        return plan, list(rows)
    raw = replace(plan, columns=(), normalisation=form)
    return raw, [{"_airbyte_data": json.dumps(dict(row))} for row in rows]
