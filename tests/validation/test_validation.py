"""Distances between posteriors: known values where there are any, and the floor where nothing differs."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from bilby_flowpe.errors import ConfigurationError, DataError
from bilby_flowpe.validation import (
    compare_marginals,
    delta_log_evidence,
    jensen_shannon,
    kl_truth,
    kl_weighted,
    log_posterior_at_truth,
    split_half_floor,
)

N = 5000


def exact_jsd(shift: float, width: float) -> float:
    """Divergence of N(0, 1) and N(shift, width^2) by quadrature, in nats."""
    p, q = stats.norm(0, 1), stats.norm(shift, width)

    def integrand(x: float) -> float:
        log_m = np.logaddexp(p.logpdf(x), q.logpdf(x)) - math.log(2)
        return 0.5 * p.pdf(x) * (p.logpdf(x) - log_m) + 0.5 * q.pdf(x) * (q.logpdf(x) - log_m)

    return integrate.quad(integrand, -15, 15 + shift, points=[0, shift])[0]


# Marginals -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shift", "width"), [(1.0, 1.0), (0.0, 2.0), (0.5, 0.7), (3.0, 1.0)])
def test_jsd_of_two_gaussians(shift: float, width: float) -> None:
    """Against quadrature, and ln 2 for samples that share nothing."""
    rng = np.random.default_rng(1)
    n = 100_000
    exact = exact_jsd(shift, width)
    found = jensen_shannon(rng.standard_normal(n), rng.normal(shift, width, n))
    # 123 bins add (123 - 1) (2 / n) / 8 = 3e-4 by chance and lose a little by their width.
    assert found == pytest.approx(exact, rel=0.02, abs=6e-4)
    assert jensen_shannon(np.zeros(10), np.ones(10)) == pytest.approx(math.log(2))


def test_bits_nats_symmetry_and_transforms() -> None:
    """Base, exchange, monotonic transform, ties."""
    rng = np.random.default_rng(2)
    p, q = rng.standard_normal(N), rng.normal(0.3, 1, 3000)
    nats = jensen_shannon(p, q)
    assert jensen_shannon(p, q, base=2) == pytest.approx(nats / math.log(2))
    assert jensen_shannon(q, p) == pytest.approx(nats)
    assert jensen_shannon(np.exp(p), np.exp(q)) == pytest.approx(nats)
    assert jensen_shannon(p, p) == 0.0
    assert jensen_shannon(np.ones(9), np.ones(7)) == 0.0
    for n_bins in (2, 3, 50):
        assert jensen_shannon([0.0, 0.0], [1.0, 1.0, 1.0], base=2, n_bins=n_bins) == pytest.approx(1.0)


@pytest.mark.training
@pytest.mark.parametrize("n_q", [N, 1200])
def test_the_floor_holds_for_equal_distributions(n_q: int) -> None:
    """The 90th percentile of the null is exceeded one time in ten: no more, no less."""
    rng = np.random.default_rng(3)
    draws = {
        "gaussian": lambda n: rng.standard_normal(n),
        "hard edges": lambda n: rng.random(n),
        "pile at an edge": lambda n: np.abs(rng.standard_normal(n)) * -1e-3 + 1.0,
        "two modes": lambda n: rng.choice([-10.0, 10.0], n) + rng.standard_normal(n),
    }
    repeats = 40
    above = p_values = 0.0
    for _ in range(repeats):
        p = {name: draw(N) for name, draw in draws.items()}
        q = {name: draw(n_q) for name, draw in draws.items()}
        table = compare_marginals(p, q, draws, rng, n_repeats=100)
        above += sum(row["jsd"] > row["floor_90"] for row in table.values())
        p_values += sum(row["p_value"] for row in table.values())
    total = repeats * len(draws)
    assert abs(above / total - 0.1) < 4 * math.sqrt(0.09 / total)
    assert abs(p_values / total - 0.5) < 4 * math.sqrt(1 / 12 / total)


def test_size_of_the_floor() -> None:
    """Close to the expected excess of a histogram; halves have twice that."""
    rng = np.random.default_rng(4)
    p, q = rng.random(N), rng.random(N)
    row = compare_marginals({"x": p}, {"x": q}, ["x"], rng)["x"]
    n_bins = math.ceil(2 * N ** (1 / 3)) + 6
    assert row["floor_median"] == pytest.approx((n_bins - 1) * (2 / N) / 8, rel=0.1)
    assert row["floor_median"] < row["floor_90"] < 3e-3
    halves = split_half_floor(p, 200, rng)
    half_bins = math.ceil(2 * (N / 2) ** (1 / 3)) + 6
    assert halves["median"] == pytest.approx((half_bins - 1) * (4 / N) / 8, rel=0.1)
    assert row["floor_90"] < halves["percentile_90"] < 6e-3


WRONG = {
    "shifted by a fifth of sigma": lambda rng: (rng.standard_normal(N), rng.normal(0.2, 1, N)),
    "15% too wide": lambda rng: (rng.standard_normal(N), rng.normal(0, 1.15, N)),
    "smeared over a hard edge": lambda rng: (rng.random(N), rng.random(N) + 0.05 * rng.standard_normal(N)),
    "cut short of a hard edge": lambda rng: (rng.random(N), rng.uniform(0, 0.97, N)),
    "one mode of two": lambda rng: (rng.choice([0.0, 5.0], N) + rng.random(N), rng.random(N)),
    "modes in unequal parts": lambda rng: (
        rng.choice([0.0, 5.0], N) + rng.random(N),
        rng.choice([0.0, 5.0], N, p=[0.6, 0.4]) + rng.random(N),
    ),
    "repeated rows": lambda rng: (rng.random(N), rng.choice(rng.random(60), N)),
}


@pytest.mark.parametrize("how", WRONG)
def test_wrong_on_purpose_exceeds_the_floor(how: str) -> None:
    """All of these errors must show with 5000 samples."""
    rng = np.random.default_rng(5)
    for _ in range(5):
        p, q = WRONG[how](rng)
        row = compare_marginals({"x": p}, {"x": q}, ["x"], rng)["x"]
        assert row["jsd"] > 1.2 * row["floor_90"]
        assert row["p_value"] == pytest.approx(1 / 201)


def test_hard_edges_have_their_known_value() -> None:
    """U[0, 1] and U[0.5, 1.5] share one half: ln(2) / 2, with nothing smeared over the edges."""
    rng = np.random.default_rng(6)
    found = jensen_shannon(rng.random(50_000), rng.random(50_000) + 0.5)
    # The two bins astride an edge inside, of about 80, are what is lost.
    assert found == pytest.approx(0.5 * math.log(2), rel=0.02)


def test_frames_keys_and_plain_values() -> None:
    """Data frames and dictionaries alike; a missing parameter is named."""
    rng = np.random.default_rng(7)
    p, q = pd.DataFrame({"a": rng.random(400), "b": rng.random(400)}), {"a": rng.random(300), "c": rng.random(300)}
    table = compare_marginals(p, q, ["a"], rng, n_repeats=20)
    assert list(table) == ["a"]
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    with pytest.raises(DataError, match="'b' is not in the second posterior"):
        compare_marginals(p, q, ["a", "b"], rng)


def test_unusable_samples_raise() -> None:
    """Typed errors that count the bad samples."""
    with pytest.raises(DataError, match="1 of 3 samples are not finite"):
        jensen_shannon([0.0, np.nan, 1.0], [0.0, 1.0])
    with pytest.raises(DataError, match="shape"):
        jensen_shannon(np.zeros((3, 2)), [0.0, 1.0])
    with pytest.raises(DataError, match="at least 4"):
        split_half_floor([1.0, 2.0, 3.0])
    for wrong in ({"base": 1.0}, {"n_bins": 1}):
        with pytest.raises(ConfigurationError):
            jensen_shannon([0.0, 1.0], [0.0, 1.0], **wrong)
    with pytest.raises(ConfigurationError):
        split_half_floor(np.arange(10.0), 0)


# Evidence ------------------------------------------------------------------------------------------------------------


def test_delta_log_evidence() -> None:
    """Errors add in quadrature; no error at all is no division by zero."""
    found = delta_log_evidence(-10.0, 0.3, -11.0, 0.4)
    assert found == pytest.approx({"delta": 1.0, "sigma": 0.5, "n_sigma": 2.0})
    assert delta_log_evidence(-11.0, 0.3, -10.0, 0.4)["n_sigma"] == pytest.approx(-2.0)
    assert delta_log_evidence(1.0, 0.0, 1.0, 0.0)["n_sigma"] == 0.0
    assert delta_log_evidence(1.0, 0.0, 2.0, 0.0)["n_sigma"] == -math.inf
    with pytest.raises(DataError, match="finite"):
        delta_log_evidence(-math.inf, 0.1, 0.0, 0.1)
    with pytest.raises(DataError, match="negative"):
        delta_log_evidence(0.0, -0.1, 0.0, 0.1)


# The exact posterior -------------------------------------------------------------------------------------------------

WIDTH, OFFSET = 1.3, 0.4
NOISE = 0.5
SIGMA = math.sqrt(NOISE**2 / (1 + NOISE**2))  # of the posterior of x ~ N(0, 1), y = x + noise


def exact_kl() -> float:
    """Return the divergence of the exact Gaussian posterior from a proposal WIDTH times as wide, OFFSET sigmas aside."""
    return math.log(WIDTH) + (1 + OFFSET**2) / (2 * WIDTH**2) - 0.5


def events(n_events: int, rng: np.random.Generator) -> tuple:
    """Truths, data, posterior means and the network density of each event."""
    x = rng.standard_normal(n_events)
    y = x + NOISE * rng.standard_normal(n_events)
    mean = y / (1 + NOISE**2)
    return x, y, mean, stats.norm(mean + OFFSET * SIGMA, WIDTH * SIGMA)


def test_kl_by_weights() -> None:
    """Weighted draws give the closed form of every event."""
    rng = np.random.default_rng(8)
    n_events, n_draws = 100, 4000
    _, y, _, q = events(n_events, rng)
    x = q.rvs(size=(n_draws, n_events), random_state=rng)
    log_w = (stats.norm(x, NOISE).logpdf(y) + stats.norm(0, 1).logpdf(x) - q.logpdf(x)).T
    found = kl_weighted(log_w)
    assert found.n_events == n_events
    assert 0 < found.standard_error < 0.01
    assert abs(found.mean - exact_kl()) < 4 * found.standard_error + 3 / n_draws
    assert abs(found.mean) > 10 * found.standard_error  # and the network is seen to be wrong
    assert -1e-3 < found.log_evidence_bias < 0
    ragged = kl_weighted([log_w[0], log_w[1][:100]])
    assert ragged.n_events == 2
    assert kl_weighted([log_w[0], np.full(10, -np.inf)]).mean == math.inf


def test_kl_at_the_truth() -> None:
    """Truths give the closed form on average, and the exact posterior zero."""
    rng = np.random.default_rng(9)
    n_events = 4000
    x, y, mean, q = events(n_events, rng)
    log_l, log_pi = stats.norm(x, NOISE).logpdf(y), stats.norm(0, 1).logpdf(x)
    log_z = stats.norm(0, math.sqrt(1 + NOISE**2)).logpdf(y)
    exact = stats.norm(mean, SIGMA).logpdf(x)
    assert log_posterior_at_truth(log_l, log_pi, log_z) == pytest.approx(exact)
    found = kl_truth(log_l, log_pi, log_z, q.logpdf(x), log_evidence_bias=np.full(n_events, -0.01))
    assert abs(found.mean - exact_kl()) < 4 * found.standard_error
    assert found.mean > 4 * found.standard_error
    assert found.log_evidence_bias == pytest.approx(-0.01)
    assert json.loads(json.dumps(found.to_dict()))["estimator"] == "truth"
    perfect = kl_truth(log_l, log_pi, log_z, exact)
    assert perfect.mean == pytest.approx(0.0, abs=1e-9)
    assert perfect.log_evidence_bias is None
    # An evidence in another convention does not go unnoticed.
    assert abs(kl_truth(log_l, log_pi, log_z + 0.5, exact).mean) > 0.4


def test_a_missed_mode_is_seen_at_the_truth_only() -> None:
    """Posterior of two far modes, a network that has one of them, exactly."""
    rng = np.random.default_rng(10)
    n_events = 200
    truths = rng.choice([-20.0, 20.0], n_events) + rng.standard_normal(n_events)

    def log_p(x: np.ndarray) -> np.ndarray:
        return np.logaddexp(stats.norm(-20, 1).logpdf(x), stats.norm(20, 1).logpdf(x)) - math.log(2)

    draws = rng.standard_normal((n_events, 500)) - 20
    assert kl_weighted(log_p(draws) - stats.norm(-20, 1).logpdf(draws)).mean == pytest.approx(0.0, abs=1e-6)
    zeros = np.zeros(n_events)
    found = kl_truth(log_p(truths), zeros, zeros, stats.norm(-20, 1).logpdf(truths))
    assert found.mean > 100


def test_unusable_events_raise() -> None:
    """Typed errors; a truth that the network excludes is infinitely far."""
    with pytest.raises(DataError, match="no events"):
        kl_weighted([])
    with pytest.raises(DataError, match="shapes"):
        kl_truth([0.0, 1.0], [0.0], [0.0], [0.0])
    with pytest.raises(DataError, match="log_evidence is not finite for 1 of 2 events"):
        kl_truth([0.0, 1.0], [0.0, 0.0], [-np.inf, 0.0], [0.0, 0.0])
    with pytest.raises(DataError, match="log_q is NaN"):
        kl_truth([0.0], [0.0], [0.0], [np.nan])
    excluded = kl_truth([0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [-np.inf, 0.0])
    assert (excluded.mean, excluded.standard_error) == (math.inf, math.inf)
