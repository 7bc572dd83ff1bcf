"""Tests of which steps make the weight of a run, and of their order."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from bilby.core.likelihood import Likelihood
from bilby.core.prior import PriorDict, Uniform

from bilby_flowpe.chain.thinned import Thinned
from bilby_flowpe.conditional.spot_check import SpotCheck
from bilby_flowpe.conditional.step import DrawnConditionally
from bilby_flowpe.errors import ContractError
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.sampling import chain
from bilby_flowpe.sampling.chain import steps_of
from bilby_flowpe.thinning.rows import Thinning
from bilby_flowpe.translation.forms import Forms
from bilby_flowpe.translation.steps import AskedLikelihood, AskedPrior, OfNoiseAlone, OverDrawn
from bilby_flowpe.translation.translated import Translated, as_it_stands


@pytest.fixture(scope="module")
def problem() -> Translated:
    return as_it_stands(problem_of(Likelihood(), PriorDict({"x": Uniform(0, 1)})))


class Phase(SimpleNamespace):
    share: float = 0.0
    exact: bool = True

    def defended(self, share: float) -> Phase:
        return Phase(keys=self.keys, reference=self.reference, share=share, exact=self.exact)


def kinds(problem: Translated, conditional: object, use_ratio: bool = True) -> list[type]:
    return [type(step) for step in steps_of(problem, conditional, use_ratio)]


PHASE = Phase(keys=("phase",), reference={"phase": 0.0})
DRAWN = [DrawnConditionally, SpotCheck]


def test_order(problem: Translated) -> None:
    another = replace(problem, forms=Forms((SimpleNamespace(),)))
    nothing = Phase(keys=(), reference={})
    assert kinds(problem, None) == kinds(problem, nothing) == kinds(problem, None, False) == [AskedLikelihood]
    assert kinds(another, None) == [AskedLikelihood, AskedPrior]
    assert kinds(problem, PHASE) == DRAWN
    assert kinds(problem, PHASE, use_ratio=False) == [*DRAWN, OfNoiseAlone]
    corrected = replace(another, corrects=True)
    assert kinds(corrected, PHASE) == [*DRAWN, AskedPrior, OverDrawn]
    assert kinds(corrected, None) == [AskedLikelihood, AskedPrior]


def test_a_coarse_likelihood_is_corrected_for_draws_that_are_kept(problem: Translated) -> None:
    coarse = Phase(keys=("phase",), reference={"phase": 0.0}, exact=False)
    thinning = Thinning(1.0)
    *before, last = steps_of(replace(problem, forms=Forms((SimpleNamespace(),))), coarse, False, thinning)
    assert [type(step) for step in before] == [DrawnConditionally, OfNoiseAlone, AskedPrior]
    assert isinstance(last, Thinned) and last.thinning is thinning
    assert [step.coarse for step in (*before, last)] == [True, False, False, False]
    assert sum(step.evaluations for step in (*before, last)) == 1
    assert kinds(replace(problem, corrects=True), coarse) == [DrawnConditionally, Thinned]
    assert [type(step) for step in steps_of(problem, coarse, True, thinning, steering=True)] == [DrawnConditionally]
    # Weights are to be bounded where the coarse likelihood is off, more so where it is another likelihood altogether.
    shares = [steps_of(one, coarse, True)[0]._conditional.share for one in (problem, replace(problem, corrects=True))]
    assert shares == [0.02, 0.05]
    # With an exact conditional there is nothing to thin.
    assert [type(step) for step in steps_of(problem, PHASE, True, thinning, steering=True)] == DRAWN


def test_another_likelihood_has_distances_drawn_from_their_prior_too(problem: Translated) -> None:
    """The objects that a model is bound with are not changed."""
    first, *_ = steps_of(replace(problem, corrects=True), PHASE, True)
    assert first._conditional.share == 0.05
    assert PHASE.share == 0.0


def test_evaluations_of_a_draw(problem: Translated) -> None:
    def evaluations(problem: Translated, conditional: object) -> int:
        return sum(step.evaluations for step in steps_of(problem, conditional, True))

    assert evaluations(problem, None) == evaluations(problem, PHASE) == 1
    assert evaluations(replace(problem, corrects=True), PHASE) == 2


def test_no_parameter_is_drawn_twice(problem: Translated, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = SimpleNamespace(
        reference={"phase": 0.0, "recalib_H1_amplitude_0": 0.0}, choose=None, rows=None, evaluations=1, coarse=False
    )
    monkeypatch.setattr(chain, "asked_likelihood", lambda *_: errors)
    with pytest.raises(ContractError, match=r"\['phase'\] are drawn by two steps"):
        steps_of(replace(problem, corrects=True), PHASE, True)
