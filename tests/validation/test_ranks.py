"""Ranks of the truth: uniform for exact draws however few, and not for draws that are wrong on purpose."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from bilby_flowpe.errors import DataError
from bilby_flowpe.validation.ranks import (
    combined,
    rank_of_distance,
    rank_of_truth,
    ranks_of_parameters,
    uniformity,
)

KEYS = ("a", "b")
CORRELATION = 0.9
EVENTS, DRAWS = 600, 100
LEVEL = 1e-3
COVARIANCE = np.array([[1.0, CORRELATION], [CORRELATION, 1.0]])
PRECISION = np.linalg.inv(COVARIANCE)


def log_density(table: np.ndarray) -> np.ndarray:
    return -0.5 * np.einsum("ni,ij,nj->n", table, PRECISION, table)


def p_values(spoil, seed: int = 0) -> dict[str, float]:
    """Return the ranks of both parameters and both joint statistics, over events of correlated normal posteriors."""
    rng = np.random.default_rng(seed)
    ranks: dict[str, list[float]] = {"a": [], "b": [], "density": [], "distance": []}
    for _ in range(EVENTS):
        table = spoil(rng.multivariate_normal(np.zeros(2), COVARIANCE, size=DRAWS), rng)
        own = rng.multivariate_normal(np.zeros(2), COVARIANCE)
        draws, truth = dict(zip(KEYS, table.T, strict=True)), dict(zip(KEYS, own, strict=True))
        for key, rank in ranks_of_parameters(draws, truth, KEYS, rng).items():
            ranks[key].append(rank)
        ranks["density"].append(rank_of_truth(log_density(table), log_density(own[None])[0], rng))
        ranks["distance"].append(rank_of_distance(draws, truth, KEYS, rng))
    return uniformity(ranks)


@pytest.mark.parametrize("draws", [0, 1, 7])
def test_rank_is_uniform_for_any_number_of_draws(draws: int) -> None:
    rng = np.random.default_rng(1)
    ranks = [rank_of_truth(rng.standard_normal(draws), rng.standard_normal(), rng) for _ in range(4000)]
    assert kstest(ranks, "uniform").pvalue > LEVEL


def test_ties_are_broken_by_chance() -> None:
    rng = np.random.default_rng(2)
    ranks = [rank_of_truth(rng.integers(2, size=9).astype(float), float(rng.integers(2)), rng) for _ in range(4000)]
    assert kstest(ranks, "uniform").pvalue > LEVEL


def test_exact_draws_pass() -> None:
    assert min(p_values(lambda table, rng: table).values()) > LEVEL


@pytest.mark.parametrize(
    ("spoil", "caught_by"),
    [
        (lambda table, rng: table + 0.3, {"a", "b"}),
        (lambda table, rng: 1.3 * table, {"density", "distance"}),
        (lambda table, rng: table / 1.3, {"density"}),
        # Each column dealt out anew: marginals as they were, the correlation gone.
        (lambda table, rng: np.stack([table[:, 0], rng.permutation(table[:, 1])], axis=1), {"density", "distance"}),
    ],
    ids=["shifted", "too wide", "too narrow", "wrong joint"],
)
def test_wrong_draws_are_caught(spoil, caught_by: set[str]) -> None:
    found = p_values(spoil)
    assert all(found[key] < LEVEL for key in caught_by), found


def test_marginals_alone_miss_a_wrong_joint() -> None:
    found = p_values(lambda table, rng: np.stack([table[:, 0], rng.permutation(table[:, 1])], axis=1))
    assert min(found["a"], found["b"]) > LEVEL


def test_distance_goes_around_a_circle() -> None:
    rng = np.random.default_rng(3)
    ranks = []
    for _ in range(2000):
        centre = 6.2
        draws = {"phase": (centre + 0.2 * rng.standard_normal(50)) % (2 * np.pi)}
        truth = {"phase": float((centre + 0.2 * rng.standard_normal()) % (2 * np.pi))}
        ranks.append(rank_of_distance(draws, truth, ("phase",), rng, {"phase": 2 * np.pi}))
    assert kstest(ranks, "uniform").pvalue > LEVEL


def test_distance_of_too_few_draws_is_chance() -> None:
    rng = np.random.default_rng(4)
    assert 0 <= rank_of_distance({"a": np.zeros(1)}, {"a": 1.0}, ("a",), rng) <= 1


@pytest.mark.parametrize("values", [[], [0.5, np.nan], [1.5]])
def test_ranks_that_are_none_are_refused(values: list[float]) -> None:
    with pytest.raises(DataError, match="'mass_1'"):
        uniformity({"mass_1": values})


def test_combined_is_fishers() -> None:
    assert combined({"a": 0.5}) == pytest.approx(0.5)
    assert combined({"a": 0.0, "b": 0.5}) < 1e-100
