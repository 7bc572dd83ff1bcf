"""Nearest-neighbour divergences against closed forms, against their null, and against what they must not miss."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from bilby_flowpe.errors import ConfigurationError, DataError
from bilby_flowpe.validation import compare_marginals, nearest_neighbour_kl, two_way_kl
from bilby_flowpe.validation.neighbours import _common_coordinates, _divergence, _Null

N = 4000


def frame(samples: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(samples, columns=[f"x{i}" for i in range(samples.shape[1])])


def gaussian_kl(mean: np.ndarray, covariance: np.ndarray) -> float:
    """Return the divergence of the standard normal distribution from another one."""
    inverse = np.linalg.inv(covariance)
    return 0.5 * (np.trace(inverse) + mean @ inverse @ mean - len(mean) + np.linalg.slogdet(covariance)[1])


def pair(dim: int, seed: int, size: int = N) -> tuple[np.ndarray, np.ndarray, float]:
    """Samples of a standard normal distribution and of one aside, correlated and a little wider, and D(p||q)."""
    rng = np.random.default_rng(seed)
    mean = np.full(dim, 0.5 / math.sqrt(dim))
    covariance = 1.05**2 * 0.3 ** np.abs(np.arange(dim)[:, None] - np.arange(dim))
    p, q = rng.standard_normal((size, dim)), rng.multivariate_normal(mean, covariance, size)
    return p, q, gaussian_kl(mean, covariance)


# Closed forms --------------------------------------------------------------------------------------------------------


@pytest.mark.training
@pytest.mark.parametrize(("dim", "bias"), [(1, 0.0), (2, 0.0), (5, 0.15)])
def test_gaussians_have_their_closed_form(dim: int, bias: float) -> None:
    """Within four standard errors of the mean over seeds; in five dimensions the estimator's bias is allowed for."""
    found = np.array([nearest_neighbour_kl(*pair(dim, seed)[:2], k=3) for seed in range(12)])
    exact = pair(dim, 0)[2]
    error = found.std(ddof=1) / math.sqrt(len(found))
    assert error < 0.1 * exact  # or the next line would let anything through
    assert abs(found.mean() - exact) < 4 * error + bias * exact


def test_more_samples_lessen_the_bias() -> None:
    """The estimate holds in the harder direction: p wider than q, in five dimensions."""
    exact = gaussian_kl(np.zeros(5), np.eye(5) / 1.3**2)
    missing = []
    for size in (500, 8000):
        rng = np.random.default_rng(size)
        wide, narrow = rng.standard_normal((size, 5)), rng.standard_normal((size, 5)) / 1.3
        missing.append(exact - nearest_neighbour_kl(wide, narrow, k=1))
    assert 0.0 < missing[1] < 0.9 * missing[0]


def test_units_and_mixtures_of_parameters_do_not_matter() -> None:
    """The same affine map of both sets changes nothing, whatever its units."""
    p, q, _ = pair(3, 1, 800)
    rng = np.random.default_rng(1)
    mix = rng.standard_normal((3, 3)) * np.array([1e-6, 1.0, 1e7])
    offset = np.array([1.0, -5.0, 1e9])
    assert nearest_neighbour_kl(p @ mix + offset, q @ mix + offset) == pytest.approx(
        nearest_neighbour_kl(p, q), abs=1e-6
    )


# The null ------------------------------------------------------------------------------------------------------------


@pytest.mark.training
def test_equal_distributions_are_within_the_null_as_often_as_they_should() -> None:
    """Each of 40 figures is outside the 90% interval with probability 0.1, and p-values are not too small."""
    outside, p_values = 0, []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        found = two_way_kl(
            frame(rng.standard_normal((700, 3))), frame(rng.standard_normal((500, 3))), ["x0", "x2"], rng, n_null=60
        )
        for way in ("forward", "backward"):
            row = found[way]
            outside += not row["null_05"] <= row["kl"] <= row["null_95"]
            p_values.append(row["p_value"])
    assert outside <= binom.ppf(0.9999, 40, 0.1)
    assert np.sum(np.array(p_values) < 0.1) <= binom.ppf(0.9999, 40, 0.1)


@pytest.mark.parametrize("n_first", [4, 40, 300])
@pytest.mark.parametrize("period", [0.0, 1.3])
def test_deals_are_the_estimator_itself(n_first: int, period: float) -> None:
    """Also where the neighbours looked up hold too few of a small hand."""
    rng = np.random.default_rng(2)
    x = rng.standard_normal((600, 3))
    box = np.array([period, 0.0, 0.0])
    x[:, 0] = np.mod(x[:, 0], 1.3)
    first = rng.permutation(np.arange(600) < n_first)
    # Neighbours enough for a hand of 300 only, so that the small ones have to be looked up again.
    found = _Null(x, box, 3, 300).both_ways(first)
    wanted = _divergence(x[first], x[~first], 3, box), _divergence(x[~first], x[first], 3, box)
    assert found == pytest.approx(wanted, abs=1e-12)


# What must be seen ---------------------------------------------------------------------------------------------------


def test_a_missed_mode_makes_one_direction_large() -> None:
    """p has two far modes, q one of them: D(q||p) is ln 2, D(p||q) is as large as the samples can tell."""
    rng = np.random.default_rng(3)
    p = rng.standard_normal((3000, 2)) + np.where(rng.random(3000) < 0.5, 6.0, -6.0)[:, None]
    found = two_way_kl(frame(p), frame(rng.standard_normal((3000, 2)) + 6.0), ["x0", "x1"], rng, n_null=50)
    assert found["forward"]["kl"] > 2.0 > 10 * found["forward"]["null_95"]
    assert found["backward"]["kl"] == pytest.approx(math.log(2.0), abs=0.1)


WRONG = {
    "uncorrelated instead of 0.2": lambda p, rng: rng.standard_normal(p.shape),
    "a fifth of sigma aside in each": lambda p, rng: p + 0.2,
    "a tenth too wide": lambda p, rng: 1.1 * p,
    "a tenth too narrow": lambda p, rng: p / 1.1,
    "a tail short of": lambda p, rng: p[p[:, 0] < 1.3],
}


@pytest.mark.training
@pytest.mark.parametrize("how", WRONG)
def test_wrong_on_purpose_exceeds_the_null(how: str) -> None:
    """At least one direction shows each of these errors in five correlated dimensions, with 4000 samples."""
    rng = np.random.default_rng(4)
    covariance = 0.2 + 0.8 * np.eye(5)
    p, other = (rng.multivariate_normal(np.zeros(5), covariance, N) for _ in range(2))
    found = two_way_kl(frame(p), frame(WRONG[how](other, rng)), [f"x{i}" for i in range(5)], rng, n_null=99)
    ways = [found[way] for way in ("forward", "backward")]
    assert min(row["p_value"] for row in ways) == pytest.approx(0.02)
    assert any(not row["null_05"] <= row["kl"] <= row["null_95"] for row in ways)


def test_correlations_are_seen_where_marginals_are_blind() -> None:
    rng = np.random.default_rng(5)
    p = frame(rng.standard_normal((3000, 2)))
    q = frame(rng.multivariate_normal([0.0, 0.0], [[1.0, 0.5], [0.5, 1.0]], 3000))
    assert all(row["p_value"] > 0.01 for row in compare_marginals(p, q, ["x0", "x1"], rng).values())
    found = two_way_kl(p, q, ["x0", "x1"], rng, n_null=99)
    assert found["forward"]["kl"] > 3 * found["forward"]["null_95"] > 0.0


# Angles --------------------------------------------------------------------------------------------------------------


def test_where_a_circle_is_cut_does_not_matter() -> None:
    """Beside a straight parameter; and measured as straight it does matter."""
    rng = np.random.default_rng(6)
    angles = [rng.vonmises(centre, 4.0, 1500) for centre in (0.0, 0.4)]
    straight = rng.standard_normal((2, 1500))

    def turned(turn: float) -> list[np.ndarray]:
        return [np.stack([np.mod(a + turn, 2 * np.pi), x], axis=-1) for a, x in zip(angles, straight, strict=True)]

    around = [nearest_neighbour_kl(*turned(turn), periodic={0: 2 * np.pi}) for turn in (0.0, 1.0, np.pi)]
    assert around == pytest.approx([around[0]] * 3, abs=1e-9)
    assert abs(nearest_neighbour_kl(*turned(0.0)) - around[0]) > 1e-3


def test_distances_on_the_circle_are_right() -> None:
    """Against all pairs, angle by angle the short way round."""
    rng = np.random.default_rng(7)
    p, q = (
        np.stack([rng.uniform(0, 3.0, n), rng.standard_normal(n), rng.uniform(-1, 1, n)], axis=-1) for n in (90, 70)
    )
    x, n_p, box = _common_coordinates(p, q, 2, {0: 3.0, 2: 2.0})
    apart = np.abs(x[:, None] - x[None])
    apart[..., [0, 2]] = np.minimum(apart[..., [0, 2]], box[[0, 2]] - apart[..., [0, 2]])
    distance = np.sort(np.linalg.norm(apart[:n_p, :n_p], axis=-1))[:, 2]
    other = np.sort(np.linalg.norm(apart[:n_p, n_p:], axis=-1))[:, 1]
    wanted = 3 * np.mean(np.log(other / distance)) + math.log(70 / 89)
    assert nearest_neighbour_kl(p, q, k=2, periodic={0: 3.0, 2: 2.0}) == pytest.approx(wanted)


def test_the_other_half_turn_of_a_phase_counts() -> None:
    rng = np.random.default_rng(8)
    folded = rng.vonmises(0.0, 50.0, (2, 2000))
    both = {"phase": np.mod(folded[0] + np.pi * rng.integers(2, size=2000), 2 * np.pi)}
    one = {"phase": np.mod(folded[1], 2 * np.pi)}
    found = two_way_kl(both, one, ["phase"], rng, periodic={"phase": 2 * np.pi}, n_null=50)
    assert found["forward"]["kl"] > 1.0
    assert found["backward"]["kl"] == pytest.approx(math.log(2.0), abs=0.1)


# What comes out, and what is refused ---------------------------------------------------------------------------------


def test_plain_values_and_most_rows() -> None:
    rng = np.random.default_rng(9)
    p, q = frame(rng.standard_normal((900, 2))), {"x0": rng.standard_normal(300), "x1": rng.standard_normal(300)}
    found = two_way_kl(p, q, ["x1"], rng, k=2, n_null=20, n_most=400)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["n_p"], found["n_q"], found["k"], found["keys"]) == (400, 300, 2, ["x1"])
    again = [two_way_kl(p, q, ["x1"], np.random.default_rng(1), n_null=5) for _ in range(2)]
    assert again[0] == again[1]


def test_repeated_samples_are_refused() -> None:
    """Within a set and across, also where only rounding parts them."""
    rng = np.random.default_rng(10)
    p, q = rng.standard_normal((200, 2)), rng.standard_normal((200, 2))
    with pytest.raises(DataError, match="3 of 403 samples repeat others"):
        nearest_neighbour_kl(np.concatenate([p, p[:3]]), q)
    with pytest.raises(DataError, match="1 of 401 samples repeat others"):
        nearest_neighbour_kl(p, np.concatenate([q, p[:1]]))
    with pytest.raises(DataError, match="1 of 401 samples repeat others"):
        nearest_neighbour_kl(p, np.concatenate([q, p[:1] + np.array([0.0, 2.0])]), periodic={1: 2.0})


def test_unusable_arguments_raise() -> None:
    rng = np.random.default_rng(11)
    p, q = rng.standard_normal((50, 2)), rng.standard_normal((40, 2))
    with pytest.raises(DataError, match="2 of 100 values"):
        nearest_neighbour_kl(np.where(np.arange(100).reshape(50, 2) < 2, np.nan, p), q)
    with pytest.raises(DataError, match="2 and 1 columns"):
        nearest_neighbour_kl(p, q[:, 0])
    with pytest.raises(DataError, match=r"at least k \+ 2 = 7"):
        nearest_neighbour_kl(p, q[:6])
    with pytest.raises(DataError, match=r"only .*value"):
        nearest_neighbour_kl(p * [1.0, 0.0], q * [1.0, 0.0])
    with pytest.raises(DataError, match=r"only .*value"):
        nearest_neighbour_kl(p * [1.0, 0.0], q * [1.0, 0.0], periodic={1: 1.0})
    with pytest.raises(DataError, match="subspace"):
        nearest_neighbour_kl(p[:, [0, 0]], q[:, [0, 0]])
    for wrong in ({"k": 0}, {"periodic": {2: 1.0}}, {"periodic": {0: -1.0}}):
        with pytest.raises(ConfigurationError):
            nearest_neighbour_kl(p, q, **wrong)
    with pytest.raises(DataError, match=r"\['y'\] are not in the first posterior"):
        two_way_kl(frame(p), frame(q), ["x0", "y"], rng)
    for keys, wrong in (
        (["x0"], {"periodic": {"x1": 1.0}}),
        ([], {}),
        (["x0"], {"n_null": 0}),
        (["x0"], {"n_most": 6}),
    ):
        with pytest.raises(ConfigurationError):
            two_way_kl(frame(p), frame(q), keys, rng, **wrong)
