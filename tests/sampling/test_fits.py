"""A thin tail at the end of a bent ridge, which a path of temperatures that is short leaves without draws."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from bilby.core.likelihood import Likelihood
from bilby.core.prior import PriorDict, Sine, Uniform

from bilby_flowpe.kinds import problem_of
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.sampling.budget import Budget
from bilby_flowpe.sampling.refine import Refinement
from bilby_flowpe.sampling.weighing import Target
from bilby_flowpe.translation.translated import as_it_stands

TAIL, MASS = 0.3, 0.00507
"""An inclination, and the share of the posterior below it, by integration (examples/studies/thin_tail.py)."""


class TwoPolarisations(Likelihood):
    """Plus and cross amplitude of a wave with an inclination of 1, each a complex number with noise."""

    @staticmethod
    def wave(parameters: Mapping[str, float]) -> np.ndarray:
        cosine = np.cos(parameters["inclination"])
        turn = np.exp(2j * parameters["phase"]) / parameters["distance"]
        return 40.0 * turn * np.array([(1 + cosine**2) / 2, 1j * cosine])

    def log_likelihood(self, parameters: Mapping[str, float]) -> float:
        truth = {"distance": 1.0, "inclination": 1.0, "phase": 1.0}
        return -0.5 * float(np.sum(np.abs(self.wave(truth) - self.wave(parameters)) ** 2))


@pytest.mark.training
def test_a_thin_tail_at_the_end_of_a_ridge_is_drawn_from() -> None:
    prior = PriorDict({"distance": Uniform(0.25, 2.0), "inclination": Sine(), "phase": Uniform(0.0, np.pi)})
    target = Target(as_it_stands(problem_of(TwoPolarisations(), PriorTransform(prior))), use_ratio=False)
    rng = np.random.default_rng(1)
    refinement = Refinement(target, None, 2000, Budget(200_000), rng)
    assert refinement.run()
    batch = target.draw(refinement.proposal, 20_000, rng)
    weights = np.exp(batch.log_weights - batch.log_weights.max())
    tail = weights[batch.parameters["inclination"] < TAIL]
    # Three standard errors; without a part that reaches there, next to nothing is found.
    assert tail.sum() / weights.sum() == pytest.approx(MASS, rel=0.7)
    assert np.count_nonzero(tail) > 40
