r"""Divergence of marginal posteriors, beside the value that no difference at all would give.

**Marginals.** The Jensen-Shannon divergence of two sets of samples,

.. math:: \mathrm{JSD} = \tfrac12 \sum_b p_b \ln \frac{p_b}{m_b} + \tfrac12 \sum_b q_b \ln \frac{q_b}{m_b},
          \qquad m_b = \tfrac12 (p_b + q_b),

from the shares :math:`p_b, q_b` of the samples in bins that are equally probable under the pooled samples
("equal-probability histogram"), the outermost ones halved towards either end, or samples leaking over a hard prior edge
would share a bin with those inside. Such bins follow the samples: no bandwidth, nothing smeared over an edge, and the
same answer for any monotonic transform of the parameter. Between 0 and ln 2, in nats unless another base is asked for
(2 for bits, usual in gravitational-wave papers). Binning loses a little of the divergence, and finite samples add about
:math:`(K - 1)(1/n_p + 1/n_q)/8` for K bins. A bare figure therefore means nothing: it is to be compared with the
*floor*, the same estimator on samples of one distribution in the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

from ..errors import ConfigurationError, DataError

JSD_ESTIMATOR = "equal-probability histogram"
"""Name of the estimator behind every Jensen-Shannon divergence of this module, for tables and reports."""

_EDGE_HALVINGS = 3  # of either outermost bin


def jensen_shannon(
    samples_p: ArrayLike, samples_q: ArrayLike, *, base: float = math.e, n_bins: int | None = None
) -> float:
    """Jensen-Shannon divergence of one parameter's samples, by equal-probability histogram.

    Parameters
    ----------
    samples_p, samples_q
        Equal-weight samples, shapes (n_p,) and (n_q,), at least two each, any unit.
    base
        Of the logarithm: e for nats, 2 for bits.
    n_bins
        Number of bins, before those at the ends are halved; by default twice the cube root of the harmonic mean of the
        two numbers of samples.

    Returns
    -------
    float
        From 0 to the logarithm of 2 in that base; above zero by chance even for equal distributions.

    Raises
    ------
    DataError
        If samples are not finite, not one-dimensional, or fewer than two.
    ConfigurationError
        If ``base`` is not above 1 or ``n_bins`` not at least 2.
    """
    counts_p, counts_q = _bin_counts(_samples(samples_p), _samples(samples_q), n_bins)
    return float(_jsd(counts_p, counts_q, base))


def split_half_floor(
    samples: ArrayLike,
    n_repeats: int = 200,
    rng: np.random.Generator | None = None,
    *,
    base: float = math.e,
    n_bins: int | None = None,
) -> dict[str, float]:
    """Divergence between random halves of one set of samples: what the estimator says where nothing differs.

    Halves have half the samples, so this is about twice the floor of a comparison between two sets of the full size;
    :func:`compare_marginals` gives that one. Samples are taken as independent: a Markov chain that was not thinned has
    a higher floor than random halves show.

    Parameters
    ----------
    samples
        Equal-weight samples, shape (n,), at least four.
    n_repeats
        Number of random splits.
    rng
        Source of the random numbers; a fresh one by default.
    base, n_bins
        As in :func:`jensen_shannon`.

    Returns
    -------
    dict
        ``median`` and ``percentile_90`` over the splits, in units of ``base``.

    Raises
    ------
    DataError
        As :func:`jensen_shannon` does, or if there are fewer than four samples.
    ConfigurationError
        As :func:`jensen_shannon` does, or if ``n_repeats`` is below 1.
    """
    values = _samples(samples, at_least=4)
    half = values.size // 2
    pooled = np.add(*_bin_counts(values[:half], values[half:], n_bins))
    null = _null(pooled, half, n_repeats, np.random.default_rng() if rng is None else rng, base)
    return {"median": float(np.median(null)), "percentile_90": float(np.quantile(null, 0.9))}


def compare_marginals(
    posterior_p: Mapping[str, ArrayLike],
    posterior_q: Mapping[str, ArrayLike],
    keys: Iterable[str],
    rng: np.random.Generator,
    *,
    base: float = math.e,
    n_bins: int | None = None,
    n_repeats: int = 200,
) -> dict[str, dict[str, float]]:
    """Jensen-Shannon divergence of every parameter, beside what chance alone would give.

    The floor is the permutation null: both sets pooled, dealt out again at random in the same two numbers, in the same
    bins. It answers "could these be samples of one distribution?"; the split halves of each set alone tell whether one
    of them is short. Correlations between parameters are not looked at.

    Parameters
    ----------
    posterior_p, posterior_q
        Samples by parameter name (a dictionary or a data frame), equal weight, independent.
    keys
        Parameters to compare.
    rng
        Source of the random numbers.
    base, n_bins
        As in :func:`jensen_shannon`.
    n_repeats
        Number of random deals and of random splits.

    Returns
    -------
    dict
        By parameter: ``jsd``; ``floor_median`` and ``floor_90`` of the null at the sizes of this pair; ``p_value``, the
        share of the null at or above ``jsd``; ``split_half_p_90`` and ``split_half_q_90`` of :func:`split_half_floor`.

    Raises
    ------
    DataError
        If a parameter is missing, or its samples are not usable.
    ConfigurationError
        As :func:`split_half_floor` does.
    """
    table: dict[str, dict[str, float]] = {}
    for key in keys:
        missing = [
            name for name, posterior in (("first", posterior_p), ("second", posterior_q)) if key not in posterior
        ]
        if missing:
            raise DataError(f"parameter {key!r} is not in the {' and '.join(missing)} posterior")
        p, q = _samples(posterior_p[key], at_least=4), _samples(posterior_q[key], at_least=4)
        counts_p, counts_q = _bin_counts(p, q, n_bins)
        jsd = float(_jsd(counts_p, counts_q, base))
        null = _null(counts_p + counts_q, p.size, n_repeats, rng, base)
        halves = [split_half_floor(s, n_repeats, rng, base=base, n_bins=n_bins)["percentile_90"] for s in (p, q)]
        table[key] = {
            "jsd": jsd,
            "floor_median": float(np.median(null)),
            "floor_90": float(np.quantile(null, 0.9)),
            # The observed deal is one of the possible ones; rounding must not part it from its equals.
            "p_value": float((1 + np.sum(null >= jsd - 1e-12)) / (1 + n_repeats)),
            "split_half_p_90": halves[0],
            "split_half_q_90": halves[1],
        }
    return table


def _samples(samples: ArrayLike, at_least: int = 2) -> NDArray[np.float64]:
    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 1 or values.size < at_least:
        raise DataError(f"samples must be a vector of at least {at_least}, got shape {values.shape}")
    if bad := int(np.sum(~np.isfinite(values))):
        raise DataError(f"{bad} of {values.size} samples are not finite")
    return values


def _bin_counts(
    p: NDArray[np.float64], q: NDArray[np.float64], n_bins: int | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the samples of either set in each bin of equal pooled probability (fewer bins where values repeat)."""
    if n_bins is None:
        n_bins = max(2, math.ceil(2.0 * (2.0 / (1.0 / p.size + 1.0 / q.size)) ** (1 / 3)))
    if n_bins < 2:
        raise ConfigurationError(f"n_bins={n_bins} must be at least 2")
    # Labels play no part in the bins, so the permutation null is exact; "inverted_cdf" answers with samples, for ties.
    ends = 0.5 ** np.arange(1, _EDGE_HALVINGS + 1) / n_bins
    probabilities = np.concatenate([ends, np.arange(1, n_bins) / n_bins, 1.0 - ends])
    edges = np.unique(np.quantile(np.concatenate([p, q]), probabilities, method="inverted_cdf"))
    counts = [np.bincount(np.searchsorted(edges, s, side="left"), minlength=edges.size + 1) for s in (p, q)]
    return counts[0], counts[1]


def _jsd(counts_p: NDArray[np.int64], counts_q: NDArray[np.int64], base: float) -> NDArray[np.float64]:
    """Divergence over the last axis of bin counts."""
    if not 1.0 < base < math.inf:
        raise ConfigurationError(f"base={base} of the logarithm must be finite and above 1")
    p = counts_p / counts_p.sum(axis=-1, keepdims=True)
    q = counts_q / counts_q.sum(axis=-1, keepdims=True)
    m = 0.5 * (p + q)
    # As entropies: no ratio to go wrong in an empty bin.
    jsd: NDArray[np.float64] = (0.5 * (xlogy(p, p) + xlogy(q, q)) - xlogy(m, m)).sum(axis=-1) / math.log(base)
    return np.maximum(jsd, 0.0)


def _null(
    pooled: NDArray[np.int64], n_first: int, n_repeats: int, rng: np.random.Generator, base: float
) -> NDArray[np.float64]:
    """Divergences of random deals of the pooled samples: dealing samples out is a hypergeometric draw of bin counts."""
    if n_repeats < 1:
        raise ConfigurationError(f"n_repeats={n_repeats} must be at least 1")
    first = rng.multivariate_hypergeometric(pooled, n_first, size=n_repeats, method="marginals")
    return _jsd(first, pooled - first, base)
