"""The destination suite: subclass it, say how to reach the destination, and run pytest.

    class TestDuckDB(DestinationSuite):
        destination = DuckDBDestination

        def config(self, place: Path) -> DuckDBConfig:
            return DuckDBConfig(path=str(place / "warehouse.duckdb"))

What is tried follows from `Capabilities`; what is not kept is named in `gaps`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import pytest

from penstock.errors import PenstockError
from penstock.sdk.destination import (
    Capabilities,
    Destination,
    Normalisation,
    ReadsBack,
    StoresState,
    TableName,
    WriteMode,
)
from penstock.testing import expect
from penstock.testing.cases.dedup import DEDUP_CASES
from penstock.testing.cases.identifiers import ODD_NAMES
from penstock.testing.cases.schema_changes import REPLACING, SCHEMA_CASES
from penstock.testing.cases.values import value_cases
from penstock.testing.cells import Found, found_rows
from penstock.testing.gaps import Gap
from penstock.testing.lab import Lab, simple_plan, simple_rows
from penstock.testing.promises.deduplicating import Deduplicating
from penstock.testing.promises.landing import Landing, Shape
from penstock.testing.promises.publishing import Publishing
from penstock.testing.promises.recovery import Recovery
from penstock.testing.promises.schema import SchemaChanges
from penstock.testing.promises.states import States

DEFAULT_ROUNDS: Final = 2
DEFAULT_SEED: Final = 0


@dataclass(frozen=True, slots=True)
class Argument:
    """One value a test is run with, under a name of its own."""

    name: str
    value: Any


def _modes(capabilities: Capabilities, wanted: Callable[[WriteMode], bool]) -> list[Argument]:
    return [Argument(m, m) for m in WriteMode if m in capabilities.modes and wanted(m)]


def _shapes(capabilities: Capabilities, wanted: Callable[[WriteMode], bool]) -> list[Argument]:
    """Typed in every mode; raw where nothing is deduplicated, since a key would be in the JSON."""
    shapes = [
        Shape(mode=argument.value, form=form)
        for argument in _modes(capabilities, wanted)
        for form in Normalisation
        if form is Normalisation.TYPED or not argument.value.is_dedup
    ]
    return [Argument(str(shape), shape) for shape in shapes]


def _named(values: Sequence[Any]) -> list[Argument]:
    return [Argument(str(value), value) for value in values]


def _is_append(mode: WriteMode) -> bool:
    return mode is WriteMode.APPEND


_ARGUMENTS: Final[dict[str, Callable[[Capabilities], list[Argument]]]] = {
    "mode": lambda c: _modes(c, lambda _: True),
    "append_mode": lambda c: _modes(c, lambda mode: not mode.is_overwrite),
    "overwrite_mode": lambda c: _modes(c, lambda mode: mode.is_overwrite),
    "dedup_mode": lambda c: _modes(c, lambda mode: mode.is_dedup),
    "merging_mode": lambda c: _modes(c, lambda mode: mode.is_dedup)[:1] or _modes(c, _is_append),
    "raw_mode": lambda c: _modes(c, lambda mode: not mode.is_dedup),
    "shape": lambda c: _shapes(c, lambda _: True),
    "append_shape": lambda c: _shapes(c, lambda m: not (m.is_overwrite or m.is_dedup)),
    "overwrite_shape": lambda c: _shapes(c, lambda mode: mode.is_overwrite),
    "value": lambda _: _named(list(value_cases())),
    "dedup": lambda c: _named(DEDUP_CASES) if _modes(c, lambda mode: mode.is_dedup) else [],
    "change": lambda _: _named(SCHEMA_CASES),
    "replacing": lambda _: _named(REPLACING),
    "name": lambda c: _named([n for n in ODD_NAMES if len(n.encode()) <= c.max_identifier_bytes]),
}
"""What a test asks for by the name of its argument, from what the destination can do."""


@dataclass(frozen=True, slots=True)
class Case:
    """One test of a suite with the arguments it is run with."""

    test: str
    arguments: tuple[tuple[str, Argument], ...] = ()

    @property
    def name(self) -> str | None:
        """The part between brackets; None for a test without arguments."""
        return "-".join(argument.name for _, argument in self.arguments) or None

    def __str__(self) -> str:
        return f"{self.test}[{self.name}]" if self.name else self.test

    def run(self, suite: DestinationSuite, lab: Lab) -> None:
        """Runs the case; a broken promise raises AssertionError."""
        values = {name: argument.value for name, argument in self.arguments}
        getattr(suite, self.test)(lab=lab, **values)


class DestinationSuite(Landing, Publishing, Deduplicating, SchemaChanges, States, Recovery):
    """Runs every promise of a destination against a real one, through its public interface."""

    destination: ClassVar[Any]
    """The destination class."""
    schema: ClassVar[str | None] = None
    """The schema tables are made in; None leaves it to the destination."""
    loaded_once: ClassVar[Sequence[str]] = ()
    """Modules that each process to be killed would import anew: the driver's, if it loads late."""
    gaps: ClassVar[tuple[Gap, ...]] = ()

    def config(self, place: Path) -> Any:
        """Returns a configuration whose storage is this place's own.

        Equal places must give the same storage, also in another process; a new place one that is
        empty. A server's database can be named after `place`.
        """
        raise NotImplementedError

    def wrong_config(self, place: Path) -> Any:
        """Returns a configuration that `check` must refuse; None where there is none."""
        del place

    def discard(self, place: Path) -> None:
        """Removes the storage of a place after a test; files in it go by themselves."""

    def read_table(self, place: Path, table: TableName) -> list[dict[str, Found]] | None:
        """Returns the rows of a table as a new reader sees them; None when there is none.

        To be replaced for a destination that does not read back.
        """
        destination: Destination = self.destination(self.config(place))
        if not isinstance(destination, ReadsBack):
            raise expect.broken(
                f"{type(destination).__name__} does not read back: "
                "let the test class override read_table"
            )
        try:
            return found_rows(destination.scan(table).read_all())
        except PenstockError:
            if destination.count(table) == 0:
                return None
            raise

    @pytest.fixture
    def lab(self, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Lab]:
        """One destination in a place of its own."""
        rounds = request.config.getoption("--penstock-rounds", default=DEFAULT_ROUNDS)
        seed = request.config.getoption("--penstock-seed", default=DEFAULT_SEED)
        yield Lab(suite=self, place=tmp_path, rounds=rounds, seed=seed)
        self.discard(tmp_path)

    @pytest.fixture(autouse=True)
    def _expects_gaps_to_fail(self, request: pytest.FixtureRequest) -> None:
        name = getattr(request.node, "originalname", request.node.name)
        case = None
        if hasattr(request.node, "callspec"):
            # pytest writes names in ASCII, with escapes.
            case = request.node.callspec.id.encode().decode("unicode_escape")
        for gap in self.gaps:
            if gap.covers(name, case):
                request.node.add_marker(pytest.mark.xfail(reason=str(gap), strict=True))

    @pytest.fixture(autouse=True)
    def _skips_powers_it_does_not_have(self, request: pytest.FixtureRequest) -> None:
        name = getattr(request.node, "originalname", request.node.name)
        if hasattr(States, name) and not _stores_state(self.destination):
            pytest.skip("this destination does not store states")

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Gives each test the arguments that the destination's capabilities allow."""
        for name in metafunc.fixturenames:
            if name in _ARGUMENTS:
                arguments = _ARGUMENTS[name](self.destination.capabilities)
                metafunc.parametrize(
                    name, [a.value for a in arguments], ids=[a.name for a in arguments]
                )

    def test_check_passes_twice_and_leaves_nothing_behind(self, lab: Lab) -> None:
        lab.connect().check()
        lab.connect().check()
        expect.equal([], sorted(path.name for path in lab.place.iterdir()), "files left by check")

    def test_check_refuses_a_wrong_configuration(self, lab: Lab) -> None:
        wrong = self.wrong_config(lab.place)
        if wrong is None:
            pytest.skip("no configuration of this destination is wrong (wrong_config)")
        expect.refused(lambda: self.destination(wrong).check(), "a wrong configuration")

    def test_capabilities_are_true_of_the_interface(self, lab: Lab) -> None:
        destination, facts = lab.connect(), lab.capabilities
        expect.true(WriteMode.APPEND in facts.modes, "every destination can append")
        reads, keeps = isinstance(destination, ReadsBack), isinstance(destination, StoresState)
        expect.equal(facts.reads_back, reads, "capabilities.reads_back and the ReadsBack power")
        expect.true(keeps or not facts.exactly_once, "exactly once needs the StoresState power")
        expect.true(facts.max_identifier_bytes >= 16, "identifiers of 16 bytes at least")

    def test_a_table_that_never_was_counts_zero_rows(self, lab: Lab) -> None:
        destination = lab.connect()
        if isinstance(destination, ReadsBack):
            expect.equal(0, destination.count(lab.table("never_was")), "rows of no table")

    def test_count_and_limit_agree_with_the_rows(self, lab: Lab) -> None:
        destination = lab.connect()
        if isinstance(destination, ReadsBack):
            plan, rows = simple_plan(lab.table("visits"), WriteMode.APPEND), simple_rows(1, 2, 3)
            lab.load(plan, rows)
            expect.equal(len(rows), destination.count(plan.table), "count")
            for limit in (0, 2, 100):
                scanned = destination.scan(plan.table, limit=limit).read_all().num_rows
                expect.equal(min(limit, len(rows)), scanned, f"rows of scan(limit={limit})")

    def test_every_gap_names_a_test_and_case_that_exist(self) -> None:
        known = {(case.test, case.name) for case in cases_of(type(self))}
        for gap in self.gaps:
            names = {name for test, name in known if test == gap.test}
            expect.true(
                bool(names) and (gap.case is None or gap.case in names),
                f"the gap {gap.test}[{gap.case}] names no case of this suite",
            )


def _stores_state(destination: type[Any]) -> bool:
    return hasattr(destination, "stored_states")


def cases_of(suite: type[DestinationSuite]) -> Iterator[Case]:
    """Yields every case that a suite runs against a lab, as pytest would collect them."""
    for test, function in inspect.getmembers(suite, inspect.isfunction):
        arguments = list(inspect.signature(function).parameters)
        if not test.startswith("test_") or "lab" not in arguments:
            continue
        cases = [Case(test)]
        for name in arguments:
            if name in _ARGUMENTS:
                allowed = _ARGUMENTS[name](suite.destination.capabilities)
                cases = [
                    Case(test, (*case.arguments, (name, argument)))
                    for case in cases
                    for argument in allowed
                ]
        yield from cases
