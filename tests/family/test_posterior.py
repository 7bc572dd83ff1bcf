"""Draws of an event's posterior that networks are trained on, against a long importance sample of the same statistic."""

from __future__ import annotations

import numpy as np
import pytest

from bilby_flowpe.family.bounds import ALIGNED as KEYS
from bilby_flowpe.family.coordinates import Leading, Scales, target
from bilby_flowpe.family.pivot import filtered
from bilby_flowpe.family.posterior import Posterior
from tests.family.small import ALIGNED, FREQUENCIES, climb, event, red, templates, view

HEAVY = np.array([50.0, 0.8, 0.1, 0.0])
TRUTH = {key: np.array([value]) for key, value in zip(KEYS, HEAVY, strict=True)}


@pytest.mark.training
def test_draws_have_the_mean_and_the_covariance_of_the_posterior() -> None:
    gathered, phases = event([red(FREQUENCIES)] * 2, 25.0, HEAVY, np.random.default_rng(3))
    binned = gathered.about(phases)
    seen = view(binned, HEAVY)
    posterior, rng = Posterior(ALIGNED, templates(), climb()), np.random.default_rng(1)
    calls = 45
    draws = np.concatenate([posterior.draws(binned, seen, TRUTH, rng) for _ in range(calls)])
    # A normal density about the wave of the view in the prior's own coordinates, wider than the posterior: neither the ridge
    # nor the mass that keeps the phase is in it.
    white = 1.4 * rng.standard_normal((6000, 4))
    places = seen.pivot.base + white @ seen.pivot.root.T
    bodies = climb().bodies(places)
    values = filtered(binned, *templates()(bodies)).values
    log_weights = values - 0.5 * np.sum(places**2, axis=1) + 0.5 * np.sum((white / 1.4) ** 2, axis=1)
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    effective = 1 / np.sum(weights**2)
    assert effective > 500
    scales = Scales.of(ALIGNED, seen)
    leading = Leading(seen, scales, climb())
    coordinates = target(ALIGNED, scales, leading, dict(zip(KEYS, bodies.T, strict=True)))
    there = np.all(np.isfinite(coordinates), axis=1)
    assert weights[there].sum() > 0.999
    coordinates, weights = coordinates[there], weights[there] / weights[there].sum()
    mean = weights @ coordinates
    covariance = (weights[:, None] * (coordinates - mean)).T @ (coordinates - mean)
    widths = np.sqrt(np.diag(covariance))
    # Of each call's 24 draws out of some forty effective rows there are fewer than ten independent ones.
    error = np.sqrt(1 / effective + 1 / (10 * calls))
    assert np.abs((draws.mean(axis=0) - mean) / widths).max() < 4 * error
    of_draws = np.cov(draws.T)
    assert np.abs((of_draws - covariance) / np.outer(widths, widths)).max() < 4 * np.sqrt(2) * error


def test_where_few_rows_have_a_weight_the_truth_is_the_draw() -> None:
    """Noise without a signal, and a truth that is far from the wave that is found in it: of no row is the weight alone."""
    gathered, phases = event([red(FREQUENCIES)] * 2, 25.0, HEAVY, np.random.default_rng(3))
    binned = gathered.about(phases)
    seen = view(binned, HEAVY)
    louder = type(binned)(30 * binned.data, binned.weights, binned.phases)
    found = Posterior(ALIGNED, templates(), climb()).draws(louder, seen, TRUTH, np.random.default_rng(1))
    assert found is not None and np.all(found == found[0])
    scales = Scales.of(ALIGNED, seen)
    expected = target(ALIGNED, scales, Leading(seen, scales, climb()), TRUTH)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-6)
    far = {**TRUTH, "mass_ratio": np.array([0.0556]), "chi_1": np.array([-0.98]), "chi_2": np.array([-0.98])}
    if (
        none := Posterior(ALIGNED, templates(), climb()).draws(louder, seen, far, np.random.default_rng(1))
    ) is not None:
        assert np.all(np.isfinite(none))
