"""The constrained problem: its evidence by draws, and by a sampler of Bilby's."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from bilby.core.likelihood import GaussianLikelihood

from bilby_flowpe.problems.constrained import constrained_gaussian, share_left
from tests.problems.test_toys import draw


@pytest.mark.parametrize("simulates", [False, True])
def test_constrained_evidence_is_that_of_the_normalised_prior(simulates: bool) -> None:
    """Mean over the draws that satisfy the constraints; the share of them is the other half of the bookkeeping."""
    likelihood, priors, log_evidence = constrained_gaussian(simulates)
    draws = draw(priors, 400_000, seed=2)
    kept = np.array(priors.evaluate_constraints(draws), dtype=bool)
    share = share_left()
    assert 0.05 < share < 0.1
    assert abs(kept.mean() - share) < 4 * math.sqrt(share / kept.size)
    a, b = draws["a"][kept], draws["b"][kept]
    assert np.all((a > b) & (a * b > 400) & (a * b < 600))
    if isinstance(likelihood, GaussianLikelihood):
        values = np.array([likelihood.log_likelihood({"a": x, "b": y}) for x, y in zip(a, b, strict=True)])
    else:
        values = likelihood.log_likelihood({"a": a, "b": b})
    relative = np.exp(values - log_evidence)
    error = relative.std() / math.sqrt(relative.size)
    assert error < 0.02
    assert abs(relative.mean() - 1.0) < 4 * error


def test_constraints_cut_into_the_likelihood() -> None:
    """A problem that a sampler blind to them would get wrong by a lot."""
    log_evidence = constrained_gaussian()[2]
    blind = -2 * math.log(45.0)
    assert log_evidence - blind > 0.5
    inside = np.exp(log_evidence) * share_left() * 45.0**2
    assert 0.1 < inside < 0.9


@pytest.mark.training
def test_bilby_samples_them_with_no_state() -> None:
    """A short dynesty run in a process of its own, where Bilby forbids parameters as state."""
    code = (
        "import bilby, tempfile; from bilby_flowpe.problems import constrained\n"
        "likelihood, priors, exact = constrained.constrained_gaussian()\n"
        "with tempfile.TemporaryDirectory() as outdir:\n"
        "    result = bilby.run_sampler(likelihood, priors, sampler='dynesty', nlive=60, sample='acceptance-walk', naccept=5,\n"
        "        outdir=outdir, print_progress=False, check_point=False, save=False, seed=1)\n"
        "print(result.log_evidence - exact, result.log_evidence_err)"
    )
    environment = {**os.environ, "BILBY_ALLOW_PARAMETERS_AS_STATE": "FALSE"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    difference, error = map(float, run.stdout.split()[-2:])
    # Bilby's nested samplers start from points that satisfy the constraints: the prior is normalised over these.
    assert abs(difference) < 5 * error < 1.5 < -math.log(share_left())
