"""Importance weights against closed forms: a Gaussian target, a Gaussian proposal of another width."""

from __future__ import annotations

import dataclasses
import json
import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest

from bilby_flowpe import importance
from bilby_flowpe.errors import ConfigurationError, DataError
from bilby_flowpe.importance import (
    EQUAL_WEIGHT_K,
    draws_needed,
    effective_sample_size,
    equal_weight_rows,
    kl_from_weights,
    normalised_weights,
    rejection_sample,
    summarise,
)
from bilby_flowpe.verdict import Findings, judge
from tests.weights import FAILED_WAVEFORM, LN_Z, gaussian, good, inverse_efficiency, kl

# Evidence ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dim", "width"), [(1, 1.3), (3, 1.2), (2, 0.9)])
def test_error_of_the_evidence_is_its_scatter(dim: int, width: float) -> None:
    """Pulls of ln Z over many seeds are unit normals."""
    rng = np.random.default_rng(11)
    seeds = 500
    runs = [summarise(gaussian(2000, dim, width, rng)[1]) for _ in range(seeds)]
    z = np.array([(run.log_evidence - LN_Z) / run.log_evidence_err for run in runs])
    # Standard errors of a mean and of a standard deviation of unit normals, at four sigma.
    assert abs(z.mean()) < 4 / math.sqrt(seeds)
    assert abs(z.std(ddof=1) - 1) < 4 / math.sqrt(2 * seeds)
    # An error off by the factor sqrt(2), as from a confused N, would be seen.
    assert abs(z.std(ddof=1) * math.sqrt(2) - 1) > 4 / math.sqrt(2 * seeds)


def test_error_of_fixed_numbers_is_their_scatter() -> None:
    """Two parts of very different mean weight: what they differ by is no error, and rows of a lonely part are counted."""
    rng = np.random.default_rng(15)
    seeds = 500
    parts = np.repeat([0, 1, 2], [900, 99, 1])
    means, widths = np.array([1.0, 0.1, 0.5])[parts], np.array([0.05, 0.02, 0.05])[parts]
    runs = [summarise(np.log(means + widths * rng.standard_normal(1000)), parts) for _ in range(seeds)]
    exact = math.log(means.mean())
    sizes, sigma = np.array([900, 99, 1]), np.array([0.05, 0.02, 0.05])
    variance = sizes @ sigma**2 / means.sum() ** 2
    z = np.array([(run.log_evidence - exact) / math.sqrt(variance) for run in runs])
    assert abs(z.mean()) < 4 / math.sqrt(seeds)
    assert abs(z.std(ddof=1) - 1) < 4 / math.sqrt(2 * seeds)
    # A row of the mean weight is added to each part: the error is a little too large, never too small.
    away = sizes / (sizes + 1) * (np.array([1.0, 0.1, 0.5]) - means.mean()) ** 2
    expected = ((sizes - 1) @ sigma**2 + away.sum()) / means.sum() ** 2
    errors = np.array([run.log_evidence_err for run in runs])
    assert np.mean(errors**2) / expected == pytest.approx(1, rel=0.02)
    assert 1 < np.mean(errors**2) / variance < 1.4
    alone = summarise(np.log(means), parts * 0 + 3)
    assert alone.log_evidence_err == pytest.approx(summarise(np.log(means)).log_evidence_err, rel=1e-3)


def test_a_wrong_proposal_density_shows_in_the_evidence() -> None:
    """The same pulls do not centre where the density is 2% off."""
    rng = np.random.default_rng(12)
    seeds = 200
    runs = [summarise(gaussian(2000, 1, 1.3, rng)[1] + 0.02) for _ in range(seeds)]
    z = np.array([(run.log_evidence - LN_Z) / run.log_evidence_err for run in runs])
    assert abs(z.mean()) > 4 / math.sqrt(seeds)


def test_efficiency_and_error_match_the_closed_form() -> None:
    """E[w^2] / Z^2 is known."""
    n = 200_000
    run = summarise(gaussian(n, 2, 1.5, np.random.default_rng(13))[1])
    expected = 1 / inverse_efficiency(2, 1.5)
    assert run.efficiency == pytest.approx(expected, rel=0.02)
    assert run.effective_sample_size == pytest.approx(run.efficiency * n)
    assert run.log_evidence_err == pytest.approx(math.sqrt((1 / expected - 1) / n), rel=0.02)


@pytest.mark.training
def test_bias_of_the_log_evidence() -> None:
    """Small batches give too small a ln Z on average, by the figure reported."""
    rng = np.random.default_rng(14)
    n, width, repeats = 60, 2.0, 4000
    expected = -(inverse_efficiency(2, width) - 1) / (2 * n)
    runs = [summarise(gaussian(n, 2, width, rng)[1]) for _ in range(repeats)]
    offsets = np.array([run.log_evidence - LN_Z for run in runs])
    sigma = offsets.std(ddof=1) / math.sqrt(repeats)
    assert offsets.mean() < -3 * sigma  # the bias is there at all
    # The next order of the expansion is of relative size 1/N times moments of order one.
    assert abs(offsets.mean() - expected) < 4 * sigma + 0.2 * abs(expected)
    assert np.mean([run.log_evidence_bias for run in runs]) == pytest.approx(expected, rel=0.1)


def test_zero_weights_count_in_the_mean() -> None:
    """Minus infinity and failed waveforms dilute the evidence, and nothing else."""
    log_w = gaussian(5000, 1, 1.3, np.random.default_rng(15))[1]
    alone = summarise(log_w)
    for zero in (-np.inf, FAILED_WAVEFORM):
        padded = summarise(np.concatenate([log_w, np.full(15_000, zero)]))
        assert (padded.n_draws, padded.n_finite) == (20_000, 5000)
        assert padded.log_evidence == pytest.approx(alone.log_evidence - math.log(4))
        assert padded.effective_sample_size == pytest.approx(alone.effective_sample_size)
        assert padded.efficiency == pytest.approx(alone.efficiency / 4)
        assert padded.pareto_k == pytest.approx(alone.pareto_k)


def test_no_weight_at_all() -> None:
    """A failed run has figures that say so."""
    run = summarise([-np.inf, FAILED_WAVEFORM, -np.inf])
    assert dataclasses.asdict(run) == {
        "n_draws": 3, "n_finite": 0, "log_evidence": -math.inf, "log_evidence_err": math.inf, "effective_sample_size": 0.0,
        "efficiency": 0.0, "pareto_k": math.inf, "largest_weight": 0.0, "log_evidence_bias": -math.inf,
    }  # fmt: skip
    assert judge(run).grade == "failed"
    assert rejection_sample([-np.inf, -np.inf], np.random.default_rng(0)).size == 0
    assert kl_from_weights([-np.inf, -np.inf]) == math.inf
    with pytest.raises(DataError, match="cannot be normalised"):
        normalised_weights([-np.inf, -np.inf])


@pytest.mark.parametrize("function", [summarise, normalised_weights, kl_from_weights])
def test_what_is_no_log_weight_raises(function: Callable) -> None:
    """NaN, plus infinity, nothing, and matrices."""
    with pytest.raises(DataError, match="2 of 5 log-weights are NaN and 1 are \\+inf"):
        function([0.0, np.nan, np.inf, np.nan, -np.inf])
    with pytest.raises(DataError, match="shape"):
        function([])
    with pytest.raises(DataError, match="shape"):
        function(np.zeros((3, 2)))


def test_a_constant_changes_the_evidence_only() -> None:
    """Also one that overflows the exponential."""
    log_w = gaussian(5000, 2, 1.4, np.random.default_rng(16))[1]
    plain = dataclasses.asdict(summarise(log_w))
    for shift in (-1e6, 3.0, 5e5):
        shifted = dataclasses.asdict(summarise(log_w + shift))
        assert shifted.pop("log_evidence") == pytest.approx(plain["log_evidence"] + shift, rel=1e-12)
        for name, value in shifted.items():
            assert value == pytest.approx(plain[name], rel=1e-6), name
        assert kl_from_weights(log_w + shift) == pytest.approx(kl_from_weights(log_w), abs=1e-8)


def test_equal_weights() -> None:
    """Equal weights have no tail and no error, exactly or up to rounding."""
    for noise in (0.0, 1e-9):
        run = summarise(2.0 + noise * np.random.default_rng(17).standard_normal(3000))
        assert run.log_evidence == pytest.approx(2.0)
        assert run.efficiency == pytest.approx(1.0)
        assert run.efficiency <= 1.0
        assert run.log_evidence_err == pytest.approx(0.0, abs=1e-6)
        assert run.pareto_k == EQUAL_WEIGHT_K
        assert run.largest_weight == pytest.approx(1 / 3000)
        assert judge(run).grade == "reliable"
        assert judge(run).reasons == ()
    assert rejection_sample(np.zeros(50), np.random.default_rng(0)).tolist() == list(range(50))
    assert kl_from_weights(np.zeros(50)) == pytest.approx(0.0, abs=1e-12)


def test_summary_is_plain_json() -> None:
    """The summary of a good run has no NumPy scalars and no infinite values."""
    values = good().to_dict()
    assert {type(value) for value in values.values()} == {int, float}
    assert json.loads(json.dumps(values, allow_nan=False)) == values


def test_two_weights_and_one_row() -> None:
    """Small enough for a pencil: weights 1 and 3, ten times each, from one part, from two; and a row alone."""
    log_w = np.log(np.repeat([1.0, 3.0], 10))
    run = summarise(log_w)
    assert run.log_evidence == pytest.approx(math.log(2))
    assert run.effective_sample_size == pytest.approx(16)
    assert run.log_evidence_err == pytest.approx(math.sqrt((20 / 16 - 1) / 20))
    assert run.log_evidence_bias == pytest.approx(-(20 / 16 - 1) / 40)
    assert run.largest_weight == pytest.approx(3 / 40)
    # Ten rows of each part, and one of the mean weight 2 beside them, a distance of 1 away: 10 / 11 each, over the sum squared.
    apart = summarise(log_w, np.repeat([0, 1], 10))
    assert apart.log_evidence_err == pytest.approx(math.sqrt(20 / 11) / 40)
    for parts in (None, [0]):
        alone = summarise([3.0], parts)
        assert (alone.n_draws, alone.efficiency, alone.log_evidence) == (1, 1.0, 3.0)
        assert (alone.log_evidence_err, alone.log_evidence_bias) == (math.inf, -math.inf)


@pytest.mark.parametrize("parts", [False, True])
def test_a_few_weights_cannot_vouch_for_the_evidence(parts: bool) -> None:
    """If one weight dominates all others, the formula would give an error of 1, whatever the evidence is."""
    log_w = np.zeros(3500)
    log_w[0] = 79.0
    run = summarise(log_w, np.arange(3500) % 2 if parts else None)
    assert run.effective_sample_size == pytest.approx(1)
    assert run.log_evidence_err == math.inf
    assert judge(run).reasons[0].startswith("no error of the log-evidence")
    # From ten effective draws on there is one: of the mean of ten equal weights among zeros, a share 1 / sqrt(10).
    for equal, error in ((9, math.inf), (10, math.sqrt(1 / 10 - 1 / 3500))):
        few = np.full(3500, -np.inf)
        few[:equal] = 0.0
        assert summarise(few).log_evidence_err == pytest.approx(error)


def test_the_bounds_of_what_is_a_weight() -> None:
    """A row below the limit has none, one at it has; NaN and infinity are refused each alone."""
    at = importance.ZERO_WEIGHT
    assert summarise([at, at]).n_finite == 2
    assert summarise([np.nextafter(at, -np.inf), 0.0]).n_finite == 1
    for wrong, words in (
        (math.nan, "1 of 2 log-weights are NaN and 0"),
        (math.inf, "0 of 2 log-weights are NaN and 1"),
    ):
        with pytest.raises(DataError, match=words):
            summarise([wrong, 0.0])


# Tail and verdict ----------------------------------------------------------------------------------------------------


def test_a_narrow_proposal_is_found_out() -> None:
    """Width 0.4: weights of infinite variance, tail index 1 - 0.4^2 = 0.84."""
    rng = np.random.default_rng(21)
    for _ in range(20):
        run = summarise(gaussian(20_000, 4, 0.4, rng)[1])
        assert run.pareto_k > 0.7
        assert judge(run).grade != "reliable"
        assert any("Pareto" in reason for reason in judge(run).reasons)


def test_a_tail_index_between_is_recovered() -> None:
    """Width 0.8: finite variance, tail index 1 - 0.8^2 = 0.36."""
    rng = np.random.default_rng(22)
    k = [summarise(gaussian(20_000, 1, 0.8, rng)[1]).pareto_k for _ in range(20)]
    assert np.mean(k) == pytest.approx(0.36, abs=0.1)


def test_wide_proposals_are_reliable() -> None:
    """Bounded weights pass."""
    rng = np.random.default_rng(23)
    for _ in range(20):
        run = summarise(gaussian(20_000, 2, 1.2, rng)[1])
        assert run.pareto_k < 0.5
        assert judge(run, n_effective=10_000, findings=Findings(n_posterior=5000)).grade == "reliable"


def test_tails_without_a_fit() -> None:
    """Too few draws, underflow, a tail of one value, a single draw."""
    rng = np.random.default_rng(24)
    draws = rng.standard_normal(importance.MINIMUM_TAIL_DRAWS)
    assert math.isfinite(summarise(draws).pareto_k)
    assert summarise(draws[1:]).pareto_k == math.inf
    assert summarise(np.r_[rng.standard_normal(20), np.full(980, -np.inf)]).pareto_k == math.inf
    assert summarise(-100.0 * np.arange(1000)).pareto_k == math.inf  # all but the largest underflow
    bounded = np.where(np.arange(1000) < 400, 0.0, -1.0)  # the whole tail has one value
    assert summarise(bounded).pareto_k == EQUAL_WEIGHT_K
    assert summarise([3.0]).log_evidence_err == math.inf


def test_a_missing_mode_is_not_seen() -> None:
    """Why the proposal must be defensive: half the posterior is never drawn, and every figure is fine."""
    rng = np.random.default_rng(25)
    x = rng.standard_normal(20_000) - 20
    log_p = np.logaddexp(-0.5 * (x + 20) ** 2, -0.5 * (x - 20) ** 2) - math.log(2)
    run = summarise(log_p + 0.5 * (x + 20) ** 2)
    assert run.log_evidence == pytest.approx(-math.log(2), abs=1e-6)
    assert judge(run).grade == "reliable"


# Draws ---------------------------------------------------------------------------------------------------------------


def test_draws_needed() -> None:
    """Efficiency, safety and the maximum; wrong arguments raise."""
    pilot = dataclasses.replace(good(), efficiency=0.25)
    assert draws_needed(pilot, 1000, safety=1.5, maximum=10**6) == 6000
    assert draws_needed(pilot, 1000, maximum=10**6) == 4800
    assert draws_needed(pilot, 1000, maximum=500) == 500
    assert draws_needed(dataclasses.replace(pilot, efficiency=1.0), 1000, safety=1.0, maximum=10**6) == 1000
    assert draws_needed(summarise(np.full(10, -np.inf)), 1000, maximum=12_345) == 12_345
    assert draws_needed(pilot, 1, safety=1.0, maximum=10**6) == 4
    assert draws_needed(pilot, 1, maximum=1) == 1
    for wrong in ({"n_effective": 0}, {"maximum": 0}, {"safety": 0.5}, {"safety": math.nan}, {"safety": math.inf}):
        with pytest.raises(ConfigurationError):
            draws_needed(pilot, **{"n_effective": 10, "maximum": 100, **wrong})


def test_fresh_batch_reaches_the_number_asked_for() -> None:
    """The usual safety factor suffices for well-behaved weights."""
    rng = np.random.default_rng(26)
    for _ in range(20):
        pilot = summarise(gaussian(2000, 3, 1.6, rng)[1])
        n = draws_needed(pilot, 5000, maximum=10**6)
        assert summarise(gaussian(n, 3, 1.6, rng)[1]).effective_sample_size > 5000


def test_normalised_weights() -> None:
    """Sum 1 far from the range of the exponential."""
    w = normalised_weights([-np.inf, 800.0, 800.0 + math.log(3), FAILED_WAVEFORM])
    assert w == pytest.approx([0.0, 0.25, 0.75, 0.0])


def moments_agree(x: np.ndarray) -> bool:
    """Return whether mean and variance of ``x`` are those of N(0, 1), within four standard errors."""
    return abs(x.mean()) < 4 / math.sqrt(x.size) and abs(x.var() - 1) < 4 * math.sqrt(2 / x.size)


@pytest.mark.parametrize("width", [1.3, 2.0])
def test_rejection_draws_the_target(width: float) -> None:
    """Mean and variance of the target, no row twice, no row of zero weight."""
    rng = np.random.default_rng(31)
    x, log_w = gaussian(100_000, 1, width, rng)
    log_w[:100] = -np.inf
    rows = rejection_sample(log_w, rng)
    assert np.unique(rows).size == rows.size
    assert rows.min() >= 100
    # The largest weight is at x = 0, that is width times Z: one draw in "width" stays.
    share = 1 / width
    assert abs(rows.size / log_w.size - share) < 4 * math.sqrt(share * (1 - share) / log_w.size) + 100 / log_w.size
    assert moments_agree(x[rows, 0])
    assert not moments_agree(x[:, 0])  # the raw draws would not pass


class Zeros(np.random.Generator):
    """The lowest number that there can be, every time."""

    def random(self, size: int) -> np.ndarray:
        return np.zeros(size)


def test_a_zero_weight_never_stays() -> None:
    assert rejection_sample([0.0, -np.inf, -30.0], Zeros(np.random.PCG64(0))).tolist() == [0, 2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert rejection_sample([-np.inf], Zeros(np.random.PCG64(0))).tolist() == []


def test_the_largest_weight_always_stays() -> None:
    """Never an empty draw where there is weight."""
    for seed in range(50):
        assert rejection_sample([-5.0, 700.0, -np.inf], np.random.default_rng(seed)).tolist() == [1]


def heavy(size: int) -> np.ndarray:
    """Log-weights with a tail of index 0.6: their quantiles, in no order."""
    quantiles = (np.arange(size) + 0.5) / size
    return np.random.default_rng(32).permutation(-0.6 * np.log1p(-quantiles))


@pytest.mark.parametrize("scatter", [0.05, 0.2, 1.0])
def test_the_bound_is_the_smallest_that_is_allowed(scatter: float) -> None:
    """Against all bounds of a grid: what each cuts off, and how many rows it keeps."""
    size = 20_000
    log_w = heavy(size)
    weights = np.exp(log_w - log_w.max())
    bounds = np.geomspace(weights.min(), 1.0, 4000)
    kept = np.array([np.minimum(weights / bound, 1).sum() for bound in bounds])
    cut = np.array([np.maximum(weights - bound, 0).sum() for bound in bounds]) / weights.sum()
    allowed = cut * np.sqrt(kept) <= scatter
    first = int(np.argmax(allowed))
    assert allowed[first:].all() and 0 < first < 3999
    # As many rows as the bound says, within the scatter of a sum of coin tosses and a step of the grid.
    rows = rejection_sample(log_w, np.random.default_rng(33), scatter)
    assert abs(len(rows) - kept[first]) < 4 * math.sqrt(kept[first]) + kept[first - 1] - kept[first]
    # Those above the bound stay surely, those below by their share.
    surely = np.flatnonzero(weights >= bounds[first])
    assert np.isin(surely, rows).all()
    exact = rejection_sample(log_w, np.random.default_rng(33), 0)
    assert abs(len(exact) - weights.sum()) < 4 * math.sqrt(weights.sum())
    assert len(exact) < len(rows)


def test_what_clipping_may_be() -> None:
    for wrong in (-0.01, 1.01, math.nan):
        with pytest.raises(ConfigurationError, match="clipped_scatter"):
            rejection_sample([0.0, 1.0], np.random.default_rng(0), wrong)


def test_equal_weight_rows() -> None:
    """Rows are at most as many as requested, in order, of those that rejection keeps; the number of these is returned."""
    log_w = heavy(5000)
    everything = rejection_sample(log_w, np.random.default_rng(34))
    assert len(everything) > 100
    rows, count = equal_weight_rows(log_w, len(everything), np.random.default_rng(34))
    assert rows.tolist() == everything.tolist() and count == len(everything)
    rows, count = equal_weight_rows(log_w, len(everything) - 1, np.random.default_rng(34))
    assert len(rows) == len(everything) - 1 and count == len(everything)
    assert np.isin(rows, everything).all() and (np.diff(rows) > 0).all()


def test_effective_sample_size() -> None:
    """Kish's formula, whatever the scale; nothing where there is no weight."""
    for shift in (0.0, 900.0, -900.0):
        assert effective_sample_size(shift + np.log([1.0, 2.0, 4.0])) == pytest.approx(49 / 21)
    assert effective_sample_size([0.0, -np.inf]) == 1.0
    assert effective_sample_size([-np.inf, FAILED_WAVEFORM]) == 0.0
    with pytest.raises(DataError):
        effective_sample_size([math.nan])


@pytest.mark.parametrize(("dim", "width"), [(1, 1.3), (3, 1.5), (2, 0.85)])
def test_kl_matches_the_closed_form(dim: int, width: float) -> None:
    """Wider and narrower proposals."""
    rng = np.random.default_rng(41)
    estimates = np.array([kl_from_weights(gaussian(20_000, dim, width, rng)[1]) for _ in range(30)])
    sigma = estimates.std(ddof=1) / math.sqrt(estimates.size)
    # Ratio of two means: a bias of the order of the variance of a weight over N comes on top.
    bias = 3 * (inverse_efficiency(dim, width) - 1) / 20_000
    assert abs(estimates.mean() - kl(dim, width)) < 4 * sigma + bias
    assert abs(estimates.mean()) > 4 * sigma + bias  # and it is not zero


def test_kl_is_at_most_log_n() -> None:
    """The bound is reached if one row has all the weight."""
    assert kl_from_weights(-100.0 * np.arange(1000)) == pytest.approx(math.log(1000))
