"""The toys' evidences against brute force, their likelihoods as black boxes, and what Bilby makes of them."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from bilby.core.likelihood import GaussianLikelihood
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from bilby_flowpe.errors import ProblemError
from bilby_flowpe.problems import toys
from bilby_flowpe.problems.constrained import constrained_gaussian

PROBLEMS: dict[str, Callable[[], toys.Problem]] = {
    "gaussian 1": partial(toys.correlated_gaussian, 1),
    "gaussian 2": partial(toys.correlated_gaussian, 2),
    "gaussian 10": partial(toys.correlated_gaussian, 10),
    "shells 2": partial(toys.gaussian_shells, 2),
    "shells 5": partial(toys.gaussian_shells, 5),
    "eggbox 1": partial(toys.eggbox, 1),
    "eggbox 2": partial(toys.eggbox, 2),
    "unequal modes 2": partial(toys.unequal_modes, 2, 0.03),
    "unequal modes 3": partial(toys.unequal_modes, 3),
    "spike and slab 2": partial(toys.spike_and_slab, 2, 0.03),
    "spike and slab 3": partial(toys.spike_and_slab, 3),
    "constrained": constrained_gaussian,
    "constrained, simulates": partial(constrained_gaussian, True),
}


def draw(priors, size: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Uniform draws from the box, constraints left out."""
    rng = np.random.default_rng(seed)
    return {key: rng.uniform(priors[key].minimum, priors[key].maximum, size) for key in priors.non_fixed_keys}


def on_a_grid(likelihood, priors, n: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Log likelihood at the middles of n by n cells of a box of two parameters."""
    axes = [
        priors[key].minimum + (np.arange(n) + 0.5) * (priors[key].maximum - priors[key].minimum) / n
        for key in priors.non_fixed_keys
    ]
    points = dict(zip(priors.non_fixed_keys, (axis.ravel() for axis in np.meshgrid(*axes)), strict=True))
    return points, likelihood.log_likelihood(points)


@pytest.mark.parametrize("name", PROBLEMS)
def test_black_boxes_are_finite_and_travel(name: str) -> None:
    """Finite all over the support, the same after pickling, and one number for one point."""
    likelihood, priors, log_evidence = pickle.loads(pickle.dumps(PROBLEMS[name]()))
    assert math.isfinite(log_evidence)
    point = {key: float(value) for key, value in priors.sample().items()}
    assert np.shape(likelihood.log_likelihood(point)) == ()
    assert likelihood.log_likelihood(point) == pytest.approx(PROBLEMS[name]()[0].log_likelihood(point))
    # Bilby then takes the likelihood itself, not its ratio.
    assert np.isnan(likelihood.noise_log_likelihood()) or isinstance(likelihood, GaussianLikelihood)
    draws = draw(priors, 200)
    for corner in (
        draws,
        {key: np.full(1, priors[key].minimum) for key in draws},
        {key: np.full(1, priors[key].maximum) for key in draws},
    ):
        rows = [
            likelihood.log_likelihood({key: column[i] for key, column in corner.items()})
            for i in range(len(next(iter(corner.values()))))
        ]
        assert np.all(np.isfinite(rows))
        if not isinstance(likelihood, GaussianLikelihood):
            np.testing.assert_allclose(likelihood.log_likelihood(corner), rows, rtol=1e-12)


def test_the_gaussian_is_what_it_says() -> None:
    """A normalised density, well inside its box: widths over a decade, neighbours correlated by 0.8."""
    for ndim in (1, 2, 5, 10):
        likelihood, priors, log_evidence = toys.correlated_gaussian(ndim)
        widths = np.diag(likelihood.covariance) ** 0.5
        assert ndim == 1 or widths[0] / widths[-1] == pytest.approx(10.0)
        assert ndim == 1 or likelihood.covariance[0, 1] / widths[0] / widths[1] == pytest.approx(0.8)
        edge = [
            min(m - priors[key].minimum, priors[key].maximum - m)
            for key, m in zip(likelihood.keys, likelihood.mean, strict=True)
        ]
        assert np.min(edge / widths) >= 8.0  # each cuts off 1e-15
        rng = np.random.default_rng(0)
        x = rng.multivariate_normal(likelihood.mean, likelihood.covariance, 50)
        wanted = multivariate_normal(likelihood.mean, likelihood.covariance).logpdf(x)
        np.testing.assert_allclose(likelihood.log_likelihood(dict(zip(likelihood.keys, x.T, strict=True))), wanted)
        volume = np.prod([priors[key].maximum - priors[key].minimum for key in likelihood.keys])
        assert log_evidence == pytest.approx(-math.log(volume))


@pytest.mark.training
@pytest.mark.parametrize(
    ("name", "n"), [("gaussian 2", 1500), ("shells 2", 1500), ("eggbox 2", 2000), ("unequal modes 2", 1000)]
)
def test_evidence_against_a_grid(name: str, n: int) -> None:
    likelihood, priors, log_evidence = PROBLEMS[name]()
    _, values = on_a_grid(likelihood, priors, n)
    # The shells' box cuts 3e-7 off; the grid's middles are second order in its pitch.
    assert logsumexp(values) - 2 * math.log(n) == pytest.approx(log_evidence, abs=1e-4)


def test_published_evidences() -> None:
    """Analytic and fine-grid values of Feroz and Hobson (2008) and Feroz, Hobson and Bridges (2009)."""
    for ndim, published in ((2, -1.75), (5, -5.67), (10, -14.59), (20, -36.09), (30, -60.13)):
        assert toys.gaussian_shells(ndim)[2] == pytest.approx(published, abs=0.006)
    assert toys.eggbox()[2] == pytest.approx(235.856, abs=0.001)


@pytest.mark.parametrize(("make", "dim"), [(toys.gaussian_shells, 3), (toys.eggbox, 1), (toys.eggbox, 3)])
def test_evidence_against_draws(make: Callable[[int], toys.Problem], dim: int) -> None:
    likelihood, priors, log_evidence = make(dim)
    values = likelihood.log_likelihood(draw(priors, 1_000_000, seed=1)) - log_evidence
    relative = np.exp(values)
    error = relative.std() / math.sqrt(relative.size)
    assert error < 0.15  # the modes are narrow: a few hundred draws in each
    assert abs(relative.mean() - 1.0) < 4 * error


def test_bad_dimensions_raise() -> None:
    for make, ndim in ((toys.correlated_gaussian, 0), (toys.gaussian_shells, 1), (toys.eggbox, 4)):
        with pytest.raises(ProblemError, match=f"ndim={ndim}"):
            make(ndim)
