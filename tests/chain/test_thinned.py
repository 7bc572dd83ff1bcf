"""The step that weighs some rows by the likelihood asked for: alone, against the integral that it stands for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bilby_flowpe.chain.batch import Batch
from bilby_flowpe.chain.thinned import Thinned
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.processes.parallel import evaluate
from bilby_flowpe.proposals.mixture import prior_alone
from bilby_flowpe.thinning.rows import Thinning
from bilby_flowpe.translation.steps import AskedLikelihood
from bilby_flowpe.translation.translated import as_it_stands
from tests.coarse_toy import HALF, LOG_Z, NOISE, TRANSFORM, WIDTH, Coarse, Ridge, Spoilt, log_ridge, nothing, target

SIZE = 6000


def drawn(rng: np.random.Generator, size: int = SIZE) -> Batch:
    """Rows of a from a normal density around the ridge, b at its reference until it is drawn."""
    a = 1.0 + 1.5 * WIDTH * rng.standard_normal(size)
    draws = prior_alone(TRANSFORM, ("a",)).draw(size, rng)
    log_q = -0.5 * ((a - 1.0) / (1.5 * WIDTH)) ** 2 - np.log(1.5 * WIDTH * np.sqrt(2 * np.pi))
    return Batch.of(replace(draws, parameters={"a": a}, log_q=log_q), TRANSFORM, {"b": 0.0}, 0)


def weighed(
    thinning: Thinning,
    coarse: Coarse | None = None,
    likelihood: Ridge | None = None,
    use_ratio: bool = True,
    seed: int = 1,
    size: int = SIZE,
) -> Batch:
    aim, rng = target(coarse, likelihood, use_ratio).thinned(thinning), np.random.default_rng(seed)
    batch = drawn(rng, size)
    for step in aim.steps:
        chosen = step.choose(batch, rng)
        values, good = evaluate(step.task, step.rows(batch, chosen, rng))
        batch.add(chosen, step.take(batch, chosen, values, good, rng))
    return batch


@pytest.mark.parametrize("use_ratio", [True, False])
@pytest.mark.parametrize(
    "spoilt", [nothing, lambda a, b: 0.2 * log_ridge(a, b) - 3.0, lambda a, b: (a - 1.0 + b - 0.5) / WIDTH]
)
def test_weights_average_to_the_integral(spoilt: Spoilt, use_ratio: bool) -> None:
    """Whatever the coarse likelihood, thinned hard; of the likelihood itself where no ratio is asked for."""
    likelihood = Ridge()
    threshold = LOG_Z + float(spoilt(np.ones(1), np.full(1, 0.5))[0]) + (1.0 if use_ratio else 1.0 + NOISE)
    batch = weighed(Thinning(threshold), Coarse(spoilt), likelihood, use_ratio)
    log_weights = batch.log_weights(np.arange(SIZE))
    weights = np.exp(log_weights - LOG_Z - (0.0 if use_ratio else NOISE))
    assert weights.mean() == pytest.approx(1.0, abs=4 * weights.std() / np.sqrt(SIZE))
    kept = batch.thinned.kept
    assert likelihood.calls == kept.sum() < 0.6 * SIZE
    np.testing.assert_array_equal(np.isfinite(log_weights), kept)
    own = log_ridge(batch.columns["a"], batch.columns["b"]) + (0.0 if use_ratio else NOISE)
    np.testing.assert_allclose(batch.log_likelihood[kept], own[kept], atol=1e-12)
    assert np.isneginf(batch.log_likelihood[~kept]).all()
    assert batch.compared.n_rows == kept.sum()


def test_keeping_all_gives_every_row_the_likelihood_asked_for() -> None:
    spoilt = weighed(Thinning(), Coarse(lambda a, b: 0.3 * log_ridge(a, b)))
    right = weighed(Thinning(), Coarse())
    every = np.arange(SIZE)
    np.testing.assert_allclose(spoilt.log_weights(every), right.log_weights(every), atol=1e-12)
    np.testing.assert_allclose(right.thinned.log_coarse, right.log_weights(every), atol=1e-12)
    assert right.thinned.kept.all()


def test_rows_are_kept_as_often_as_said() -> None:
    batch = weighed(Thinning(LOG_Z + 0.5))
    keep = np.exp(batch.thinned.log_keep)
    assert keep.min() >= 0.01
    kept = batch.thinned.kept
    assert kept.sum() == pytest.approx(keep.sum(), abs=4 * np.sqrt((keep * (1 - keep)).sum()))
    assert 1000 < kept.sum() < 0.7 * SIZE


def test_rows_that_the_coarse_likelihood_loses_are_told() -> None:
    """It fails above the middle of the posterior: half of the rows are part of that and have no weight."""
    likelihood = Ridge()
    batch = weighed(Thinning(LOG_Z + 0.5), Coarse(fails=1.0), likelihood)
    lost = batch.columns["a"] > 1.0
    thinned = batch.thinned
    assert not thinned.kept[lost].any()
    assert thinned.n_inside == SIZE
    # At the reference of b the likelihood is 12 below its best, which is no reason to think of them as hopeless.
    assert thinned.n_lost == pytest.approx(lost.sum(), rel=0.2)
    assert thinned.n_nan == 0
    assert likelihood.calls == thinned.kept.sum() + 30  # one in a hundred of the 3000


def test_rows_that_are_hopeless_in_both_are_not_lost() -> None:
    batch = weighed(Thinning(LOG_Z + 0.5), Coarse(lambda a, b: np.where(a > 1.3, -np.inf, 0.0), scale=9.0))
    assert batch.thinned.n_lost > 0  # near the ridge, 4.5 of its widths away at most
    far = Coarse(lambda a, b: np.where(np.abs(log_ridge(a, b)) > 40.0, -np.inf, 0.0), scale=9.0)
    batch = weighed(Thinning(LOG_Z + 0.5), far)
    assert batch.thinned.n_lost == 0
    assert np.isneginf(batch.thinned.log_coarse).sum() > SIZE / 10


def test_likelihoods_that_are_no_number_are_counted() -> None:
    """Kept rows stand for as many as they were drawn of."""
    batch = weighed(Thinning(LOG_Z + 0.5), likelihood=Ridge(limit=1.0))
    nan = batch.columns["a"] < 1.0
    assert np.isneginf(batch.log_weights(np.flatnonzero(nan))).all()
    assert batch.n_nan == (batch.thinned.kept & nan).sum()
    spread = 4 * np.sqrt((np.exp(-batch.thinned.log_keep[nan]) - 1).sum())
    assert batch.thinned.n_nan == pytest.approx(nan.sum(), abs=spread)
    # Of rows for which the coarse likelihood fails, too, some are asked.
    both = weighed(Thinning(LOG_Z + 0.5), Coarse(fails=0.0), Ridge(limit=HALF))
    assert both.thinned.n_nan == SIZE


def test_outside_the_prior_nothing_is_evaluated() -> None:
    rng = np.random.default_rng(3)
    step = Thinned(AskedLikelihood(as_it_stands(problem_of(Ridge(), TRANSFORM)), True), Thinning(0.0))
    batch = drawn(rng, 5)
    batch = Batch.of(replace(batch.draws, inside=np.zeros(5, dtype=bool)), TRANSFORM, {"b": 0.0}, 0)
    chosen = step.choose(batch, rng)
    values, good = evaluate(step.task, step.rows(batch, chosen, rng))
    batch.add(chosen, step.take(batch, chosen, values, good, rng))
    assert len(chosen) == batch.thinned.n_inside == batch.thinned.n_kept == 0
