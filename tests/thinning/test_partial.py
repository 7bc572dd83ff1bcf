"""Rows that are not all evaluated: the evidence is exact all the same, and what they lack is measured rightly."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from bilby_flowpe.importance import normalised_weights, summarise
from bilby_flowpe.thinning.partial import Missing, log_of_evaluated, summarise_partly
from bilby_flowpe.thinning.rows import ThinnedRows, Thinning, summarise_thinned

SIZE = 20_000
TRUE_Z = math.sqrt(2 * math.pi)
"""Of the likelihood exp(-x^2 / 2) under a uniform prior of density one."""
PARTLY = Thinning(4.0, 0.002, rows=Thinning(1.2))


def drawn(
    slope: float, rng: np.random.Generator, thinning: Thinning = PARTLY, size: int = SIZE, offset: float = 0.0
) -> tuple[np.ndarray, np.ndarray, ThinnedRows]:
    """Draws of a normal density of width 1.3, their log weights and what became of them.

    The coarse likelihood is that of a mean that is off by ``slope``, times a factor.
    """
    x = 1.3 * rng.standard_normal(size)
    log_full = -0.5 * x**2 + 0.5 * (x / 1.3) ** 2 + math.log(1.3 * math.sqrt(2 * math.pi))
    log_coarse = log_full + slope * x + offset
    shifted = replace(
        thinning, log_tau=thinning.log_tau + offset, rows=replace(thinning.rows, log_tau=thinning.rows.log_tau + offset)
    )
    log_keep, log_row = shifted.log_keep(log_coarse), shifted.log_row(log_coarse)
    uniform = rng.random(size)
    kept, row = uniform < np.exp(log_keep), uniform < np.exp(log_row)
    rows = ThinnedRows(log_coarse, log_keep, kept, size, log_row=log_row, unevaluated=row & ~kept)
    log_weights = np.where(kept, log_full - log_row, np.where(row, log_coarse - log_row, -np.inf))
    log_weights = log_weights + np.where(rows.unevaluated, Missing.of(log_weights, rows).log_ratio, 0.0)
    return x, log_weights, rows


def test_a_row_is_never_rarer_than_an_evaluation() -> None:
    log_coarse = np.linspace(-20.0, 6.0, 50)
    thinning = Thinning(4.0, 0.05, rows=Thinning(1.2, 0.01))
    assert np.all(thinning.log_row(log_coarse) >= thinning.log_keep(log_coarse))
    alone = Thinning(4.0)
    np.testing.assert_array_equal(alone.log_row(log_coarse), alone.log_keep(log_coarse))


@pytest.mark.parametrize(("slope", "offset"), [(0.0, 0.0), (0.1, 3.0), (0.5, -2.0)])
def test_evidence_is_unbiased_and_its_error_is_its_scatter(slope: float, offset: float) -> None:
    """The mean of 100 batches is right, however far off the coarse likelihood is."""
    rng, pulls, means = np.random.default_rng(1), [], []
    for _ in range(100):
        _, log_weights, rows = drawn(slope, rng, size=3000, offset=offset)
        summary = summarise_partly(log_weights, rows)
        means.append(math.exp(summary.log_evidence) / TRUE_Z - 1.0)
        pulls.append(means[-1] / summary.log_evidence_err)
    assert abs(np.mean(means)) < 4 * np.std(means) / math.sqrt(100)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.28)  # 4 / sqrt(200)


@pytest.mark.parametrize("slope", [0.0, 0.1, 0.3])
def test_what_rows_lack_is_measured(slope: float) -> None:
    """The ratio of the likelihoods is that of two normal densities: its scatter and its shift of the mean are known."""
    x, log_weights, rows = drawn(slope, np.random.default_rng(2), size=200_000)
    missing = Missing.of(log_weights, rows)
    assert missing.log_ratio == pytest.approx(-0.5 * slope**2, abs=0.01)
    # Of the posterior's weight a part is evaluated, for which nothing is missing.
    part = float(missing.shares.sum())
    assert 0.5 < part < 0.95
    variance, error = missing.scatter
    assert variance == pytest.approx(part * math.expm1(slope**2), abs=5 * error + 0.05 * slope**2 + 1e-12)
    weights = normalised_weights(log_weights)
    off, error = missing.shift(x, weights)
    scatter = 1.0 / math.sqrt(summarise(log_weights).effective_sample_size)
    assert off == pytest.approx(-float(weights @ x), abs=4 * math.hypot(error, scatter))
    assert abs(off) == pytest.approx(part * slope, abs=4 * error + 0.1 * slope)
    assert abs(off) <= math.sqrt(1.0 / missing.efficiency - 1.0) + 4 * error


def test_a_width_that_is_off_is_measured() -> None:
    """The coarse likelihood is wider by a tenth: the mean stays, the width does not."""
    rng = np.random.default_rng(3)
    x, log_weights, rows = drawn(0.0, rng, size=100_000)
    spoilt = 0.5 * x**2 * (1 - 1 / 1.1**2)
    log_weights = log_weights - np.where(rows.kept, spoilt, 0.0)
    missing = Missing.of(log_weights, rows)
    weights = normalised_weights(log_weights)
    mean, width = missing.shift(x, weights), missing.shift(x, weights, spread=True)
    assert abs(mean[0]) < 4 * mean[1]
    assert width[0] == pytest.approx(-0.1 * float(missing.shares.sum()), abs=4 * width[1] + 0.03)


def test_effective_draws_are_those_of_the_rows_less_what_they_lack() -> None:
    _, log_weights, rows = drawn(0.3, np.random.default_rng(4))
    summary, of_rows = summarise_partly(log_weights, rows), summarise(log_weights)
    efficiency = Missing.of(log_weights, rows).efficiency
    assert summary.effective_sample_size == pytest.approx(efficiency * of_rows.effective_sample_size)
    assert summary.n_rows == summary.n_weighed == summary.n_finite == of_rows.n_finite > 3 * summary.n_kept
    assert summary.largest_weight == of_rows.largest_weight
    assert summary.coarse_efficiency == rows.coarse_efficiency(log_of_evaluated(log_weights, rows))
    assert summary.pareto_k < 0.7


def test_rows_that_are_all_evaluated_are_summarised_as_ever() -> None:
    _, log_weights, rows = drawn(0.3, np.random.default_rng(5), replace(PARTLY, rows=replace(PARTLY, rows=None)))
    every = replace(rows, unevaluated=None)
    assert summarise_partly(log_weights, every) == summarise_thinned(log_weights, every)
    np.testing.assert_array_equal(log_of_evaluated(log_weights, every), log_weights)


def test_nothing_is_known_where_nothing_was_evaluated() -> None:
    _, log_weights, rows = drawn(0.1, np.random.default_rng(6))
    nobody = replace(rows, kept=np.zeros(SIZE, dtype=bool))
    missing = Missing.of(log_weights, nobody)
    assert missing.log_ratio == -math.inf
    assert len(missing.rows) == 0
    with pytest.raises(TypeError, match="log_row"):
        Missing.of(log_weights, replace(rows, log_row=None))
    assert missing.shift(np.ones(SIZE), np.full(SIZE, 1 / SIZE)) == (0.0, 0.0)
