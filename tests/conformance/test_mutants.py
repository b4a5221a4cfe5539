"""The destination suite can fail: each broken destination is found by the case named for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.testing.destination_suite import cases_of
from penstock.testing.lab import Lab
from tests.conformance.mutants import MUTANTS, Mutant, suite_of


def _id(mutant: Mutant) -> str:
    return f"{mutant}: {mutant.test}[{mutant.case}]"


@pytest.mark.parametrize("mutant", MUTANTS, ids=_id)
def test_a_broken_destination_is_found_by_its_case(mutant: Mutant, tmp_path: Path) -> None:
    suite = suite_of(mutant.destination)
    (case,) = [c for c in cases_of(suite) if (c.test, c.name) == (mutant.test, mutant.case)]
    made = suite()
    with pytest.raises(AssertionError):
        case.run(made, Lab(suite=made, place=tmp_path, rounds=10))
