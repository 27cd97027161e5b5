"""Mutants patch code that the product has, and are caught by scenarios that exist."""

from __future__ import annotations

import inspect
import pickle
from pathlib import Path

import pytest

from tests.faults.mutants import MUTANTS, VARIABLE, Mutant, Run, mutants_of_this_run
from tests.faults.sabotage import place_of

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutants_replacement_is_called_like_the_original(mutant: Mutant) -> None:
    for target, patch in mutant.patches().items():
        owner, name = place_of(target)
        original = getattr(owner, name)

        replacement = patch(original)

        assert replacement is not original, target
        assert inspect.iscoroutinefunction(replacement) == inspect.iscoroutinefunction(original), target


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_reaches_a_forked_worker_and_documents_what_it_breaks(mutant: Mutant) -> None:
    path, _, scenario = mutant.scenario.partition("::")

    assert pickle.loads(pickle.dumps(mutant)) == mutant
    assert (mutant.patches.__doc__ or "").startswith("Break law 1: ")
    assert f"async def {scenario}(" in (ROOT / path).read_text()


def test_a_run_uses_the_named_mutant_or_the_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert mutants_of_this_run() == []

    monkeypatch.setenv(VARIABLE, "no fence")
    assert [mutant.name for mutant in mutants_of_this_run()] == ["no fence"]

    monkeypatch.setenv(VARIABLE, "no fences")
    with pytest.raises(AssertionError, match="'no fences' is none of"):
        mutants_of_this_run()


@pytest.mark.parametrize(
    ("failure", "verdict"),
    [
        ("AssertionError: Account(plays=7, lost=0, twice=2, out_of_order=0, recoveries_s=(1.5,)); seen", "caught"),
        ("AssertionError: Account(plays=7, lost=2, twice=0, out_of_order=0, recoveries_s=()); seen", "failed"),
        ("AssertionError: waited 120 s in vain until worker a is ready", "failed"),
        ("TypeError: begin_transaction() takes 1 positional argument", "failed"),
    ],
)
def test_a_mutant_that_fails_without_its_symptom_is_not_caught(failure: str, verdict: str) -> None:
    (twice,) = {mutant.symptom for mutant in MUTANTS if mutant.name == "no fence"}

    assert Run.of(1, failure, twice).verdict == verdict
    assert Run.of(0, "", twice).verdict == "passed"
