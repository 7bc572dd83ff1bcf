"""Thirty problems: their evidences and shares against sums over nodes, by nothing but their own densities and priors."""

from __future__ import annotations

import math
import pickle
from itertools import pairwise

import numpy as np
import pytest
from bilby.core.prior import Categorical, DiscreteValues, WeightedDiscreteValues
from scipy.integrate import quad

from bilby_flowpe.errors import ProblemError
from bilby_flowpe.problems import discrete, modes, plateaus, ridges, scales
from bilby_flowpe.problems.closed_forms import CLOSED_FORMS, NEVER_MET
from bilby_flowpe.problems.moded import ModedProblem

NODES, WEIGHTS = np.polynomial.legendre.leggauss(20)


def panels(*breaks: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of Gauss and Legendre, twenty in each interval between breaks."""
    nodes = [0.5 * (high + low) + 0.5 * (high - low) * NODES for low, high in pairwise(breaks)]
    weights = [0.5 * (high - low) * WEIGHTS for low, high in pairwise(breaks)]
    return np.concatenate(nodes), np.concatenate(weights)


def about(low: float, high: float, *features: tuple[float, float]) -> list[float]:
    """Breaks from ``low`` to ``high`` that are dense about middles of given widths."""
    steps = np.array([-10, -6, -4, -2, -1, 0, 1, 2, 4, 6, 10])
    breaks = {low, high, *(float(middle + step * width) for middle, width in features for step in steps)}
    return sorted(value for value in breaks if low <= value <= high)


def summed(problem: ModedProblem, breaks: dict[str, list[float]]) -> tuple[float, np.ndarray]:
    """Log evidence and shares by a sum over nodes of every parameter; a discrete one's values are its nodes."""
    axes = []
    for key in problem.priors.non_fixed_keys:
        prior = problem.priors[key]
        if isinstance(prior, DiscreteValues | WeightedDiscreteValues | Categorical):
            nodes = np.unique(prior.rescale((np.arange(2000) + 0.5) / 2000)).astype(float)
            axes.append((nodes, prior.prob(nodes)))
        else:
            nodes, weights = panels(*breaks[key])
            axes.append((nodes, weights * prior.prob(nodes)))
    points = dict(
        zip(
            problem.priors.non_fixed_keys,
            (grid.ravel() for grid in np.meshgrid(*(nodes for nodes, _ in axes), indexing="ij")),
            strict=True,
        )
    )
    weights = np.ones(1)
    for _, of_axis in axes:
        weights = np.multiply.outer(weights, of_axis).ravel()
    log_likelihood = problem.likelihood.log_likelihood(points)
    mass = weights * np.exp(log_likelihood - log_likelihood.max())
    shares = np.bincount(problem.mode_of(points), weights=mass, minlength=len(problem.shares)) / mass.sum()
    return float(log_likelihood.max() + np.log(mass.sum())), shares


def square(breaks: list[float]) -> dict[str, list[float]]:
    """The same breaks of both parameters."""
    return {"x0": breaks, "x1": breaks}


SUMS: dict[str, tuple[ModedProblem, dict[str, list[float]]]] = {
    "two modes": (modes.two_modes(2, 0.97), square(about(-5, 5, (2.1213, 0.3), (-2.1213, 0.3)))),
    "many modes": (modes.many_modes(), square(list(np.linspace(-10, 10, 21)))),
    "half normals": (modes.half_normals(2), square(about(0, 1, (0, 0.02), (0, 0.5)))),
    "corner modes": (
        modes.corner_modes(),
        dict(zip(("x0", "x1", "x2"), ([0, 0.4, m, 1] for m in (0.7, 0.6, 0.65)), strict=True)),
    ),
    "two widths": (modes.modes_of_two_widths(2, 0.01), square(about(-1, 1, (-0.4, 0.1), (0.45, 0.01)))),
    "egg box": (modes.eggs(), square(list(np.arange(21) * 0.5 * math.pi))),
    "straight ridge": (
        ridges.straight_ridge(0.1),
        {**square(list(np.linspace(0, 1, 9))), "x0": [0, 0.5, 1], "x2": [0, 0.5, 1]},
    ),
    "top hat": (
        plateaus.top_hat_on_slope(),
        {"x0": [0.0, 0.3, 0.5, 1.0], "x1": [0.0, 0.6, 0.7, 1.0]},
    ),
    "scales": (
        scales.scales(),
        {
            "rate": [1e-4, *3 * np.exp(np.linspace(-1.6, 1.6, 5)), 1e4],
            "distance": about(0, 10, (4, 0.3)),
            "offset": about(-4, 5, (0.5, 0.1)),
        },
    ),
    "chosen mode": (
        discrete.chosen_mode(),
        {"x": about(-5, 5, *zip((-3, -1, 1.5, 3), (0.3, 0.1, 0.2, 0.05), strict=True))},
    ),
    "counted cycles": (discrete.counted_cycles(), {"y": list(np.linspace(-3, 5, 21))}),
}
"""A problem and its nodes; those of many dimensions by their like in fewer."""


@pytest.mark.parametrize("name", SUMS)
def test_evidence_and_shares_are_sums(name: str) -> None:
    problem, breaks = SUMS[name]
    log_evidence, shares = summed(problem, breaks)
    assert log_evidence == pytest.approx(problem.log_evidence, abs=2e-6)
    np.testing.assert_allclose(shares, problem.shares, atol=2e-6)


@pytest.mark.parametrize("ndim", [2, 4])
def test_bananas(ndim: int) -> None:
    """Inner integrals over the second of each pair, which follows the square of the first."""
    problem = ridges.bananas(2, 0.1)
    x, of_x = panels(*np.linspace(-6, 6, 33))
    steps, of_steps = panels(-10, -5, 0, 5, 10)
    grid_x, grid_t = (grid.ravel() for grid in np.meshgrid(x, steps, indexing="ij"))
    points = {"x0": grid_x, "x1": grid_x**2 + 0.1 * grid_t}
    mass = np.exp(problem.likelihood.log_likelihood(points)) * np.outer(of_x, 0.1 * of_steps).ravel()
    assert math.log(mass.sum() / (12 * 44)) == pytest.approx(problem.log_evidence, abs=1e-8)
    # Nodes are a fiftieth apart: the edges of the pieces fall between them.
    np.testing.assert_allclose(np.bincount(problem.mode_of(points), mass), problem.shares, atol=0.01)
    pairs = ridges.bananas(ndim, 0.1)
    assert pairs.log_evidence == pytest.approx(ndim / 2 * problem.log_evidence)
    repeated = {f"x{i}": points[f"x{i % 2}"] for i in range(ndim)}
    np.testing.assert_allclose(
        pairs.likelihood.log_likelihood(repeated), ndim / 2 * problem.likelihood.log_likelihood(points), rtol=1e-10
    )


def test_heavy_tails() -> None:
    """The integral uses nodes of the angle whose tangent the parameter is, because a Cauchy density is flat there."""
    problem = scales.heavy_tails()
    nodes, weights = [], []
    for middle in (0.5, -1.0, 2.0):
        angle, of_angle = panels(*np.linspace(*np.arctan([(-10 - middle) / 0.05, (10 - middle) / 0.05]), 4))
        nodes.append(middle + 0.05 * np.tan(angle))
        weights.append(of_angle * 0.05 / np.cos(angle) ** 2 / 20)
    points = dict(zip(("x0", "x1", "x2"), (g.ravel() for g in np.meshgrid(*nodes, indexing="ij")), strict=True))
    mass = np.exp(problem.likelihood.log_likelihood(points)) * np.einsum("i,j,k->ijk", *weights).ravel()
    assert math.log(mass.sum()) == pytest.approx(problem.log_evidence, abs=1e-6)
    np.testing.assert_allclose(np.bincount(problem.mode_of(points), mass / mass.sum()), problem.shares, atol=0.03)


@pytest.mark.parametrize("make", [plateaus.plateau, plateaus.two_plateaus])
def test_plateaus(make) -> None:
    """A radial integral of the likelihood along a ray from each middle."""
    problem = make()
    likelihood = problem.likelihood
    ndim = len(likelihood.keys)
    masses = []
    for centre, radius in zip(likelihood.centres, likelihood.radii, strict=True):

        def shell(r: float, centre=centre) -> float:
            at = dict(zip(likelihood.keys, centre, strict=True))
            at["x0"] -= r
            return math.exp(likelihood.log_likelihood(at)) * (2 * math.pi * r if ndim == 2 else 4 * math.pi * r**2)

        # Forty times the fall outside are enough.
        masses.append(quad(shell, 0, radius)[0] + quad(shell, radius, radius + 0.2, epsabs=1e-12)[0])
    assert math.log(sum(masses)) - ndim * math.log(2) == pytest.approx(problem.log_evidence, abs=1e-8)
    np.testing.assert_allclose(np.array(masses) / sum(masses), problem.shares, atol=1e-8)


def test_ring() -> None:
    """The evidence of a ring is integrated in polar coordinates, where it is thin in the radius only."""
    problem = ridges.ring()
    turn = (np.arange(800) + 0.5) * 2 * math.pi / 800
    radius, of_radius = panels(0.6, 0.65, 0.7, 0.75, 0.8)
    grid_turn, grid_radius = (grid.ravel() for grid in np.meshgrid(turn, radius, indexing="ij"))
    points = {"x0": 0.2 + grid_radius * np.cos(grid_turn), "x1": -0.1 + grid_radius * np.sin(grid_turn)}
    mass = np.exp(problem.likelihood.log_likelihood(points)) * grid_radius
    mass *= np.tile(of_radius, 800) * 2 * math.pi / 800
    assert math.log(mass.sum() / 2.4**2) == pytest.approx(problem.log_evidence, abs=1e-8)
    np.testing.assert_allclose(np.bincount(problem.mode_of(points), mass / mass.sum()), problem.shares, atol=1e-8)


def test_spike_on_slab() -> None:
    """The share in the ball about the spike, by draws from the truth: the fraction scatters by 0.0011."""
    problem = modes.spike_on_slab()
    rng = np.random.default_rng(1)
    spiky = rng.random(200_000) < 0.5
    draws = np.where(spiky, 0.1, 0.0) + np.where(spiky, 0.01, 0.1) * rng.standard_normal((3, 200_000))
    found = problem.found(dict(zip(("x0", "x1", "x2"), draws, strict=True)))
    np.testing.assert_allclose(found, problem.shares, atol=0.0045)
    assert problem.shares[1] != pytest.approx(0.5, abs=1e-4)


def test_shells_and_thin_normal_are_in_four_parts_and_in_one() -> None:
    rng = np.random.default_rng(2)
    away = rng.standard_normal((5, 40_000))
    away *= 2.0 / np.linalg.norm(away, axis=0)
    away[0] += np.where(rng.random(40_000) < 0.5, 3.5, -3.5)
    shells = ridges.shells(5)
    np.testing.assert_allclose(shells.found({f"x{i}": away[i] for i in range(5)}), shells.shares, atol=0.01)
    thin = modes.thin_normal()
    np.testing.assert_allclose(
        np.sqrt(np.linalg.eigvalsh(thin.likelihood.covariance)), [1e-3, 1e-3, 0.1, 0.1], rtol=1e-6
    )
    assert thin.shares == (1.0,)


def test_what_is_missing() -> None:
    problem = modes.two_modes(2, 0.9)
    first = {"x0": np.full(100, 2.1), "x1": np.full(100, 2.1)}
    assert problem.missing(first) == pytest.approx(0.1)
    # Four of the ten rows that should be with the second are less than half.
    some = {key: np.where(np.arange(100) < 4, -2.1, column) for key, column in first.items()}
    assert problem.missing(some) == pytest.approx(0.1)
    more = {key: np.where(np.arange(100) < 6, -2.1, column) for key, column in first.items()}
    assert problem.missing(more) == 0.0


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_thirty_are_alike(name: str) -> None:
    """Shares sum to one, the likelihood travels, and takes one point as it takes many; every row is in some region."""
    problem = CLOSED_FORMS[name]()
    assert sum(problem.shares) == pytest.approx(1.0)
    assert math.isfinite(problem.log_evidence)
    likelihood, priors, _ = pickle.loads(pickle.dumps(problem.solved))
    rows = {key: np.asarray(column, dtype=float) for key, column in priors.sample(20).items()}
    values = [likelihood.log_likelihood({key: column[i] for key, column in rows.items()}) for i in range(20)]
    assert np.all(np.isfinite(values))
    assert all(np.shape(value) == () for value in values)
    if name != "poisson_counts":
        np.testing.assert_allclose(problem.likelihood.log_likelihood(rows), values, rtol=1e-9)
    regions = problem.mode_of({key: rows[key] for key in priors.non_fixed_keys})
    assert regions.shape == (20,)
    assert 0 <= regions.min() <= regions.max() < len(problem.shares)


def test_there_are_thirty() -> None:
    assert len(CLOSED_FORMS) == 30
    assert NEVER_MET in CLOSED_FORMS


@pytest.mark.parametrize(("ndim", "larger"), [(0, 0.5), (2, 0.999)])
def test_refusals(ndim: int, larger: float) -> None:
    with pytest.raises(ProblemError, match="give a value from"):
        modes.two_modes(ndim, larger)
