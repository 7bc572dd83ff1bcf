"""Thinning: weights and evidence are exact whatever the coarse likelihood, and the figures say how far off that is."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bilby_flowpe.importance import LEAST_EFFECTIVE, effective_sample_size, summarise
from bilby_flowpe.thinning.plan import choose_thinning
from bilby_flowpe.thinning.rows import ThinnedRows, Thinning, difference_terms, summarise_thinned

N = 4000
LOG_Z = math.log(math.sqrt(2 * math.pi))
"""Of the likelihood exp(-x^2 / 2) under a uniform prior of density one."""

SPOILT = {
    "right": lambda x: 0.0 * x,
    "an offset": lambda x: 3.0 + 0.0 * x,
    "ten per cent": lambda x: 0.1 * -0.5 * x**2,
    "a tilt": lambda x: 0.5 * x,
    "too wide": lambda x: 0.25 * x**2,
}


def drawn(spoilt: str, rng: np.random.Generator, log_tau: float = 2.0, size: int = N) -> tuple[np.ndarray, ThinnedRows]:
    """Draws of a normal density of width 1.5, and what thinning with a spoilt likelihood leaves of them."""
    x = 1.5 * rng.standard_normal(size)
    log_full = -0.5 * x**2 + 0.5 * (x / 1.5) ** 2 + math.log(1.5 * math.sqrt(2 * math.pi))
    log_coarse = log_full + SPOILT[spoilt](x)
    # A log weight of 1.3 is in the middle of the right ones.
    log_keep = Thinning(log_tau + float(SPOILT[spoilt](np.zeros(1))[0])).log_keep(log_coarse)
    kept = rng.random(size) < np.exp(log_keep)
    return np.where(kept, log_full - log_keep, -np.inf), ThinnedRows(log_coarse, log_keep, kept, n_inside=size)


@pytest.mark.parametrize("spoilt", SPOILT)
def test_evidence_is_unbiased_and_its_error_is_its_scatter(spoilt: str) -> None:
    """The mean weight of 300 batches is compared, as the logarithm of a mean has a bias."""
    rng, pulls, means = np.random.default_rng(11), [], []
    for _ in range(300):
        log_w, rows = drawn(spoilt, rng)
        summary = summarise_thinned(log_w, rows)
        assert summary.by_differences
        ratio = math.exp(summary.log_evidence - LOG_Z)
        means.append(ratio - 1.0)
        pulls.append((ratio - 1.0) / summary.log_evidence_err)
    # Means of 300 are within 4 standard errors, standard deviations of 300 within 4 / sqrt(600) of themselves.
    assert abs(np.mean(means)) < 4 * np.std(means) / math.sqrt(300)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.17)


@pytest.mark.parametrize("spoilt", SPOILT)
def test_weights_of_the_kept_are_unbiased_too(spoilt: str) -> None:
    log_w, rows = drawn(spoilt, np.random.default_rng(3), size=200_000)
    weights = np.exp(log_w)
    assert rows.n_kept < 120_000
    assert weights.mean() == pytest.approx(math.exp(LOG_Z), abs=4 * weights.std() / math.sqrt(len(weights)))


def test_differences_scatter_less_than_weights() -> None:
    """The evidence scatters as little as without thinning if the coarse likelihood is right up to a constant factor."""
    rng = np.random.default_rng(5)
    for spoilt in ("right", "an offset"):
        log_w, rows = drawn(spoilt, rng)
        error = summarise_thinned(log_w, rows).log_evidence_err
        full = summarise(rows.log_coarse).log_evidence_err
        assert error == pytest.approx(full, rel=0.05)
        assert error < 0.6 * summarise(log_w).log_evidence_err


def test_nothing_thinned_is_the_plain_evidence() -> None:
    log_w, rows = drawn("a tilt", np.random.default_rng(2), log_tau=-math.inf)
    assert rows.kept.all()
    one, other = summarise_thinned(log_w, rows), summarise(log_w)
    assert one.log_evidence == pytest.approx(other.log_evidence, abs=1e-12)
    assert one.log_evidence_err == pytest.approx(other.log_evidence_err, rel=1e-3)
    assert one.effective_sample_size == other.effective_sample_size


def test_efficiency_of_the_ratio_by_hand() -> None:
    """The ratio has an efficiency of exp(-t^2) for a normal density that is drawn with one tilted by t."""
    log_w, rows = drawn("a tilt", np.random.default_rng(8), size=200_000)
    assert rows.coarse_efficiency(log_w) == pytest.approx(math.exp(-0.25), abs=0.01)
    summary = summarise_thinned(log_w, rows)
    assert summary.coarse_efficiency == rows.coarse_efficiency(log_w)
    assert summary.efficiency == effective_sample_size(rows.log_coarse) / 200_000
    assert summary.kept_efficiency == summary.effective_sample_size / summary.n_kept
    for spoilt in ("right", "an offset"):
        log_w, rows = drawn(spoilt, np.random.default_rng(8))
        assert rows.coarse_efficiency(log_w) == pytest.approx(1.0, abs=1e-12)


def test_likelihoods_further_apart_than_numbers_reach() -> None:
    log_w, rows = drawn("a tilt", np.random.default_rng(8))
    far = ThinnedRows(rows.log_coarse - 2000.0, rows.log_keep, rows.kept, rows.n_inside)
    one, other = summarise_thinned(log_w, rows), summarise_thinned(log_w, far)
    assert other.log_evidence == pytest.approx(one.log_evidence, abs=1e-9)
    assert other.coarse_efficiency == pytest.approx(one.coarse_efficiency, rel=1e-9)


def test_differences_below_zero_leave_the_weights_of_the_kept() -> None:
    """By chance all draws were kept, and half of them have no weight, those that the coarse likelihood prefers."""
    log_coarse, kept = np.log(np.tile([10.0, 1.0], 20)), np.ones(40, dtype=bool)
    log_w = np.where(log_coarse > 1, -np.inf, math.log(2.0))
    rows = ThinnedRows(log_coarse, np.full(40, math.log(0.5)), kept, 40)
    terms, log_scale = difference_terms(log_w, rows)
    np.testing.assert_allclose(terms * math.exp(log_scale), np.tile([10.0 - 20.0, 2.0], 20), rtol=1e-12)
    summary = summarise_thinned(log_w, rows)
    assert not summary.by_differences
    assert summary.log_evidence == summarise(log_w).log_evidence
    assert summary.log_evidence_err == pytest.approx(summarise(log_w).log_evidence_err)


def test_no_weight_at_all() -> None:
    nothing = ThinnedRows(np.full(5, -np.inf), np.zeros(5), np.zeros(5, dtype=bool), 5)
    summary = summarise_thinned(np.full(5, -np.inf), nothing)
    assert summary.log_evidence == -math.inf
    assert summary.log_evidence_err == math.inf
    assert summary.n_kept == summary.kept_efficiency == summary.coarse_efficiency == 0
    assert nothing.lost == 0.0


def test_so_few_weights_that_no_error_can_be_given() -> None:
    log_w, rows = drawn("right", np.random.default_rng(1), log_tau=8.0, size=300)
    summary = summarise_thinned(log_w, rows)
    assert summary.effective_sample_size < LEAST_EFFECTIVE
    assert summary.log_evidence_err == math.inf


def test_the_tail_is_that_of_all_draws_and_not_of_those_kept_by_chance() -> None:
    """Draws kept by chance have equal weights, in which a tail index sees a precipice."""
    rng = np.random.default_rng(11)
    log_coarse = rng.normal(0, 0.6, 20_000)
    thinning = choose_thinning(log_coarse, len(log_coarse), 5000)
    log_keep = thinning.log_keep(log_coarse)
    kept = rng.random(len(log_coarse)) < np.exp(log_keep)
    log_weights = np.where(kept, log_coarse - log_keep, -np.inf)
    summary = summarise_thinned(log_weights, ThinnedRows(log_coarse, log_keep, kept, len(kept)))
    assert summarise(log_weights).pareto_k > 0.7
    assert summary.pareto_k == pytest.approx(summarise(log_coarse).pareto_k)
    assert summary.pareto_k < 0.5
