"""Marginals against edges: held against truncated normal curves, whose share beyond an edge is known."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.core.prior import Constraint, Gaussian, PriorDict, Sine, Uniform
from bilby.gw.prior import BBHPriorDict
from scipy.stats import norm, truncnorm

from bilby_flowpe.edges import edges_of

SIZE = 5000
EVEN = np.full(SIZE, 1 / SIZE)


def cut(mean: float, width: float, low: float, high: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    ends = (np.array([low, high]) - mean) / width
    drawn: np.ndarray = truncnorm.rvs(*ends, loc=mean, scale=width, size=SIZE, random_state=rng)
    return drawn


@pytest.mark.parametrize(
    ("mean", "side", "away"),
    [(3.0, "upper", -2.0), (1.5, "upper", 1.0), (-4.0, "lower", 2.0 / 2), (-5.5, "lower", -1.0)],
)
def test_an_edge_that_cuts_is_told_with_the_share_beyond(mean: float, side: str, away: float) -> None:
    edge = 2.0 if side == "upper" else -5.0
    width = abs((edge - mean) / away) if mean > -5.5 else 0.5
    values = cut(mean, width, -5, 2)
    (found,) = edges_of(PriorDict({"x": Uniform(-5, 2)}), {"x": values}, EVEN)
    assert (found.parameter, found.side, found.value) == ("x", side, edge)
    # The fit of 2000 draws knows a share of a half to some hundredths.
    assert found.beyond == pytest.approx(norm.sf(away), abs=0.1)
    assert f"x piles up at the {side} edge {edge:g} of its prior" in str(found)


def test_density_at_the_edge_is_that_of_the_curve() -> None:
    values = cut(1.0, 0.8, -5, 2)
    (found,) = edges_of(PriorDict({"x": Uniform(-5, 2)}), {"x": values}, EVEN)
    assert found.density == pytest.approx(norm.pdf(1.1 / 0.8) / norm.pdf(0), abs=5 * found.density_err + 0.05)


def test_weights_count() -> None:
    """Draws from the prior, weighted to the same posterior."""
    rng = np.random.default_rng(1)
    values = rng.uniform(-5, 2, 200_000)
    weights = norm.pdf(values, 1.5, 0.5)
    (found,) = edges_of(PriorDict({"x": Uniform(-5, 2)}), {"x": values}, weights / weights.sum())
    assert found.beyond == pytest.approx(norm.sf(1.0), abs=0.05)


@pytest.mark.parametrize(
    ("priors", "values"),
    [
        ({"x": Uniform(-5, 2)}, cut(0.0, 0.5, -5, 2)),  # far from it
        ({"x": Uniform(-5, 2)}, np.random.default_rng(0).uniform(-5, 2, SIZE)),  # not measured at all
        ({"x": Uniform(-5, 2, boundary="periodic")}, cut(2.0, 0.5, -5, 2)),
        ({"x": Gaussian(0, 1)}, cut(2.0, 0.5, -5, 2)),
        ({"mass_ratio": Uniform(0.1, 1)}, cut(1.0, 0.1, 0.1, 1)),
        ({"a_1": Uniform(0, 0.99)}, cut(0.0, 0.2, 0, 0.99)),
        ({"a_2": Uniform(0, 0.99)}, cut(1.0, 0.2, 0, 0.99)),
        ({"cos_tilt_1": Uniform(-1, 1)}, cut(1.0, 0.2, -1, 1)),
        ({"theta_jn": Sine()}, cut(3.0, 0.3, 0, np.pi)),
        ({"lambda_1": Uniform(0, 5000)}, cut(0.0, 300, 0, 5000)),
        ({"luminosity_distance": Uniform(0, 5000)}, cut(0.0, 300, 0, 5000)),
        ({"x": Uniform(0, 4)}, np.repeat(np.arange(5.0), SIZE // 5)),  # no density
    ],
)
def test_edges_that_cut_nothing_are_not_told(priors: dict, values: np.ndarray) -> None:
    assert edges_of(PriorDict(priors), {next(iter(priors)): values}, EVEN) == []


def test_edges_of_choice_of_the_same_parameters_are_told() -> None:
    priors = PriorDict({"mass_ratio": Uniform(0.5, 1), "luminosity_distance": Uniform(0, 500)})
    parameters = {"mass_ratio": cut(0.5, 0.1, 0.5, 1), "luminosity_distance": cut(500, 50, 0, 500)}
    found = {(entry.parameter, entry.side) for entry in edges_of(priors, parameters, EVEN)}
    assert found == {("mass_ratio", "lower"), ("luminosity_distance", "upper")}


def test_constraints_have_edges_too() -> None:
    priors = BBHPriorDict(
        {
            "mass_1": Uniform(5, 100),
            "mass_2": Uniform(5, 100),
            "chirp_mass": Constraint(25, 100),
            "mass_ratio": Constraint(0.125, 1),
        }
    )
    chirp_mass, rng = cut(25, 2, 25, 100), np.random.default_rng(2)
    ratio = rng.uniform(0.3, 1, SIZE)
    mass_1 = chirp_mass * (1 + ratio) ** 0.2 / ratio**0.6
    (found,) = edges_of(priors, {"mass_1": mass_1, "mass_2": ratio * mass_1}, EVEN)
    assert (found.parameter, found.side, found.value) == ("chirp_mass", "lower", 25)


def test_no_draws_have_no_edges() -> None:
    assert edges_of(PriorDict({"x": Uniform(0, 1)}), {"x": np.zeros(0)}, np.zeros(0)) == []
    assert edges_of(PriorDict({"x": Uniform(0, 1)}), {"x": np.ones(SIZE)}, np.zeros(SIZE)) == []
