"""Normals that are adapted to a statistic, on one that is known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from bilby_flowpe.proposals.event_mixture import NormalMixture
from bilby_flowpe.sampling.adapted import adapted, metric_density

TOP, WIDTHS = np.array([0.5, -1.0, 2.0]), np.array([0.01, 0.2, 0.05])


class Known:
    """A statistic of a loud signal: a normal density of known widths, correlated, under a standard normal prior."""

    def __init__(self) -> None:
        turn = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
        self.precision_of_all = turn @ np.diag(WIDTHS**-2.0) @ turn.T

    def log_targets(self, places: np.ndarray) -> np.ndarray:
        apart = places - TOP
        ratios = 200 - 0.5 * np.einsum("na,ab,nb->n", apart, self.precision_of_all, apart)
        return np.stack([-0.5 * np.sum(places**2, axis=1), np.where(places[:, 1] < 5, ratios, -np.inf)])

    def precision(self, climber: SimpleNamespace) -> np.ndarray:
        return self.precision_of_all + np.eye(3)


def wanted(known: Known) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of prior times the exponential of the statistic."""
    covariance = np.linalg.inv(known.precision_of_all + np.eye(3))
    return covariance @ known.precision_of_all @ TOP, covariance


def test_from_a_place_nearby_it_becomes_the_density_of_the_statistic() -> None:
    known = Known()
    found = adapted(known, metric_density(known, TOP + 0.02, 190.0))
    assert found.arrived == 1.0
    mean, covariance = wanted(known)
    draws = found.density.draw(20_000, np.random.default_rng(2))
    root = np.linalg.cholesky(covariance)
    white = np.linalg.solve(root, (draws - mean).T).T
    # Fitted to 120 effective rows at least, and broadened by a fifth.
    assert np.abs(white.mean(axis=0)).max() < 0.3
    assert white.std(axis=0) == pytest.approx(1.2, abs=0.25)


def test_from_afar_it_follows_the_path() -> None:
    known = Known()
    first = NormalMixture(np.ones(1), (TOP + 0.5)[None], 0.5 * np.eye(3)[None])
    found = adapted(known, first)
    mean, covariance = wanted(known)
    apart = found.density.draw(5000, np.random.default_rng(3)) - mean
    distance = np.einsum("na,ab,nb->n", apart, np.linalg.inv(covariance), apart)
    before = first.draw(5000, np.random.default_rng(3)) - mean
    assert np.median(distance) < 0.01 * np.median(np.einsum("na,ab,nb->n", before, np.linalg.inv(covariance), before))


def test_where_no_row_has_a_statistic_the_first_density_stays() -> None:
    known = Known()
    first = NormalMixture(np.ones(1), np.array([[0.0, 60.0, 0.0]]), np.eye(3)[None])
    found = adapted(known, first)
    assert (found.arrived, found.density) == (0.0, first)
